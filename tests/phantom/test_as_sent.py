"""Subjects as a hospital sends them: every way is met, files tell what they should, headers agree with pixels."""

import json
from collections import Counter

import numpy as np
import pytest
from scripts.phantom.as_sent import OwnStack, Sending, draw_sending
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject


@pytest.fixture(scope="module")
def sendings(heart_of):
    heart = heart_of(3, difficulty="realistic")
    given = PhantomParameters(timing="as_sent")
    return [draw_sending(given, heart.protocol, heart.anatomy, np.random.default_rng(k)) for k in range(400)]


def test_every_way_is_met_and_complete_subjects_are_the_minority(sendings):
    counts = Counter("many" if len(one.cine) > 2 else len(one.cine) for one in sendings)
    assert counts[1] > 20 and counts[2] > 30 and counts["many"] > 250
    many = [len(one.cine) for one in sendings if len(one.cine) > 2]
    assert min(many) == 8 and max(many) == 40
    assert {one.begins for one in sendings} == {
        "r_wave", "trigger_delay", "pulse", "end_diastole", "phase_of_the_lge"
    }  # fmt: skip
    times = Counter(one.times for one in sendings)
    assert min(times[()], times[("cine",)], times[("cine", "t2_stir")], times[("t2_stir", "lge")]) > 20
    assert Counter(name for one in sendings for name in one.gaps).keys() == {"t2_stir", "lge"}
    assert all(not one.stacks for one in sendings)


def test_t2_stir_is_often_in_late_diastole_and_the_lge_rarely_in_systole(sendings):
    stir, lge = (np.array([getattr(one, name) for one in sendings]) for name in ("t2_stir", "lge"))
    assert 0.35 < np.mean(stir > 0.8) < 0.65 and 0.02 < np.mean(lge < 0.45) < 0.12
    assert np.mean(np.abs(stir - lge) > 0.05) > 0.3


def test_a_trigger_delay_leaves_the_first_phase_after_end_diastole(sendings):
    delayed = [one for one in sendings if one.begins == "trigger_delay"]
    assert all(0.04 <= one.cine[0] <= 0.15 and 0.82 <= one.cine[-1] <= 0.95 for one in delayed)
    assert all(one.trigger_times_ms(1000.0)["cine_trigger_times_ms"] in (None,) for one in delayed if not one.times)


def test_times_from_a_pulse_count_from_it_and_stay_in_one_beat():
    one = Sending((0.3, 0.8, 1.2), lge=0.7, t2_stir=0.2, clock=0.3, begins="pulse")
    assert one.trigger_times_ms(1000.0) == {
        "cine_trigger_times_ms": [0.0, 500.0, 900.0], "lge_trigger_time_ms": 400.0, "t2_stir_trigger_time_ms": 900.0,
    }  # fmt: skip
    assert one.truth()["cine_phases"] == [0.3, 0.8, 0.2] and one.truth()["lge_phase"] == 0.7


def test_times_that_are_not_told_are_empty():
    one = Sending((0.0, 0.5), lge=0.7, t2_stir=0.8, times=("cine",))
    assert one.trigger_times_ms(1000.0) == {
        "cine_trigger_times_ms": [0.0, 500.0], "lge_trigger_time_ms": None, "t2_stir_trigger_time_ms": None,
    }  # fmt: skip


@pytest.mark.parametrize(("phases", "cine"), [(1, 1), (2, 2), (12, 12)])
def test_phases_that_are_given_are_those_of_every_subject(heart_of, phases, cine):
    heart, given = heart_of(3), PhantomParameters(timing="as_sent", phases=phases)
    for seed in range(8):
        assert len(draw_sending(given, heart.protocol, heart.anatomy, np.random.default_rng(seed)).cine) == cine


def made(index, **parameters):
    return make_subject(index, 5, PhantomParameters(**({"timing": "as_sent", "slices": 7} | parameters)))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_subject_and_its_truth_is_not_where_preprocessing_looks():
    one, again = made(2), made(2)
    assert one.meta == again.meta
    for name, volume in one.volumes.items():
        np.testing.assert_array_equal(volume, again.volumes[name])
    json.dumps(one.meta)
    sent = one.meta["truth"]["sent"]
    assert one.volumes["cine"].shape[3] == len(sent["cine_phases"])
    complete = made(2, timing="complete")
    assert "sent" not in complete.meta["truth"] and complete.volumes["cine"].shape[3] == 25
    assert complete.meta["truth"]["lv_edv_ml"] == one.meta["truth"]["lv_edv_ml"]


@pytest.mark.slow
def test_a_missing_slice_is_empty_and_not_usable():
    found = {}
    for index in range(1, 30):
        one = made(index, phases=1, difficulty="easy", slices=5)
        found |= {name: (one, gap) for name, gap in one.meta["truth"]["sent"]["missing_slices"].items()}
    for name, (one, gap) in found.items():
        empty = ~one.volumes[name].any(axis=(0, 1))
        assert np.flatnonzero(empty).tolist() == [gap] and gap not in one.meta["usable_slices"]
    assert "t2_stir" in found


def test_a_stack_of_its_own_is_cut_and_moved_together():
    volume = np.arange(10 * 12 * 5).reshape(10, 12, 5)
    own = OwnStack(along_mm=3.0, margins=(1, 2, 3, 4), ends=(1, 1))
    np.testing.assert_array_equal(own.volume(volume), volume[1:8, 3:8, 1:4])


@pytest.mark.slow
@pytest.mark.parametrize("index", [8, 11])
def test_headers_of_stacks_planned_apart_agree_with_their_pixels(index):
    """The heart's axis and the cavity's area in mm are the same, read on the cine's grid or on the stack's own."""
    one, plain = (made(index, aligned=False, difficulty="clean", timing=way) for way in ("as_sent", "complete"))
    assert one.own_stacks.keys() == {"t2_stir", "lge", "label"}
    assert one.volumes["label"].shape == one.volumes["lge"].shape
    along = one.meta["truth"]["sent"]["stacks_along_mm"]["lge"]
    assert abs(along) > 1.5

    def profile(subject):
        label, affine = subject.volumes["label"] == 1, subject.affine_of("label")
        centres = np.array([np.argwhere(label[..., s]).mean(axis=0).tolist() + [s] for s in range(label.shape[2])])
        return centres @ affine[:3, :3].T + affine[:3, 3], label.sum(axis=(0, 1))

    (moved, area), (still, usual_area) = profile(one), profile(plain)
    normal = np.array(plain.affine[:3, 2]) / np.linalg.norm(plain.affine[:3, 2])
    depth, usual = moved @ normal, still @ normal
    np.testing.assert_allclose(depth - usual, along, atol=1e-3)
    inside = slice(1, -1)
    for side in range(3):
        expected = np.interp(depth[inside], usual, still[:, side])
        assert np.abs(moved[inside, side] - expected).max() < 1.2
    expected = np.interp(depth[inside], usual, usual_area)
    assert np.abs(area[inside] / expected - 1).max() < 0.06
