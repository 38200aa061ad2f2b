"""Cohorts on disk: same bytes whatever the workers, split by subject, resumed, made for training only when needed."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.fake_phantom import fake_subject, use_fakes
from scripts.conventions import ConfigError, DataError
from scripts.datasets.datalist import split
from scripts.phantom import subject
from scripts.phantom.cohort import cohort
from scripts.phantom.cohort.cohort import DefaultCohort, PhantomCohort, PhantomStudy
from scripts.phantom.cohort.plans import SPLITS, CohortPlan, planned_cohorts, split_of_subjects
from scripts.phantom.parameters import GENERATOR_VERSION, PhantomParameters
from threadpoolctl import threadpool_info, threadpool_limits

PLAN = CohortPlan(3, seed=5, parameters=PhantomParameters(phases=2))


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    use_fakes(monkeypatch)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def made(folder: Path, plan: CohortPlan = PLAN, **options) -> Path:
    PhantomCohort(folder, plan, **{"num_workers": 1, **options}).run()
    return folder


@pytest.mark.parametrize("file_format", ["nifti", "both"])
def test_same_plan_gives_the_same_bytes_with_one_or_two_workers(tmp_path, file_format):
    plan = replace(PLAN, file_format=file_format)
    assert digests(made(tmp_path / "one", plan)) == digests(made(tmp_path / "two", plan, num_workers=2))


def test_dataset_lists_every_subject_once_with_what_is_known_of_it(tmp_path):
    dataset = json.loads((made(tmp_path) / "dataset.json").read_text())
    entries = [entry for name in SPLITS for entry in dataset[name]]
    assert sorted(entry["subject"] for entry in entries) == ["phantom_0001", "phantom_0002", "phantom_0003"]
    assert all(len(dataset[name]) == 1 for name in SPLITS)
    assert dataset["phantom"] == PLAN.recorded() and dataset["phantom"]["parameters"]["generator"] == GENERATOR_VERSION
    for entry in entries:
        assert all((tmp_path / entry[key]).is_file() for key in ("cine", "t2_stir", "lge", "label", "meta"))
        known = {key: entry[key] for key in ("vendor", "field_strength_t", "cohort", "seed", "condition", "truth")}
        assert known == {
            "vendor": "siemens",
            "field_strength_t": 1.5,
            "cohort": "custom",
            "seed": 5,
            "condition": "acute_mi",
            "truth": {"infarct_percent_lv": 20.0},
        }
    assert split(tmp_path, "training")[0]["usable_slices"] == [1, 2, 3]


def test_meta_says_which_cohort_and_what_decided_the_bytes(tmp_path):
    meta = json.loads((made(tmp_path) / "phantom_0002" / "meta.json").read_text())
    assert meta["cohort"] == "custom" and meta["phantom"] == {"index": 2, **PLAN.origin()}


@pytest.mark.parametrize(("file_format", "beside"), [("dicom", []), ("both", ["phantom_0001"])])
def test_dicom_lies_in_a_folder_of_its_own_with_its_meta_beside_it(tmp_path, file_format, beside):
    made(tmp_path, CohortPlan(1, seed=5, file_format=file_format))
    assert names(tmp_path) == ["dataset.json", "dicom", *beside]
    assert names(tmp_path / "dicom") == ["phantom_0001", "phantom_0001.json"]
    assert [path.suffix for path in (tmp_path / "dicom" / "phantom_0001").rglob("*.*")] == [".dcm"]
    (entry,) = json.loads((tmp_path / "dataset.json").read_text())["training"]
    assert (tmp_path / entry["dicom"]).is_dir() and (tmp_path / entry["meta"]).is_file()
    assert ("cine" in entry) == bool(beside) and entry["truth"] == {"infarct_percent_lv": 20.0}


def test_subjects_are_made_on_one_thread_each_because_more_change_the_bytes(tmp_path, monkeypatch):
    threads = []

    def noted(index, seed, parameters, views=False, stream=0):
        threads.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return fake_subject(index, seed, parameters)

    monkeypatch.setattr(subject, "make_subject", noted)
    with threadpool_limits(limits=2, user_api="blas"):
        made(tmp_path, CohortPlan(1))
    assert threads and set(threads) == {1}


def test_views_are_made_for_dicom_only(tmp_path, monkeypatch):
    asked = []

    def noted(index, seed, parameters, views=False, stream=0):
        asked.append(views)
        return fake_subject(index, seed, parameters)

    monkeypatch.setattr(subject, "make_subject", noted)
    for file_format in ("nifti", "dicom", "both"):
        made(tmp_path / file_format, CohortPlan(1, file_format=file_format))
    assert asked == [False, True, True]


def test_split_depends_on_the_seed_and_keeps_its_sizes():
    first, second = split_of_subjects(64, 1, (0.125, 0.125)), split_of_subjects(64, 2, (0.125, 0.125))
    assert first != second
    assert [first.count(name) for name in SPLITS] == [48, 8, 8]
    assert split_of_subjects(1, 1, (0.125, 0.125)) == ["training"]
    assert split_of_subjects(4, 1, (0.0, 1.0)) == ["testing"] * 4
    assert sorted(split_of_subjects(3, 1, (0.5, 0.5))) == ["testing", "testing", "validation"]


@pytest.mark.parametrize("file_format", ["nifti", "dicom", "both"])
def test_interrupted_run_goes_on_and_keeps_finished_subjects(tmp_path, monkeypatch, file_format):
    plan = CohortPlan(2, seed=5, file_format=file_format)

    def fails_at_the_second(index, seed, parameters, views=False, stream=0):
        if index == 2:
            raise KeyboardInterrupt
        return fake_subject(index, seed, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(subject, "make_subject", fails_at_the_second)
        with pytest.raises(DataError, match="interrupted.*Fix:"):
            made(tmp_path, plan)
    (tmp_path / ".phantom_0002.part").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    made(tmp_path, plan)
    assert before and all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len(json.loads((tmp_path / "dataset.json").read_text())["training"]) == 2


def test_dicom_that_was_cut_short_is_made_again(tmp_path, monkeypatch):
    plan = CohortPlan(1, file_format="dicom")
    with monkeypatch.context() as patch:
        patch.setattr("scripts.phantom.dicom.writer.write_dicom_subject", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made(tmp_path, plan)
    assert names(tmp_path / "dicom") == ["phantom_0001.json"]
    assert names(made(tmp_path, plan) / "dicom") == ["phantom_0001", "phantom_0001.json"]


@pytest.mark.parametrize("num_workers", [-1, 2.5, True])
def test_number_of_workers_out_of_range_is_named_with_what_is_allowed(tmp_path, num_workers):
    with pytest.raises(ConfigError, match="num_workers: found "):
        PhantomCohort(tmp_path, PLAN, num_workers)


def test_disk_that_cannot_be_written_is_a_readable_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="phantom_0001: could not be written: No space left on device"):
        made(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_is_a_readable_error(tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "make_subject", lambda *_, **__: cohort.os._exit(1))
    with pytest.raises(DataError, match="worker process died.*--num_workers 1"):
        made(tmp_path, num_workers=2)


def test_study_writes_three_cohorts_that_share_no_subject(tmp_path):
    plans = planned_cohorts("paper", 7, "nifti", {"phases": 4}, cohort_sizes=[10, 3, 2])
    PhantomStudy(tmp_path, plans, num_workers=1).run()
    assert names(tmp_path) == ["clean", "external", "internal"]
    datasets = {name: json.loads((tmp_path / name / "dataset.json").read_text()) for name in names(tmp_path)}
    sizes = {name: [len(dataset[one]) for one in SPLITS] for name, dataset in datasets.items()}
    assert sizes == {"internal": [7, 1, 2], "external": [0, 0, 3], "clean": [0, 0, 2]}
    entries = [entry for dataset in datasets.values() for name in SPLITS for entry in dataset[name]]
    assert len({entry["subject"] for entry in entries}) == 15
    assert len({(entry["seed"], entry["subject"]) for entry in entries}) == 15
    pictures = [file for name in datasets for file in (tmp_path / name).glob("*/lge.nii.gz")]
    assert len({hashlib.sha256(file.read_bytes()).hexdigest() for file in pictures}) == 15
    scanners = {name: {(e["vendor"], e["field_strength_t"]) for e in datasets[name]["testing"]} for name in datasets}
    assert scanners["external"] == {("uih", 3.0)} and not scanners["external"] & scanners["internal"]
    assert split(tmp_path / "external", "testing")[0]["subject"] == "phantom_1001"


def test_small_cohort_is_made_only_for_the_default_folder(tmp_path, caplog):
    default = tmp_path / "data" / "phantom"
    with pytest.raises(DataError, match="correct --dataset_dir"):
        DefaultCohort(str(tmp_path / "typo"), str(default)).run()
    assert not default.exists()
    assert DefaultCohort(str(tmp_path), str(default)).run() is False
    with caplog.at_level(logging.INFO):
        assert DefaultCohort(str(default), str(default), subjects=1, seed=3, num_workers=1).run() is True
    assert "make_phantom.json --cohort paper" in caplog.text
    recorded = json.loads((default / "dataset.json").read_text())["phantom"]["parameters"]
    assert recorded["stored_phases"] == "key" and recorded["phases"] == 25
    assert DefaultCohort(str(default), str(default), subjects=1, seed=3).run() is False


def test_data_of_the_user_in_the_default_folder_is_used_as_it_is(tmp_path):
    (tmp_path / "patient_1").mkdir()
    assert DefaultCohort(str(tmp_path), str(tmp_path), subjects=1).run() is False
    assert names(tmp_path) == ["patient_1"]


# What the first and the fourth generator recorded of a cohort.
EARLIER = {1: {"phases": 8}, 4: {"cohort": "automatic", "parameters": {"generator": 4, "phases": 25}}}


def earlier_cohort(folder: Path, generator: int) -> dict:
    """One subject of it, as an interrupted run left it; returns what is the same in its dataset.json."""
    (folder / "phantom_0001").mkdir(parents=True)
    origin = {"seed": 7, **EARLIER[generator]}
    meta = {"vendor": "ge", "phantom": origin | {"index": 1}}
    (folder / "phantom_0001" / "meta.json").write_text(json.dumps(meta))
    return origin | {"subjects": 1, "held_out": [0.125, 0.125]}


@pytest.mark.parametrize("generator", EARLIER)
def test_an_earlier_generators_default_cohort_is_used_when_whole_and_named_when_not(tmp_path, caplog, generator):
    recorded = earlier_cohort(tmp_path, generator)
    message = rf"phantom_0001: .*generator {generator}; expected generator {GENERATOR_VERSION}.*--overwrite"
    with pytest.raises(DataError, match=message):
        DefaultCohort(str(tmp_path), str(tmp_path), subjects=1, seed=7).run()
    (tmp_path / "dataset.json").write_text(json.dumps({"phantom": recorded, "training": []}))
    assert DefaultCohort(str(tmp_path), str(tmp_path), subjects=1, seed=7).run() is False
    assert f"generator {generator}, this is generator {GENERATOR_VERSION}; it is used as it is" in caplog.text


def test_study_in_the_default_folder_points_to_its_internal_cohort(tmp_path):
    PhantomStudy(tmp_path, planned_cohorts("paper", 0, "nifti", {}, cohort_sizes=[1, 1, 1]), num_workers=1).run()
    with pytest.raises(DataError, match="Fix: --dataset_dir .*internal"):
        DefaultCohort(str(tmp_path), str(tmp_path)).run()
