"""Each change of appearance does what it says and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_heart import BLOOD, INFARCT, WALL, heart_item
from scripts.training.domain_randomisation.acquisition import Acquisition, T2Acquisition
from scripts.training.domain_randomisation.heart_slice import from_item, likely_right_ventricle
from scripts.training.domain_randomisation.recipe import MILD, Recipe
from scripts.training.domain_randomisation.structures import EpicardialRing, Trabeculae
from scripts.training.domain_randomisation.surroundings import Surroundings
from scripts.training.domain_randomisation.textures import Textures
from scripts.training.domain_randomisation.tissues import (
    LungOffset,
    OutsideCurve,
    RightVentricleBrightness,
    TissueCurve,
)

ALWAYS = Recipe(
    **{
        name: 1.0
        for name in Recipe.__dataclass_fields__
        if name.endswith("_prob") and name not in ("empty_border_prob", "lung_black_prob")
    }
)


def left_and_right(rng, recipe):
    return Trabeculae.draw(rng, recipe, "left" if rng.random() < 0.5 else "right")


DRAWS = {
    "tissue": TissueCurve.draw,
    "outside": OutsideCurve.draw,
    "rv_brightness": RightVentricleBrightness.draw,
    "surroundings": Surroundings.draw,
    "ring": EpicardialRing.draw,
    "trabeculae": left_and_right,
    "textures": Textures.draw,
    "lung": LungOffset.draw,
    "acquisition": Acquisition.draw,
    "t2": T2Acquisition.draw,
}
NOTHING = Acquisition(0.0, 1, 0.0, 0.0, 0.0, 2, False, 1.0)


def slice_(**options):
    return from_item(heart_item(**options))


def draws(name, count=12):
    return [DRAWS[name](np.random.default_rng(n), ALWAYS) for n in range(count)]


@pytest.mark.parametrize("name", DRAWS)
def test_label_and_lge_stay_and_values_stay_in_range(name):
    before = slice_()
    changed = []
    for change in draws(name):
        after = change.apply(before)
        assert after.anatomy is before.anatomy and np.array_equal(after.lge, before.lge)
        assert 0 <= after.cine.min() <= after.cine.max() <= 1 and 0 <= after.t2.min() <= after.t2.max() <= 1
        assert after.cine.dtype == after.t2.dtype == after.lge.dtype == np.float32
        changed.append(not (np.array_equal(after.cine, before.cine) and np.array_equal(after.t2, before.t2)))
        if name not in ("t2", "surroundings"):
            assert np.array_equal(after.t2, before.t2)
        if name == "t2":
            assert np.array_equal(after.cine, before.cine)
    assert any(changed)


@pytest.mark.parametrize("name", DRAWS)
def test_a_sequence_that_is_not_there_stays_exactly_0_and_an_empty_label_is_no_obstacle(name):
    for change in draws(name, 6):
        static = change.apply(slice_(motion=False, t2=False))
        assert not static.cine[1:].any() and not static.t2.any() and static.cine[0].any()
        empty = change.apply(slice_(heart=False))
        assert np.isfinite(empty.cine).all() and not empty.anatomy.label.any()


@pytest.mark.parametrize("name", DRAWS)
def test_what_the_mild_recipe_leaves_out_is_not_drawn(name):
    found = [DRAWS[name](np.random.default_rng(n), MILD) for n in range(20)]
    assert any(found) if name in ("acquisition", "t2") else not any(found)


def test_the_tissue_curve_brings_wall_and_blood_to_the_drawn_levels_and_keeps_the_order():
    before = slice_()
    for curve in draws("tissue", 30):
        after = curve.apply(before)
        label = after.anatomy.label
        assert np.median(after.cine[0][label == WALL]) == pytest.approx(curve.wall, abs=0.02)
        assert np.median(after.cine[0][label == BLOOD]) == pytest.approx(curve.blood, abs=0.01)
        assert curve.blood - curve.wall >= ALWAYS.least_contrast and curve.lung <= curve.wall
        order = np.argsort(before.cine[0].ravel(), kind="stable")
        assert (np.diff(after.cine[0].ravel()[order]) >= -1e-6).all()
        # one curve for all phases
        levels = dict(zip(before.cine[0].ravel().tolist(), after.cine[0].ravel().tolist(), strict=True))
        same = [levels[v] for v in before.cine[2].ravel().tolist()]
        np.testing.assert_allclose(after.cine[2].ravel(), same, atol=1e-6)


def test_the_outside_curve_begins_at_its_distance_from_the_heart():
    before, curve = slice_(), OutsideCurve((1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0), 5.0)
    after, away = curve.apply(before), before.anatomy.from_heart
    assert np.array_equal(after.cine[:, away <= 5], before.cine[:, away <= 5])
    np.testing.assert_allclose(after.cine[0][before.cine[0] < 0.03].max(), 1 - 0.02 * 6, atol=0.01)


def test_rv_brightness_changes_the_rv_s_blood_alone():
    before = slice_()
    after = RightVentricleBrightness(-0.2).apply(before)
    ventricle, label = before.anatomy.given_right_ventricle, before.anatomy.label
    assert np.median(after.cine[0][ventricle]) == pytest.approx(0.6, abs=0.01)
    assert np.array_equal(after.cine[:, label > 0], before.cine[:, label > 0])
    far = before.anatomy.from_heart > 3
    assert np.array_equal(after.cine[:, far], before.cine[:, far])


@pytest.mark.parametrize("donor", [None, 0.5])
def test_surroundings_leave_the_heart_and_what_is_near_it(donor):
    before = replace(slice_(), donor=slice_(shift=8.0))
    after = Surroundings(donor, 4.0, 1.0, 3).apply(before)
    near = before.anatomy.from_heart <= 4
    for name in ("cine", "t2", "lge"):
        assert np.array_equal(getattr(after, name)[..., near], getattr(before, name)[..., near])
    assert (np.abs(after.cine[0] - before.cine[0])[~near] > 0.05).mean() > 0.2
    label = before.anatomy.label
    assert after.lge[label == INFARCT].min() - after.lge[label == WALL].max() > 0.5


def test_a_donor_brings_its_t2_stir_and_lge_but_not_its_heart():
    donor = slice_(shift=14.0)
    donor = replace(donor, lge=np.full_like(donor.lge, 0.77), t2=np.full_like(donor.t2, 0.66))
    before = replace(slice_(), donor=donor)
    after = Surroundings(0.5, 2.0, 1.0, 3).apply(before)
    far = (before.anatomy.from_heart > 4) & (donor.anatomy.from_heart > 9)
    np.testing.assert_allclose(after.lge[far], 0.77, atol=1e-6)
    np.testing.assert_allclose(after.t2[far], 0.66, atol=1e-6)
    heart = (before.anatomy.from_heart > 4) & (donor.anatomy.from_heart == 0)
    assert heart.any() and not np.allclose(after.cine[0][heart], donor.cine[0][heart], atol=0.02)
    np.testing.assert_allclose(after.lge[heart], before.lge[heart], atol=1e-6)
    no_t2 = replace(donor, t2=np.zeros_like(donor.t2))
    assert np.array_equal(Surroundings(0.5, 2.0, 1.0, 3).apply(replace(before, donor=no_t2)).t2, before.t2)


def test_surroundings_in_parts_leave_the_rest():
    before = slice_()
    changed = [(Surroundings(None, 2.0, parts, 5).apply(before).cine[0] != before.cine[0]).mean() for parts in (0.3, 1)]
    assert 0.05 < changed[0] < 0.6 * changed[1]


def test_the_ring_lies_outside_the_lv_in_channels_of_the_label_s_phase():
    before = slice_()
    after = EpicardialRing(2.0, 1.0, 1.0, 4).apply(before)
    away, ventricle = before.anatomy.from_left_ventricle, before.anatomy.given_right_ventricle
    assert after.cine[0][(away >= 1) & (away <= 2) & ~ventricle].min() > 0.95
    elsewhere = (away == 0) | (away > 3) | ventricle
    assert np.array_equal(after.cine[:, elsewhere], before.cine[:, elsewhere])
    assert np.array_equal(after.cine[1], after.cine[0]) and np.array_equal(after.cine[2], before.cine[2])


@pytest.mark.parametrize("side", ["left", "right"])
def test_trabeculae_darken_blood_to_the_wall_s_level_at_most_and_thin_out_inwards(side):
    before = slice_()
    after = Trabeculae(side, 48, 0.6, 3.0, 1.0, 7).apply(before)
    wall, _ = before.levels
    assert (after.cine <= before.cine).all()
    darker = after.cine[0] < before.cine[0] - 0.05
    assert after.cine[0][darker].min() >= wall - 1e-6
    blood = before.anatomy.blood if side == "left" else before.anatomy.given_right_ventricle
    assert 0.1 < darker[blood].mean() < 0.7
    other = before.anatomy.given_right_ventricle if side == "left" else before.anatomy.label > 0
    assert not darker[other].any()
    if side == "left":
        rows, columns = np.indices(blood.shape) - (np.array(blood.shape).reshape(2, 1, 1) - 1) / 2
        inner = np.hypot(rows, columns) < 4
        assert darker[inner].mean() < darker[blood & ~inner].mean()


def test_textures_have_the_drawn_sd_in_their_region_and_share_most_of_it_between_phases():
    before = slice_()
    for region, sd in (("blood", (0.1, 0.0, 0.0)), ("wall", (0.0, 0.05, 0.0)), ("outside", (0.0, 0.0, 0.1))):
        after = [Textures(*sd, (0.5, 0.5, 0.5, 0.5), seed).apply(before) for seed in range(8)]
        heart = before.anatomy
        masks = {"blood": heart.blood, "wall": heart.label == WALL}
        masks["outside"] = (heart.from_heart > 4) & (before.cine[0] > 0.2)
        moved = {name: np.stack([(a.cine[0] - before.cine[0])[mask] for a in after]) for name, mask in masks.items()}
        assert moved[region].std() == pytest.approx(max(sd), rel=0.25)
        assert all(values.std() < 0.15 * max(sd) for name, values in moved.items() if name != region)
    after = Textures(0.1, 0.0, 0.0, (0.5, 0.5, 0.5, 0.5), 3).apply(before)
    both = [(after.cine[n] - before.cine[n])[before.anatomy.blood] for n in (0, 1)]
    assert 0.3 < np.corrcoef(*both)[0, 1] < 0.9


def test_the_lung_is_lifted_and_nothing_brighter():
    before = slice_()
    after = LungOffset(0.1).apply(before)
    lung, rest = (before.cine[0] < 0.03) & (before.anatomy.from_heart > 3), before.cine[0] > 0.2
    assert 0.08 < (after.cine[0] - before.cine[0])[lung].mean() < 0.1
    assert np.array_equal(after.cine[0][rest], before.cine[0][rest])


def test_an_acquisition_of_which_nothing_is_drawn_changes_nothing():
    before = slice_()
    np.testing.assert_allclose(NOTHING.apply(before).cine, before.cine, atol=1e-6)


def test_each_part_of_the_acquisition_by_itself():
    before = slice_()
    blood = before.anatomy.blood
    shaded = replace(NOTHING, bias=0.3).apply(before).cine
    ratio = (shaded / np.maximum(before.cine, 1e-6))[:, shaded.max(axis=0) < 0.99]
    assert np.exp(-0.301) <= ratio.min() < 0.95 and ratio.max() <= np.exp(0.301)
    for blurred in (replace(NOTHING, blur_pixels=1.0), replace(NOTHING, half_resolution=1.0)):
        edges = [np.abs(np.diff(cine[0], axis=0)).max() for cine in (before.cine, blurred.apply(before).cine)]
        assert edges[1] < 0.8 * edges[0]
        assert blurred.apply(before).cine[0].mean() == pytest.approx(before.cine[0].mean(), abs=0.01)
    noisy = replace(NOTHING, noise_sd=0.05).apply(before).cine - before.cine
    assert noisy[:, blood].std() == pytest.approx(0.05, rel=0.1)
    assert abs(np.corrcoef(noisy[0][blood], noisy[1][blood])[0, 1]) < 0.2
    np.testing.assert_allclose(replace(NOTHING, gamma=2.0).apply(before).cine, before.cine**2, atol=1e-6)
    dim = replace(before, cine=before.cine * np.float32(0.5))
    assert replace(NOTHING, renormalised=True).apply(dim).cine[0].max() == 1


def test_the_t2_stir_keeps_the_infarct_brighter_than_the_remote_wall_and_cuts_nothing_off():
    before = slice_()
    label = before.anatomy.label
    for change in draws("t2", 40):
        t2 = change.apply(before).t2
        infarct, remote = np.median(t2[label == INFARCT]), np.median(t2[label == WALL])
        assert 1.2 < infarct / remote < 1.65
        assert (t2[label > 0] == 1).mean() == 0


def test_without_an_rv_in_the_labels_the_bright_region_beside_the_wall_is_taken():
    item = heart_item()
    known = item["right_ventricle"][0].numpy() > 0
    around = item["image"][0].numpy().copy()
    around[(item["label"][0].numpy() == 0) & ~known] = 0.1
    found = likely_right_ventricle(around, item["label"][0].numpy())
    assert (found & known).sum() > 0.8 * known.sum() and (found & ~known).sum() < 0.1 * known.sum()
    assert not likely_right_ventricle(np.where(known, 0.1, around), item["label"][0].numpy()).any()
    assert not likely_right_ventricle(around, np.zeros_like(around)).any()
