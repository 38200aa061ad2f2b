"""Tissue shares per pixel and the label: partial volume, nesting, slices cut by the mitral plane, shifts, motion."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_fill_holes, center_of_mass
from scipy.ndimage import label as components
from scripts.phantom.heart import tissue
from scripts.phantom.heart.motion import contraction_at
from scripts.phantom.heart.render import HeartRenderer, label_from_fractions
from scripts.phantom.heart.shape import ANGLES
from scripts.phantom.scanner.acquisition import Examination

BLOOD, MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA, RV = range(1, 7)
WALL = (MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA)


def rendered(heart, **options):
    return HeartRenderer(heart.anatomy, heart.pathology, heart.motion, **options)


def polar(heart):
    """Distance from the axis, mm, and angle, degrees, of the pixels of a round heart's box."""
    box = heart.anatomy.heart_box()
    x, y = (heart.anatomy.pixel_positions_mm(side)[part] for side, part in zip((0, 1), box, strict=True))
    u, v = np.meshgrid(x, y, indexing="ij")
    return np.hypot(u, v), np.rad2deg(np.arctan2(v, u)) % 360


def resting(heart):
    return contraction_at(heart.protocol.diastolic_fraction[0])


@pytest.fixture(scope="module")
def hearts(heart_of):
    conditions = ("acute_mi", "acute_mi", "acute_mi", "old_scar", "takotsubo", "healthy")
    return [heart_of(seed, condition=one) for seed, one in enumerate(conditions, start=20)]


@pytest.fixture(scope="module")
def labels(hearts):
    return [label_from_fractions(rendered(heart).fractions(resting(heart))) for heart in hearts]


@pytest.mark.slow
def test_shares_of_a_pixel_are_complete_and_never_negative(hearts):
    for heart, contraction in itertools.product(hearts, (0.0, 1.0)):
        shares = rendered(heart).fractions(contraction)
        assert shares.shape == (tissue.HEART_COUNT, heart.anatomy.slices, *rendered(heart).shape)
        assert shares.dtype == np.float32 and shares.min() > -1e-5
        np.testing.assert_allclose(shares.sum(axis=0), 1.0, atol=1e-4)


def test_areas_of_a_tube_are_those_of_circles(round_heart):
    shares = rendered(round_heart).fractions(0.0)
    pixel = round_heart.anatomy.pixel_mm**2
    for level in range(round_heart.anatomy.slices):
        wall = shares[[tissue.MYOCARDIUM, tissue.INFARCT, tissue.NO_REFLOW, tissue.OEDEMA], level].sum() * pixel
        assert shares[tissue.LV_BLOOD, level].sum() * pixel == pytest.approx(np.pi * 24**2, rel=0.01)
        assert wall == pytest.approx(np.pi * (44**2 - 24**2), rel=0.01)
        for code, degrees in ((tissue.INFARCT, 90), (tissue.OEDEMA, 70), (tissue.NO_REFLOW, 70)):
            assert shares[code, level].sum() * pixel / wall == pytest.approx(degrees / 360, rel=0.03)


def test_lesions_of_a_tube_lie_at_their_angles(round_heart):
    label = label_from_fractions(rendered(round_heart).fractions(0.0))[2]
    radius, angle = polar(round_heart)
    for degrees, code in ((45, INFARCT), (135, OEDEMA), (225, NO_REFLOW), (300, MYOCARDIUM), (180, MYOCARDIUM)):
        assert (label[(np.abs(radius - 34) < 8) & (np.abs(angle - degrees) < 4)] == code).all()


def test_slice_half_in_the_ventricle_shows_half_of_it(round_heart):
    whole, half = (rendered(round_heart, depth_mm=np.array([depth]), layers=8, thickness_mm=8.0).fractions(0.0)
                   for depth in (10.0, 0.0))  # fmt: skip
    lv = [tissue.LV_BLOOD, tissue.MYOCARDIUM, tissue.INFARCT, tissue.NO_REFLOW, tissue.OEDEMA]
    # The wall fades from inside to outside over a few mm of depth.
    assert half[lv].sum() == pytest.approx(0.5 * whole[lv].sum(), rel=0.05)
    assert half[tissue.LV_BLOOD].sum() == pytest.approx(0.5 * whole[tissue.LV_BLOOD].sum(), rel=0.01)
    assert half[tissue.ARTERY].sum() > 100 and whole[tissue.ARTERY].sum() == 0.0  # atrium above the mitral plane


@pytest.mark.slow
def test_papillary_muscle_and_trabeculae_lie_in_the_cavity_and_count_as_blood_pool(hearts):
    for heart in hearts:
        shares = rendered(heart).fractions(0.0)
        middle = heart.anatomy.slices // 2
        cavity = shares[[tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.PAPILLARY], middle].sum()
        assert 0.03 < shares[tissue.PAPILLARY, middle].sum() / cavity < 0.55
        label = label_from_fractions(shares)[middle]
        assert (label[shares[tissue.PAPILLARY, middle] > 0.9] == BLOOD).all()


def test_label_takes_the_structure_that_fills_most_of_a_pixel():
    shares = np.zeros((tissue.HEART_COUNT, 1, 1, 6), dtype=np.float32)
    for column, filling in enumerate((
        {tissue.LV_BLOOD: 0.3, tissue.PAPILLARY: 0.25, tissue.MYOCARDIUM: 0.45},
        # The wall as a whole wins over blood; within it the larger of dead and viable, then the larger tissue.
        {tissue.LV_BLOOD: 0.4, tissue.INFARCT: 0.35, tissue.NO_REFLOW: 0.1, tissue.OEDEMA: 0.15},
        {tissue.NO_REFLOW: 0.4, tissue.INFARCT: 0.3, tissue.OEDEMA: 0.3},
        {tissue.INFARCT: 0.4, tissue.OEDEMA: 0.35, tissue.MYOCARDIUM: 0.25},
        {tissue.RV_BLOOD: 0.6, tissue.RV_WALL: 0.4},
        {tissue.FAT: 0.3, tissue.RV_WALL: 0.3, tissue.RV_BLOOD: 0.4},
    )):  # fmt: skip
        for code, share in filling.items():
            shares[code, 0, 0, column] = share
    np.testing.assert_array_equal(label_from_fractions(shares), [[[BLOOD, INFARCT, NO_REFLOW, OEDEMA, RV, 0]]])


def test_conditions_show_the_tissues_they_have_and_no_others(hearts, labels):
    expected = {"acute_mi": {2, 3, 5}, "old_scar": {2, 3}, "takotsubo": {2, 5}, "healthy": {2}}
    for heart, label in zip(hearts, labels, strict=True):
        found = set(np.unique(label)) & set(WALL)
        assert found - {NO_REFLOW} == expected[heart.lesion.condition]
        assert NO_REFLOW not in found or heart.lesion.no_reflow > 0


def test_infarct_of_half_depth_fills_the_inner_half_of_the_wall_and_oedema_the_rest(round_heart):
    old = round_heart.pathology
    half = replace(old, infarct=0.5 * old.infarct, no_reflow=np.ones_like(old.no_reflow), at_risk=old.infarct[1])
    shares = HeartRenderer(round_heart.anatomy, half, round_heart.motion).fractions(0.0)
    radius, angle = polar(round_heart)
    inside = (angle > 5) & (angle < 85)
    for code, low, high in ((tissue.INFARCT, 24, 34), (tissue.OEDEMA, 34, 44)):
        ring = inside & (radius > low + 1.5) & (radius < high - 1.5)
        assert shares[code, 1][ring].min() > 0.99
    assert not shares[tissue.NO_REFLOW].any()


def test_label_keeps_the_area_of_an_infarct_between_rims_thinner_than_a_pixel():
    """A row of pixels, each 0.6 infarct and 0.4 viable rim: by majority all 10 would be infarct, their area is 6."""
    shares = np.zeros((tissue.HEART_COUNT, 1, 1, 20), dtype=np.float32)
    shares[tissue.INFARCT, 0, 0, :10], shares[tissue.MYOCARDIUM, 0, 0, :10] = 0.6, 0.4
    shares[tissue.MYOCARDIUM, 0, 0, 10:] = 1.0
    label = label_from_fractions(shares)[0, 0]
    assert (label[:6] == INFARCT).all() and (label[6:] == MYOCARDIUM).all()


def whole_slices(heart, contraction):
    """Slices that lie in the ventricle with their whole thickness, below the opening of the ring at the base."""
    depth, half = heart.anatomy.depth_mm, heart.anatomy.slice_thickness_mm / 2
    above = heart.motion.mapse_mm * contraction + heart.anatomy.shape.base_mm.max() + 2.0
    return (depth - half > above) & (depth + half < heart.anatomy.shape.length_mm)


def test_no_reflow_lies_in_infarct_and_touches_no_normal_muscle(hearts, labels):
    assert sum((label == NO_REFLOW).sum() for label in labels) > 50
    for heart, label in zip(hearts, labels, strict=True):
        around = []
        for plane in label[whole_slices(heart, resting(heart))]:
            around += plane[binary_dilation(plane == NO_REFLOW) & (plane != NO_REFLOW)].tolist()
        assert MYOCARDIUM not in around
        # Oedema and what lies outside where the infarct reaches through the wall: its outer rim is below a pixel.
        assert around.count(INFARCT) + around.count(BLOOD) >= 0.85 * len(around)


def test_wall_closes_around_the_cavity_and_parts_it_from_the_right_ventricle(hearts, labels):
    for heart, label in zip(hearts, labels, strict=True):
        for plane in label[whole_slices(heart, resting(heart))]:
            blood = plane == BLOOD
            assert binary_fill_holes(np.isin(plane, WALL))[blood].all()
            assert not (binary_dilation(blood) & (plane == RV)).any()


def covered(plane, blood):
    """Part of the circle around the middle of the blood pool, 0..1, that wall covers."""
    middle = np.argwhere(blood).mean(axis=0)
    x, y = (np.argwhere(np.isin(plane, WALL)) - middle).T
    return len(np.unique(np.floor(np.rad2deg(np.arctan2(y, x)) / 10.0))) / 36


@pytest.mark.slow
def test_slice_cut_by_the_mitral_plane_has_most_of_a_ring_or_no_left_ventricle(heart_of):
    """Wall only where it is; a slice that is mostly atrium has no LV, whatever crescent of wall reaches into it."""
    rng, seen, open_rings = np.random.default_rng(0), 0, 0
    for seed in (1, 3, 5, 7):
        heart = heart_of(seed, condition="healthy")
        # Middles of the slices in mm beyond the mitral plane, from mostly atrium to mostly ventricle.
        below = np.array([-2.5, -0.8, 0.0, 0.3, 0.8, 2.5])
        body = replace(heart.anatomy, depth_mm=heart.motion.mapse_mm * resting(heart) + below)
        still = {key: np.zeros((len(below), 3)) for key in ("cine", "t2_stir", "lge")}
        table = tissue.tissues_at(heart.protocol.field_strength_t)
        label = Examination(body, heart.pathology, heart.motion, heart.protocol, table, still, rng).label()
        assert not np.isin(label[..., 0], (BLOOD, *WALL)).any()
        for plane in np.moveaxis(label[..., 4:], -1, 0):
            seen += 1
            ventricle = np.isin(plane, (BLOOD, *WALL))
            assert np.bincount(components(ventricle)[0].ravel())[1:].max() > 0.97 * ventricle.sum()
            assert 0.5 < covered(plane, plane == BLOOD) <= 1.0
            open_rings += not binary_fill_holes(np.isin(plane, WALL))[plane == BLOOD].all()
    assert 0 < open_rings <= seen


def test_wall_beside_the_atrium_is_painted_and_not_labelled(round_heart):
    base = np.where(np.arange(ANGLES) < 120, -8.0, 8.0)
    body = replace(round_heart.anatomy, shape=replace(round_heart.anatomy.shape, base_mm=base))
    above, below = (
        HeartRenderer(body, round_heart.pathology, round_heart.motion, depth_mm=np.array([depth]), thickness_mm=2.0)
        for depth in (-4.0, 4.0)
    )
    wall = [tissue.MYOCARDIUM, tissue.INFARCT, tissue.NO_REFLOW, tissue.OEDEMA]
    third = np.pi * (44**2 - 24**2) / 3
    for renderer in (above, below):
        assert renderer.fractions(0.0)[wall].sum() * body.pixel_mm**2 == pytest.approx(third, rel=0.05)
    assert not above.label(0.0).any()
    assert np.isin(below.label(0.0), WALL).sum() * body.pixel_mm**2 == pytest.approx(third, rel=0.05)
    assert (below.label(0.0) == BLOOD).sum() * body.pixel_mm**2 == pytest.approx(np.pi * 24**2, rel=0.05)


def test_papillary_muscle_moves_inwards_with_the_wall_and_meets_it_in_systole(round_heart):
    head = np.array([[0.0, 0.7, 0.0, 0.8, 4.0, -1.0, 2.0]])
    body = replace(round_heart.anatomy, shape=replace(round_heart.anatomy.shape, papillary=head))
    renderer = HeartRenderer(body, round_heart.pathology, replace(round_heart.motion, shortening=0.6))
    gaps = []
    for contraction in (0.0, 1.0):
        shares = renderer.fractions(contraction)[:, 2]
        row = np.argmin(np.abs(body.pixel_positions_mm(1)[renderer.box[1]]))
        line = shares[:, :, row]
        head_at = np.flatnonzero(line[tissue.PAPILLARY] > 0.5)
        wall_at = np.flatnonzero(line[[tissue.MYOCARDIUM, tissue.INFARCT]].sum(axis=0) > 0.5)
        gaps.append(wall_at[wall_at > head_at[-1]][0] - head_at[-1] - 1)
    assert gaps[0] >= 1 and gaps[1] == 0


def test_trabeculae_of_the_right_ventricle_darken_the_image_and_not_the_label(heart_of):
    heart = heart_of(4, condition="rv_overload")
    renderer = rendered(heart)
    plain, trabeculated = (renderer.fractions(0.0, rv_muscles=one)[tissue.RV_BLOOD].sum() for one in (False, True))
    assert 0.5 < trabeculated / plain < 0.97
    label = renderer.label(0.0)
    assert (label == RV).sum() == pytest.approx(plain, rel=0.06)


def test_septum_bows_in_systole_and_the_cavity_keeps_its_area(round_heart):
    cavity = [tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.PAPILLARY]
    found = {}
    for bowing in (0.0, 0.3):
        body = replace(round_heart.anatomy, shape=replace(round_heart.anatomy.shape, bowing=bowing))
        renderer = HeartRenderer(body, round_heart.pathology, round_heart.motion)
        x = body.pixel_positions_mm(0)[renderer.box[0]]
        for contraction in (0.0, 1.0):
            pool = renderer.fractions(contraction)[cavity, 2].sum(axis=0)
            septal = -x[np.flatnonzero(pool.max(axis=1) > 0.5)[0]]
            found[bowing, contraction] = pool.sum(), septal
    assert found[0.3, 0.0] == found[0.0, 0.0]
    assert found[0.3, 1.0][0] == pytest.approx(found[0.0, 1.0][0], rel=0.01)
    assert found[0.3, 1.0][1] < found[0.0, 1.0][1] - 1.0


def test_right_ventricle_has_the_volume_of_its_form(heart_of):
    ratios = {}
    for condition in ("healthy", "rv_overload", "dilated"):
        labels = [rendered(heart_of(seed, condition=condition)).label(0.0) for seed in range(40, 46)]
        ratios[condition] = np.mean([(one == RV).sum() / (one == BLOOD).sum() for one in labels])
    assert 0.6 < ratios["healthy"] < 1.4
    assert ratios["dilated"] < ratios["healthy"] < 0.8 * ratios["rv_overload"]


def test_shift_in_plane_moves_the_label_by_that_many_millimetres(hearts):
    heart, pixel = hearts[0], hearts[0].anatomy.pixel_mm
    shift = np.zeros((heart.anatomy.slices, 3))
    shift[3, :2] = 6.0, -4.0
    still, moved = (rendered(heart, shift_mm=one).fractions(0.2) for one in (None, shift))
    lv = [tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.PAPILLARY]
    before, after = (np.array(center_of_mass(shares[lv, 3].sum(axis=0))) * pixel for shares in (still, moved))
    np.testing.assert_allclose(after - before, [6.0, -4.0], atol=0.1)
    other = np.arange(heart.anatomy.slices) != 3
    np.testing.assert_array_equal(still[:, other], moved[:, other])


def test_shift_along_the_axis_shows_what_lies_nearer_the_base(hearts):
    heart = hearts[1]
    depth = heart.anatomy.depth_mm[3:6]
    shift = np.zeros((3, 3))
    shift[:, 2] = 5.0
    moved = rendered(heart, shift_mm=shift, depth_mm=depth).fractions(0.2)
    nearer = rendered(heart, depth_mm=depth - 5.0).fractions(0.2)
    np.testing.assert_allclose(moved, nearer, atol=2e-3)
    assert moved[tissue.LV_BLOOD].sum() > 1.02 * rendered(heart, depth_mm=depth).fractions(0.2)[tissue.LV_BLOOD].sum()


def test_cavity_shrinks_with_contraction(hearts):
    for heart in hearts:
        renderer = rendered(heart)
        pool = [tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.PAPILLARY]
        blood = [renderer.fractions(contraction)[pool].sum() for contraction in (0.0, 0.5, 1.0)]
        assert blood[0] > blood[1] > blood[2]


def test_twist_turns_the_apex_with_the_lesion(round_heart):
    """Apical lesion turns counter-clockwise by the angle of the motion, seen in the label's centre of mass."""
    still = replace(round_heart.motion, shortening=0.0, mapse_mm=0.0)
    renderer = HeartRenderer(round_heart.anatomy, round_heart.pathology, still)
    level = 3
    turns = still.twist(round_heart.anatomy.shape, round_heart.anatomy.depth_mm[level : level + 1], 1.0)
    angles = []
    for contraction in (0.0, 1.0):
        share = renderer.fractions(contraction)[tissue.INFARCT, level]
        middle = [np.interp(0.0, round_heart.anatomy.pixel_positions_mm(side)[part], np.arange(part.stop - part.start))
                  for side, part in enumerate(renderer.box)]  # fmt: skip
        x, y = np.array(center_of_mass(share)) - middle
        angles.append(np.rad2deg(np.arctan2(y, x)))
    assert angles[1] - angles[0] == pytest.approx(float(turns[0]), abs=1.5) and turns[0] < -2


def test_mitral_plane_passes_a_basal_slice_in_systole(round_heart):
    renderer = rendered(round_heart, depth_mm=np.array([5.0]), thickness_mm=2.0)
    diastole, systole = (renderer.fractions(contraction) for contraction in (0.0, 1.0))
    assert diastole[tissue.LV_BLOOD].sum() > 500 and diastole[tissue.ARTERY].sum() == 0
    assert systole[tissue.LV_BLOOD].sum() == 0 and systole[tissue.ARTERY].sum() > 300


def test_slow_blood_is_a_thin_rim_along_the_stagnant_wall_only(round_heart):
    stagnant = np.zeros_like(round_heart.pathology.stagnant)
    stagnant[:, 0:90] = 1.0
    renderer = HeartRenderer(round_heart.anatomy, replace(round_heart.pathology, stagnant=stagnant), round_heart.motion)
    shares = renderer.fractions(0.0)
    slow = shares[tissue.SLOW_BLOOD, 2]
    radius, angle = polar(round_heart)
    assert slow.sum() * round_heart.anatomy.pixel_mm**2 == pytest.approx(np.pi / 4 * (24**2 - 21.5**2), rel=0.05)
    there = slow > 0.05
    assert radius[there].min() > 19.5 and radius[there].max() < 26.0
    assert ((angle[there] < 93) | (angle[there] > 357)).all()
