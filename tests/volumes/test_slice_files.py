"""A stack in several files is read as one where their positions allow, and refused where they do not."""

import numpy as np
import pytest
from scripts.datasets.layouts import read_layout
from scripts.volumes.reading import SUFFIXES, read_volume
from scripts.volumes.slice_files import file_series
from scripts.volumes.volume import VolumeError

SHAPE = (40, 36, 5, 3)


@pytest.fixture
def stack(make):
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), make.affine(SHAPE[:3])


def at(matrix, k):
    """The affine of slice ``k`` by itself."""
    own = matrix.copy()
    own[:3, 3] += k * matrix[:3, 2]
    return own


def write_slices(make, folder, stack, names, slices=range(5)):
    array, matrix = stack
    for name, k in zip(names, slices, strict=True):
        make.write(folder / name, array[:, :, k : k + 1], at(matrix, k))
    return folder


@pytest.mark.parametrize("place", ["p/cine_{:02d}.nii.gz", "p/cine/slice{}.nii", "p/cine-s{}.nii.gz"])
def test_files_of_one_slice_each_are_one_stack(tmp_path, make, stack, place):
    write_slices(make, tmp_path, stack, [place.format(n) for n in range(8, 13)])
    (entry,) = read_layout(tmp_path).entries
    volume = read_volume(entry["cine"], phases=True)
    np.testing.assert_allclose(volume.array, stack[0])
    np.testing.assert_allclose(volume.grid.affine, stack[1], atol=1e-4)
    assert any("5 files of one slice each, merged by position" in text for text in volume.warnings)


def test_positions_outweigh_the_numbers_in_the_names(tmp_path, make, stack):
    order = [3, 0, 4, 1, 2]
    write_slices(make, tmp_path, stack, [f"p/t2_stir_{n}.nii" for n in range(5)], order)
    volume = read_volume(read_layout(write_cine(make, tmp_path, stack)).entries[0]["t2_stir"], phases=True)
    straight = np.allclose(volume.grid.affine, stack[1], atol=1e-4)
    np.testing.assert_allclose(volume.array, stack[0] if straight else stack[0][:, :, ::-1])
    np.testing.assert_allclose(volume.grid.world([[3, 4, 0]]), at_voxel(stack[1], 0 if straight else 4), atol=1e-3)


def write_cine(make, root, stack):
    make.write(root / "p/cine.nii.gz", *stack)
    return root


def at_voxel(matrix, k):
    return (matrix @ [3, 4, k, 1])[None, :3]


def test_slices_that_are_not_numbered_along_the_heart_keep_every_pixel_in_place(tmp_path, make, stack):
    write_slices(make, tmp_path, stack, [f"p/cine_{n}.nii" for n in range(5)], range(4, -1, -1))
    volume = read_volume(read_layout(tmp_path).entries[0]["cine"], phases=True)
    np.testing.assert_allclose(volume.array, stack[0][:, :, ::-1])
    np.testing.assert_allclose(volume.grid.world([[3, 4, 0]]), at_voxel(stack[1], 4), atol=1e-3)


def test_files_of_a_whole_stack_each_are_phases(tmp_path, make, stack):
    for phase in range(3):
        make.write(tmp_path / f"p/cine_phase{9 + phase}.nii", stack[0][..., phase], stack[1])
    volume = read_volume(read_layout(tmp_path).entries[0]["cine"], phases=True)
    np.testing.assert_allclose(volume.array, stack[0])
    assert "merged as phases" in volume.warnings[-1]


def _refused(make, path):
    with pytest.raises(VolumeError) as error:
        read_volume(path, phases=True)
    text = make.readable(error)
    assert text.startswith("p/cine")
    return text


def test_a_missing_slice_is_named_by_the_distances(tmp_path, make, stack):
    write_slices(make, tmp_path, stack, [f"p/cine_{n}.nii" for n in (0, 1, 3, 4)], (0, 1, 3, 4))
    assert "8.0, 16.0, 8.0 mm apart" in _refused(make, tmp_path / "p/cine*.nii")


def test_slices_without_positions_are_refused(tmp_path, make, stack):
    for k in range(5):
        make.write(tmp_path / f"p/cine/{k}.nii", stack[0][:, :, k : k + 1], stack[1])
    assert "in one place" in _refused(make, tmp_path / "p/cine")


def test_a_long_axis_among_the_slices_is_refused(tmp_path, make, stack):
    write_slices(make, tmp_path, stack, [f"p/cine_{n}.nii" for n in range(5)])
    make.write(tmp_path / "p/cine_9.nii", stack[0][:, :, :1], make.affine(SHAPE[:3], right=make.normal, down=make.down))
    assert "not parallel" in _refused(make, tmp_path / "p/cine*.nii")


def test_a_slice_beside_the_others_or_of_another_pixel_size_is_refused(tmp_path, make, stack):
    array, matrix = stack
    write_slices(make, tmp_path, stack, [f"p/cine_{n}.nii" for n in range(5)])
    aside, coarse = at(matrix, 2), at(matrix, 2)
    aside[:3, 3] += 12.0 * matrix[:3, 0] / np.linalg.norm(matrix[:3, 0])
    coarse[:3, :2] *= 1.3
    make.write(tmp_path / "p/cine_2.nii", array[:, :, 2:3], aside)
    assert "slice 3 of 5 12.0 mm beside" in _refused(make, tmp_path / "p/cine*.nii")
    make.write(tmp_path / "p/cine_2.nii", array[:, :, 2:3], coarse)
    assert "expected one size" in _refused(make, tmp_path / "p/cine*.nii")


def test_several_stacks_and_files_of_other_shapes_are_refused(tmp_path, make, stack):
    for k in range(2):
        make.write(tmp_path / f"p/cine_{k}.nii", stack[0], at(stack[1], 9 * k))
    assert "of 5 slices each" in _refused(make, tmp_path / "p/cine*.nii")
    make.write(tmp_path / "p/cine_3.nii", stack[0][:30], stack[1])
    assert "(30, 36, 5, 3), (40, 36, 5, 3)" in _refused(make, tmp_path / "p/cine*.nii")


def test_other_files_of_a_folder_are_no_series(tmp_path, make, stack):
    for name in ("cine_2ch.nii.gz", "cine_4ch.nii.gz", "cine_es.nii.gz", "cine_01.nii.gz"):
        make.write(tmp_path / "p" / name, *stack)
    assert file_series(tmp_path / "p", "cine", SUFFIXES) is None
    assert "no file found" in _refused(make, tmp_path / "p/cine*.nii")
