"""The slice axis is found wherever a file has it; a file that does not say which it is is refused."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from scripts.volumes.reading import read_volume
from scripts.volumes.volume import VolumeError

SHAPE = (48, 44, 4)


def reordered(array, matrix, order):
    """The same voxels with the axes in another order."""
    return np.ascontiguousarray(array.transpose([*order, *range(3, array.ndim)])), matrix[:, [*order, 3]]


@pytest.fixture
def stack(make):
    matrix = make.affine(SHAPE)
    centre = np.array([10.0, 20, -30])
    frames = [make.sample(make.heart, SHAPE, matrix, centre, contraction=c) for c in (0, 0.2, 0.3)]
    return np.stack(frames, axis=-1).astype(np.float32), matrix


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_of_axes_gives_the_same_values_in_the_same_places(tmp_path, make, stack, order):
    volume = read_volume(make.write(tmp_path / "p/cine.nii", *reordered(*stack, order)), phases=True)
    assert volume.array.shape[2:] == (4, 3)
    np.testing.assert_allclose(volume.grid.spacing_mm, (1.4, 1.4, 8), atol=1e-4)
    straight = np.allclose(volume.grid.affine, stack[1], atol=1e-4)
    expected = stack[0] if straight else stack[0].transpose(1, 0, 2, 3)
    np.testing.assert_allclose(volume.array, expected, rtol=1e-5)
    np.testing.assert_allclose(volume.grid.affine, stack[1] if straight else stack[1][:, [1, 0, 2, 3]], atol=1e-4)
    assert len(volume.warnings) == (order[2] != 2)


def test_a_file_turned_to_ras_gives_the_same_place_of_every_voxel(tmp_path, make, stack):
    path = make.write(tmp_path / "p/cine.nii", *stack)
    turned = nib.as_closest_canonical(nib.load(path))
    nib.save(turned, tmp_path / "p/turned.nii")
    one, other = (read_volume(tmp_path / "p" / name, phases=True) for name in ("cine.nii", "turned.nii"))
    brightest = [
        v.grid.world(np.argwhere(v.array[..., 0] >= np.sort(v.array[..., 0].ravel())[-9])).mean(0) for v in (one, other)
    ]
    np.testing.assert_allclose(brightest[0], brightest[1], atol=1e-3)
    assert sorted(one.array.shape) == sorted(other.array.shape) and other.array.shape[2] == 4


def test_results_go_back_to_the_axes_of_the_file(tmp_path, make, stack):
    array, matrix = reordered(*stack, (2, 0, 1))
    volume = read_volume(make.write(tmp_path / "p/cine.nii", array, matrix), phases=True)
    np.testing.assert_allclose(volume.file_grid.array(volume.array[..., 1]), array[..., 1])
    np.testing.assert_allclose(volume.file_grid.affine(volume.grid.affine), matrix, atol=1e-4)


def _refused(make, path, **keywords):
    with pytest.raises(VolumeError) as error:
        read_volume(path, **keywords)
    return make.readable(error)


def test_slices_first_without_a_slice_distance_is_refused_and_the_axis_named(tmp_path, make, stack):
    array, _ = reordered(*stack, (2, 1, 0))
    text = _refused(make, make.write(tmp_path / "p/cine.nii", array, np.eye(4)), phases=True)
    assert "(4, 44, 48, 3)" in text and "the first axis" in text and "1 x 1 x 1 mm" in text


def test_voxel_sizes_in_another_order_than_the_axes_are_refused(tmp_path, make, stack):
    array, _ = reordered(*stack, (2, 1, 0))
    text = _refused(make, make.write(tmp_path / "p/cine.nii", array, np.diag([1.4, 1.4, 8, 1])), phases=True)
    assert "the first axis" in text and "the third" in text


def test_phases_first_is_refused(tmp_path, make):
    array = np.random.default_rng(0).normal(size=(12, 10, 100, 110)).astype(np.float32)
    text = _refused(make, make.write(tmp_path / "p/cine.nii", array, np.diag([1.4, 1.4, 8, 1])), phases=True)
    assert "(12, 10, 100, 110)" in text and "fourth axis" in text


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((48, 44, 4), (1.4, 1.4, 1.0)),  # a slice distance that is too small is another finding
        ((48, 44, 4), (1.4, 2.9, 8.0)),  # rectangular pixels
        ((24, 20, 30), (1.0, 1.0, 1.0)),  # nothing to tell by
        ((48, 44, 1), (1.4, 1.4, 1.4)),
        ((100, 100, 1, 200), (1.4, 1.4, 8.0)),  # real time, one slice
    ],
)
def test_slices_that_are_last_stay_there(tmp_path, make, shape, spacing):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    volume = read_volume(make.write(tmp_path / "p/cine.nii", array, make.affine(shape[:3], spacing)), phases=True)
    assert volume.array.shape[:3] == shape[:3] and volume.file_grid.axes == (0, 1, 2) and volume.warnings == ()


def test_an_axis_of_one_voxel_counts_the_slices(tmp_path, make):
    array = np.random.default_rng(0).normal(size=(1, 44, 48)).astype(np.float32)
    volume = read_volume(make.write(tmp_path / "p/lge.nii", array, np.diag([1.4, 1.4, 1.4, 1])))
    assert volume.array.shape == (44, 48, 1)
