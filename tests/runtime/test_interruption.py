"""Ctrl-C and SIGTERM in whole jobs: one line, an exit status that shells know, no process left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from helpers.bundle_run import BUNDLE
from helpers.tiny_inference import TINY, flags, tiny_weights
from helpers.tiny_training import TINY as TINY_TRAINING
from scripts.runtime.interruption import Terminated, answer_signals, what_is_kept

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def ended(arguments, number, ready, least_workers=0):
    """Exit code and errors of a job that gets a signal once ``ready`` is true; its workers, and those that outlive it.

    Between two epochs there are no workers: a signal waits for the next ones.
    """
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", *map(str, arguments)]
    options = {"cwd": BUNDLE, "stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    options["env"] = {**os.environ, "OMP_NUM_THREADS": "1"}
    options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    job = subprocess.Popen(command, start_new_session=True, **options)
    try:
        deadline = time.monotonic() + 200
        workers = []
        while job.poll() is None and time.monotonic() < deadline:
            workers = psutil.Process(job.pid).children(recursive=True)
            if ready() and len(workers) >= least_workers:
                break
            time.sleep(0.1)
        os.kill(job.pid, number)
        stderr = job.communicate(timeout=60)[1]
        _, alive = psutil.wait_procs(workers, timeout=2)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
    return job.returncode, stderr, workers, alive


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_stopped_says_how_to_go_on_and_takes_its_workers_along(phantom_folder, tmp_path, number):
    settings = {**TINY_TRAINING, "dataset_dir": phantom_folder, "output_dir": tmp_path, "epochs": 500, "num_workers": 2}
    last = tmp_path / "checkpoints/last.pt"
    arguments = ["training", "--config_file", "configs/train.json", *flags(**settings)]
    code, stderr, workers, alive = ended(arguments, number, last.is_file, least_workers=2)
    assert code == -number and len(workers) >= 2 and not alive
    line = stderr.strip().splitlines()[-1]
    assert line.startswith("Stopped by ") and "--resume auto" in line and "Traceback" not in stderr


@pytest.mark.slow
def test_an_inference_that_is_told_to_end_keeps_what_is_finished(phantom_folder, tmp_path):
    out = tmp_path / "out"
    settings = {**TINY, "dataset_dir": phantom_folder, "output_dir": out, "ckpt_dir": tiny_weights(tmp_path)}
    arguments = ["--config_file", "configs/inference.json", *flags(**settings)]
    code, stderr, *_ = ended(arguments, signal.SIGTERM, lambda: list(out.glob("*/*_result.json")))
    assert code == -signal.SIGTERM
    assert stderr.strip().splitlines()[-1].startswith("Stopped by SIGTERM. What is finished")
    assert not list(out.rglob(".part-*"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["train.json"], "--resume auto"),
        (["train.json", "evaluate.json"], "give the same command again"),
        (["inference.json"], "the same command goes on."),
        (["inference.json", "study.json"], "the same command goes on."),
        (["compare.json"], "give the same command again"),
    ],
)
def test_what_is_kept_depends_on_the_job(files, said):
    given = {"config_file": str([str(BUNDLE / "configs" / file) for file in files])}
    assert said in what_is_kept(given)
    assert "without --overwrite true" not in what_is_kept(given)
    if "goes on." in said:
        assert "without --overwrite true" in what_is_kept(given | {"overwrite": "True"})


class Interrupted:
    """An object during whose end a signal arrives."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_that_arrives_while_an_object_is_deleted_is_not_lost(monkeypatch, number, kind):
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    try:
        answer_signals()
        with pytest.raises(kind):
            thing = Interrupted(number)
            del thing
            time.sleep(5)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_other_errors_of_a_deletion_are_told_as_python_tells_them(monkeypatch, capsys):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = signal.getsignal(signal.SIGTERM)
    try:
        answer_signals()
        thing = Interrupted("no number")
        del thing
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "TypeError" in capsys.readouterr().err
