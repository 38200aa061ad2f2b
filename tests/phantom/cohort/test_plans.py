"""From the keys of a config to cohorts: defaults, numbers given as text, and what is refused with the allowed range."""

from dataclasses import fields

import pytest
from scripts.conventions import ConfigError
from scripts.phantom.cohort.plans import CohortPlan, planned_cohorts
from scripts.phantom.parameters import GENERATOR_VERSION, PhantomParameters

CUSTOM = {"cohort": "custom", "seed": 0, "file_format": "nifti", "parameters": {}}
KEYS = [field.name for field in fields(PhantomParameters)]


def custom(**changes) -> CohortPlan:
    (plan,) = planned_cohorts(**(CUSTOM | changes))
    return plan


def test_keys_left_null_are_at_their_defaults():
    plan = custom(parameters=dict.fromkeys(KEYS))
    assert plan == CohortPlan() == custom()
    assert (plan.subjects, plan.seed, plan.held_out, plan.formats) == (64, 0, (0.125, 0.125), ("nifti",))
    assert (plan.parameters.phases, plan.parameters.stored_phases, plan.parameters.site) == (25, "all", "any")


def test_a_style_of_dicom_is_recorded_where_it_is_not_the_classic_one():
    classic, varied = custom(file_format="dicom"), custom(file_format="dicom", dicom_style="varied")
    assert "dicom_style" not in classic.recorded() and varied.recorded()["dicom_style"] == "varied"
    assert varied.origin()["dicom_style"] == "varied" and varied.formats == ("dicom",)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("field_strength_t", "1.5", 1.5),
        ("field_strength_t", 3, 3.0),
        ("infarct_percent_lv", "18", 18.0),
        ("slices", "9", 9),
        ("phases", 8.0, 8),
        ("difficulty", "0.3", 0.3),
        ("difficulty", "clean", "clean"),
        ("aligned", "false", False),
        ("sex", "null", None),
        ("slice_gap_mm", "None", None),
    ],
)
def test_values_may_come_as_text_or_number_and_are_recorded_alike(key, text, value):
    found = getattr(custom(parameters={key: text}).parameters, key)
    assert found == value and type(found) is type(value)


def test_a_fixed_key_is_recorded_and_a_drawn_one_is_not():
    recorded = custom(parameters={"vendor": "ge", "condition": None}).recorded()["parameters"]
    assert recorded["vendor"] == "ge" and "condition" not in recorded
    assert recorded["generator"] == GENERATOR_VERSION


def test_a_custom_cohort_may_start_at_another_number_so_that_no_name_is_twice():
    (plan,) = planned_cohorts(**(CUSTOM | {"subjects": 3, "first_subject": 3001}))
    assert list(plan.indices) == [3001, 3002, 3003]


def test_the_default_study_has_the_size_of_the_paper_and_unseen_scanners():
    internal, external, clean = planned_cohorts("paper", 3, "nifti", {})
    assert [plan.subjects for plan in (internal, external, clean)] == [409, 60, 20]
    assert [plan.name for plan in (internal, external, clean)] == ["internal", "external", "clean"]
    assert [plan.parameters.site for plan in (internal, external, clean)] == ["internal", "external", "internal"]
    assert internal.held_out == (0.1, 0.2) and external.held_out == clean.held_out == (0.0, 1.0)
    assert {plan.parameters.stored_phases for plan in (internal, external, clean)} == {"key"}
    assert clean.parameters.level == 0 < internal.parameters.level == external.parameters.level
    indices = [index for plan in (internal, external, clean) for index in plan.indices]
    assert len(set(indices)) == len(indices) and {plan.seed for plan in (internal, external, clean)} == {3}


def test_keys_of_a_study_reach_its_cohorts():
    given = {"stored_phases": "all", "difficulty": "hard", "sex": "female"}
    plans = planned_cohorts("paper", 3, "both", given, held_out=[0, 0.5], cohort_sizes=(4, 2, 1))
    assert [plan.subjects for plan in plans] == [4, 2, 1] and plans[0].held_out == (0, 0.5)
    assert {(plan.parameters.stored_phases, plan.parameters.sex, plan.file_format) for plan in plans} == {
        ("all", "female", "both")
    }
    assert [plan.parameters.difficulty for plan in plans] == ["hard", "hard", "clean"]


def test_phases_of_a_cohort_as_sent_are_drawn_unless_given():
    for cohort in ("custom", "paper"):
        plans = planned_cohorts(cohort, 0, "nifti", {"timing": "as_sent"})
        assert {(one.parameters.phases, one.parameters.stored_phases) for one in plans} == {(None, "all")}
        assert plans[0].recorded()["parameters"]["timing"] == "as_sent"
        with pytest.raises(ConfigError, match="stored_phases: found 'key' with timing 'as_sent'.*allowed is all"):
            planned_cohorts(cohort, 0, "nifti", {"timing": "as_sent", "stored_phases": "key"})
    assert custom(parameters={"timing": "as_sent", "phases": "2"}).parameters.phases == 2


@pytest.mark.parametrize("cohort", ["custom", "paper"])
def test_further_labels_of_a_cohort_without_label_files_are_refused(cohort):
    parameters = {"labelled_phases": "key", "stored_phases": "key"}
    with pytest.raises(ConfigError, match="labelled_phases: found 'key' with format 'dicom'.*Fix: --format both"):
        planned_cohorts(cohort, 0, "dicom", parameters)
    assert planned_cohorts(cohort, 0, "both", parameters)[0].parameters.labelled_phases == "key"


WRONG_PARAMETERS = [
    ("ejection_fraction_percent", 95, "ejection_fraction_percent: found 95", "from 10 to 80 (percent)"),
    ("ejection_fraction_percent", "nan", "ejection_fraction_percent: found nan", "from 10 to 80 (percent)"),
    ("infarct_percent_lv", "61", "infarct_percent_lv: found 61", "from 0.5 to 60"),
    ("slice_gap_mm", -1, "slice_gap_mm: found -1", "from 0 to 4 (mm"),
    ("slice_gap_mm", "wide", "slice_gap_mm: found 'wide'", "from 0 to 4 (mm"),
    ("slices", 2.5, "slices: found 2.5", "whole numbers from 3 to 16"),
    ("phases", 0, "phases: found 0", "whole numbers from 1 to 60"),
    ("vendor", "acme", "vendor: found 'acme'", "siemens, philips, ge, uih"),
    ("field_strength_t", 7, "field_strength_t: found 7.0", "1.5, 3.0"),
    ("territory", "LM", "territory: found 'LM'", "LAD, RCA, LCX"),
    ("condition", ["healthy"], "condition: found ['healthy']", "acute_mi, healthy"),
    ("stored_phases", "some", "stored_phases: found 'some'", "all, key"),
    ("timing", "late", "timing: found 'late'", "complete, as_sent"),
    ("difficulty", "impossible", "difficulty: found 'impossible'", "clean, easy, realistic, hard"),
    ("aligned", "perhaps", "aligned: found 'perhaps'", "true or false"),
    ("heart_rate", 60, "phantom parameters: found ['heart_rate']", "'aligned'"),
]


@pytest.mark.parametrize(("key", "value", "found", "allowed"), WRONG_PARAMETERS)
@pytest.mark.parametrize("cohort", ["custom", "paper"])
def test_a_parameter_that_cannot_be_is_refused_with_what_is_allowed(cohort, key, value, found, allowed):
    if cohort == "paper" and key in ("vendor", "field_strength_t"):
        found, allowed = f"{key}: found", "leave"
    with pytest.raises(ConfigError) as error:
        planned_cohorts(cohort, 0, "nifti", {key: value})
    text = str(error.value)
    assert text.startswith(found) and allowed in text and "Fix:" in text and len(text.splitlines()) <= 10


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"subjects": 0}, "subjects: found 0, allowed are whole numbers from 1 to 9999"),
        ({"subjects": "many"}, "subjects: found 'many', allowed are whole numbers"),
        ({"subjects": True}, "subjects: found True, allowed are whole numbers"),
        ({"seed": -1}, "seed: found -1, allowed are whole numbers"),
        ({"seed": 1.5}, "seed: found 1.5, allowed are whole numbers"),
        ({"cohort": "big"}, "cohort: found 'big', allowed are custom, paper"),
        ({"file_format": "jpeg"}, "format: found 'jpeg', allowed are nifti, dicom, both"),
        ({"file_format": ["nifti"]}, "format: found ['nifti'], allowed are"),
        ({"first_subject": 0}, "first_subject: found 0, allowed are whole numbers from 1 to 9999"),
        ({"cohort": "paper", "first_subject": 5}, "first_subject: found 5 with --cohort paper"),
        ({"cohort": "paper", "subjects": 100}, "subjects: found 100 with --cohort paper"),
        ({"cohort": "paper", "parameters": {"site": "any"}}, "site: found 'any' with --cohort paper"),
        ({"cohort": "paper", "parameters": {"vendor": "ge"}}, "vendor: found 'ge' with --cohort paper"),
        ({"cohort": "paper", "cohort_sizes": [409, 60]}, "cohort_sizes: found [409, 60], allowed are three"),
        ({"cohort": "paper", "cohort_sizes": 409}, "cohort_sizes: found 409, allowed are three"),
        ({"cohort": "paper", "cohort_sizes": [409, 60, 0]}, "cohort_sizes: found 0, allowed are whole numbers"),
        ({"cohort": "paper", "cohort_sizes": [1001, 1, 1]}, "cohort_sizes: found 1001, allowed are whole numbers"),
        *(({"held_out": held_out}, "held_out: found") for held_out in ((0.6, 0.5), (0.1,), (-0.1, 0.2), 0.2, "a")),
        ({"held_out": [float("nan"), 0.1]}, "held_out: found"),
        ({"parameters": {"condition": "healthy", "infarct_percent_lv": 10}}, "infarct_percent_lv: found 10"),
    ],
)
def test_a_cohort_that_cannot_be_is_refused_with_what_is_allowed(changes, found):
    with pytest.raises(ConfigError) as error:
        planned_cohorts(**(CUSTOM | changes))
    text = str(error.value)
    assert text.startswith(found) and "Fix:" in text and len(text.splitlines()) <= 10
