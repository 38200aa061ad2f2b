"""Whole subjects from a folder."""

import json

import nibabel as nib
import numpy as np
import pytest
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.preprocessing.labels import LabelError


@pytest.fixture
def folder(tmp_path):
    """One subject with a cine of four phases, an LGE on another grid and no T2-STIR; one without label."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ramp = np.arange(16 * 16 * 3 * 4, dtype=np.int16).reshape(16, 16, 3, 4)
        nib.save(nib.Nifti1Image(ramp, np.diag([2.0, 2.0, 8.0, 1.0])), tmp_path / name / "cine.nii.gz")
    nib.save(nib.Nifti1Image(ramp[..., 0], np.diag([3.0, 3.0, 8.0, 1.0])), tmp_path / "a" / "lge.nii.gz")
    label = np.zeros((16, 16, 3), np.uint8)
    label[4:8] = 2
    nib.save(nib.Nifti1Image(label, np.diag([2.0, 2.0, 8.0, 1.0])), tmp_path / "a" / "label.nii.gz")
    meta = {"cine_trigger_times_ms": [0, 200, 400, 600], "lge_trigger_time_ms": 590}
    (tmp_path / "a" / "meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_all_phases_are_read_and_what_is_missing_says_why(folder):
    cohort = CohortOnDisk(str(folder))
    first, second = cohort.entries()
    assert "label missing" in second["problem"]
    subject = cohort.load(first)
    assert subject.images["cine"].shape == (16, 16, 3, 4) and subject.label_phase == 3
    assert subject.missing["t2_stir"] == "there is no t2_stir"
    farthest = np.linalg.norm([15, 15, 0])  # corners of 16 pixels, of 3 mm in place of 2
    assert subject.missing["lge"] == f"lge lies on another grid than the label, up to {farthest:.1f} mm beside it"
    assert set(np.unique(subject.label)) == {0, 2}


def test_a_label_outside_the_vocabulary_is_refused(folder):
    nib.save(nib.Nifti1Image(np.full((16, 16, 3), 9, np.uint8), np.diag([2.0, 2.0, 8.0, 1.0])),
             folder / "a" / "label.nii.gz")  # fmt: skip
    cohort = CohortOnDisk(str(folder))
    with pytest.raises(LabelError, match="9"):
        cohort.load(cohort.entries()[0])


@pytest.mark.slow
def test_without_trigger_times_the_label_s_phase_is_the_one_that_agrees_with_the_lge(tmp_path, make):
    make.subject(tmp_path / "c" / "p1", phases=10)
    image = nib.load(tmp_path / "c" / "p1" / "cine.nii.gz")
    make.write(tmp_path / "c" / "p1" / "cine.nii.gz", np.roll(np.asarray(image.dataobj), 4, axis=3), image.affine)
    cohort = CohortOnDisk(str(tmp_path / "c"))
    assert cohort.load(cohort.entries()[0]).label_phase in (3, 4, 5)


def test_a_label_without_cine_has_phase_0(folder):
    (folder / "a" / "meta.json").unlink()
    ramp = np.arange(20 * 20 * 3 * 4, dtype=np.int16).reshape(20, 20, 3, 4)
    other = nib.Nifti1Image(ramp, np.diag([1.0, 1.0, 8.0, 1.0]))
    nib.save(other, folder / "a" / "cine.nii.gz")
    subject = CohortOnDisk(str(folder)).load(CohortOnDisk(str(folder)).entries()[0])
    assert "cine" in subject.missing and subject.label_phase == 0
