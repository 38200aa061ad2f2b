"""Cohorts of real phantoms: the same bytes from any number of processes, as NIfTI, as DICOM, with or without views."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scripts.datasets.datalist import find_subjects
from scripts.phantom.cohort.cohort import PhantomCohort
from scripts.phantom.cohort.plans import CohortPlan
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject

PLAN = CohortPlan(2, seed=5, parameters=PhantomParameters(phases=4, stored_phases="key", slices=4), file_format="both")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "one"
    PhantomCohort(folder, PLAN, num_workers=1).run()
    return folder


def digests(folder: Path, pattern: str) -> dict[str, str]:
    files = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(cohort, tmp_path):
    PhantomCohort(tmp_path, PLAN, num_workers=2).run()
    assert digests(cohort, "**/*") == digests(tmp_path, "**/*") and len(digests(cohort, "dicom/**/*")) > 20


@pytest.mark.slow
def test_nifti_does_not_depend_on_the_dicom_beside_it(cohort, tmp_path):
    PhantomCohort(tmp_path, replace(PLAN, file_format="nifti"), num_workers=1).run()
    assert digests(cohort, "phantom_*/*") == digests(tmp_path, "phantom_*/*")


@pytest.mark.slow
def test_files_hold_the_subject_of_their_seed_and_index(cohort):
    subject = make_subject(2, 5, PLAN.parameters)
    folder = cohort / "phantom_0002"
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
        assert np.issubdtype(image.get_data_dtype(), np.integer)
        np.testing.assert_allclose(image.affine, subject.affine, atol=1e-4)
        np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)


@pytest.mark.slow
def test_dataset_repeats_the_meta_of_each_subject(cohort):
    dataset = json.loads((cohort / "dataset.json").read_text())
    for entry in dataset["training"] + dataset["testing"] + dataset["validation"]:
        meta = json.loads((cohort / entry["meta"]).read_text())
        for key in ("vendor", "field_strength_t", "condition", "truth", "usable_slices", "cohort"):
            assert entry[key] == meta[key]
        assert meta["phantom"] == {"index": int(entry["subject"][-4:]), **PLAN.origin()}
        assert meta == json.loads((cohort / "dicom" / f"{entry['subject']}.json").read_text())
        assert entry["usable_slices"] and set(entry["usable_slices"]) <= set(range(4))


@pytest.mark.slow
def test_a_cohort_with_further_labels_is_read_with_its_key_references(tmp_path):
    plan = CohortPlan(1, seed=5, parameters=PhantomParameters(stored_phases="key", slices=4, labelled_phases="key"))
    PhantomCohort(tmp_path, plan, num_workers=1).run()
    (entry,) = find_subjects(tmp_path)
    references = entry["key_references"]
    assert [references[name]["label_phase"] for name in ("end_diastole", "end_systole")] == [0, 1]
    assert references["end_systole"]["label"].endswith("phantom_0001/label_es.nii.gz")
    PhantomCohort(tmp_path, plan, num_workers=1).run()
    PhantomCohort(tmp_path, CohortPlan(1, seed=6), num_workers=1, overwrite=True).prepare()
    assert list(tmp_path.iterdir()) == []
