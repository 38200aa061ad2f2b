"""A lesion of the wanted size lies in the wanted bed, inside the wall, deepest at the endocardium."""

import numpy as np
import pytest
from helpers.cone_heart import INSERTION_DEGREES, heart
from scripts.clinical.aha17 import aha17
from scripts.clinical.transmurality import mean_transmurality_percent, wall_chords
from scripts.clinical.volumes import infarct_percent_lv
from scripts.conventions import ConfigError, DataError
from scripts.phantom.heart.territory import SEGMENTS_OF
from scripts.samples.lesion import LesionWish, draw_lesion, lesion_wish, wall_of_label

# The stack as a screen shows it: i to the right, j down; the RV is then 80 degrees from the head, to the left.
SCREEN = {"pixel_mm": (1.5, 1.5), "turn_degrees": -90.0, "mirrored": True}
SEPTUM_DEGREES = 190.0


@pytest.fixture(scope="module")
def cone():
    label, affine = heart(rv=False, **SCREEN)
    return label, affine, wall_of_label(label, affine, SEPTUM_DEGREES)


def drawn(cone, seed=0, **wish):
    return draw_lesion(*cone, lesion_wish(**({"size_percent_lv": [5, 20]} | wish)), np.random.default_rng(seed))


@pytest.mark.parametrize("territory", ["LAD", "RCA", "LCX"])
@pytest.mark.parametrize("seed", range(4))
def test_an_artery_s_infarct_lies_in_its_segments_and_has_its_size(cone, territory, seed):
    label, said = drawn(cone, seed, territory=territory)
    size = infarct_percent_lv(label)
    assert (
        said["territory"] == territory
        and 4 <= size <= 23.5
        and said["infarct_percent_lv"] == pytest.approx(size, abs=0.01)
    )
    percent = np.nan_to_num(aha17(label, cone[1], insertion_degrees=INSERTION_DEGREES).infarct_percent)
    inside = percent[[one - 1 for one in SEGMENTS_OF[territory]]].sum()
    assert inside > 0.6 * percent.sum()


def test_the_lesion_stays_in_the_wall_and_nothing_else_changes(cone):
    label, _ = drawn(cone)
    changed = label != cone[0]
    assert changed.any() and (cone[0][changed] == 2).all() and set(np.unique(label)) <= {0, 1, 2, 3, 4}


def test_wanted_segments_hold_most_of_it(cone):
    label, said = drawn(cone, size_percent_lv=[6, 8], segments=[5, 11])
    percent = np.nan_to_num(aha17(label, cone[1], insertion_degrees=INSERTION_DEGREES).infarct_percent)
    assert said["segments"] == [5, 11] and percent[[4, 10]].sum() > 0.6 * percent.sum()


def test_a_deep_lesion_is_more_transmural_than_a_shallow_one_of_its_size(cone):
    depth = {
        wish: mean_transmurality_percent(
            wall_chords(drawn(cone, 1, size_percent_lv=12, transmurality_percent=wish)[0], cone[1]), infarcted_only=True
        )
        for wish in (35, 95)
    }
    assert depth[35] < depth[95] - 20


def test_what_was_drawn_is_said_as_it_is_measured(cone):
    label, said = drawn(cone, 3, size_percent_lv=12, territory="LAD")
    depth = mean_transmurality_percent(wall_chords(label, cone[1]), infarcted_only=True)
    assert said["transmurality_percent"] == pytest.approx(depth, abs=0.1) and 45 < depth <= 100


def test_a_shallow_lesion_too_large_for_its_bed_is_refused_and_one_that_fits_stays_in_it(cone):
    with pytest.raises(DataError, match="in the bed of the LAD at a depth of 20 %"):
        drawn(cone, size_percent_lv=25, territory="LAD", transmurality_percent=20)
    for seed in range(4):
        label, _ = drawn(cone, seed, size_percent_lv=12, territory="LCX", transmurality_percent=[35, 60])
        percent = np.nan_to_num(aha17(label, cone[1], insertion_degrees=INSERTION_DEGREES).infarct_percent)
        assert percent[[one - 1 for one in SEGMENTS_OF["LCX"]]].sum() > 0.45 * percent.sum()


def test_no_reflow_is_there_when_it_is_asked_for_and_inside_the_infarct(cone):
    with_core, said = drawn(cone, 2, size_percent_lv=20, no_reflow=True)
    without, _ = drawn(cone, 2, size_percent_lv=20, no_reflow="false")
    assert said["no_reflow"] and (with_core == 4).any() and not (without == 4).any()


def test_an_old_lesion_of_the_label_map_is_gone(cone):
    before = cone[0].copy()
    before[cone[0] == 2] = np.where(np.arange((cone[0] == 2).sum()) % 2, 3, 5)
    label, _ = draw_lesion(before, cone[1], cone[2], LesionWish((5.0, 5.0), ("LAD",)), np.random.default_rng(0))
    assert infarct_percent_lv(label) < 7 and not (label == 5).any()


def test_the_seed_decides(cone):
    assert np.array_equal(drawn(cone, 5)[0], drawn(cone, 5)[0])
    assert not np.array_equal(drawn(cone, 5)[0], drawn(cone, 6)[0])


def test_a_place_too_small_for_the_size_is_refused_with_what_it_holds(cone):
    with pytest.raises(DataError, match=r"found room for [\d.]+ %LV in segments 13 at a depth of 95 %, expected"):
        drawn(cone, size_percent_lv=30, segments=13)


def test_a_label_map_without_base_and_apex_is_refused(cone):
    with pytest.raises(DataError, match="no lesion can be drawn"):
        wall_of_label(np.zeros_like(cone[0]), cone[1], SEPTUM_DEGREES)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"size_percent_lv": 60}, r"lesion_percent_lv: found \[60.0, 60.0\], expected two numbers from 1 to 40"),
        ({"size_percent_lv": [20, 5]}, "the smaller first"),
        ({"size_percent_lv": "large"}, "expected a number or two"),
        ({"territory": "LM"}, r"lesion_territory: found \['LM'\], expected one or more of LAD, RCA, LCX"),
        ({"segments": [17]}, r"lesion_segments: found \[17\], expected AHA segments 1 to 16"),
        ({"transmurality_percent": 5}, "lesion_transmurality_percent"),
        ({"no_reflow": "perhaps"}, "lesion_no_reflow"),
        ({"territory": "LAD", "segments": [5]}, "found with lesion_segments, expected one of them"),
    ],
)
def test_wishes_that_cannot_be_are_refused_with_the_range(wish, message):
    with pytest.raises(ConfigError, match=message):
        lesion_wish(**({"size_percent_lv": 10} | wish))
