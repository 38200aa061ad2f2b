"""NRRD and MetaImage files give what NIfTI gives; what is no sound image is refused in the same words."""

import nibabel as nib
import numpy as np
import pytest
from helpers.itk_files import meta_bytes, nrrd_bytes, write_image
from scripts.volumes.reading import read_volume
from scripts.volumes.volume import VolumeError

pytestmark = pytest.mark.slow  # ITK's classes take seconds to load

SHAPE = (20, 18, 3)
FORMATS = {
    "nrrd": (".nrrd", {}),
    "nrrd, gzip": (".nrrd", {"encoding": "gzip"}),
    "nrrd, gzip beside its header": (".nhdr", {"encoding": "gzip"}),
    "mha": (".mha", {}),
    "mha, compressed": (".mha", {"compressed": True}),
    "mhd": (".mhd", {}),
}


@pytest.fixture
def matrix(make):
    return make.affine(SHAPE, spacing=(1.4, 1.5, 8.0)).astype(np.float32)


@pytest.fixture
def array():
    return np.random.default_rng(3).integers(0, 900, SHAPE).astype("<i2")


@pytest.fixture
def cine():
    return np.random.default_rng(4).integers(0, 900, (*SHAPE, 5)).astype("<i2")


def refused(make, path, **keywords):
    with pytest.raises(VolumeError) as error:
        read_volume(path, **keywords)
    text = make.readable(error)
    assert text.startswith(f"{path.parent.name}/{path.name}") and error.value.stage == "read"
    assert str(path.parent) not in text
    return text


@pytest.mark.parametrize("suffix, options", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_what_nifti_gives(tmp_path, array, cine, matrix, suffix, options):
    for values, phases in ((array, False), (cine, True)):
        nib.save(nib.Nifti1Image(values, matrix), tmp_path / "cine.nii.gz")
        expected = read_volume(tmp_path / "cine.nii.gz", phases=phases)
        found = read_volume(write_image(tmp_path / f"cine{suffix}", values, matrix, **options), phases=phases)
        np.testing.assert_array_equal(found.array, expected.array)
        np.testing.assert_allclose(found.grid.affine, expected.grid.affine, atol=1e-5)
        assert found.grid.shape == expected.grid.shape and found.warnings == ()
        assert found.array.dtype == np.float32 and found.array.strides == expected.array.strides


@pytest.mark.parametrize("stored", ["<f8", ">f4", "<u2", ">i2", "u1"])
def test_every_number_format_is_read(tmp_path, array, matrix, stored):
    values = (array % 200).astype(stored)
    for suffix in (".nrrd", ".mha"):
        found = read_volume(write_image(tmp_path / f"label{suffix}", values, matrix), is_label=True)
        np.testing.assert_array_equal(found.array, values.astype(np.float32))


def test_axes_that_point_to_the_right_and_front_are_turned(tmp_path, array, matrix):
    path = write_image(tmp_path / "lge.nrrd", array, matrix, space="right-anterior-superior")
    np.testing.assert_allclose(read_volume(path).grid.affine, matrix, atol=1e-5)


@pytest.mark.parametrize("place", [0, 3])
def test_a_list_of_images_is_a_cine_and_nothing_else(tmp_path, make, cine, matrix, place):
    kinds = ["domain"] * 3
    kinds.insert(place, "list")
    path = write_image(tmp_path / "cine.nrrd", np.moveaxis(cine, -1, place), matrix, kinds=kinds)
    found = read_volume(path, phases=True)
    np.testing.assert_array_equal(found.array, cine)
    np.testing.assert_allclose(found.grid.affine, matrix, atol=1e-5)
    assert "found 5 values in each voxel" in refused(make, path)


def test_vectors_are_refused(tmp_path, make, matrix):
    colours = np.random.default_rng(5).integers(0, 200, (3, *SHAPE)).astype("u1")
    path = write_image(tmp_path / "cine.mha", colours, matrix, channels=3)
    assert "found 3 values in each voxel" in refused(make, path, phases=True)


def test_without_orientation_the_axes_are_taken_as_stored(tmp_path, array):
    for suffix in (".nrrd", ".mha"):
        (warning,) = read_volume(write_image(tmp_path / f"lge{suffix}", array, None)).warnings
        assert warning.startswith(f"{tmp_path.name}/lge{suffix}") and "no orientation" in warning


def test_a_file_of_two_axes_is_one_slice(tmp_path, array):
    found = read_volume(write_image(tmp_path / "lge.mha", array[..., 0], None))
    np.testing.assert_array_equal(found.array[..., 0], array[..., 0])
    assert found.array.shape == (20, 18, 1) and any("no thickness" in text for text in found.warnings)


@pytest.mark.parametrize("suffix, options", FORMATS.values(), ids=FORMATS)
def test_a_truncated_file_is_refused(tmp_path, make, cine, matrix, suffix, options):
    path = write_image(tmp_path / "p" / f"cine{suffix}", cine, matrix, **options)
    voxels = path.with_suffix(".raw") if suffix in (".nhdr", ".mhd") else path
    voxels.write_bytes(voxels.read_bytes()[:-700])
    assert f"cannot be read as {'NRRD' if 'n' in suffix else 'MetaImage'}" in refused(make, path, phases=True)


@pytest.mark.parametrize("suffix, options", [(".nrrd", {"encoding": "gzip"}), (".mha", {"compressed": True})])
def test_a_damaged_file_is_refused(tmp_path, make, array, matrix, suffix, options):
    path = write_image(tmp_path / "p" / f"lge{suffix}", array, matrix, **options)
    content = bytearray(path.read_bytes())
    content[-30] ^= 0xFF
    path.write_bytes(content)
    assert "cannot be read as" in refused(make, path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nhdr", ".mhd"])
@pytest.mark.parametrize("content", [b"", b"no image\n" * 40, b"\x1f\x8b" * 300], ids=["empty", "text", "gzip"])
def test_what_is_no_image_is_refused(tmp_path, make, suffix, content):
    path = tmp_path / "p" / f"cine{suffix}"
    path.parent.mkdir()
    path.write_bytes(content)
    assert f"found {len(content)} bytes" in refused(make, path, phases=True)


@pytest.mark.parametrize("suffix, write", [(".nhdr", nrrd_bytes), (".mhd", meta_bytes)])
def test_voxels_are_read_from_the_same_folder_only(tmp_path, make, array, matrix, suffix, write):
    elsewhere = tmp_path / "secret.raw"
    elsewhere.write_bytes(array.tobytes("F"))
    path = tmp_path / "p" / f"lge{suffix}"
    path.parent.mkdir()
    for file in ("../secret.raw", str(elsewhere), "missing.raw", "LIST", "slice%03d.raw 1 3 1"):
        path.write_bytes(write(array, matrix, data_file=file)[0])
        assert "one file in the same folder" in refused(make, path)


def test_a_header_that_announces_more_than_any_cine_is_refused(tmp_path, make, array, matrix):
    for suffix in (".nrrd", ".mha"):
        path = write_image(tmp_path / "p" / f"lge{suffix}", array, matrix)
        path.write_bytes(path.read_bytes().replace(b"20 18 3", b"200000 180000 30000", 1))
        assert "more than any cine" in refused(make, path)


def test_what_nifti_is_refused_for_is_refused_here(tmp_path, make, array, cine, matrix):
    broken = array.astype("<f4")
    broken[3, 4, 1] = np.nan
    flat, thin = np.ones(SHAPE, "<i2"), matrix @ np.diag([0.001, 0.001, 1, 1])
    singular = matrix.copy()
    singular[:3, 1] = singular[:3, 0]
    for suffix in (".nrrd", ".mha"):
        path = tmp_path / "p" / f"lge{suffix}"
        assert "1 of 1080 voxels NaN" in refused(make, write_image(path, broken, matrix))
        assert "found one value (1)" in refused(make, write_image(path, flat, matrix))
        assert "the header gives pixels of" in refused(make, write_image(path, array, thin))
        assert "cannot be read as" in refused(make, write_image(path, array, singular))
        assert "found shape (20, 18, 3, 5)" in refused(make, write_image(path, cine, matrix))
        five = cine[..., None]
        assert "found shape (20, 18, 3, 5, 1)" in refused(make, write_image(path, five, None), phases=True)


def test_a_suffix_that_itk_does_not_know_in_capitals_is_refused_by_that_name(tmp_path, make, array, matrix):
    (tmp_path / "CINE.MHA").write_bytes(b"".join(meta_bytes(array, matrix)))
    with pytest.raises(VolumeError) as error:
        read_volume(tmp_path / "CINE.MHA")
    assert "found the suffix .MHA, expected .mha" in make.readable(error)
