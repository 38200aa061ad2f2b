"""A folder that holds something else than the cohort asked for is refused, and overwriting takes phantoms only."""

import json
from dataclasses import replace

import pytest
from helpers.fake_phantom import use_fakes
from scripts.conventions import DataError
from scripts.phantom.cohort.cohort import PhantomCohort, PhantomStudy
from scripts.phantom.cohort.plans import CohortPlan, planned_cohorts
from scripts.phantom.parameters import GENERATOR_VERSION, PhantomParameters

PLAN = CohortPlan(2, seed=5, parameters=PhantomParameters(phases=2))


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    use_fakes(monkeypatch)


def make(folder, plan=PLAN, overwrite=False):
    PhantomCohort(folder, plan, num_workers=1, overwrite=overwrite).run()


def make_study(folder, overwrite=False, **changes):
    settings = {"cohort": "paper", "seed": 5, "file_format": "nifti", "cohort_sizes": [1, 1, 1], "parameters": {}}
    PhantomStudy(folder, planned_cohorts(**(settings | changes)), num_workers=1, overwrite=overwrite).run()


def refused(action, *parts):
    """Checks that the message has at most 10 lines and holds the parts."""
    with pytest.raises(DataError) as error:
        action()
    text = str(error.value)
    missing = [part for part in (*parts, "Fix:") if part not in text]
    if missing or len(text.splitlines()) > 10 or len(text) > 700:
        pytest.fail(f"{missing} not in, or too long: {text}")


OTHER_PLANS = {
    "seed": (replace(PLAN, seed=6), "seed 5; expected seed 6"),
    "size": (replace(PLAN, subjects=1), "subjects 2; expected subjects 1"),
    "phases": (replace(PLAN, parameters=PhantomParameters(phases=3)), "phases 2; expected phases 3"),
    "fixed sex": (
        replace(PLAN, parameters=PhantomParameters(phases=2, sex="male")),
        "sex not given; expected sex male",
    ),
    "format": (replace(PLAN, file_format="both"), "format nifti; expected format both"),
    "cohort": (replace(PLAN, name="clean"), "cohort custom; expected cohort clean"),
}


@pytest.mark.parametrize(("plan", "difference"), OTHER_PLANS.values(), ids=OTHER_PLANS)
def test_another_cohort_is_refused_with_what_differs_and_replaced_only_on_demand(tmp_path, plan, difference):
    make(tmp_path)
    before = (tmp_path / "dataset.json").read_text()
    refused(lambda: make(tmp_path, plan), "dataset.json: found another cohort", difference, "--overwrite true")
    assert (tmp_path / "dataset.json").read_text() == before
    make(tmp_path, plan, overwrite="true")
    assert json.loads((tmp_path / "dataset.json").read_text())["phantom"] == plan.recorded()
    assert (tmp_path / "phantom_0002").exists() == (plan.subjects == 2)


@pytest.mark.parametrize("file_format", ["nifti", "dicom"])
def test_an_unfinished_other_cohort_is_refused_by_its_subjects(tmp_path, file_format):
    make(tmp_path, replace(PLAN, file_format=file_format))
    (tmp_path / "dataset.json").unlink()
    plan = replace(PLAN, seed=6, file_format=file_format)
    refused(lambda: make(tmp_path, plan), "phantom_0001: found a phantom of another cohort", "seed 5; expected seed 6")
    make(tmp_path, plan, overwrite=True)


@pytest.mark.parametrize("generator", [1, 4])
@pytest.mark.parametrize("finished", [True, False])
def test_a_cohort_of_an_earlier_generator_is_refused_and_replaced_on_demand(tmp_path, generator, finished):
    recorded = PLAN.recorded()
    recorded["parameters"] = {key: value for key, value in recorded["parameters"].items() if key != "generator"}
    recorded["parameters"] |= {"generator": generator} if generator > 1 else {}
    origin = {key: recorded[key] for key in PLAN.origin()}
    (tmp_path / "phantom_0001").mkdir()
    (tmp_path / "phantom_0001" / "meta.json").write_text(json.dumps({"phantom": origin | {"index": 1}}))
    if finished:
        (tmp_path / "dataset.json").write_text(json.dumps({"phantom": recorded, "training": []}))
    found = f"another cohort, generator {generator}; expected generator {GENERATOR_VERSION}."
    refused(lambda: make(tmp_path), found, "--overwrite true")
    make(tmp_path, overwrite=True)
    made = json.loads((tmp_path / "dataset.json").read_text())["phantom"]
    assert made["parameters"]["generator"] == GENERATOR_VERSION


@pytest.mark.parametrize("place", ["", "dicom"])
def test_foreign_files_are_refused_and_never_removed(tmp_path, place):
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "thesis.txt").write_text("mine")
    plan = replace(PLAN, file_format="both")
    refused(lambda: make(tmp_path, plan), "found thesis.txt, not part of a phantom cohort")
    make(tmp_path, plan, overwrite=True)
    make(tmp_path, replace(PLAN, seed=6), overwrite=True)
    assert (tmp_path / place / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("place", ["phantom_0002", "dicom/phantom_0002", "dicom/phantom_0002/series"])
def test_a_foreign_file_in_a_subjects_folder_is_not_overwritten(tmp_path, place):
    plan = replace(PLAN, file_format="both")
    make(tmp_path, plan)
    (tmp_path / place / "contour.nii.gz").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    refused(lambda: make(tmp_path, replace(plan, seed=6), overwrite=True), "contour.nii.gz, expected a new folder or")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_foreign_file_beside_a_dicom_subject_is_not_removed(tmp_path):
    plan = replace(PLAN, file_format="dicom")
    make(tmp_path, plan)
    (tmp_path / "dicom" / "phantom_0001.csv").write_text("mine")
    make(tmp_path, replace(plan, seed=6), overwrite=True)
    assert (tmp_path / "dicom" / "phantom_0001.csv").read_text() == "mine"


def test_a_foreign_file_in_one_cohort_of_a_study_keeps_the_others(tmp_path):
    make_study(tmp_path)
    (tmp_path / "external" / "phantom_1001" / "contour.nii.gz").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    refused(lambda: make_study(tmp_path, seed=6, overwrite=True), "contour.nii.gz, expected a new folder or")
    assert sorted(tmp_path.rglob("*")) == before


def test_going_on_does_not_remove_a_foreign_file(tmp_path):
    make(tmp_path)
    (tmp_path / "phantom_0001" / "contour.nii.gz").write_text("mine")
    (tmp_path / "phantom_0001" / "lge.nii.gz").unlink()
    refused(lambda: make(tmp_path), "contour.nii.gz, expected a new folder or")
    assert (tmp_path / "phantom_0001" / "contour.nii.gz").exists()


def test_a_dicom_folder_without_its_meta_is_somebody_elses(tmp_path):
    (tmp_path / "dicom" / "phantom_0001").mkdir(parents=True)
    refused(lambda: make(tmp_path, replace(PLAN, file_format="dicom")), "found phantom_0001, not part of")


def test_overwriting_a_dicom_cohort_removes_its_folder(tmp_path):
    make(tmp_path, replace(PLAN, file_format="both"))
    make(tmp_path, overwrite=True)
    assert not (tmp_path / "dicom").exists()


@pytest.mark.parametrize("content", ['{"training": []}', '{"phantom": 3}', "[]", "no json"])
def test_dataset_of_somebody_else_survives_overwrite(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    refused(lambda: make(tmp_path, overwrite=True), "found a dataset that is no phantom cohort")
    assert (tmp_path / "dataset.json").read_text() == content


def test_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    refused(lambda: make(tmp_path / "file"), "found a file, expected a folder")
    refused(lambda: make_study(tmp_path / "file"), "found a file, expected a folder")


def test_a_study_is_refused_before_anything_is_made_when_one_of_its_cohorts_is_another(tmp_path):
    make(tmp_path / "clean")
    refused(lambda: make_study(tmp_path), "clean", "dataset.json: found another cohort", "cohort custom, subjects 2")
    assert list((tmp_path / "internal").iterdir()) == []


def test_a_second_study_is_refused_and_replaced_only_on_demand(tmp_path):
    make_study(tmp_path)
    make_study(tmp_path)
    refused(lambda: make_study(tmp_path, seed=6), "internal", "seed 5; expected seed 6")
    make_study(tmp_path, seed=6, overwrite=True)
    assert json.loads((tmp_path / "clean" / "dataset.json").read_text())["phantom"]["seed"] == 6


def test_a_study_does_not_mix_with_a_cohort_or_other_files(tmp_path):
    make(tmp_path / "a")
    refused(lambda: make_study(tmp_path / "a"), "found dataset.json, phantom_0001, phantom_0002, expected")
    make_study(tmp_path / "a", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["clean", "external", "internal"]
    refused(lambda: make(tmp_path / "a"), "found clean, not part of a phantom cohort")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("mine")
    refused(lambda: make_study(tmp_path / "b"), "found thesis.txt, expected nothing beside internal")
    make_study(tmp_path / "b", overwrite=True)
    assert (tmp_path / "b" / "thesis.txt").read_text() == "mine"
