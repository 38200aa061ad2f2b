"""Smooth random images: mean, spread, grain."""

import numpy as np
import pytest
from scripts.phantom.smooth_fields import smooth_noise


@pytest.mark.parametrize("grain", [5.0, 30.0])
def test_smooth_noise_has_unit_spread_and_the_asked_grain(grain):
    noise = smooth_noise((170, 143), grain, np.random.default_rng(2))
    assert noise.shape == (170, 143)
    assert noise.mean() == pytest.approx(0.0, abs=1e-4) and noise.std() == pytest.approx(1.0, abs=1e-3)
    shift = int(grain / 4) + 1
    assert np.corrcoef(noise[:-shift].ravel(), noise[shift:].ravel())[0, 1] > 0.5
