"""NIfTI files that this software writes, read back: the same bytes each time, both forms, units, no time stamp."""

import nibabel as nib
import numpy as np
import pytest
from scripts import conventions
from scripts.volumes.nifti_writing import FAST, RUN_LENGTHS, SMALL, TimeAxis, nifti_bytes, nifti_image, packed

AFFINE = np.array([[0.0, -1.4, 0, 20], [1.4, 0, 0, -30], [0, 0, 8, 5], [0, 0, 0, 1]])
SHEARED = AFFINE + np.array([[0, 0, 0.5, 0], [0, 0, -2, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def volume(shape=(9, 7, 3), dtype=np.float32):
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


def read(content, tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(content)
    return nib.load(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int16])
def test_a_result_lies_on_its_grid_in_mm_and_says_what_it_is(dtype, tmp_path):
    image = read(nifti_bytes(volume(dtype=dtype), AFFINE), tmp_path)
    assert image.get_data_dtype() == dtype and image.header.get_xyzt_units() == ("mm", "unknown")
    np.testing.assert_array_equal(np.asarray(image.dataobj), volume(dtype=dtype))
    for form in (image.get_sform(coded=True), image.get_qform(coded=True)):
        np.testing.assert_allclose(form[0], AFFINE, atol=1e-5)
        assert form[1] == 1
    assert image.header["descrip"].item().decode() == conventions.DISCLAIMER[:79]


def test_the_q_form_of_a_sheared_result_is_marked_unknown(tmp_path):
    image = read(nifti_bytes(volume(), SHEARED), tmp_path)
    np.testing.assert_allclose(image.affine, SHEARED, atol=1e-6)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)


@pytest.mark.parametrize(
    ("time", "units", "step"), [(None, ("mm", "unknown"), 1), (TimeAxis("msec", 33.5), ("mm", "msec"), 33.5)]
)
def test_a_cine_has_its_phases_and_the_time_between_them(time, units, step, tmp_path):
    image = read(packed(nifti_image(volume((9, 7, 3, 4)), AFFINE, "phases", time), FAST), tmp_path)
    assert image.shape == (9, 7, 3, 4) and image.header.get_xyzt_units() == units
    assert image.header.get_zooms() == pytest.approx((1.4, 1.4, 8, step))
    np.testing.assert_array_equal(np.asarray(image.dataobj), volume((9, 7, 3, 4)))


@pytest.mark.parametrize("packing", [SMALL, FAST, RUN_LENGTHS])
def test_the_same_array_in_any_memory_order_gives_the_same_bytes_without_a_time(packing):
    first, second = (
        packed(nifti_image(array, AFFINE, "x"), packing) for array in (volume(), np.asfortranarray(volume()))
    )
    assert first == second and first[4:8] == bytes(4)


def test_a_long_description_is_cut_to_what_the_header_takes(tmp_path):
    image = read(packed(nifti_image(volume(), AFFINE, "d" * 200), FAST), tmp_path)
    assert image.header["descrip"].item() == b"d" * 79
