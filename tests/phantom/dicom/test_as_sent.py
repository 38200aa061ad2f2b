"""DICOM of subjects that lack times or a slice, or whose stacks were planned apart, read by the product's import."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.dicom_phantom import DESCRIPTIONS, PHASES, SLICES, VARIED, VENDORS, series_of, subject
from helpers.dicom_study import read
from scripts.phantom.as_sent import OwnStack
from scripts.phantom.dicom.writer import write_dicom_subject

UNTIMED = {"cine_trigger_times_ms": None, "t2_stir_trigger_time_ms": None, "lge_trigger_time_ms": None}


@pytest.mark.parametrize("style", [{}, VARIED], ids=["classic", "varied"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_study_without_trigger_times_keeps_the_order_of_its_phases(tmp_path, vendor, style):
    one = subject(vendor, **UNTIMED, **style)
    study = read(write_dicom_subject(one, tmp_path))
    cine = study.volumes["cine"]
    assert cine.times_ms is None and study.meta.get("lge_trigger_time_ms") is None
    np.testing.assert_array_equal(np.sort(cine.array, axis=2), np.sort(one.volumes["cine"], axis=2))


@pytest.mark.parametrize("told", range(3))
def test_times_of_one_sequence_are_in_its_images_alone(tmp_path, told):
    one = subject("ge", **{key: value for key, value in UNTIMED.items() if key != list(UNTIMED)[told]})
    folder = write_dicom_subject(one, tmp_path)
    timed = [any("TriggerTime" in image for image in series_of(folder, name)) for name in DESCRIPTIONS["ge"]]
    assert timed == [number == told for number in range(3)]


@pytest.mark.parametrize("style", [{}, VARIED], ids=["classic", "varied"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_missing_slice_has_no_image_and_the_others_keep_their_place(tmp_path, vendor, style):
    one = subject(vendor, **style)
    stir = one.volumes["t2_stir"].copy()
    stir[..., 1] = 0
    folder = write_dicom_subject(replace(one, volumes=one.volumes | {"t2_stir": stir}), tmp_path)
    sent = series_of(folder, DESCRIPTIONS[vendor][1])
    assert sum(int(image.get("NumberOfFrames", 1)) for image in sent) == SLICES - 1
    cine = series_of(folder, DESCRIPTIONS[vendor][0])
    assert sum(int(image.get("NumberOfFrames", 1)) for image in cine) % (SLICES * PHASES) == 0


def test_a_stack_planned_apart_is_read_where_it_lies(tmp_path):
    one, own = subject("uih"), OwnStack(along_mm=3.0, margins=(2, 1, 3, 0), ends=(0, 1))
    moved = replace(
        one,
        volumes=one.volumes | {"t2_stir": own.volume(one.volumes["t2_stir"])},
        own_stacks={"t2_stir": own.stack(one.stack)},
    )
    study = read(write_dicom_subject(moved, tmp_path))
    stir = study.volumes["t2_stir"]
    assert stir.array.shape == (21, 17, 2, 1) or stir.array.shape == (21, 17, 2)
    place = np.linalg.inv(stir.affine("t2_stir")) @ moved.affine_of("t2_stir")
    at = np.rint((place @ [4, 5, 1, 1])[:3]).astype(int)
    assert stir.array.reshape(21, 17, 2)[tuple(at)] == one.volumes["t2_stir"][6, 8, 1]
