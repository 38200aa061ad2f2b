"""A file that is not a sound image is refused with its name, what was found and what to do."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from scripts.volumes.reading import read_volume
from scripts.volumes.volume import VolumeError

SHAPE = (32, 30, 3)


@pytest.fixture
def image(make):
    matrix = make.affine(SHAPE)
    return make.sample(make.heart, SHAPE, matrix, np.array([10.0, 20, -30])).astype(np.float32), matrix


def _refused(make, path, **keywords):
    with pytest.raises(VolumeError) as error:
        read_volume(path, **keywords)
    text = make.readable(error)
    assert text.startswith(f"{path.parent.name}/{path.name}") and error.value.stage == "read"
    return text


def test_what_is_written_is_read_back(tmp_path, make, image):
    volume = read_volume(make.write(tmp_path / "p/t2_stir.nii.gz", *image))
    np.testing.assert_allclose(volume.array, image[0])
    np.testing.assert_allclose(volume.grid.affine, image[1], atol=1e-5)
    np.testing.assert_allclose(volume.grid.spacing_mm, (1.4, 1.4, 8), atol=1e-5)
    assert volume.warnings == () and volume.array.dtype == np.float32


def test_cine_gets_a_phase_axis_and_a_2d_file_a_slice(tmp_path, make, image):
    path = make.write(tmp_path / "p/cine.nii.gz", image[0][:, :, 0], image[1])
    assert read_volume(path, phases=True).array.shape == (32, 30, 1, 1)
    path = make.write(tmp_path / "p/cine.nii.gz", np.stack([image[0]] * 5, -1), image[1])
    assert read_volume(path, phases=True).array.shape == (32, 30, 3, 5)


def test_missing_file(tmp_path, make):
    assert "file not found" in _refused(make, tmp_path / "p/cine.nii.gz")


@pytest.mark.parametrize("kept", [0, 5, 200, 0.5, 0.98])
def test_truncated_gz(tmp_path, make, image, kept):
    path = make.write(tmp_path / "p/cine.nii.gz", *image)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    assert "truncated" in _refused(make, path)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("byte", [0x00, 0x55, 0xFF])
def test_damaged_gz(tmp_path, make, image, share, byte):
    path = make.write(tmp_path / "p/cine.nii.gz", *image)
    content = bytearray(path.read_bytes())
    start = int(share * len(content))
    content[start : start + 400] = bytes([byte]) * 400
    path.write_bytes(bytes(content))
    _refused(make, path)


def test_uncompressed_file_cut_short(tmp_path, make, image):
    path = make.write(tmp_path / "p/cine.nii", *image)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "truncated" in _refused(make, path)


def test_nifti2_and_uncompressed_files_are_read_too(tmp_path, image):
    (tmp_path / "p").mkdir()
    nib.save(nib.Nifti2Image(image[0], image[1]), tmp_path / "p/cine.nii")
    volume = read_volume(tmp_path / "p/cine.nii")
    np.testing.assert_allclose(volume.array, image[0])
    np.testing.assert_allclose(volume.grid.affine, image[1], atol=1e-5)


def test_not_a_nifti_file(tmp_path, make):
    path = tmp_path / "p/cine.nii.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b"not an image" * 100))
    assert "cannot be read as NIfTI" in _refused(make, path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf(tmp_path, make, image, value):
    image[0][3, 4, 1] = value
    assert "1 of 2880 voxels NaN or infinite" in _refused(make, make.write(tmp_path / "p/lge.nii.gz", *image))


def test_constant_image_but_not_an_empty_label(tmp_path, make, image):
    path = make.write(tmp_path / "p/t2_stir.nii.gz", np.full(SHAPE, 7, np.int16), image[1])
    assert "one value (7) in all 2880 voxels" in _refused(make, path)
    assert read_volume(path, is_label=True).array.max() == 7


@pytest.mark.parametrize(("shape", "phases"), [((32, 30, 3, 4), False), ((32, 30, 3, 4, 2), True), ((2, 30, 3), True)])
def test_wrong_dimensions(tmp_path, make, image, shape, phases):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    text = _refused(make, make.write(tmp_path / "p/cine.nii.gz", array, image[1]), phases=phases)
    assert str(shape) in text and ("5 axes" in text) == (len(shape) == 5)


def test_colour_image(tmp_path, make, image):
    colour = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    assert "colour" in _refused(make, make.write(tmp_path / "p/cine.nii.gz", colour, image[1]))


def test_complex_values_are_not_cut_to_their_real_part(tmp_path, make, image):
    waves = (image[0] * np.exp(1j)).astype(np.complex64)
    text = _refused(make, make.write(tmp_path / "p/lge.nii.gz", waves, image[1]))
    assert text.startswith("p/lge.nii.gz") and "complex" in text and "magnitude" in text


def test_header_in_metres(tmp_path, make, image):
    matrix = image[1].copy()
    matrix[:3] /= 1000
    text = _refused(make, make.write(tmp_path / "p/cine.nii.gz", image[0], matrix))
    assert "0.0014" in text and "expected 0.2 to 10 mm" in text


def test_affine_without_volume(tmp_path, make, image):
    matrix = image[1].copy()
    matrix[:3, 2] = matrix[:3, 0]
    path = make.write(tmp_path / "p/cine.nii.gz", image[0], matrix, qform=image[1])
    assert "affine without volume" in _refused(make, path)


def test_sform_wins_over_a_different_qform_and_says_so(tmp_path, make, image):
    other = image[1].copy()
    other[:3, 3] += 12
    volume = read_volume(make.write(tmp_path / "p/cine.nii.gz", *image, qform=other))
    np.testing.assert_allclose(volume.grid.affine, image[1], atol=1e-4)
    assert "sform and qform differ (up to 12.00); sform is used" in volume.warnings[0]


def test_qform_is_used_when_there_is_no_sform(tmp_path, make, image):
    other = image[1].copy()
    other[:3, 3] += 12
    volume = read_volume(make.write(tmp_path / "p/cine.nii.gz", *image, sform_code=0, qform=other))
    np.testing.assert_allclose(volume.grid.affine, other, atol=1e-4)
    assert volume.warnings == ()


def test_header_without_orientation_is_reported(tmp_path, image):
    bare = nib.Nifti1Image(image[0], None)
    bare.header.set_zooms((1.4, 1.4, 8))
    (tmp_path / "p").mkdir()
    nib.save(bare, tmp_path / "p/cine.nii.gz")
    volume = read_volume(tmp_path / "p/cine.nii.gz")
    assert "no orientation" in volume.warnings[0]
    np.testing.assert_allclose(volume.grid.spacing_mm, (1.4, 1.4, 8), atol=1e-6)
