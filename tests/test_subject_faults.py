"""What is listed for a subject that raises: its data's fault, or the program's, and never the end of the others."""

import logging

import pytest
from scripts.conventions import ConfigError, DataError
from scripts.datasets.datasets import SliceDataset, SubjectDataset
from scripts.files import OutputError
from scripts.subject_faults import ProgramFaultError, subject_problem


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("error", [DataError("no heart"), OSError("gone"), MemoryError("too large")])
def test_a_fault_of_the_data_is_listed_as_it_is(error):
    assert subject_problem(error) is error


@pytest.mark.parametrize("error", [ConfigError("steps"), OutputError("disk full")])
def test_what_would_stop_every_subject_stops_the_job(error):
    with pytest.raises(type(error)):
        subject_problem(error)


@pytest.mark.parametrize(
    "error", [KeyError("x"), ZeroDivisionError("by zero"), RecursionError("deep"), RuntimeError("")]
)
def test_anything_else_is_listed_as_a_fault_of_the_program_with_its_place(error):
    problem = subject_problem(raised(error))
    assert isinstance(problem, ProgramFaultError)
    assert type(error).__name__ in str(problem) and "test_subject_faults.py" in str(problem)
    assert "SSDIFF_TRACEBACK=1" in str(problem).partition("Fix:")[2]


def test_a_message_that_may_hold_a_name_is_not_told():
    assert "DOE" not in str(subject_problem(raised(ValueError("DOE^JANE")), quote=False))


def test_a_file_whose_name_may_hold_a_name_is_not_told():
    told = str(subject_problem(PermissionError(13, "Permission denied", "/data/DOE_JANE/1.dcm"), quote=False))
    assert "Permission denied" in told and "DOE" not in told


def test_the_traceback_is_logged_on_demand(monkeypatch, caplog):
    monkeypatch.setenv("SSDIFF_TRACEBACK", "1")
    with caplog.at_level(logging.ERROR):
        subject_problem(raised(KeyError("x")))
    assert "Traceback" in caplog.text


def failing_for_b(entry):
    if entry["subject"] == "b":
        raise ZeroDivisionError("b is odd")
    return {"subject": entry["subject"], "warnings": ""}


def test_a_fault_of_the_program_in_one_subject_leaves_the_others():
    data = SubjectDataset([{"subject": name} for name in "abc"], failing_for_b)
    items = [data[i] for i in range(3)]
    assert ["failure" in item for item in items] == [False, True, False]
    assert items[1]["failure_stage"] == "program" and "ZeroDivisionError" in items[1]["failure"]


def test_training_names_all_subjects_that_cannot_be_used_whatever_they_raise():
    def transform(entry):
        raise ZeroDivisionError if entry["subject"] == "b" else DataError("a: no heart")

    with pytest.raises(DataError, match="(?s)a: no heart.*ZeroDivisionError"):
        SliceDataset([{"subject": name} for name in "ab"], transform)
