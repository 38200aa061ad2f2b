"""EMIDEC: LGE and label map, measured and never synthesised from."""

import numpy as np
import pytest
from helpers.small_heart import small_heart
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects, split, subjects_to_infer
from scripts.datasets.dataset_check import DatasetCheck
from scripts.datasets.layout import DatalistError

MATRIX = np.diag([1.5, 1.5, 10.0, 1.0])


@pytest.fixture
def folder(tmp_path, make):
    picture = np.random.default_rng(0).normal(size=(64, 64, 3)).astype(np.float32)
    for name in ("Case_N006", "Case_P012"):
        make.write(tmp_path / name / "Images" / f"{name}.nii.gz", picture, MATRIX)
    label = small_heart({1: 1, 2: 2, 3: 3, 4: 4}, (64, 64, 3))
    make.write(tmp_path / "Case_P012" / "Contours" / "Case_P012.nii.gz", label, MATRIX)
    (tmp_path / "Case N006.txt").write_text("Age: 61")
    return tmp_path


def test_it_is_measured_with_its_own_label_values(folder):
    broken, sound = CohortOnDisk(str(folder)).entries()
    assert "label missing" in broken["problem"] and "Contours" in broken["problem"]
    subject = CohortOnDisk(str(folder)).load(sound)
    assert set(np.unique(subject.label)) == {0, 1, 2, 3, 4} and subject.images["lge"].shape == (64, 64, 3)


def test_inference_and_training_say_that_it_has_no_cine(folder, tmp_path, make):
    for job in (lambda: subjects_to_infer(folder, tmp_path / "out"), lambda: split(folder, "training")):
        with pytest.raises(DatalistError) as error:
            job()
        text = make.readable(error)
        assert "without any cine" in text and "quantify" in text


def test_the_check_says_what_it_lacks_and_finds_nothing_wrong(folder, caplog):
    with caplog.at_level("INFO"):
        report = DatasetCheck(str(folder)).run()
    assert report["label_table"].startswith("emidec: ") and report["files"]["lge"] == 2
    assert "no cine in this layout" in caplog.text and "4 no_reflow" in caplog.text
    assert len(find_subjects(folder, require=("lge",))) == 2
