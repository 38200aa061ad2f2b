"""Coronary beds: AHA segments around the septum, beds in their territory, level sets of a given size."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.heart.shape import ANGLES, DEPTHS, draw_shape
from scripts.phantom.heart.territory import SEGMENTS_OF, bed_field, segment_map, upper_level


@pytest.fixture(scope="module")
def shape():
    return replace(draw_shape("male", 1.0, 1.0, np.random.default_rng(1)), septum_angle=np.pi)


# Frame of the image: septum left (180), anterior up (270), inferior down (90), lateral right (0).
@pytest.mark.parametrize(
    ("level", "degrees", "segment"),
    [
        (0.15, 270, 1), (0.15, 210, 2), (0.15, 150, 3), (0.15, 90, 4), (0.15, 30, 5), (0.15, 330, 6),
        (0.50, 270, 7), (0.50, 210, 8), (0.50, 150, 9), (0.50, 90, 10), (0.50, 30, 11), (0.50, 330, 12),
        (0.80, 270, 13), (0.80, 180, 14), (0.80, 90, 15), (0.80, 0, 16), (0.97, 0, 17), (0.97, 180, 17),
    ],
)  # fmt: skip
def test_segments_lie_where_the_aha_puts_them(shape, level, degrees, segment):
    assert segment_map(shape)[int(level * DEPTHS), degrees] == segment


def test_segments_turn_with_the_septum_and_border_at_the_anterior_insertion(shape):
    turned = replace(shape, septum_angle=np.pi + np.deg2rad(20))
    same = segment_map(turned) == np.roll(segment_map(shape), 20, axis=1)
    assert same.mean() > 0.998  # borders that fall on a column may round either way
    basal = segment_map(shape)[5]
    assert basal[180 + 59] == 2 and basal[180 + 61] == 1


def test_sectors_are_of_60_degrees_and_the_three_beds_cover_every_segment(shape):
    counts = np.bincount(segment_map(shape)[5], minlength=7)[1:7]
    assert np.abs(counts - 60).max() <= 1
    assert sorted(sum(SEGMENTS_OF.values(), ())) == list(range(1, 18))


@pytest.mark.parametrize("territory", ["LAD", "RCA", "LCX"])
def test_bed_lies_mostly_in_the_segments_of_its_artery(shape, territory):
    shares, angles = [], []
    weight = shape.wall_volume
    for seed in range(12):
        bed = bed_field(shape, territory, np.random.default_rng(seed))
        inside = bed >= upper_level(bed, weight, 0.25)
        own = np.isin(segment_map(shape), SEGMENTS_OF[territory])
        shares.append((weight * inside * own).sum() / (weight * inside).sum())
        turn = (weight * inside * np.exp(1j * np.deg2rad(np.arange(ANGLES)))).sum()
        angles.append(np.angle(turn))
    assert np.mean(shares) > 0.75
    middle = np.rad2deg(np.angle(np.exp(1j * np.array(angles)).sum())) % 360
    low, high = {"LAD": (195, 285), "RCA": (85, 165), "LCX": (-30, 50)}[territory]
    assert low < middle < high or low < middle - 360 < high


def test_beds_differ_between_patients(shape):
    beds = [bed_field(shape, "LAD", np.random.default_rng(seed)) for seed in range(2)]
    inside = [bed >= upper_level(bed, shape.wall_volume, 0.3) for bed in beds]
    assert (inside[0] != inside[1]).mean() > 0.02


@pytest.mark.parametrize("share", [0.1, 0.35, 0.8])
def test_level_holds_the_asked_share_of_the_weight(share):
    rng = np.random.default_rng(0)
    field, weight = rng.normal(size=(DEPTHS, ANGLES)), rng.uniform(size=(DEPTHS, ANGLES))
    above = field >= upper_level(field, weight, share)
    assert weight[above].sum() / weight.sum() == pytest.approx(share, abs=1e-3)


def test_nothing_lies_above_the_level_of_no_weight():
    assert upper_level(np.ones((2, 3)), np.zeros((2, 3)), 0.5) == float("inf")
