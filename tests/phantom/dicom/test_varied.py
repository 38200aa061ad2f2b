"""The varied style: what real exports also hold, with the same voxels at the same place."""

import subprocess

import numpy as np
import pytest
from helpers.dicom_phantom import DESCRIPTIONS, PHASES, SLICES, VARIED, VENDORS, files, images, series_of, subject
from helpers.programs import needs
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage
from scripts.phantom.dicom.writer import write_dicom_subject


def written(folder, vendor, style="varied"):
    return write_dicom_subject(subject(vendor, **(VARIED if style == "varied" else {})), folder)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["siemens", "philips"])
def test_a_series_is_one_enhanced_image_with_the_frames_of_the_classic_one(tmp_path, vendor):
    classic = series_of(written(tmp_path / "classic", vendor, "classic"), DESCRIPTIONS[vendor][1])
    (whole,) = series_of(written(tmp_path / "varied", vendor), DESCRIPTIONS[vendor][1])
    assert whole.SOPClassUID == EnhancedMRImageStorage and whole.NumberOfFrames == SLICES == len(classic)
    assert whole.EchoPulseSequence == "SPIN" and "TriggerTime" not in whole
    shared = whole.SharedFunctionalGroupsSequence[0]
    assert shared.MREchoSequence[0].EffectiveEchoTime == float(classic[0].EchoTime)
    assert shared.MRModifierSequence[0].InversionTimes == float(classic[0].InversionTime)
    for number, (frame, image) in enumerate(zip(whole.pixel_array, classic, strict=True)):
        np.testing.assert_array_equal(frame, image.pixel_array)
        group = whole.PerFrameFunctionalGroupsSequence[number]
        assert group.PlanePositionSequence[0].ImagePositionPatient == image.ImagePositionPatient
        assert group.FrameContentSequence[0].InStackPositionNumber == number + 1


def test_frames_of_an_enhanced_cine_say_their_time_and_magnitude_and_psir_share_an_image(tmp_path):
    folder = written(tmp_path, "philips")
    (cine,) = series_of(folder, DESCRIPTIONS["philips"][0])
    groups = cine.PerFrameFunctionalGroupsSequence
    delays = [group.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime for group in groups]
    assert delays == [0.0, 214.3, 428.6, 642.9] * SLICES
    assert [group.FrameContentSequence[0].TemporalPositionIndex for group in groups] == [1, 2, 3, 4] * SLICES
    (lge,) = series_of(folder, DESCRIPTIONS["philips"][2])
    kinds = [g.MRImageFrameTypeSequence[0].ComplexImageComponent for g in lge.PerFrameFunctionalGroupsSequence]
    assert kinds == ["REAL"] * SLICES + ["MAGNITUDE"] * SLICES


def test_siemens_sends_each_cine_slice_with_and_without_corrections_and_an_echo_train_on_gradient_echoes(tmp_path):
    cine = series_of(written(tmp_path, "siemens"), DESCRIPTIONS["siemens"][0])
    assert len(cine) == 2 * SLICES and len({image.SeriesNumber for image in cine}) == 2 * SLICES
    corrected = [image for image in cine if "NORM" in image.ImageType]
    plain = [image for image in cine if "ND" in image.ImageType]
    assert len(corrected) == len(plain) == SLICES and {image.NumberOfFrames for image in cine} == {PHASES}
    for one, other in zip(corrected, plain, strict=True):
        assert one.AcquisitionDateTime == other.AcquisitionDateTime
        assert not np.array_equal(one.pixel_array, other.pixel_array)
        timing = one.SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence[0]
        assert timing.EchoTrainLength == 15 and timing.RFEchoTrainLength == 0


def test_ge_has_the_name_of_the_exam_in_every_series_and_uih_is_as_in_the_classic_style(tmp_path):
    ge = images(written(tmp_path / "ge", "ge"))
    assert len({image.ProtocolName for image in ge}) == 1 < len({image.SeriesDescription for image in ge})
    assert {image.SOPClassUID for image in ge} == {MRImageStorage}
    assert not {image.ProtocolName for image in ge} & {image.SeriesDescription for image in ge}


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_styles_are_two_studies(tmp_path, vendor):
    one, other = images(written(tmp_path / "a", vendor)), images(written(tmp_path / "b", vendor, "classic"))
    assert {image.StudyInstanceUID for image in one}.isdisjoint(image.StudyInstanceUID for image in other)
    assert len({image.StudyInstanceUID for image in one}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
@needs("dciodvfy")
def test_every_file_is_valid_but_for_the_values_that_siemens_adds_to_the_image_type(tmp_path, vendor):
    errors = set()
    for path in files(written(tmp_path, vendor)):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        errors |= {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")}
    if vendor == "siemens":
        errors = {e for e in errors if "Value Multiplicity" not in e or not ("<FrameType>" in e or "<ImageType>" in e)}
    assert errors == set()
