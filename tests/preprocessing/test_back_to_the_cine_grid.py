"""Crops go back to the cine grid voxel for voxel, whatever the grid."""

import numpy as np
import pytest
import torch
from scripts.preprocessing.postprocessing import image_to_cine_grid, probabilities_to_label
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.resampling import resample_planes

TURNS = [swap * np.array(s) for swap in (np.eye(2), np.eye(2)[::-1]) for s in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
GRIDS = {
    "oblique 128": dict(shape=(128, 128, 3)),
    "odd size": dict(shape=(201, 187, 2)),
    "anisotropic": dict(shape=(120, 150, 2), spacing=(1.9, 1.3, 9.0)),
    "one slice": dict(shape=(140, 110, 1)),
    "coarse": dict(shape=(90, 90, 2), spacing=(2.1, 2.1, 10.0)),
} | {f"turn {n}": dict(shape=(110, 96, 2), turn=turn) for n, turn in enumerate(TURNS)}


def _crop_maps(make, grid, centre):
    from scripts.preprocessing.cropping import crop_to_cine_maps

    return crop_to_cine_maps(make.affine(**grid), grid["shape"][2], centre, 1.4, (128, 128))


@pytest.mark.parametrize("name", GRIDS)
def test_ramp_survives_crop_and_inverse_exactly(make, name):
    grid = GRIDS[name]
    shape = grid["shape"]
    x, y, s = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
    ramp = (2 * x - 3 * y + 50 * s + 400).astype(np.float32)
    maps = _crop_maps(make, grid, (shape[0] * 0.45, shape[1] * 0.55))
    crop, inside = resample_planes(ramp, maps, np.arange(shape[2]), (128, 128))
    back = image_to_cine_grid(crop[None], maps, shape)[0]
    # Linear interpolation keeps a ramp exactly, except where a neighbour lies outside crop or image.
    solid = image_to_cine_grid(inside[None].astype(np.float32), maps, shape)[0] > 1 - 1e-5
    rim = np.zeros(shape, bool)
    rim[3:-3, 3:-3] = True
    away_from_crop_edge = image_to_cine_grid(_inner_crop(crop.shape)[None], maps, shape)[0] > 1 - 1e-5
    checked = solid & rim & away_from_crop_edge
    assert checked.mean() > 0.2
    np.testing.assert_allclose(back[checked], ramp[checked], atol=0.02)


def _inner_crop(shape):
    inner = np.zeros(shape, np.float32)
    inner[2:-2, 2:-2] = 1
    return inner


@pytest.mark.parametrize("name", GRIDS)
def test_blob_returns_to_its_voxel_on_every_slice(make, name):
    grid = GRIDS[name]
    shape = grid["shape"]
    volume = np.zeros(shape, np.float32)
    x, y = np.mgrid[: shape[0], : shape[1]]
    voxels = [(shape[0] // 2 + 5 + s, shape[1] // 2 - 7 - 2 * s) for s in range(shape[2])]
    for s, (a, b) in enumerate(voxels):
        volume[:, :, s] = np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8)
    maps = _crop_maps(make, grid, (shape[0] / 2 + 1.3, shape[1] / 2 - 0.6))
    crop, _ = resample_planes(volume, maps, np.arange(shape[2]), (128, 128))
    back = image_to_cine_grid(torch.from_numpy(crop)[None], torch.from_numpy(maps), torch.tensor(shape))[0]
    assert back.dtype == np.float32 and back.shape == shape
    for s, voxel in enumerate(voxels):
        assert np.unravel_index(back[:, :, s].argmax(), shape[:2]) == voxel
    assert np.abs(back - volume).max() < 0.25


def test_outside_the_crop_is_zero_and_background(make):
    grid = dict(shape=(256, 256, 2))
    maps = _crop_maps(make, grid, (60.0, 60.0))
    probabilities = np.zeros((4, 128, 128, 2), np.float32)
    probabilities[3] = 1
    label = probabilities_to_label(probabilities, maps, (256, 256, 2))
    assert label.dtype == np.uint8 and label.shape == (256, 256, 2)
    assert set(np.unique(label)) == {0, 3}
    assert label[60, 60].tolist() == [3, 3] and not label[200:, 200:].any()
    assert (label == 3).sum() == pytest.approx(2 * (60.5 + 64) ** 2, rel=0.03)


def test_each_slice_follows_its_own_map():
    volume = np.ones((20, 20, 3), np.float32)
    maps = np.tile(np.eye(3), (3, 1, 1))
    maps[1, 0, 2] = 15
    values, inside = resample_planes(volume, maps, np.array([0, 1, -1]), (20, 20))
    assert inside.sum(axis=(0, 1)).tolist() == [400, 100, 0]
    assert values.sum(axis=(0, 1)).tolist() == [400, 100, 0]


def test_slice_counts_that_disagree_are_refused():
    with pytest.raises(ValueError, match="3 slices"):
        image_to_cine_grid(np.zeros((1, 8, 8, 3)), np.tile(np.eye(3), (2, 1, 1)), (8, 8, 2))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(8))
def test_label_from_file_to_crop_and_back_lies_on_the_file(tmp_path, make, turn):
    shape = (131, 118, 2)
    matrix = make.affine(shape, spacing=(1.25, 1.6, 8), turn=TURNS[turn])
    folder = make.subject(tmp_path / "p", shape, matrix)
    item = SubjectPreprocessing()(make.entry(folder))
    one_hot = np.eye(4, dtype=np.float32)[item["label"][0].numpy()].transpose(3, 0, 1, 2)
    back = probabilities_to_label(one_hot, item["crop_to_cine"], item["cine_shape"])
    truth = make.sample(make.heart_label, shape, matrix, np.array([10.0, 20, -30]) + 15 * make.right - 20 * make.down)
    for value in (1, 2, 3):
        overlap = 2 * ((back == value) & (truth == value)).sum() / ((back == value).sum() + (truth == value).sum())
        assert overlap > 0.95, (value, overlap)
        assert (back == value).sum() == pytest.approx((truth == value).sum(), rel=0.04)
    assert (back > 0).sum() == pytest.approx((truth > 0).sum(), rel=0.01)
    np.testing.assert_allclose(item["cine_affine"].numpy(), matrix, atol=1e-4)
