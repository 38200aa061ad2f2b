"""Chest around the heart: every pixel is filled once, organs lie where they belong in a body that turns with the
septum, and no two subjects have the same one."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_opening, label
from scripts.phantom.heart import tissue
from scripts.phantom.heart.anatomy import draw_anatomy
from scripts.phantom.heart.thorax import CODES, Thorax
from scripts.phantom.heart.thorax_canvas import UPRIGHT_SEPTUM_DEG, Canvas, body_turn
from scripts.phantom.parameters import PhantomParameters

pytestmark = pytest.mark.slow  # many chests
SLICES = 5


def anatomy_of(seed, sex="male", slices=SLICES):
    return draw_anatomy(PhantomParameters(slices=slices), sex, 1.0, 1.0, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def chests():
    found = []
    for seed in range(12):
        anatomy = anatomy_of(seed, ("male", "female")[seed % 2])
        found.append((anatomy, Thorax(anatomy, np.random.default_rng(seed))))
    return found


def share(thorax, code):
    return thorax.shares[CODES.index(code)]


def in_body(anatomy, thorax, picture):
    """Centre of mass relative to the heart, mm, in the body's own frame: to the left lung, downwards."""
    weight = picture.sum(axis=0)
    x, y = (anatomy.pixel_positions_mm(side) for side in (0, 1))
    centre = np.array([(weight.sum(axis=1) * x).sum(), (weight.sum(axis=0) * y).sum()]) / weight.sum()
    dx, dy = centre - anatomy.axis_at(np.array(anatomy.shape.length_mm / 2))
    c, s = np.cos(thorax.turn), np.sin(thorax.turn)
    return np.array([c * dx + s * dy, c * dy - s * dx])


def test_shares_of_every_pixel_sum_to_one(chests):
    for anatomy, thorax in chests:
        assert thorax.shares.shape == (len(CODES), SLICES, *anatomy.matrix) and thorax.shares.dtype == np.float32
        np.testing.assert_allclose(thorax.shares.sum(axis=0), 1.0, atol=1e-5)
        assert thorax.shares.min() > -1e-6


def test_every_organ_is_there_in_a_plausible_size(chests):
    for anatomy, thorax in chests:
        area = {code: share(thorax, code)[2].sum() * anatomy.pixel_mm**2 / 100 for code in CODES}
        assert 300 < sum(area.values()) - area[tissue.AIR] < 1100
        assert area[tissue.LUNG] > 35 and area[tissue.FAT] > 20 and area[tissue.MUSCLE] > 30
        assert area[tissue.MARROW] > 1 and area[tissue.ARTERY] > 3
    for code in (tissue.LIVER, tissue.SPLEEN):
        most = [share(thorax, code).max() for _, thorax in chests]
        assert max(most) > 0.99


def test_a_corner_of_the_picture_is_air_to_measure_noise_in(chests):
    for _, thorax in chests:
        air = share(thorax, tissue.AIR)
        corners = [
            air[:, x, y].min() for x in (slice(0, 12), slice(-12, None)) for y in (slice(0, 12), slice(-12, None))
        ]
        assert max(corners) > 0.99


def test_skin_fat_lies_outermost_and_never_lung(chests):
    for anatomy, thorax in chests:
        regions, _ = label(share(thorax, tissue.AIR)[2] > 0.9)
        edges = np.ones(anatomy.matrix, dtype=bool)
        edges[1:-1, 1:-1] = False
        outside = np.isin(regions, np.unique(regions[edges & (regions > 0)]))
        skin = binary_dilation(outside, iterations=3) & ~binary_dilation(outside, iterations=1)
        assert share(thorax, tissue.FAT)[2][skin].mean() > 0.45
        assert share(thorax, tissue.LUNG)[2][skin].mean() < 0.03


def test_liver_lies_below_the_heart(chests):
    below = [
        in_body(anatomy, thorax, share(thorax, tissue.LIVER))
        for anatomy, thorax in chests
        if share(thorax, tissue.LIVER).sum() > 200
    ]
    assert len(below) >= 9 and (np.array(below)[:, 1] > 25.0).all()


def test_lung_lies_above_the_liver_and_mostly_lateral_of_it(chests):
    lung, liver = (
        np.array([
            in_body(anatomy, thorax, share(thorax, code))
            for anatomy, thorax in chests
            if share(thorax, tissue.LIVER).sum() > 200
        ])
        for code in (tissue.LUNG, tissue.LIVER)
    )  # fmt: skip
    assert (lung[:, 1] < liver[:, 1] - 15.0).all() and (lung[:, 0] > liver[:, 0]).mean() > 0.6


def test_diaphragm_rises_from_base_to_apex(chests):
    found = [
        [sum(share(thorax, code)[level].sum() for code in (tissue.LIVER, tissue.SPLEEN)) for level in (0, SLICES - 1)]
        for _, thorax in chests
    ]
    base, apex = np.array(found).T
    assert (apex >= 0.9 * base).mean() > 0.75 and apex.sum() > base.sum()


@pytest.mark.parametrize("septum_deg", [120.0, 187.0, 240.0])
def test_body_turns_on_the_screen_with_the_direction_of_the_septum(septum_deg):
    anatomy = anatomy_of(1)
    anatomy = replace(anatomy, shape=replace(anatomy.shape, septum_angle=np.deg2rad(septum_deg)))
    turns = np.rad2deg([body_turn(anatomy, np.random.default_rng(seed)) for seed in range(300)])
    assert turns.mean() == pytest.approx(septum_deg - UPRIGHT_SEPTUM_DEG, abs=4.0)
    assert 15.0 < turns.std() < 25.0 and np.ptp(turns) < 90.1


def test_organs_follow_the_turn_of_the_body():
    """The same draws in a body that lies 60 degrees further round: the liver's centre moves round the heart."""
    anatomy = anatomy_of(1)
    angles = []
    for septum_deg in (150.0, 210.0):
        shape = replace(anatomy.shape, septum_angle=np.deg2rad(septum_deg))
        body = replace(anatomy, shape=shape)
        middle = body.axis_at(np.array(shape.length_mm / 2))
        directions = []
        for seed in range(8):
            liver = share(Thorax(body, np.random.default_rng(seed)), tissue.LIVER).sum(axis=0)
            if liver.sum() < 200:
                continue
            x, y = (body.pixel_positions_mm(side) for side in (0, 1))
            centre = np.array([(liver.sum(axis=1) * x).sum(), (liver.sum(axis=0) * y).sum()]) / liver.sum() - middle
            directions.append(centre / np.hypot(*centre))
        angles.append(np.rad2deg(np.arctan2(*np.mean(directions, axis=0)[::-1])))
    assert 35.0 < (angles[1] - angles[0]) % 360 < 85.0


def test_surroundings_differ_between_subjects():
    """Same heart, other chests: the tissue at a place around the heart is hardly ever the same in all."""
    anatomy = anatomy_of(1)
    found = [np.argmax(Thorax(anatomy, np.random.default_rng(seed)).shares[:, 2], axis=0) for seed in range(8)]
    x, y = (anatomy.pixel_positions_mm(side) for side in (0, 1))
    heart = anatomy.axis_at(np.array(anatomy.shape.length_mm / 2))
    radius = np.hypot((x - heart[0])[:, None], (y - heart[1])[None, :])
    around = (radius > 60) & (radius < 90)
    agree = [(found[a] == found[b])[around].mean() for a in range(8) for b in range(a)]
    assert np.mean(agree) < 0.6 and max(agree) < 0.95


def test_lung_holds_blood_in_fine_and_wide_vessels(chests):
    for _, thorax in chests:
        lung, blood = share(thorax, tissue.LUNG), share(thorax, tissue.ARTERY)
        tissue_of_lung = lung / np.maximum(lung + blood, 1e-6)
        inside = (lung + blood > 0.98) & (tissue_of_lung > 0.5)
        assert 0.03 < blood[inside].mean() < 0.25
    vessels = [
        ((share(thorax, tissue.ARTERY) > 0.4) & (share(thorax, tissue.LUNG) > 0.05)).sum() for _, thorax in chests
    ]
    assert min(vessels) > 20


def test_lung_vessels_change_from_slice_to_slice(chests):
    for _, thorax in chests:
        blood = share(thorax, tissue.ARTERY)
        assert (np.abs(blood[1] - blood[0]) > 0.3).sum() > 20


def test_pericardial_fat_is_much_in_some_and_little_in_others():
    """Fat within 10 mm outside both ventricles, as part of that ring."""
    anatomy = anatomy_of(3)
    ring = Canvas(anatomy, np.random.default_rng(0)).beyond_heart
    ring = (ring > 2) & (ring < 10)
    parts = [share(Thorax(anatomy, np.random.default_rng(seed)), tissue.FAT)[ring].mean() for seed in range(16)]
    assert min(parts) < 0.1 and max(parts) > 2.5 * min(parts) + 0.1


def test_heart_outline_of_the_canvas_follows_both_ventricles():
    anatomy = anatomy_of(2)
    canvas = Canvas(anatomy, np.random.default_rng(0))
    level = 1
    centre = anatomy.axis_at(anatomy.depth_mm)[level]
    x, y = (anatomy.pixel_positions_mm(side) for side in (0, 1))

    def at(point):
        return canvas.beyond_heart[level, np.abs(x - point[0]).argmin(), np.abs(y - point[1]).argmin()]

    assert at(centre) < -20.0
    side = np.array([np.cos(anatomy.shape.rv_angle), np.sin(anatomy.shape.rv_angle)])
    assert at(centre + 38.0 * side) < -8.0 and at(centre - 45.0 * side) > 5.0
    reach = canvas.reach(anatomy.shape.rv_angle - canvas.turn)[level]
    assert at(centre + (reach + 10.0) * side) > 3.0


def test_vertebral_body_lies_within_the_body(chests):
    """Marrow thicker than a rib, where the image shows it, has tissue around it, no air."""
    found = 0
    for anatomy, thorax in chests:
        bone = binary_opening(share(thorax, tissue.MARROW)[2] > 0.8, iterations=int(7 / anatomy.pixel_mm))
        body = 1.0 - share(thorax, tissue.AIR)[2]
        if bone.sum() < 30:
            continue
        found += 1
        assert body[binary_dilation(bone, iterations=int(8 / anatomy.pixel_mm))].mean() > 0.7
    assert found >= 5


def test_a_chest_takes_a_fraction_of_a_second():
    anatomy = anatomy_of(1, slices=10)
    Thorax(anatomy, np.random.default_rng(0))
    began = time.process_time()
    Thorax(anatomy, np.random.default_rng(1))
    assert time.process_time() - began < 1.0


def test_same_generator_paints_the_same_chest():
    anatomy = anatomy_of(1, "female", 3)
    first, second, other = (Thorax(anatomy, np.random.default_rng(seed)).shares for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.5
