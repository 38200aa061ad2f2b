"""Values of a stack: rescaled image by image, on one scale where Philips says how, refused where nothing is left."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import SLICES, files
from helpers.dicom_study import edit, make_enhanced, read, write_study
from pydicom.dataset import Dataset
from scripts.dicom.study import StudyReader, UnreadableStudy

CREATOR, FRAME_CREATOR = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path, "philips")


def error_of(folder):
    (found,) = StudyReader(folder).studies()
    assert isinstance(found, UnreadableStudy)
    return str(found.error)


def scale_slope(dataset, value):
    dataset.private_block(0x2005, CREATOR, create=True).add_new(0x0E, "FL", value)


def slope_of(image):
    return 0.5 * int(image.AcquisitionNumber)


def stored(image, factor):
    image.PixelData = np.rint(image.pixel_array * factor).astype("<u2").tobytes()
    image.BitsStored, image.HighBit = 16, 15


@pytest.mark.slow
@pytest.mark.parametrize("rescale", [1.0, 2.0])
def test_images_on_scales_of_their_own_are_brought_to_one(folder, rescale):
    wanted = read(folder).volumes["cine"].array.astype(float)

    def scaled(image):
        stored(image, 2 * slope_of(image))
        image.RescaleSlope, image.RescaleIntercept = rescale, 0
        scale_slope(image, slope_of(image))

    edit(folder, scaled, "cine", "philips")
    study = read(folder)
    ratio = study.volumes["cine"].array[wanted > 0] / wanted[wanted > 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert f"scale slopes differ between images, by a factor of up to {SLICES}" in " ".join(study.report["notes"])


@pytest.mark.slow
def test_a_scale_that_is_the_same_everywhere_changes_no_value(folder):
    wanted = read(folder).volumes["cine"].array
    edit(folder, lambda image: scale_slope(image, 0.0123), "cine", "philips")
    study = read(folder)
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    assert not any("scale" in note for note in study.report["notes"])


@pytest.mark.slow
def test_slopes_and_offsets_per_image_without_private_scales_are_applied_as_they_stand(folder):
    wanted = read(folder).volumes["cine"]
    by_depth = np.argsort(np.argsort(wanted.depths_mm))

    def rescaled(image):
        image.RescaleSlope, image.RescaleIntercept = slope_of(image), -10

    edit(folder, rescaled, "cine", "philips")
    found = read(folder).volumes["cine"].array
    factors = {round(float((found[:, :, k] + 10).max() / wanted.array[:, :, k].max()), 3) for k in by_depth}
    assert factors == {0.5, 1.0, 1.5}


@pytest.mark.slow
def test_a_scale_that_some_images_lack_is_noted_and_not_used(folder):
    wanted = read(folder).volumes["cine"].array
    edit(folder, lambda i: scale_slope(i, slope_of(i)) if i.AcquisitionNumber > 1 else None, "cine", "philips")
    study = read(folder)
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    assert "images have none, so that brightness may differ" in " ".join(study.report["notes"])


def test_scales_of_the_frames_of_an_enhanced_image_are_found(tmp_path):
    folder = write_study(tmp_path, "siemens")
    edit(folder, lambda image: stored(image, 2 * slope_of(image)), "t2_stir")
    make_enhanced(folder, "t2_stir", "siemens")
    for path in files(folder):
        image = pydicom.dcmread(path)
        if "NumberOfFrames" not in image:
            continue
        for group, pixels in zip(image.PerFrameFunctionalGroupsSequence, image.pixel_array, strict=True):
            item = Dataset()
            scale_slope(item, float(pixels.max()))
            group.private_block(0x2005, FRAME_CREATOR, create=True).add_new(0x0F, "SQ", [item])
        image.Manufacturer = "Philips Medical Systems"
        image.save_as(path)
    study = read(folder)
    found = study.volumes["t2_stir"].array
    assert np.ptp([found[:, :, k].max() for k in range(SLICES)]) < 0.02 * found.max()
    assert "t2_stir: Philips' scale slopes differ" in " ".join(study.report["notes"])


@pytest.mark.slow
def test_a_slope_of_zero_stops_the_cine_with_its_image_and_costs_an_lge(folder):
    edit(folder, lambda image: setattr(image, "RescaleSlope", 0), "lge", "philips")
    study = read(folder)
    assert "lge" not in study.volumes
    assert any("not used: lge, series" in n and "RescaleSlope is 0" in n for n in study.report["notes"])
    edit(folder, lambda image: setattr(image, "RescaleSlope", 0), "cine", "philips")
    text = error_of(folder)
    assert "cine, series" in text and "RescaleSlope is 0" in text and "--cine_series" in text


@pytest.mark.slow
def test_an_empty_series_stops_and_an_empty_slice_is_said(folder):
    def blank(image):
        if image.AcquisitionNumber == 1:
            image.PixelData = np.full_like(image.pixel_array, 7).tobytes()

    edit(folder, blank, "cine", "philips")
    assert f"of {SLICES} is of one value" in " ".join(read(folder).report["notes"])
    edit(folder, lambda image: setattr(image, "PixelData", bytes(len(image.PixelData))), "cine", "philips")
    text = error_of(folder)
    assert "cine: every pixel of a slice is 0, in all slices" in text and "Fix:" in text
