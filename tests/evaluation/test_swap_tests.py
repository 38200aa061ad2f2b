"""Swap tests: one sequence of a subject comes from the next one."""

import pytest
import torch
from scripts.conventions import ConfigError
from scripts.evaluation.swap_tests import ExchangedSequence


def item(value, slices, t2=1.0):
    return {
        "image": torch.full((4, 8, 8, slices), float(value)) + torch.arange(slices) / 100,
        "available": torch.tensor([1.0, t2]),
        "available_slices": torch.tensor([[1.0] * slices, [t2] * slices]),
        "subject": f"s{value}",
    }


ITEMS = [item(1, 3), item(2, 5)]


@pytest.mark.parametrize(("sequence", "changed"), [("t2_stir", [1]), ("cine", [0, 2, 3])])
def test_the_sequence_is_the_next_subject_s_matched_by_place(sequence, changed):
    found = ExchangedSequence(ITEMS, sequence)[0]
    kept = [c for c in range(4) if c not in changed]
    assert torch.equal(found["image"][kept], ITEMS[0]["image"][kept])
    torch.testing.assert_close(found["image"][changed], ITEMS[1]["image"][changed][..., [0, 2, 4]])
    assert found["available"].tolist() == [1.0, 1.0]
    assert found["subject"] == "s1" and torch.equal(ITEMS[0]["image"], item(1, 3)["image"])


def test_the_last_subject_takes_the_first_one_s_and_nothing_changes_nothing():
    assert ExchangedSequence(ITEMS, "cine")[1]["image"][0, 0, 0].tolist() == pytest.approx(
        [1, 1, 1.01, 1.02, 1.02], abs=0.011
    )
    assert ExchangedSequence(ITEMS)[0] is ITEMS[0] and len(ExchangedSequence(ITEMS)) == 2


def test_a_subject_without_the_sequence_is_passed_over():
    found = ExchangedSequence([item(1, 3), item(2, 5, t2=0.0), item(3, 3)], "t2_stir")[0]
    assert torch.equal(found["image"][1], item(3, 3)["image"][1])


def test_fewer_than_two_subjects_with_the_sequence_are_refused():
    for items in ([item(1, 3)], [item(1, 3), item(2, 5, t2=0.0)]):
        with pytest.raises(ConfigError, match="no other subject has a t2_stir"):
            ExchangedSequence(items, "t2_stir")[0]


def test_an_unknown_sequence_is_refused():
    with pytest.raises(ConfigError, match="exchange: found 'lge'"):
        ExchangedSequence(ITEMS, "lge")
