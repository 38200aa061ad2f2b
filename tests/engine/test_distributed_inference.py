"""Batch inference by several processes under torchrun: each subject once, one report, the bytes of a single process."""

import csv
import json

import pytest
from bundle_run import run_bundle
from scripts.engine.distributed import own_share
from tiny_inference import TINY, flags, images_of, tiny_weights, write_subject, written

CONFIG = "['configs/inference.json','configs/multi_gpu_inference.json']"
SUBJECTS = ("a", "b", "c")
_SECONDS = ("seconds", "seconds_network", "seconds_total", "seconds_per_slice")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def cohort(phantom_folder, tmp_path_factory):
    """Three subjects, and one whose cine is no image."""
    folder = tmp_path_factory.mktemp("cohort")
    images = images_of(phantom_folder / "phantom_0001", slice(2, 4))
    for name in SUBJECTS:
        write_subject(folder / name, images)
    write_subject(folder / "broken", images)
    (folder / "broken" / "cine.nii.gz").write_bytes(b"not an image")
    return folder


def infer(cohort, out, weights, processes=1):
    tiny = {key: value for key, value in TINY.items() if key != "device"}
    common = flags(dataset_dir=cohort, output_dir=out, ckpt_dir=weights, **tiny)
    if processes == 1:
        return run_bundle("--config_file", "configs/inference.json", *common, "--device", "cpu")
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
    return run_bundle("--config_file", CONFIG, *common, launcher=launcher, CUDA_VISIBLE_DEVICES="")


def timeless(content):
    """JSON without seconds, at any depth."""
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in _SECONDS}
    return [timeless(value) for value in content] if isinstance(content, list) else content


def compared(path):
    """What must be equal between two runs: the bytes, or the content but for the clock."""
    if path.suffix == ".json":
        return timeless(json.loads(path.read_text()))
    if path.name == "summary.csv":
        with path.open(newline="") as stream:
            return [timeless(row) for row in csv.DictReader(stream)]
    return "a page with seconds" if path.name == "index.html" else path.read_bytes()


@pytest.fixture(scope="module")
def one_process(cohort, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    done = infer(cohort, out, weights)
    assert done.returncode == 2, done.stderr[-2000:]
    return out


@pytest.mark.parametrize("processes", [2, 5])
def test_several_processes_write_what_one_writes_and_fail_when_it_does(
    processes, cohort, weights, one_process, tmp_path
):
    done = infer(cohort, tmp_path, weights, processes)
    assert done.returncode != 0 and "exitcode  : 2" in done.stderr, done.stderr[-3000:]
    single, several = written(one_process), written(tmp_path)
    assert set(single) == set(several)
    for name, path in single.items():
        assert compared(path) == compared(several[name]), name
    assert json.loads((tmp_path / "run.json").read_text())["subjects"]["written"] == len(SUBJECTS)
    page = (tmp_path / "index.html").read_text()
    assert all(f"{name}_preview.png" in page for name in SUBJECTS) and "broken" in page
    assert done.stdout.count("subject(s) failed, see failed_cases.csv") == 1
    assert json.loads((tmp_path / "run.json").read_text())["seconds_total"] > 0.05


def test_a_second_run_makes_only_what_is_missing_and_reports_all(cohort, weights, tmp_path):
    two = tmp_path / "cohort"
    for name in SUBJECTS:
        (two / name).mkdir(parents=True)
        for path in (cohort / name).iterdir():
            (two / name / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "out"
    assert infer(two, out, weights, 2).returncode == 0
    kept = (out / "a/a_result.json").stat().st_mtime_ns
    (out / "b/b_result.json").unlink()
    assert infer(two, out, weights, 2).returncode == 0
    run = json.loads((out / "run.json").read_text())
    assert run["subjects"] == {"written": 1, "written_earlier": 2, "failed": 0}
    assert (out / "a/a_result.json").stat().st_mtime_ns == kept and (out / "b/b_result.json").is_file()


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


def test_without_torchrun_a_process_takes_all():
    assert own_share(("a", "b")) == ["a", "b"]
