"""Samples whose image does not show their label map are rejected, with the reason."""

import numpy as np
import pytest
import torch
from helpers.ring_heart import ring_label
from scripts.conventions import ConfigError, DataError
from scripts.datasets.datalist import split
from scripts.preprocessing.preprocessing import SubjectPreprocessing
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


def test_a_copy_is_nearer_to_the_training_set_than_held_out_hearts_are(phantom_folder):
    check = CopyCheck(str(phantom_folder), SubjectPreprocessing(spacing_mm=2.8, crop_size=(48, 48)))
    entries = split(phantom_folder, "training")
    content = {section: split(phantom_folder, section)[:1] for section in ("training", "validation")}
    content["validation"] = entries[3:] + content["validation"] + split(phantom_folder, "testing")
    content["training"] = entries[:3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.samples.copies.split", lambda folder, section, require: content[section])
        check.start(lambda images: images.flatten(1)[:, ::7])
    lge = check.preprocessing({key: value for key, value in entries[0].items() if key != "label"})["lge"]
    rows = lge.movedim(-1, 0).flatten(1)[:, ::7]
    assert check.distance(rows) < 1e-9 < check.threshold
    noise = torch.rand(rows.shape, generator=torch.Generator().manual_seed(0))
    assert check.distance(noise) > check.threshold


def test_too_few_held_out_subjects_are_refused(phantom_folder):
    check = CopyCheck(str(phantom_folder), SubjectPreprocessing(spacing_mm=2.8, crop_size=(48, 48)))
    with pytest.raises(DataError, match="validation subjects with an LGE, expected at least 5"):
        check.start(lambda images: images.flatten(1)[:, ::7])
