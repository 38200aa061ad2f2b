"""Batch inference by several processes under torchrun: each subject once, one report, the bytes of a single process."""

import csv
import json
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers.bundle_run import run_bundle
from helpers.tiny_inference import TINY, flags, images_of, tiny_weights, write_subject, written
from scripts.conventions import ConfigError
from scripts.runtime.distributed import Processes, own_share, process_number
from scripts.runtime.startup import refuse_unshared

pytestmark = pytest.mark.slow

CONFIG = "['configs/inference.json','configs/multi_gpu_inference.json']"
SUBJECTS = ("a", "b", "c")
BROKEN = ("a_broken", "d_broken")  # of five in order the second, for process 1, and the last, for process 0
# What the clock says, by kind of file; all the rest must be equal byte by byte.
CLOCK = {
    ".json": r'"seconds": \{[^}]*\}|"seconds_\w+": [\d.e-]+',
    ".csv": r",[\d.]+,[\d.]+(?=,[0-9a-f]{64}\n)",
    ".html": r'<td class="number">[\d.]+</td>(?=</tr>)|[\d.]+ s in all',
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def cohort(phantom_folder, tmp_path_factory):
    """Three subjects, and two whose cine is no image."""
    folder = tmp_path_factory.mktemp("cohort")
    images = images_of(phantom_folder / "phantom_0001", slice(2, 4))
    for name in (*SUBJECTS, *BROKEN):
        write_subject(folder / name, images)
    for name in BROKEN:
        (folder / name / "cine.nii.gz").write_bytes(b"not an image")
    return folder


TWO = ("--standalone", "--nproc_per_node=2")


def infer(cohort, out, weights, torchrun=()):
    """One job; with options of torchrun as several processes."""
    tiny = {key: value for key, value in TINY.items() if key != "device"}
    common = flags(dataset_dir=cohort, output_dir=out, ckpt_dir=weights, **tiny)
    if not torchrun:
        return run_bundle("--config_file", "configs/inference.json", *common, "--device", "cpu")
    launcher = ("-m", "torch.distributed.run", *torchrun)
    return run_bundle("--config_file", CONFIG, *common, launcher=launcher, CUDA_VISIBLE_DEVICES="")


def timeless(path):
    """The bytes of a file, what the clock says replaced; fails where a file with seconds in it shows none."""
    if path.suffix not in CLOCK or path.name == "failed_cases.csv":
        return path.read_bytes()
    text, found = re.subn(CLOCK[path.suffix], "<clock>", path.read_text())
    assert found, path.name
    return text.encode()


@pytest.fixture(scope="module")
def one_process(cohort, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    done = infer(cohort, out, weights)
    assert done.returncode == 2, done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def two_processes(cohort, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    return out, infer(cohort, out, weights, TWO)


def test_two_processes_write_the_bytes_of_one(one_process, two_processes):
    single, several = written(one_process), written(two_processes[0])
    assert set(single) == set(several) and len(single) == 5 + 4 * len(SUBJECTS)
    for name, path in single.items():
        assert timeless(path) == timeless(several[name]), name


def test_each_subject_is_done_once_and_a_failed_one_fails_the_run(two_processes):
    out, done = two_processes
    assert done.returncode != 0 and "exitcode  : 2" in done.stderr, done.stderr[-3000:]
    assert "SIGABRT" not in done.stderr
    for name in SUBJECTS:
        assert len(re.findall(rf"subject \d/\d {name}: 2 slices", done.stdout)) == 1, name
    assert done.stdout.count("failed, see failed_cases.csv") == 1
    assert done.stdout.count("results:\n") == 1
    run = json.loads((out / "run.json").read_text())
    assert run["subjects"] == {"written": len(SUBJECTS), "written_earlier": 0, "failed": len(BROKEN)}


def test_a_second_run_with_less_subjects_than_processes_makes_only_what_is_missing(
    cohort, weights, one_process, two_processes, tmp_path
):
    out = tmp_path / "out"
    shutil.copytree(cohort, tmp_path / "in", ignore=shutil.ignore_patterns(*BROKEN))
    shutil.copytree(two_processes[0], out)
    kept = (out / "a/a_result.json").stat().st_mtime_ns
    (out / "b/b_result.json").unlink()
    done = infer(tmp_path / "in", out, weights, TWO)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "a/a_result.json").stat().st_mtime_ns == kept
    assert timeless(out / "b/b_result.json") == timeless(one_process / "b/b_result.json")
    assert json.loads((out / "run.json").read_text())["subjects"] == {"written": 1, "written_earlier": 2, "failed": 0}
    with (out / "summary.csv").open(newline="") as stream:
        assert [row["subject"] for row in csv.DictReader(stream)] == list(SUBJECTS)


def test_a_process_that_cannot_write_ends_those_on_other_machines_too(cohort, weights, tmp_path):
    (tmp_path / "c").write_text("a file where a folder of process 1 belongs")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    meeting = ("--nnodes=2", "--nproc_per_node=1", "--master_addr=localhost", f"--master_port={port}")
    with ThreadPoolExecutor(2) as machines:
        ends = [machines.submit(infer, cohort, tmp_path, weights, (*meeting, f"--node_rank={n}")) for n in range(2)]
        first, second = (end.result() for end in ends)
    assert first.returncode != 0 and second.returncode != 0
    assert second.stderr.count("ERROR: c/") == 1 and "could not be written" in second.stderr
    assert "Connection closed by peer" in first.stderr or "Connection reset" in first.stderr, first.stderr[-3000:]
    assert not (tmp_path / "summary.csv").exists()


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_every_entry_belongs_to_exactly_one_process(processes, monkeypatch):
    entries = list("abcde")
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.barrier", lambda: None)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        shares += own_share(entries)
    assert sorted(shares) == entries


def test_without_torchrun_a_process_takes_all(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    alone = Processes()
    alone.join()
    assert own_share(("a", "b")) == ["a", "b"] and process_number() == 0
    alone.leave()


def test_a_process_takes_the_gpu_of_its_local_rank_and_says_when_there_is_none(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Processes().device == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match="no GPU for local process 2; found 2"):
        _ = Processes().device
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert Processes().device == torch.device("cpu")


def test_torchrun_with_configs_for_one_process_is_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "1")
    refuse_unshared()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="started 2 processes.*\n.*configs/multi_gpu_inference.json"):
        refuse_unshared()
