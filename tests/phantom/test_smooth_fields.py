"""Smooth random images: mean, spread, grain."""

import numpy as np
import pytest
from scripts.phantom.smooth_fields import grid_noise, smooth_noise, texture


@pytest.mark.parametrize("grain", [5.0, 30.0])
def test_smooth_noise_has_unit_spread_and_the_asked_grain(grain):
    noise = smooth_noise((170, 143), grain, np.random.default_rng(2))
    assert noise.shape == (170, 143)
    assert noise.mean() == pytest.approx(0.0, abs=1e-4) and noise.std() == pytest.approx(1.0, abs=1e-3)
    shift = int(grain / 4) + 1
    assert np.corrcoef(noise[:-shift].ravel(), noise[shift:].ravel())[0, 1] > 0.5


@pytest.mark.parametrize("grain", [1.0, 2.7, 8.0])
def test_grid_noise_has_unit_spread_everywhere_and_the_asked_grain(grain):
    noise = grid_noise((400, 40, 30), grain, np.random.default_rng(2))
    assert noise.shape == (400, 40, 30) and noise.dtype == np.float32
    np.testing.assert_allclose(noise.std(axis=0), 1.0, atol=0.2)
    near, far = (np.corrcoef(noise[:, 0].ravel(), noise[:, step].ravel())[0, 1] for step in (1, int(4 * grain) + 1))
    assert near > 0.3 and abs(far) < 0.12


def test_persistence_makes_neighbouring_slices_alike():
    for persistence in (0.0, 0.8):
        noise = grid_noise((60, 50, 50), 2.0, np.random.default_rng(3), persistence)
        alike = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
        assert alike == pytest.approx(persistence, abs=0.06) and noise.std() == pytest.approx(1.0, abs=0.05)


def test_texture_mixes_coarse_and_fine_in_a_balance_of_its_own():
    falls = []
    for seed in range(6):
        field = texture((12, 120, 120), 1.5, np.random.default_rng(seed))
        assert field.std() == pytest.approx(1.0, abs=0.2) and abs(field.mean()) < 0.3
        falls.append([np.corrcoef(field[:, :-step].ravel(), field[:, step:].ravel())[0, 1] for step in (2, 12)])
    near, far = np.array(falls).T
    assert near.min() > 0.4 and (far < near).all() and far.max() > 0.05 and np.ptp(near) > 0.03
