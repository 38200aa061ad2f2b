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
from scripts.runtime.interruption import what_is_kept

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def ended(arguments, number, ready):
    """Exit code and errors of a job that gets a signal once ``ready`` is true; and the seconds until all is gone."""
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", *map(str, arguments)]
    options = {"cwd": BUNDLE, "stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    options["env"] = {**os.environ, "OMP_NUM_THREADS": "1"}
    options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    job = subprocess.Popen(command, start_new_session=True, **options)
    try:
        deadline = time.monotonic() + 200
        while not ready() and job.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        workers = psutil.Process(job.pid).children(recursive=True)
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
    code, stderr, workers, alive = ended(arguments, number, last.is_file)
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
