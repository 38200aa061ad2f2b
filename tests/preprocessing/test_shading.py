"""The brightness of the fat around the chest tells the shading, whatever lies inside."""

import numpy as np
import pytest
from scripts.preprocessing.shading import shading_ratios

SPACING_MM = np.array([2.0, 2.0])


def chest(slices=3):
    """A cine (150, 130, slices) of a round chest in air: fat around dark lung, with a bright organ on one side."""
    x, y = (np.arange(150) - 75.0)[:, None], (np.arange(130) - 65.0)[None, :]
    radius = np.hypot(x, y)
    plane = np.select([radius > 50, radius > 42, (x < -10) & (radius < 40)], [3.0, 300.0, 200.0], 20.0)
    noise = np.random.default_rng(0).standard_normal((*plane.shape, slices))
    return np.abs(plane[..., None] + noise)


def sensitivity(over_chest):
    """A plane whose logarithm rises by log(over_chest) along x over the diameter of the chest, (150, 1, 1)."""
    return np.exp(np.log(over_chest) * (np.arange(150) - 75.0) / 100.0)[:, None, None]


def test_an_even_image_has_a_ratio_near_one():
    assert shading_ratios({"cine": chest()}, SPACING_MM)["cine"] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("ratio", [2.0, 5.0])
def test_the_ratio_is_that_of_the_two_sides_of_the_chest(ratio):
    found = shading_ratios({"cine": chest(), "t2_stir": chest() * sensitivity(ratio)}, SPACING_MM)
    assert found["cine"] == pytest.approx(1.0, abs=0.03)
    assert found["t2_stir"] == pytest.approx(ratio, rel=0.15)
    assert shading_ratios({"cine": chest() * sensitivity(ratio)}, SPACING_MM)["cine"] == pytest.approx(ratio, rel=0.15)


def test_an_image_without_chest_in_air_is_left_out():
    assert shading_ratios({"cine": np.full((60, 60, 3), 9.0)}, SPACING_MM) == {}
    assert shading_ratios({"cine": np.zeros((60, 60, 3))}, SPACING_MM) == {}
    assert shading_ratios({"cine": chest()}, SPACING_MM / 4) == {}
    assert set(shading_ratios({"cine": chest(), "t2_stir": np.zeros((150, 130, 3))}, SPACING_MM)) == {"cine"}
