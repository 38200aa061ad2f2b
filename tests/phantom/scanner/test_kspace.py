"""Limited k-space: rows that sum to one, Gibbs ringing and its filter, resolution, noise, ghosts along one axis."""

import numpy as np
import pytest
from scripts.phantom.scanner.kspace import Sampling, acquired, acquisition_matrix, ghost, scan_noise

SIZE = 96


def edge() -> np.ndarray:
    return (np.arange(SIZE) >= SIZE // 2).astype(np.float32)


@pytest.mark.parametrize("taper", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("fraction", [0.6, 0.9])
def test_rows_sum_to_one_so_that_an_even_picture_stays_as_it_is(fraction, taper):
    matrix = acquisition_matrix(SIZE, fraction, taper, decay=0.3, blur=0.4)
    assert matrix.shape == (SIZE, SIZE) and matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(matrix @ np.full(SIZE, 7.0, dtype=np.float32), 7.0, rtol=1e-4)


def test_sharp_truncation_overshoots_an_edge_by_the_gibbs_constant_and_a_filter_does_not():
    ringing = acquisition_matrix(SIZE, 0.5, 0.0) @ edge()
    assert ringing.max() - 1.0 == pytest.approx(0.0895, abs=0.025) and ringing.min() < -0.06
    filtered = acquisition_matrix(SIZE, 0.5, 1.0) @ edge()
    assert filtered.max() - 1.0 < 0.01 and filtered.min() > -0.01
    # Ringing alternates: the second sample after the overshoot lies below the plateau.
    beyond = ringing[SIZE // 2 :] - 1.0
    assert beyond[:4].max() > 0.05 and beyond[2:6].min() < -0.01


def test_full_sampling_keeps_the_picture():
    smooth = np.add.outer(np.sin(np.arange(40) / 6), np.cos(np.arange(50) / 7)).astype(np.float32)
    same = acquired(np.stack([smooth, 2 * smooth]), Sampling((0.01, 0.01), 0.0), 1.5)
    np.testing.assert_allclose(same[:, 3:-3, 3:-3], np.stack([smooth, 2 * smooth])[:, 3:-3, 3:-3], atol=0.06)


def test_detail_beyond_the_acquired_pixel_is_lost_along_its_own_axis_only():
    wave = np.cos(np.pi * 0.8 * np.arange(SIZE)).astype(np.float32)  # 0.8 of the image's own limit
    inside = slice(20, -20)
    for axis, picture in enumerate((np.repeat(wave[:, None], SIZE, 1), np.repeat(wave[None, :], SIZE, 0))):
        fine, coarse = (1.0, 2.0) if axis == 0 else (2.0, 1.0), (2.0, 1.0) if axis == 0 else (1.0, 2.0)
        kept = acquired(picture, Sampling(fine, 0.1), 1.0)[inside, inside]
        lost = acquired(picture, Sampling(coarse, 0.1), 1.0)[inside, inside]
        assert kept.std() > 0.6 and lost.std() < 0.05


def test_echo_train_blurs_along_phase_encoding_and_motion_along_both():
    point = np.zeros((SIZE, SIZE), dtype=np.float32)
    point[SIZE // 2, SIZE // 2] = 1.0
    plain, decayed, moved = (
        acquired(point, Sampling((1.5, 1.5), 0.5, *extra), 1.0) for extra in ((0.0, 0.0), (0.8, 0.0), (0.0, 1.5))
    )

    def width(picture, axis):
        line = picture.take(SIZE // 2, axis=1 - axis)
        return line.sum() / line.max()

    assert width(decayed, 1) > 1.1 * width(plain, 1) and width(decayed, 0) == pytest.approx(width(plain, 0), rel=0.01)
    assert width(moved, 0) > 1.3 * width(plain, 0) and width(moved, 1) > 1.3 * width(plain, 1)


def test_edge_pixels_go_on_outside_so_that_a_cut_out_does_not_wrap_around():
    picture = np.zeros((40, 40), dtype=np.float32)
    picture[:, 20:] = 100.0
    found = acquired(picture, Sampling((2.0, 2.0), 0.3), 1.0)
    assert np.abs(found[:, 0]).max() < 1.0 and np.abs(found[:, -1] - 100.0).max() < 1.0


@pytest.mark.parametrize("resolution", [(1.0, 1.0), (1.6, 2.3)])
def test_noise_has_a_standard_deviation_of_one_and_no_mean(resolution):
    noise = scan_noise((6, 150, 140), Sampling(resolution, 0.6, 0.35, 1.0), 1.0, np.random.default_rng(1))
    assert noise.dtype == np.float32 and noise.mean() == pytest.approx(0.0, abs=0.02)
    assert noise[:, 10:-10, 10:-10].std() == pytest.approx(1.0, abs=0.03)
    middle = noise[0, 20:-20, 20:-20]
    kurtosis = ((middle - middle.mean()) ** 4).mean() / middle.var() ** 2
    assert kurtosis == pytest.approx(3.0, abs=0.3)


def test_noise_is_no_stronger_at_the_border_of_the_picture():
    noise = scan_noise((300, 60, 60), Sampling((1.6, 2.0), 1.0, blur_mm=1.2), 1.5, np.random.default_rng(1))
    spread = noise.std(axis=0)
    assert spread[0].mean() == pytest.approx(1.0, abs=0.08) and spread[:, -1].mean() == pytest.approx(1.0, abs=0.08)


def test_noise_of_an_interpolated_picture_is_alike_in_neighbours():
    def alike(resolution):
        noise = scan_noise((120, 120), Sampling((resolution, 1.0), 0.0), 1.0, np.random.default_rng(1))
        return np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]

    assert abs(alike(1.0)) < 0.1 and alike(2.0) > 0.5


def test_ghosts_repeat_the_moving_part_along_phase_encoding_only():
    moving = np.zeros((2, 60, 90), dtype=np.float32)
    moving[:, 20:30, 40:46] = 100.0
    added = ghost(moving, 0.05)
    assert not added[:, :20].any() and not added[:, 30:].any()
    columns = np.flatnonzero(added[0, 25])
    assert sorted(columns) == sorted([*(np.arange(40, 46) + 30), *((np.arange(40, 46) + 60) % 90)])
    assert set(np.round(np.abs(added[0, 25, columns]), 4)) == {5.0}
    assert added.sum() == pytest.approx(0.0, abs=1e-3)  # signs alternate
    assert not ghost(moving, 0.0).any()
