"""Order of cine phases: temporal position, trigger time, acquisition time, instance number; what is used is said."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import PHASES, SLICES, files, subject
from helpers.dicom_study import edit, make_enhanced, read, write_study


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path, "ge")


@pytest.fixture
def wanted():
    return np.sort(subject("ge").volumes["cine"], axis=2)


def assert_in_order(study, wanted):
    """Phases as in the phantom, whatever the order of the slices."""
    np.testing.assert_array_equal(np.sort(study.volumes["cine"].array, axis=2), wanted)


def order_notes(study):
    return [note for note in study.report["notes"] if "in the order of" in note]


def phase_of(image):
    return [0.0, 214.3, 428.6, 642.9].index(float(image.TriggerTime))


def shuffled(*, keep):
    """Instance numbers backwards, and the time of each phase in ``keep`` only."""

    def change(image):
        phase = phase_of(image)
        image.InstanceNumber = 1000 - int(image.InstanceNumber)
        if keep == "TemporalPositionIdentifier":
            image.TemporalPositionIdentifier = phase + 1
        if keep == "AcquisitionTime":
            image.AcquisitionTime = f"0900{10 + phase:02d}"
        if keep == "midnight":
            image.AcquisitionTime = ["235958", "235959", "000000", "000001"][phase]
        if keep != "TriggerTime":
            image.TriggerTime = None

    return change


def test_trigger_times_need_no_note(folder, wanted):
    edit(folder, shuffled(keep="TriggerTime"), "cine", "ge")
    study = read(folder)
    assert_in_order(study, wanted)
    assert order_notes(study) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("TemporalPositionIdentifier", "temporal position"),
        ("AcquisitionTime", "acquisition time"),
        ("midnight", "acquisition time"),
    ],
)
def test_without_trigger_times_the_next_key_orders_the_phases_and_is_said(folder, wanted, keep, said):
    edit(folder, shuffled(keep=keep), "cine", "ge")
    study = read(folder)
    assert_in_order(study, wanted)
    (note,) = order_notes(study)
    assert f"{SLICES} of {SLICES} slices in the order of {said}, trigger times do not give it" in note
    assert study.volumes["cine"].times_ms is None


def test_the_instance_number_comes_last_before_the_order_of_the_files(folder, wanted):
    edit(folder, lambda image: setattr(image, "TriggerTime", None), "cine", "ge")
    study = read(folder)
    assert_in_order(study, wanted)
    assert "instance number" in order_notes(study)[0]
    edit(folder, lambda image: setattr(image, "InstanceNumber", None), "cine", "ge")
    assert "order of the files" in order_notes(read(folder))[0]


def test_an_order_against_the_trigger_times_that_are_there_asks_for_a_look(folder):
    def some_times(image):
        if phase_of(image) == 1:
            image.TriggerTime = None

    edit(folder, shuffled(keep="TriggerTime"), "cine", "ge")
    edit(folder, some_times, "cine", "ge")
    study = read(folder)
    assert "instance number, against their trigger times" in order_notes(study)[0]
    assert study.report["flags"] == ["cine_phase_order_in_doubt"] and study.volumes["cine"].times_ms is None


def test_a_temporal_position_goes_before_the_trigger_time_and_their_contradiction_is_said(folder, wanted):
    def backwards(image):
        image.TemporalPositionIdentifier = PHASES - phase_of(image)

    edit(folder, backwards, "cine", "ge")
    study = read(folder)
    assert_in_order(study, wanted[..., ::-1])
    assert "temporal position, against their trigger times" in order_notes(study)[0]
    assert study.report["flags"] == ["cine_phase_order_in_doubt"]
    assert "cine_trigger_times_ms" not in study.meta


def test_a_temporal_position_that_agrees_or_is_the_same_everywhere_changes_nothing(folder, wanted):
    edit(folder, lambda image: setattr(image, "TemporalPositionIdentifier", phase_of(image) + 1), "cine", "ge")
    study = read(folder)
    assert_in_order(study, wanted)
    assert order_notes(study) == [] and len(study.meta["cine_trigger_times_ms"]) == PHASES
    edit(folder, lambda image: setattr(image, "TemporalPositionIdentifier", 1), "cine", "ge")
    assert order_notes(read(folder)) == []


def test_frames_of_an_enhanced_image_without_times_go_by_their_temporal_position(folder, wanted):
    make_enhanced(folder, "cine", "ge")
    for path in files(folder):
        image = pydicom.dcmread(path)
        if "NumberOfFrames" in image:
            for group in image.PerFrameFunctionalGroupsSequence:
                content = pydicom.Dataset()
                time = group.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime
                content.TemporalPositionIndex = 1 + [0.0, 214.3, 428.6, 642.9].index(time)
                group.FrameContentSequence = [content]
                del group.CardiacSynchronizationSequence
            image.CardiacNumberOfImages = PHASES
            image.save_as(path)
    study = read(folder)
    assert_in_order(study, wanted)
    assert "temporal position" in order_notes(study)[0]
