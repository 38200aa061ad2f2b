"""Sizes, transmurality, wall and cavity of rings whose answer is known."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.phantom.realism import label_measures as labels


def test_sizes_are_percent_of_the_wall_and_infarct_includes_its_core():
    label = np.repeat(np.array([2, 3, 4, 5, 0, 1], np.uint8), [70, 10, 5, 15, 50, 60]).reshape(10, 21, 1)
    found = labels.lesion_sizes(label)
    assert (found["infarct"], found["no_reflow"], found["area_at_risk"]) == (15.0, 5.0, 30.0)
    assert (found["oedema_only"], found["scar_only"]) == (0.0, 0.0)


def test_hard_negatives_are_told_apart(heart):
    assert labels.lesion_sizes(heart(code=5, depth=1.0, angles=(0, 60)))["oedema_only"] == 1.0
    assert labels.lesion_sizes(heart(code=3, depth=1.0, angles=(0, 60)))["scar_only"] == 1.0


def test_a_label_without_wall_is_not_measurable():
    with pytest.raises(NotMeasurable, match="no LV wall"):
        labels.lesion_sizes(np.ones((8, 8, 3), np.uint8))


@pytest.mark.parametrize("depth", [0.25, 0.5, 1.0])
def test_transmurality_of_one_sector(heart, depth):
    # The septum lies at 180 degrees, so that 0 to 60 degrees is the fifth sector of a six-part ring.
    found = labels.segment_transmurality_percent(heart(depth=depth, angles=(0, 60)))
    assert found.shape == (16,)
    assert found[[4, 10]] == pytest.approx(100 * depth, abs=6)
    assert found[[0, 1, 2, 3, 5, 6, 7, 8, 9, 11]] == pytest.approx(0, abs=4)
    # At the apex 0 to 60 degrees is half of the lateral and a sixth of the next quarter.
    assert found[12:] == pytest.approx([0, 0, 100 * depth / 2, 100 * depth / 6], abs=6)


def test_oedema_alone_is_not_transmural_infarct(heart):
    assert labels.segment_transmurality_percent(heart(code=5, depth=1.0, angles=(0, 180))).max() == 0


def test_transmurality_turns_with_the_septum(heart):
    label = heart(depth=1.0, angles=(0, 60))
    turned = np.ascontiguousarray(np.rot90(label, axes=(0, 1)))
    found = [labels.segment_transmurality_percent(one) for one in (label, turned)]
    assert found[0] == pytest.approx(found[1], abs=4)


def test_transmurality_needs_rings_and_a_septum(heart):
    with pytest.raises(NotMeasurable, match="2 slices"):
        labels.segment_transmurality_percent(heart(slices=2))
    label = heart()
    label[label == 6] = 0
    with pytest.raises(NotMeasurable, match="septum"):
        labels.segment_transmurality_percent(label)


def test_an_open_ring_is_no_ring_slice(heart):
    label = heart()
    label[48:, 40:56, 0] = 0
    assert labels.ring_slices(label) == list(range(1, 9))


@pytest.mark.parametrize("flipped", [False, True])
def test_wall_and_cavity_by_level_start_at_the_wide_end(slice_of, flipped):
    planes = [slice_of(inner=r, outer=r + 6) for r in (24, 24, 18, 18, 12, 12)]
    label = np.stack(planes[::-1] if flipped else planes, axis=-1)
    found = labels.wall_and_cavity_mm(label, 1.5)
    for level, radius in zip(labels.LEVELS, (24, 18, 12), strict=True):
        assert found[f"cavity_{level}"] == pytest.approx(2 * radius * 1.5, rel=0.02)
        assert found[f"wall_{level}"] == pytest.approx(9.0, rel=0.03)


def test_swelling_compares_chords_of_the_same_slices(slice_of):
    thick, thin = slice_of(outer=30.0, depth=1.0, angles=(0, 90)), slice_of(outer=28.0)
    label = np.stack([np.where(thick == 3, thick, np.where(thin > 0, thin, 0))] * 3, axis=-1)
    assert labels.infarct_swelling_ratio(label) == pytest.approx(10 / 8, rel=0.03)


def test_swelling_without_infarct_is_not_measurable(heart):
    with pytest.raises(NotMeasurable, match="not enough chords"):
        labels.infarct_swelling_ratio(heart())
