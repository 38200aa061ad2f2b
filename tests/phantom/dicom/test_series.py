"""Series of a DICOM study: grouping and tags by vendor, times from the meta, and what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.dicom_phantom import DESCRIPTIONS, PHASES, SLICES, VENDORS, files, series_of, stack, subject
from scripts.conventions import DataError
from scripts.phantom.dicom.vendors import ROLES, VENDORS_BY_NAME
from scripts.phantom.dicom.writer import write_dicom_subject


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
def test_times_and_protocol_are_in_the_tags(tmp_path, vendor):
    folder = write_dicom_subject(subject(vendor, geometry="reversed"), tmp_path)
    cine, stir, lge = (series_of(folder, description) for description in DESCRIPTIONS[vendor])
    assert [float(image.TriggerTime) for image in cine[:PHASES]] == [0.0, 214.3, 428.6, 642.9]
    assert {(i.CardiacNumberOfImages, i.NominalInterval, i.HeartRate, i.FlipAngle) for i in cine} == {(4, 857, 70, 55)}
    assert {(i.EchoTime, i.InversionTime, i.EchoTrainLength, i.TriggerTime) for i in stir} == {(71, 170, 25, 590.25)}
    assert {float(image.RepetitionTime) for image in stir} == {1714.28}
    assert [float(image.InversionTime) for image in lge[:SLICES]] == [290.0, 300.0, 310.0]
    for image in (*cine, *stir, *lge):
        assert image.SliceThickness == 8 and image.MagneticFieldStrength == 1.5 and image.PixelSpacing == [1.71, 1.5625]
    assert {float(image.SpacingBetweenSlices) for image in stir} == {9.6}
    locations = [float(image.SliceLocation) for image in stir]
    np.testing.assert_allclose(np.diff(locations), -9.6, atol=1e-4)


def test_bits_stored_hold_the_largest_value_of_the_series(tmp_path):
    folder = write_dicom_subject(subject("uih"), tmp_path)
    assert {image.BitsStored for image in series_of(folder, DESCRIPTIONS["uih"][0])} == {12}
    lge = series_of(folder, DESCRIPTIONS["uih"][2])
    assert {(image.BitsStored, image.HighBit, image.PixelRepresentation) for image in lge} == {(16, 15, 0)}


def test_siemens_cine_is_a_series_per_slice_and_others_a_series_per_stack(tmp_path):
    found = {}
    for vendor in VENDORS:
        cine = series_of(write_dicom_subject(subject(vendor), tmp_path / vendor), DESCRIPTIONS[vendor][0])
        found[vendor] = len({image.SeriesInstanceUID for image in cine})
    assert found == {"siemens": SLICES, "philips": 1, "ge": 1, "uih": 1}


def test_siemens_repetition_time_is_that_of_the_segment_and_of_the_heartbeat(tmp_path):
    folder = write_dicom_subject(subject("siemens"), tmp_path / "siemens")
    assert {float(i.RepetitionTime) for i in series_of(folder, DESCRIPTIONS["siemens"][0])} == {43.4}
    assert {float(i.RepetitionTime) for i in series_of(folder, DESCRIPTIONS["siemens"][2])} == {857.14}
    folder = write_dicom_subject(subject("ge"), tmp_path / "ge")
    assert {float(i.RepetitionTime) for i in series_of(folder, DESCRIPTIONS["ge"][0])} == {3.1}


def test_philips_sends_magnitude_and_psir_in_one_series_told_apart_by_image_type(tmp_path):
    lge = series_of(write_dicom_subject(subject("philips"), tmp_path), DESCRIPTIONS["philips"][2])
    assert [image.ImageType[2] for image in lge] == ["R_IR"] * SLICES + ["M_IR"] * SLICES
    assert len({image.SeriesInstanceUID for image in lge}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["siemens", "ge", "uih"])
def test_magnitude_and_psir_of_one_measurement_are_two_series_of_the_same_time(tmp_path, vendor):
    folder = write_dicom_subject(subject(vendor), tmp_path)
    name = VENDORS_BY_NAME[vendor].styles["lge_magnitude"].description
    psir, magnitude = (series_of(folder, one) for one in (DESCRIPTIONS[vendor][2], name))
    assert magnitude[0].SeriesNumber < psir[0].SeriesNumber
    assert [i.AcquisitionTime for i in psir] == [i.AcquisitionTime for i in magnitude]
    assert [i.InversionTime for i in psir] == [i.InversionTime for i in magnitude]


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
def test_magnitude_only_lge_is_not_called_psir(tmp_path, vendor):
    folder = write_dicom_subject(subject(vendor, kind="magnitude"), tmp_path)
    lge = series_of(folder, VENDORS_BY_NAME[vendor].styles["lge_magnitude"].description)
    assert len(lge) == SLICES and not any("PSIR" in i.ImageType or "R_IR" in i.ImageType for i in lge)


def test_views_come_as_they_are_with_trigger_times_spread_over_the_heartbeat(tmp_path):
    one = subject("ge")
    views = (one.views[0], replace(one.views[2], pixels=one.views[2].pixels[..., :2]))
    folder = write_dicom_subject(replace(one, views=views), tmp_path)
    long_axis = series_of(folder, "2ch FIESTA CINE")
    assert [float(image.TriggerTime) for image in long_axis] == [0.0, 428.57]
    np.testing.assert_array_equal(long_axis[1].pixel_array, views[1].pixels[:, :, 0, 1].T)
    (localiser,) = series_of(folder, "3-pl Loc FIESTA")
    assert "TriggerTime" not in localiser and localiser.SliceThickness == 7


def test_sequences_that_were_not_acquired_are_left_out(tmp_path):
    one = subject("philips")
    cine_only = replace(one, volumes={"cine": one.volumes["cine"]}, views=())
    assert len(files(write_dicom_subject(cine_only, tmp_path))) == SLICES * PHASES


def test_every_vendor_has_a_style_for_every_role():
    assert set(VENDORS_BY_NAME) == set(VENDORS)
    for vendor in VENDORS_BY_NAME.values():
        assert set(vendor.styles) == set(ROLES) and set(vendor.models) == {1.5, 3.0}


def with_volume(name, change):
    one = subject()
    return replace(one, volumes=one.volumes | {name: change(one.volumes[name])})


def with_view(**changes):
    one = subject()
    return replace(one, views=(replace(one.views[0], **changes),))


def without_meta(key):
    one = subject()
    return replace(one, meta={name: value for name, value in one.meta.items() if name != key})


def lge_protocol(**changes):
    one = subject()
    protocol = one.meta["protocol"]
    return subject(protocol=protocol | {"lge": protocol["lge"] | changes})


BAD_SUBJECTS = {
    "negative": (
        lambda: with_volume("lge", lambda v: v.astype(int) - 1),
        r"lge: found voxels from -1 to \d+.*0 to 65535",
    ),
    "too large": (lambda: with_volume("cine", lambda v: v.astype(int) + 65000), r"cine: found voxels from 65\d+ to 6"),
    "not whole": (lambda: with_volume("t2_stir", lambda v: v / 2), "t2_stir: found float64 voxels"),
    "empty": (lambda: with_volume("lge", lambda v: v[:, :, :0]), r"lge: found uint16 voxels in shape \(24, 20, 0"),
    "one phase axis less": (lambda: with_volume("cine", lambda v: v[..., 0]), r"cine: found an array of shape.*4 axes"),
    "one axis more": (lambda: with_volume("lge", lambda v: v[..., None]), r"lge: found an array of shape.*3 axes"),
    "no cine": (lambda: replace(subject(), volumes={}), "expected cine among them"),
    "trigger times": (
        lambda: subject(cine_trigger_times_ms=[0.0, 400.0]),
        "cine: found 2 trigger times for 4 phases, expected one per phase.*Fix",
    ),
    "no trigger times": (lambda: subject(cine_trigger_times_ms=[]), "cine: found 0 trigger times for 4 phases"),
    "inversion times": (
        lambda: lge_protocol(ti_ms=[300.0]),
        "found 1 inversion times for 3 slices, expected one per sl",
    ),
    "kind of LGE": (lambda: lge_protocol(kind="moco"), "'protocol.lge.kind': found 'moco', expected one of psir, magn"),
    "vendor": (lambda: subject("unknown"), "'vendor': found 'unknown', expected one of siemens, philips, ge, uih"),
    "style": (
        lambda: subject(phantom={"seed": 7, "index": 12, "dicom_style": "modern"}),
        r"'phantom\.dicom_style': found 'modern', expected one of classic, varied",
    ),
    "field strength": (
        lambda: subject(field_strength_t=7.0),
        r"'field_strength_t': found 7\.0, expected one of 1\.5, 3",
    ),
    "no RR interval": (lambda: without_meta("rr_interval_ms"), "'rr_interval_ms': found nothing.*Fix"),
    "no protocol": (lambda: subject(protocol={}), "meta key 'protocol.* found nothing"),
    "kind of view": (lambda: with_view(kind="perfusion"), "view axial: found kind 'perfusion', expected localiser"),
    "axes of view": (lambda: with_view(pixels=np.ones((4, 4), np.int16)), "view axial: found an array of shape .4, 4."),
    "flat stack": (
        lambda: replace(subject(), stack=replace(stack("axial"), slice_step_mm=np.zeros(3))),
        "slice step: found",
    ),
}


@pytest.mark.parametrize("case", BAD_SUBJECTS)
def test_subject_that_does_not_fit_dicom_is_refused_before_anything_is_written(tmp_path, case):
    make, message = BAD_SUBJECTS[case]
    with pytest.raises(DataError, match=message):
        write_dicom_subject(make(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
