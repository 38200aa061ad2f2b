"""What is known of a subject: sizes counted in the label, analytic volumes, usable slices, meta that fits them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.describe import analytic_volumes_ml, truth_of, usable_slices
from scripts.phantom.heart.motion import contraction_at

pytestmark = pytest.mark.slow

WALL = (2, 3, 4, 5)
INFARCTS = (("acute_mi", 14.0), ("acute_mi", 27.0), ("acute_mi", 40.0), ("old_scar", 18.0))
ILL = (*INFARCTS, ("takotsubo", None), ("healthy", None))


def asked(condition, infarct):
    return {"condition": condition} | ({} if infarct is None else {"infarct_percent_lv": infarct})


@pytest.fixture(scope="module")
def pairs(subject_of, heart_of):
    """Clean subject and the heart behind it."""
    return [(subject_of(30 + k, **asked(*one)), heart_of(30 + k, **asked(*one))) for k, one in enumerate(ILL)]


def counted_ml(heart, label):
    voxel = heart.anatomy.pixel_mm**2 * heart.anatomy.slice_thickness_mm / 1000
    codes = {"cavity": (1,), "wall": WALL, "infarct": (3, 4)}
    return {name: float(np.isin(label, code).sum() * voxel) for name, code in codes.items()}


def moment(heart):
    return contraction_at(heart.protocol.diastolic_fraction[0])


def volumes(heart, label, chosen):
    anatomy = replace(heart.anatomy, depth_mm=heart.anatomy.depth_mm[chosen])
    analytic = analytic_volumes_ml(anatomy, heart.pathology, heart.motion, moment(heart))
    return counted_ml(heart, label[..., chosen]), analytic


def below_the_mitral_plane(heart):
    above = heart.motion.mapse_mm * moment(heart)
    return heart.anatomy.depth_mm - heart.anatomy.slice_thickness_mm / 2 > above


@pytest.mark.slow
def test_heart_behind_a_subject_is_the_one_that_was_scanned(pairs):
    for subject, heart in pairs:
        assert subject.meta["vendor"] == heart.protocol.vendor and subject.meta["condition"] == heart.lesion.condition
        found = round(heart.motion.ejection_fraction_percent(heart.anatomy.shape), 2)
        assert subject.meta["truth"]["ejection_fraction_percent"] == found


def test_analytic_volumes_of_a_tube(round_heart):
    found = analytic_volumes_ml(round_heart.anatomy, round_heart.pathology, round_heart.motion, 0.0)
    thick = 4 * round_heart.anatomy.slice_thickness_mm / 1000
    assert found["cavity"] == pytest.approx(np.pi * 24**2 * thick, rel=1e-3)
    assert found["wall"] == pytest.approx(np.pi * (44**2 - 24**2) * thick, rel=1e-3)
    assert found["infarct"] / found["wall"] == pytest.approx(160 / 360, rel=1e-3)


def test_counted_volumes_are_the_analytic_ones_below_the_mitral_plane(pairs):
    infarcts = []
    for subject, heart in pairs:
        counted, analytic = volumes(heart, subject.volumes["label"], below_the_mitral_plane(heart))
        for name in ("cavity", "wall"):
            assert counted[name] == pytest.approx(analytic[name], rel=0.03)
        if heart.lesion.infarct > 0.08:
            infarcts.append(counted["infarct"] / analytic["infarct"])
    assert len(infarcts) == 4 and infarcts[:3] == pytest.approx([1.0] * 3, abs=0.03)
    # A scar leaves a wall of two or three pixels, which loses at both borders where it lies oblique in the slice.
    assert infarcts[3] == pytest.approx(1.0, abs=0.08)


def test_counted_volumes_of_the_whole_stack_are_the_analytic_ones_on_average(pairs):
    """A slice across the mitral plane goes to one side as a whole, so a single stack may miss or gain part of one."""
    excess = {"cavity": [], "wall": []}
    for subject, heart in pairs:
        counted, analytic = volumes(heart, subject.volumes["label"], np.ones(heart.anatomy.slices, dtype=bool))
        for name in excess:
            excess[name].append(counted[name] / analytic[name] - 1)
    for values in excess.values():
        assert abs(np.mean(values)) < 0.03 and np.abs(values).max() < 0.08


def test_infarct_of_the_label_has_the_size_that_was_asked_for(pairs):
    for subject, heart in pairs:
        wanted = 100 * heart.lesion.infarct
        # Counting, partial volume and the slice across the mitral plane: a tenth, at least one percent of the wall.
        tolerance = max(1.0, 0.1 * wanted)
        assert subject.meta["truth"]["infarct_percent_lv"] == pytest.approx(wanted, abs=tolerance)


def test_infarct_sizes_are_right_on_average(pairs):
    ratios = [subject.meta["truth"]["infarct_percent_lv"] / (100 * heart.lesion.infarct)
              for subject, heart in pairs if heart.lesion.infarct > 0]  # fmt: skip
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


def test_truth_counts_no_reflow_as_infarct_and_both_as_area_at_risk():
    label = np.repeat(np.array([0, 1, 2, 3, 4, 5, 6]), [50, 9, 12, 5, 1, 2, 30]).astype(np.uint8)[:, None, None]
    assert truth_of(label) == {"infarct_percent_lv": 30.0, "no_reflow_percent_lv": 5.0, "area_at_risk_percent_lv": 40.0}


def test_meta_sizes_are_those_of_the_written_label(pairs):
    for subject, _ in pairs:
        assert truth_of(subject.volumes["label"]).items() <= subject.meta["truth"].items()


def ring(inner_px=12, gap=False):
    x, y = np.indices((64, 64)) - 32
    radius = np.hypot(x, y)
    plane = np.where(radius < inner_px, 1, np.where(radius < inner_px + 5, 2, 0)).astype(np.uint8)
    if gap:
        plane[:, 32:35][plane[:, 32:35] == 2] = 0
    return plane


def test_slices_are_usable_with_a_closed_ring_a_wide_cavity_a_readable_stir_and_matching_breath_holds():
    empty = np.zeros((64, 64), dtype=np.uint8)
    label = np.stack([ring(), ring(gap=True), ring(inner_px=5), empty, ring(), ring(), ring()], axis=-1)
    shifts = {key: np.zeros((7, 3)) for key in ("cine", "t2_stir", "lge")}
    shifts["cine"][5] = 2.0, 0.0, 2.0
    shifts["t2_stir"][6] = shifts["lge"][6] = shifts["cine"][6] = 5.0, 5.0, 5.0  # moved together: fits
    diagnostic = np.array([True] * 4 + [False] + [True] * 2)
    assert usable_slices(label, 1.5, diagnostic, shifts) == [0, 6]
    # 12 pixels of radius are 36 mm across at 1.5 mm and below 20 mm at 0.8 mm.
    assert usable_slices(label[..., :1], 0.8, diagnostic[:1], {key: one[:1] for key, one in shifts.items()}) == []


@pytest.mark.slow
def test_usable_slices_of_subjects_have_closed_rings_and_are_most_of_the_middle(subject_of):
    for difficulty in ("clean", "realistic"):
        subject = subject_of(6, difficulty=difficulty)
        usable = subject.meta["usable_slices"]
        assert usable == sorted(set(usable)) and len(usable) >= 3
        assert set(usable) <= set(range(subject.volumes["label"].shape[2]))
        for index in usable:
            found = set(np.unique(subject.volumes["label"][..., index]))
            assert 1 in found and found & set(WALL)


def test_volumes_and_ejection_fraction_agree(pairs):
    for subject, _ in pairs:
        truth = subject.meta["truth"]
        ejected = 100 * (1 - truth["lv_esv_ml"] / truth["lv_edv_ml"])
        assert ejected == pytest.approx(truth["ejection_fraction_percent"], abs=0.05)
        assert 70 < truth["lv_edv_ml"] < 300


@pytest.mark.slow
def test_meta_is_plain_json_without_nan_and_fits_the_volumes(subject_of):
    for parameters in (
        {"difficulty": "realistic"},
        {"condition": "healthy"},
        {"difficulty": "hard", "stored_phases": "all", "phases": 4},
    ):
        subject = subject_of(8, **parameters)
        meta = json.loads(json.dumps(subject.meta, allow_nan=False))
        assert meta == subject.meta
        assert len(meta["cine_trigger_times_ms"]) == subject.volumes["cine"].shape[3]
        slices = subject.volumes["label"].shape[2]
        assert len(meta["protocol"]["lge"]["ti_ms"]) == slices
        assert all(np.shape(shift) == (slices, 3) for shift in meta["breath_hold_shifts_mm"].values())
        assert meta["slice_pitch_mm"] == pytest.approx(meta["slice_thickness_mm"] + meta["slice_gap_mm"])
        assert all(0 <= time < meta["rr_interval_ms"] for time in meta["cine_trigger_times_ms"])
        assert "Digital phantom" in meta["disclaimer"]


@pytest.mark.slow
def test_inversion_times_of_meta_are_clinical_ones(subject_of):
    for field_t, low, high in ((1.5, 200, 400), (3.0, 240, 460)):
        times = subject_of(9, difficulty="realistic", field_strength_t=field_t).meta["protocol"]["lge"]["ti_ms"]
        assert low < min(times) and max(times) < high and times == sorted(times)
