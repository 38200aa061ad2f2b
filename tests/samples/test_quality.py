"""Samples whose image does not show their label map are rejected, with the reason."""

import numpy as np
import pytest
import torch
from helpers.ring_heart import ring_label
from scripts.conventions import ConfigError
from scripts.samples.copies import CopyCheck
from scripts.samples.quality import NOT_FOUND, OTHER_SIZE, WALL, SampleRules, judge

RULES = SampleRules()


@pytest.fixture(scope="module")
def ring():
    return ring_label(spacing_mm=(1.5, 1.5), empty_slices=0)


def test_a_sample_that_reads_as_it_was_drawn_is_kept(ring):
    verdict = judge(ring, ring, RULES)
    assert verdict.kept and verdict.dice_infarct == 1 and verdict.infarct_percent_lv == verdict.read_percent_lv


def test_an_infarct_elsewhere_or_of_another_size_is_rejected(ring):
    assert judge(ring, ring[::-1, ::-1], RULES).reasons == (NOT_FOUND,)
    without = np.where(ring == 3, 2, ring)
    assert judge(ring, without, RULES).reasons == (OTHER_SIZE, NOT_FOUND)
    assert judge(without, ring, RULES).reasons == (OTHER_SIZE,)


def test_a_label_map_without_infarct_is_kept_where_none_is_read(ring):
    without = np.where(ring == 3, 2, ring)
    assert judge(without, without, RULES).kept


def test_a_wall_in_pieces_or_none_at_all_is_rejected(ring):
    open_wall = ring.copy()
    open_wall[:, 30:34][ring[:, 30:34] == 2] = 0
    assert WALL in judge(open_wall, open_wall, RULES).reasons
    nothing = judge(np.zeros_like(ring), ring, RULES)
    assert nothing.reasons == (WALL,) and nothing.infarct_percent_lv is None


@pytest.mark.parametrize("rules", [{"smallest_dice": 2}, {"size_tolerance_percent_lv": -1}, {"smallest_dice": "high"}])
def test_rules_outside_their_range_are_refused(rules):
    with pytest.raises(ConfigError, match=next(iter(rules))):
        SampleRules(**rules)


def checked_against(training):
    check = CopyCheck("folder", lambda entry: entry)
    check._names = [name for name, rows in training.items() for _ in rows]
    check._slices = torch.nn.functional.normalize(torch.cat(list(training.values())).double(), dim=1)
    return check


def test_a_copy_is_nearer_than_another_image_and_a_subject_is_not_compared_with_itself():
    generator = torch.Generator().manual_seed(0)
    training = {f"s{n}": torch.randn(4, 16, generator=generator) for n in range(6)}
    check = checked_against(training)
    copy, other = check.distance(training["s2"] * 3), check.distance(torch.randn(4, 16, generator=generator))
    assert copy == pytest.approx(0, abs=1e-9) and other > 0.1
    assert check.distance(training["s2"], "s2") > 0.1
