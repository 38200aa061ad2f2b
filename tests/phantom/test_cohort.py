"""Cohorts on disk: same bytes whatever the workers, split by subject, resumed, and refused where they do not belong."""

import hashlib
import json
import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scripts.conventions import ConfigError, DataError
from scripts.phantom import cohort
from scripts.phantom.cohort import PhantomCohort, make_cohort_if_absent, split_of_subjects
from scripts.phantom.writer import make_subject, truth_of, write_subject


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "one"
    PhantomCohort(str(folder), subjects=3, seed=5, phases=2, num_workers=1).run()
    return folder


def test_same_seed_gives_the_same_bytes_with_one_or_two_workers(small, tmp_path):
    PhantomCohort(str(tmp_path / "two"), subjects=3, seed=5, phases=2, num_workers=2).run()
    assert digests(small) == digests(tmp_path / "two")


def test_other_seed_gives_another_heart_and_phases_change_the_cine_only():
    first, same, other = make_subject(1, 5, 2), make_subject(1, 5, 3), make_subject(1, 6, 2)
    assert not np.array_equal(first.volumes["label"], other.volumes["label"])
    for name in ("label", "lge", "t2_stir"):
        np.testing.assert_array_equal(first.volumes[name], same.volumes[name])


def test_layout_on_disk_is_that_of_the_contract_and_reads_back(small):
    subject = make_subject(1, 5, 2)
    folder = small / "phantom_0001"
    assert sorted(path.name for path in folder.iterdir()) == [
        "cine.nii.gz",
        "label.nii.gz",
        "lge.nii.gz",
        "meta.json",
        "t2_stir.nii.gz",
    ]
    for name, volume in subject.volumes.items():
        image = nib.load(folder / f"{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), volume)
        np.testing.assert_allclose(image.affine, subject.affine, atol=1e-4)
        np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["vendor"] in ("siemens", "philips", "ge", "uih") and meta["field_strength_t"] in (1.5, 3.0)
    assert len(meta["cine_trigger_times_ms"]) == 2 and meta["lge_trigger_time_ms"] > 0
    assert meta["truth"]["infarct_percent_lv"] == truth_of(subject.volumes["label"])["infarct_percent_lv"]


def test_dataset_lists_every_subject_once_with_relative_paths_and_truth(small):
    dataset = json.loads((small / "dataset.json").read_text())
    entries = [entry for split in ("training", "validation", "testing") for entry in dataset[split]]
    assert sorted(entry["subject"] for entry in entries) == ["phantom_0001", "phantom_0002", "phantom_0003"]
    assert all(len(dataset[split]) == 1 for split in ("training", "validation", "testing"))
    for entry in entries:
        assert all((small / entry[key]).is_file() for key in ("cine", "t2_stir", "lge", "label", "meta"))
        assert entry["seed"] == 5 and 0 <= entry["infarct_percent_lv"] <= 60


def test_split_depends_on_the_seed_and_keeps_its_sizes():
    first, second = split_of_subjects(64, 1, (0.125, 0.125)), split_of_subjects(64, 2, (0.125, 0.125))
    assert first != second
    assert [first.count(name) for name in cohort.SPLITS] == [48, 8, 8]
    assert split_of_subjects(1, 1, (0.125, 0.125)) == ["training"]


def test_sizes_of_the_truth_count_voxels_of_the_label():
    label = np.repeat(np.array([1, 2, 3, 4, 5, 6], dtype=np.uint8), [50, 70, 15, 5, 10, 9])
    assert truth_of(label) == {"infarct_percent_lv": 20.0, "no_reflow_percent_lv": 5.0, "area_at_risk_percent_lv": 30.0}


def test_interrupted_run_goes_on_and_keeps_finished_subjects(tmp_path):
    write_subject(make_subject(1, 5, 1), tmp_path)
    (tmp_path / ".phantom_0002.part").mkdir()
    before = (tmp_path / "phantom_0001" / "cine.nii.gz").stat().st_mtime_ns
    PhantomCohort(str(tmp_path), subjects=2, seed=5, phases=1, num_workers=1).run()
    assert (tmp_path / "phantom_0001" / "cine.nii.gz").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "phantom_0001", "phantom_0002"]


def test_another_cohort_is_refused_and_replaced_only_on_demand(tmp_path):
    PhantomCohort(str(tmp_path), subjects=2, seed=5, phases=1, num_workers=1).run()
    with pytest.raises(DataError, match=r"found another dataset.*'seed': 5.*--overwrite true"):
        PhantomCohort(str(tmp_path), subjects=1, seed=6, phases=1, num_workers=1).run()
    PhantomCohort(str(tmp_path), subjects=1, seed=6, phases=1, num_workers=1, overwrite="true").run()
    assert json.loads((tmp_path / "dataset.json").read_text())["phantom"]["seed"] == 6
    assert not (tmp_path / "phantom_0002").exists()


def test_foreign_files_are_refused_and_never_removed(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="found thesis.txt, not part of a phantom cohort"):
        PhantomCohort(str(tmp_path), subjects=1, phases=1, num_workers=1).run()
    PhantomCohort(str(tmp_path), subjects=1, phases=1, num_workers=1, overwrite=True).run()
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_dataset_of_somebody_else_survives_overwrite(tmp_path):
    (tmp_path / "dataset.json").write_text('{"training": []}')
    with pytest.raises(DataError, match="not a phantom cohort"):
        PhantomCohort(str(tmp_path), subjects=1, phases=1, num_workers=1, overwrite=True).run()
    assert (tmp_path / "dataset.json").read_text() == '{"training": []}'


def test_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="found a file, expected a folder"):
        PhantomCohort(str(tmp_path / "file"), subjects=1).run()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("subjects", 0),
        ("subjects", "many"),
        ("subjects", True),
        ("seed", -1),
        ("phases", 0),
        ("phases", 2.5),
        ("num_workers", -1),
    ],
)
def test_number_out_of_range_is_named_with_what_is_allowed(tmp_path, key, value):
    with pytest.raises(ConfigError, match=f"{key}: found .*allowed are whole numbers"):
        PhantomCohort(**({"output_dir": str(tmp_path)} | {key: value}))


def test_bad_overwrite_and_bad_split_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="overwrite: found 'yes'"):
        PhantomCohort(str(tmp_path), overwrite="yes")
    for held_out in ((0.6, 0.5), (0.1,), (-0.1, 0.2), 0.2):
        with pytest.raises(ConfigError, match="held_out: found"):
            PhantomCohort(str(tmp_path), held_out=held_out)


def test_disk_that_cannot_be_written_is_a_readable_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="phantom_0001: cannot be written .No space left on device"):
        PhantomCohort(str(tmp_path), subjects=1, phases=1, num_workers=1).run()
    assert list(tmp_path.iterdir()) == []


def test_small_cohort_is_made_only_for_the_default_folder(tmp_path, caplog):
    default = tmp_path / "data" / "phantom"
    with pytest.raises(DataError, match="correct --dataset_dir"):
        make_cohort_if_absent(str(tmp_path / "typo"), str(default))
    assert not default.exists()
    assert make_cohort_if_absent(str(tmp_path), str(default)) is False
    with caplog.at_level(logging.INFO):
        assert make_cohort_if_absent(str(default), str(default), subjects=1, seed=3, phases=1, num_workers=1) is True
    assert "make_phantom.json" in caplog.text and (default / "dataset.json").exists()
    assert make_cohort_if_absent(str(default), str(default), subjects=1, seed=3, phases=1) is False


def test_data_of_the_user_in_the_default_folder_is_used_as_it_is(tmp_path):
    (tmp_path / "patient_1").mkdir()
    assert make_cohort_if_absent(str(tmp_path), str(tmp_path), subjects=1, phases=1) is False
    assert [path.name for path in tmp_path.iterdir()] == ["patient_1"]
