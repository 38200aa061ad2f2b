"""Similarity of two images in the crop and inside the wall."""

import pytest
import torch
from scripts.evaluation.image_quality import image_quality


def image(size=48):
    generator = torch.Generator().manual_seed(0)
    lge = torch.rand(1, size, size, 2, generator=generator) * 0.5
    wall = torch.zeros_like(lge, dtype=torch.bool)
    wall[:, 20:30, 20:30] = True
    return lge, wall


def test_an_error_inside_the_wall_counts_there_and_hardly_in_the_crop():
    lge, wall = image()
    worse = torch.where(wall, lge + 0.1, lge)
    row, missing = image_quality(worse, lge, wall)
    share = float(wall.float().mean())
    assert missing == []
    assert row["mae_myocardium"] == pytest.approx(0.1, abs=1e-6)
    assert row["mse_myocardium"] == pytest.approx(0.01, abs=1e-6)
    assert row["psnr_myocardium_db"] == pytest.approx(20.0, abs=1e-3)
    assert row["mae_crop"] == pytest.approx(0.1 * share, abs=1e-6)
    assert row["ssim_myocardium"] < row["ssim_crop"] < 1.0


def test_equal_images_have_ssim_one_and_no_psnr():
    lge, wall = image()
    row, missing = image_quality(lge, lge.clone(), wall)
    assert row["ssim_crop"] == pytest.approx(1.0) and row["ssim_myocardium"] == pytest.approx(1.0)
    assert "psnr_crop_db" not in row and any("both images are the same" in text for text in missing)


def test_a_reference_without_wall_has_no_numbers_there():
    lge, wall = image()
    row, missing = image_quality(lge * 0.9, lge, torch.zeros_like(wall))
    assert "mae_crop" in row and not any("myocardium" in name for name in row)
    assert any("no LV myocardium" in text for text in missing)


@pytest.mark.parametrize("size", [8, 20])
def test_a_crop_too_small_for_the_windows_says_so(size):
    lge, wall = image(48)
    row, missing = image_quality(
        lge[:, :size, :size] * 0.9, lge[:, :size, :size], wall[:, 18 : 18 + size, 18 : 18 + size]
    )
    assert "ms_ssim_crop" not in row and any(text.startswith("ssim:") for text in missing)


def test_ms_ssim_of_the_wall_sees_what_is_wrong_there_and_nothing_else():
    lge, wall = image(64)
    assert image_quality(lge, lge.clone(), wall)[0]["ms_ssim_myocardium"] == pytest.approx(1.0)
    far = lge.clone()
    far[:, 50:] = 0.9
    assert image_quality(far, lge, wall)[0]["ms_ssim_myocardium"] == pytest.approx(1.0)
    near = torch.where(wall, lge.flip(1), lge)
    row, _ = image_quality(near, lge, wall)
    assert row["ms_ssim_myocardium"] < row["ms_ssim_crop"]


def test_an_image_that_is_not_finite_has_no_numbers_and_the_reason():
    lge, wall = image()
    row, missing = image_quality(torch.where(wall, torch.nan, lge), lge, wall)
    assert row == {} and missing == ["image quality: an image has values that are not finite"]


@pytest.mark.parametrize("corner", [slice(0, 3), slice(5, 12)])
def test_a_wall_at_the_border_of_the_crop_has_the_reason_in_place_of_a_number(corner):
    lge, wall = image(64)
    edge = torch.zeros_like(wall)
    edge[:, corner, corner] = True
    row, missing = image_quality(lge * 0.9, lge, edge)
    assert "ms_ssim_myocardium" not in row and any("border of the crop" in text for text in missing)
    assert all(value == value for value in row.values())
