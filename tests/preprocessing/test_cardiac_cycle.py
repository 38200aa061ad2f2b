"""Cavity, end-diastole, end-systole and mid-diastole, on a ring whose cavity is known at every phase."""

import numpy as np
import pytest
from scripts.preprocessing.cardiac_cycle import (
    LEAST_CLARITY,
    around_heart,
    cavity_area,
    curve_clarity,
    end_phases,
    in_order,
    mid_diastole,
)

# Contraction over 20 phases: systole to 0.35 of the beat, early filling to 0.6, diastasis to 0.85, atrial kick.
BEAT = np.interp(np.arange(20) / 20, [0, 0.35, 0.6, 0.85, 1.0], [0, 1, 0.2, 0.18, 0])


def ring(contraction, noise=0.0, slices=4, still=True):
    """(61, 61, slices, P): bright blood in a dark wall that thickens, in grey tissue, with still bright fat beside."""
    rng, radius = np.random.default_rng(1), np.hypot(*np.mgrid[-30:31, -30:31])[..., None, None]
    inner = 14 - 6 * np.asarray(contraction)
    outer = np.sqrt(inner**2 + 20.0**2 - 14.0**2)
    frames = np.where(radius < inner, 200.0, np.where(radius < outer, 50.0, 90.0)).repeat(slices, axis=2)
    frames[:8, :, :] = 260.0 * still
    return (frames + noise * rng.normal(size=frames.shape)).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 15.0])
@pytest.mark.parametrize("start", [0, 3, 7, 13])
def test_wherever_the_cine_starts_the_same_images_are_end_diastole_end_systole_and_mid_diastole(start, noise):
    area = cavity_area(np.roll(ring(BEAT, noise), -start, axis=3))
    diastole, systole = end_phases(area)
    rest = mid_diastole(np.roll(ring(BEAT, noise), -start, axis=3), area)
    assert (systole + start) % 20 == 7
    assert (diastole + start) % 20 in (19, 0, 1)
    assert 12 <= (rest + start) % 20 <= 17


def test_the_cavity_counts_and_not_what_is_bright_and_still():
    with_fat, without = (cavity_area(ring(BEAT, still=still)) for still in (True, False))
    assert np.corrcoef(with_fat, without)[0, 1] > 0.99
    assert np.corrcoef(with_fat, (14 - 6 * BEAT) ** 2)[0, 1] > 0.98


@pytest.mark.parametrize(("contraction", "expected"), [((0, 1), (0, 1)), ((1, 0), (1, 0)), ((0.9, 0, 0.4), (1, 0))])
def test_two_or_three_phases_are_enough_for_end_diastole_and_end_systole(contraction, expected):
    assert end_phases(cavity_area(ring(contraction))) == expected


def test_of_two_phases_the_one_nearer_to_mid_diastole_is_end_diastole():
    cine = ring((1, 0))
    assert mid_diastole(cine, cavity_area(cine)) == 1


def test_a_few_phases_give_the_one_a_usual_time_after_end_systole():
    cine = ring((0, 0.6, 1, 0.5, 0.2, 0.15))
    assert mid_diastole(cine, cavity_area(cine)) == 4


def test_an_atrium_that_comes_into_view_at_the_base_does_not_turn_the_curve():
    frames = ring(BEAT)
    frames[15:46, 15:46, 0] = 50 + 150 * BEAT
    assert end_phases(cavity_area(frames))[1] == 7


@pytest.mark.parametrize("frames", [np.ones((9, 9, 2, 1)), np.ones((9, 9, 2, 6)), ring((0.5,)), ring((0.5,) * 5)])
def test_one_phase_or_phases_that_are_alike_have_no_cycle(frames):
    assert cavity_area(frames) is None


def test_a_heartbeat_is_clear_and_noise_is_not():
    assert curve_clarity(cavity_area(ring(BEAT, 15.0))) > 0.9 > LEAST_CLARITY
    noise = np.random.default_rng(0).normal(size=(200, 20))
    assert np.mean([curve_clarity(one) for one in noise]) < 0.3
    assert curve_clarity(np.array([0.0, 1.0, 0.0])) == 0


def test_the_square_around_the_heart_stays_inside_the_image():
    cine = np.zeros((100, 80, 2, 3))
    assert around_heart(cine, (50.0, 40.0), np.array([1.0, 1.0])).shape == (91, 80, 2, 3)
    assert around_heart(cine, (2.0, 78.0), np.array([2.0, 2.0])).shape[:2] == (26, 25)


@pytest.mark.parametrize(
    ("ends", "phases", "expected"),
    [((0, 9), 25, (0, 9)), ((9, 0), 25, (0, 9)), ((20, 4), 25, (20, 4)), ((4, 20), 25, (20, 4)), ((1, 0), 3, (1, 0))],
)
def test_ends_whose_systole_would_be_longer_than_a_heart_s_are_exchanged(ends, phases, expected):
    assert in_order(*ends, phases) == expected
