"""What a run did, kept in one place: the lists that others hold stay the same when the processes tell each other."""

import pytest
from scripts.inference.ledger import EXPORT_STAGE, Failure, Ledger


def failure(subject, stage="read"):
    return Failure(subject, stage, "broken", "copy it again")


@pytest.fixture
def two_processes(monkeypatch):
    """This process and another one, which did b and failed at a."""
    theirs = {"subject": [{"subject": "b"}], "stage": [vars(failure("a"))]}
    monkeypatch.setattr("scripts.inference.ledger.distributed", lambda: True)
    monkeypatch.setattr(
        "scripts.inference.ledger.everyones",
        lambda items: [*items, *theirs["stage" if items and "stage" in items[0] else "subject"]],
    )


def test_after_gathering_the_lists_others_hold_know_all_and_later_failures_are_seen(two_processes):
    ledger = Ledger()
    results, failures = ledger.results, ledger.failures
    results.append({"subject": "c"})
    failures.append(failure("d", "import"))
    ledger.gather()
    assert [result["subject"] for result in results] == ["b", "c"]
    assert [one.subject for one in failures] == ["a", "d"]
    failures.append(failure("c", EXPORT_STAGE))
    ledger.gather()
    assert [one.subject for one in ledger.failures] == ["a", "d", "c"]
    assert [result["subject"] for result in ledger.results] == ["b", "c"]


def test_alone_a_ledger_keeps_the_order_of_the_run():
    ledger = Ledger()
    ledger.failures += [failure("b"), failure("a")]
    ledger.gather()
    assert [one.subject for one in ledger.failures] == ["b", "a"]


def test_an_error_becomes_one_line_without_folders_and_its_fix_the_next_step():
    found = Failure.of_error("p1", "import", ValueError("/data/Jane Doe/a.dcm:\ntwo cines. Fix: pick one"))
    assert found == Failure("p1", "import", "a.dcm: two cines.", "pick one") and not found.has_result
    plain = Failure.of_error("p1", EXPORT_STAGE, "disk full")
    assert (plain.reason, plain.has_result) == ("disk full", True) and plain.next_step
