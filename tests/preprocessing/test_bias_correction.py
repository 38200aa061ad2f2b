"""N4 correction of coil shading: a field that is known comes out, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scripts import conventions
from scripts.phantom.scanner.signal import coil_bias
from scripts.preprocessing.bias_correction import shading_field, without_shading
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.grids import Grid
from scripts.volumes.volume import Volume

pytestmark = pytest.mark.slow  # ITK's classes take 14 s to load


@pytest.fixture(scope="module")
def body() -> np.ndarray:
    """A body of two tissues with a heart in it, (96, 96, 6), noise of 2 %."""
    x, y = np.mgrid[-1:1:96j, -1:1:96j]
    plane = np.where(x**2 + 1.4 * y**2 < 0.8, 100.0, 0.0)
    plane[(x + 0.2) ** 2 + y**2 < 0.1] = 180.0
    noise = np.random.default_rng(3).normal(1, 0.02, (96, 96, 6))
    return (plane[..., None] * noise).astype(np.float32)


def _unevenness(image: np.ndarray, tissue: np.ndarray) -> float:
    return float(np.log(image[tissue]).std())


def test_shading_of_a_known_coil_is_taken_out_for_the_most_part(body):
    shaded = body * coil_bias(body.shape[:2], 4.0, -60.0)[..., None]
    corrected = shaded / shading_field(shaded)
    muscle = (body > 80) & (body < 130)
    assert _unevenness(corrected, muscle) < 0.5 * _unevenness(shaded, muscle)


def test_an_even_image_stays_as_it_is_within_a_few_percent(body):
    field = shading_field(body)
    assert field.shape == body.shape and field.dtype == np.float32
    assert np.abs(np.log(field[body > 80])).max() < 0.1


def test_the_field_has_mean_one_over_the_body(body):
    field = shading_field(body * coil_bias(body.shape[:2], 4.0, 200.0)[..., None])
    assert np.log(field[body > 80]).mean() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_stacks_with_fewer_slices_than_control_points_have_a_field(body, slices):
    shaded = (body * coil_bias(body.shape[:2], 4.0, -60.0)[..., None])[..., :slices]
    field = shading_field(shaded)
    assert field.shape == shaded.shape and np.isfinite(field).all()
    assert (field[48, 12] > 1.5 * field[48, 84]).all()  # the coil lies at low y


@pytest.mark.parametrize("image", [np.zeros((32, 32, 4), np.float32), np.ones((8, 8, 3), np.float32)])
def test_an_image_that_tells_nothing_has_a_field_of_ones(image):
    assert (shading_field(image) == 1).all()


def test_all_phases_of_a_cine_are_divided_by_the_field_of_the_phase_that_is_used(body):
    coil = coil_bias(body.shape[:2], 4.0, -60.0)[..., None]
    cine = Volume(np.stack([body, 2 * body * coil], axis=3), Grid("cine", body.shape, np.eye(4)))
    field = shading_field(cine.array[..., 1])
    corrected = without_shading(cine, phase=1)
    assert np.array_equal(corrected.array, cine.array / field[..., None]) and corrected.grid is cine.grid
    still = without_shading(Volume(cine.array[..., 1], cine.grid))
    assert np.array_equal(still.array, corrected.array[..., 1])


def test_cine_and_stir_of_a_subject_are_corrected_and_its_lge_and_label_stay_as_they_are(tmp_path, make):
    entry = make.entry(make.subject(tmp_path / "p1"))
    plain = SubjectPreprocessing()(entry)
    corrected = SubjectPreprocessing(bias_correction=True)(entry)
    assert all(torch.equal(plain[key], corrected[key]) for key in ("lge", "label", "crop_to_cine", "phase"))
    assert not torch.equal(plain["image"], corrected["image"])


def test_a_switch_that_is_neither_true_nor_false_is_named():
    with pytest.raises(conventions.ConfigError, match="bias_correction"):
        SubjectPreprocessing(bias_correction="sometimes")
