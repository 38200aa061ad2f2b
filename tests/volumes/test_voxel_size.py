"""A header that gives two voxel sizes: the one that two sources give is used and both are named, or it is refused."""

import nibabel as nib
import numpy as np
import pytest
from scripts.volumes.reading import read_volume
from scripts.volumes.volume import VolumeError

SHAPE, TRUE = (40, 36, 3), (1.4, 1.4, 8.0)


def resized(matrix, size):
    """The same directions and origin with other voxels."""
    out = matrix.copy()
    out[:3, :3] *= np.asarray(size) / np.linalg.norm(matrix[:3, :3], axis=0)
    return out


@pytest.fixture
def save(tmp_path, make):
    """Writes a cine whose s-form, q-form and pixdim are given one by one; None is code 0."""
    true = make.affine(SHAPE, TRUE)

    def write(sform=None, qform=None, pixdim=TRUE, shape=SHAPE):
        image = nib.Nifti1Image(np.random.default_rng(0).normal(size=shape).astype(np.float32), None)
        image.set_qform(true if qform is None else qform, 0 if qform is None else 1)
        image.header["pixdim"][1:4] = pixdim
        image.set_sform(true if sform is None else sform, 0 if sform is None else 2)
        (tmp_path / "p").mkdir(exist_ok=True)
        nib.save(image, tmp_path / "p/cine.nii")
        return tmp_path / "p/cine.nii"

    return true, write


def test_an_sform_of_unit_columns_gives_way_to_pixdim_with_and_without_a_qform(save):
    true, write = save
    for qform in (None, true):
        volume = read_volume(write(resized(true, (1, 1, 1)), qform))
        np.testing.assert_allclose(volume.grid.affine, true, atol=1e-4)
        (warning,) = volume.warnings
        assert "1 x 1 x 1 mm in the sform" in warning and "1.4 x 1.4 x 8 mm in pixdim" in warning


def test_only_the_axes_whose_size_is_unknown_are_replaced(save):
    true, write = save
    volume = read_volume(write(resized(true, (1.4, 1.4, 1))))
    np.testing.assert_allclose(volume.grid.affine, true, atol=1e-4)


def test_pixdim_and_qform_outweigh_an_sform_of_another_size(save):
    true, write = save
    volume = read_volume(write(resized(true, (0.7, 0.7, 4)), true))
    np.testing.assert_allclose(volume.grid.affine, true, atol=1e-4)
    assert "0.7 x 0.7 x 4 mm in the sform" in volume.warnings[0] and "pixdim and qform is used" in volume.warnings[0]


@pytest.mark.parametrize("pixdim", [(1, 1, 1), (1.4, 1.4, 1)])
def test_an_sform_is_used_where_pixdim_was_never_set(save, pixdim):
    true, write = save
    volume = read_volume(write(true, pixdim=pixdim))
    np.testing.assert_allclose(volume.grid.affine, true, atol=1e-4)
    assert "1.4 x 1.4 x 8 mm in the sform" in volume.warnings[0] and "sform is used" in volume.warnings[0]


@pytest.mark.parametrize(
    ("sform", "pixdim", "with_qform"),
    [((1.4, 1.4, 10), TRUE, False), ((1.2, 1.2, 8), TRUE, False), (TRUE, (1, 1, 1), True)],
)
def test_sizes_of_which_none_is_to_be_preferred_are_refused_with_all_of_them(make, save, sform, pixdim, with_qform):
    true, write = save
    path = write(resized(true, sform), resized(true, pixdim) if with_qform else None, pixdim)
    with pytest.raises(VolumeError) as error:
        read_volume(path)
    text = make.readable(error)
    assert text.startswith("p/cine.nii") and ("no qform" not in text) == with_qform
    for size in (sform, pixdim):
        assert " x ".join(f"{mm:g}" for mm in size) in text


def test_equal_sizes_and_the_distance_between_the_planes_of_a_sheared_stack_are_no_contradiction(save):
    true, write = save
    sheared = true.copy()
    sheared[:3, 2] += 0.5 * true[:3, 0] / 1.4 * 4
    for pixdim in (TRUE, (1.4, 1.4, np.linalg.norm(sheared[:3, 2])), (1.405, 1.395, 8.02)):
        volume = read_volume(write(sheared if pixdim[2] != 8.02 else true, pixdim=pixdim))
        assert volume.warnings == ()
    np.testing.assert_allclose(volume.grid.affine, true, atol=1e-4)


def test_the_thickness_of_a_single_slice_is_not_compared(save):
    true, write = save
    assert read_volume(write(true, pixdim=(1.4, 1.4, 6), shape=(40, 36, 1))).warnings == ()


def test_a_qform_that_is_no_rotation_does_not_count(save):
    true, write = save
    path = write(true, true)
    content = bytearray(path.read_bytes())
    content[256:268] = np.array([0.9, 0.9, 0.9], "<f4").tobytes()
    path.write_bytes(bytes(content))
    np.testing.assert_allclose(read_volume(path).grid.affine, true, atol=1e-4)
