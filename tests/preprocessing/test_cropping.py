"""The crop is centred, has the asked spacing, and looks the same however the file stores its axes."""

import numpy as np
import pytest
from scripts.preprocessing.cropping import crop_to_cine_maps, display_axes, share_outside_crop
from scripts.preprocessing.preprocessing import SubjectPreprocessing

TURNS = [swap * np.array(s) for swap in (np.eye(2), np.eye(2)[::-1]) for s in ((1, 1), (1, -1), (-1, 1), (-1, -1))]


def test_crop_middle_lies_on_the_centre_with_the_asked_spacing(make):
    matrix = make.affine((100, 90, 2), spacing=(1.8, 1.2, 8))
    maps = crop_to_cine_maps(matrix, 2, (40.25, 51.5), 1.4, (128, 64))
    assert maps.shape == (2, 3, 3)
    np.testing.assert_allclose(maps[1] @ [63.5, 31.5, 1], [40.25, 51.5, 1])
    step = (maps[0] @ [1, 0, 0])[:2] * (1.8, 1.2)
    assert np.linalg.norm(step) == pytest.approx(1.4)


def test_axial_picture_is_kept_as_radiologists_see_it():
    np.testing.assert_array_equal(display_axes(np.diag([-1.0, -1.0, 5.0, 1.0])), np.eye(2))
    np.testing.assert_array_equal(display_axes(np.diag([1.0, 1.0, 5.0, 1.0])), -np.eye(2))


@pytest.mark.parametrize("turn", TURNS)
def test_axes_of_a_short_axis_view_point_right_and_down_on_the_screen(make, turn):
    matrix = make.affine((64, 64, 3), turn=turn)
    axes = matrix[:3, :2] / 1.4 @ display_axes(matrix)
    np.testing.assert_allclose(axes, np.stack([make.right, make.down], axis=1), atol=1e-9)


def test_every_plane_is_seen_from_the_apex():
    generator = np.random.default_rng(0)
    for _ in range(200):
        matrix = np.eye(4)
        matrix[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0]
        right, down = (matrix[:3, :2] @ display_axes(matrix)).T
        normal = np.cross(matrix[:3, 0], matrix[:3, 1])
        to_apex = normal if normal @ [-0.7, 0.4, -0.6] >= 0 else -normal
        np.testing.assert_allclose(np.cross(right, down), -to_apex, atol=1e-9)


@pytest.mark.slow
def test_all_eight_storage_orders_give_the_same_crop(tmp_path, make):
    crops = []
    for n, turn in enumerate(TURNS):
        folder = make.subject(tmp_path / f"p{n}", (96, 96, 2), make.affine((96, 96, 2), turn=turn))
        crops.append(SubjectPreprocessing(crop_size=(96, 96))(make.entry(folder)))
    for crop in crops[1:]:
        np.testing.assert_allclose(crop["image"], crops[0]["image"], atol=2e-3)
        assert (crop["label"] != crops[0]["label"]).float().mean() < 1e-3
    right_side = crops[0]["label"][0, 48:] == 3
    left_side = crops[0]["label"][0, :48] == 3
    assert right_side.sum() > 20 * left_side.sum()


def test_share_outside_the_crop_is_counted_in_voxels():
    maps = np.repeat(np.eye(3)[None], 2, axis=0)
    maps[:, :2, 2] = 4  # crop pixel (0, 0) lies on voxel (4, 4)
    mask = np.zeros((16, 16, 2), bool)
    assert share_outside_crop(mask, maps, (8, 8)) == 0
    mask[2:6, 5, 1] = True
    assert share_outside_crop(mask, maps, (8, 8)) == 0.5
    mask[11, 11, 0] = mask[12, 11, 0] = True
    assert share_outside_crop(mask, maps, (8, 8)) == 0.5
