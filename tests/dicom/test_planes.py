"""A long axis is never taken for the short axis: by its name, its orientation and its parallel slices."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.dicom_headers import CINE, CORONAL, FOUR_CHAMBERS, HEART, LGE, SAGITTAL, TRANSVERSAL, TWO_CHAMBERS, series
from scripts.conventions import DataError
from scripts.dicom.planes import lies_as_short_axis
from scripts.dicom.recognition import recognise_groups
from scripts.dicom.series_choice import choose_stacks


def axis(down, forwards):
    """Long axis from its angles in the frontal and the transverse plane, degrees from the left, LPS."""
    found = np.array([1.0, -np.tan(np.radians(forwards)), -np.tan(np.radians(down))])
    return found / np.linalg.norm(found)


def cine(folder, number, name, normal=HEART, slices=3, **tags):
    return series(folder, number, CINE | {"SeriesDescription": name} | tags, 4, slices, normal)


def choice(*frames, **wanted):
    return choose_stacks(recognise_groups([frame for one in frames for frame in one]), wanted)


def refusal(*frames):
    with pytest.raises(DataError) as error:
        choice(*frames)
    return str(error.value)


def radial(long_axis, degrees):
    """Normals of planes through a long axis."""
    septum = np.cross(long_axis, (0.0, 0.0, 1.0))
    septum /= np.linalg.norm(septum)
    return [np.cos(turn) * septum + np.sin(turn) * np.cross(long_axis, septum) for turn in np.radians(degrees)]


# Mean and three standard deviations of healthy hearts, and the mean of the obese.
@pytest.mark.parametrize("down", [8, 25, 38, 68])
@pytest.mark.parametrize("forwards", [25, 46, 67])
def test_a_heart_may_lie_anywhere_from_flat_to_upright(down, forwards):
    assert lies_as_short_axis(axis(down, forwards)) and lies_as_short_axis(-axis(down, forwards))


@pytest.mark.parametrize("down", [18, 38, 58])
@pytest.mark.parametrize("forwards", [32, 46, 60])
def test_no_plane_through_the_long_axis_lies_as_a_short_axis(down, forwards):
    planes = radial(axis(down, forwards), range(0, 180, 15))
    assert not any(lies_as_short_axis(plane) for plane in planes)


@pytest.mark.parametrize("normal", [TRANSVERSAL, CORONAL, SAGITTAL])
def test_stacks_along_the_body_do_not_lie_as_a_short_axis(normal):
    assert not lies_as_short_axis(np.array(normal))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["4CH STACK FIESTA", "cine 4-Kammer", "ciné quatre cavités", "cine LVOT", "HLA", "eje largo"]
)
@pytest.mark.parametrize("normal", [HEART, FOUR_CHAMBERS])
def test_a_stack_named_long_axis_is_refused_wherever_it_lies(tmp_path, name, normal):
    text = refusal(cine(tmp_path, 7, name, normal, slices=6))
    assert "a long axis by its name" in text and "--cine_series 7" not in text and '"7"' not in text
    assert "Fix: " in text


@pytest.mark.parametrize("normal", [FOUR_CHAMBERS, TWO_CHAMBERS])
def test_a_stack_without_a_name_is_refused_by_its_orientation(tmp_path, normal):
    assert "a long axis by its orientation" in refusal(cine(tmp_path, 7, "FIESTA", normal, slices=6))
    found = choice(cine(tmp_path, 7, "FIESTA", normal, slices=6), cine(tmp_path, 8, "FIESTA BH"))
    assert found.stacks["cine"].numbers == [8] and not found.notes


def test_a_stack_along_the_body_is_refused_and_taken_with_a_note_where_it_is_named_short_axis(tmp_path):
    assert "along the body's axes" in refusal(cine(tmp_path, 7, "FIESTA", TRANSVERSAL))
    (note,) = choice(cine(tmp_path, 7, "FIESTA SAX", TRANSVERSAL)).notes
    assert "named short axis" in note.message and note.review


def test_a_named_short_axis_in_the_plane_of_a_long_axis_is_refused(tmp_path):
    long_axis = cine(tmp_path, 6, "cine 4ch", FOUR_CHAMBERS, slices=1)
    text = refusal(long_axis, cine(tmp_path, 7, "cine sax", FOUR_CHAMBERS, slices=6))
    assert "in the plane of a long axis" in text


def test_a_name_and_an_orientation_that_contradict_each_other_do_not_decide(tmp_path):
    text = refusal(cine(tmp_path, 7, "FIESTA SAX", TRANSVERSAL), cine(tmp_path, 8, "FIESTA"))
    assert "found 2 stacks that fit" in text


@pytest.mark.parametrize("name", ["radial cine", "cine sax"])
def test_planes_through_one_axis_are_no_short_axis(tmp_path, name):
    planes = radial(axis(38, 46), range(0, 180, 30))
    frames = [cine(tmp_path, number, name, plane, 1) for number, plane in enumerate(planes, start=1)]
    assert "no short-axis cine" in refusal(*frames)
    found = choice(*frames, cine(tmp_path, 8, "SAX stack"))
    assert found.stacks["cine"].numbers == [8]


def test_one_or_two_slices_without_a_name_are_a_long_axis(tmp_path):
    assert "1 or 2 slices" in refusal(cine(tmp_path, 7, "FIESTA", slices=2))
    assert choice(cine(tmp_path, 7, "FIESTA SAX", slices=2)).stacks["cine"].numbers == [7]


def test_a_cine_of_a_valve_or_a_vessel_is_no_short_axis(tmp_path):
    assert "a valve" in refusal(cine(tmp_path, 7, "aortic valve FIESTA", slices=5))


def test_the_table_of_a_refusal_tells_why_each_cine_is_out(tmp_path):
    text = refusal(
        cine(tmp_path, 4, "cine 2ch", TWO_CHAMBERS, 1),
        cine(tmp_path, 5, "FIESTA", FOUR_CHAMBERS, 6),
        cine(tmp_path, 6, "cine", TRANSVERSAL, 8),
    )
    rows = {line.split(":")[0].strip(): line for line in text.splitlines() if line.startswith("  series")}
    assert "by its name" in rows["series 4"] and "by its orientation" in rows["series 5"]
    assert "along the body's axes" in rows["series 6"]


def test_a_refusal_leaves_the_reason_of_every_cine(tmp_path):
    frames, rejected = [*cine(tmp_path, 4, "4ch", FOUR_CHAMBERS, 1), *cine(tmp_path, 5, "2ch", TWO_CHAMBERS, 1)], []
    with pytest.raises(DataError):
        choose_stacks(recognise_groups(frames), {}, rejected=rejected)
    assert {group.first.series_number: reason for group, reason in rejected} == dict.fromkeys(
        (4, 5), "a long axis by its name"
    )


def test_a_series_named_short_axis_that_is_no_cine_is_named_in_the_refusal(tmp_path):
    sax = [replace(frame, trigger_ms=None) for frame in cine(tmp_path, 7, "SAX rest")]
    text = refusal(cine(tmp_path, 4, "4ch", FOUR_CHAMBERS, 1), sax)
    assert "named short axis" in text and "series 7" in text and "perfusion" in text
    assert "named short axis" not in refusal(cine(tmp_path, 5, "4ch", FOUR_CHAMBERS, 1))


def test_a_pick_overrides_and_leaves_a_note(tmp_path):
    found = choice(cine(tmp_path, 7, "cine 4ch stack", FOUR_CHAMBERS, 6), cine="7")
    assert found.stacks["cine"].numbers == [7] and "a long axis by its name" in found.notes[0].message


def test_a_localiser_or_an_early_or_doubtful_series_gives_way(tmp_path):
    found = choice(
        cine(tmp_path, 1, "LOC_SAX_FIESTA_BH"),
        cine(tmp_path, 2, "SAX_FIESTA_BH"),
        series(tmp_path, 3, LGE | {"SeriesDescription": "PSIR sax early"}),
        series(tmp_path, 4, LGE | {"SeriesDescription": "PSIR sax"}),
        series(tmp_path, 5, LGE | {"SeriesDescription": "PSIR sax", "InversionTime": 800.0}),
    )
    assert found.stacks["cine"].numbers == [2] and found.stacks["lge"].numbers == [4]
    assert not found.notes


def test_an_early_enhancement_alone_is_a_flag_and_a_name_that_decided_a_note(tmp_path):
    sax = cine(tmp_path, 2, "SAX_FIESTA_BH")
    (flag,) = choice(sax, series(tmp_path, 3, LGE | {"SeriesDescription": "PSIR sax early"})).notes
    assert flag.flag == "lge_early" and flag.review
    (note,) = choice(sax, series(tmp_path, 5, LGE | {"SeriesDescription": "PSIR sax", "InversionTime": 800.0})).notes
    assert note.startswith("lge: taken by its name") and "800 ms" in note


def test_a_long_axis_lge_is_not_used_beside_a_short_axis_cine(tmp_path):
    lge = series(tmp_path, 4, LGE | {"SeriesDescription": "PSIR"}, 1, 5, FOUR_CHAMBERS)
    assert set(choice(cine(tmp_path, 2, "SAX"), lge).stacks) == {"cine"}


def test_a_name_on_one_slice_does_not_outrank_a_whole_stack(tmp_path):
    stack = cine(tmp_path, 5, "FIESTA", slices=6)
    one = cine(tmp_path, 7, "SAX realtime", slices=1, Rows=32, Columns=32)
    assert "found 2 stacks" in refusal(stack, one)
    assert choice(stack, cine(tmp_path, 7, "SAX", slices=4, Rows=32, Columns=32)).stacks["cine"].numbers == [7]


def turned(frames, degrees):
    """Slices turned about their own middle."""
    result, turn = [], np.radians(degrees)
    for frame in frames:
        row, column = frame.orientation[:3], frame.orientation[3:]
        half = [(count - 1) / 2 * size for count, size in zip(frame.shape, frame.spacing_mm, strict=True)]
        middle = frame.position_mm + half[0] * row + half[1] * column
        row = np.cos(turn) * row + np.sin(turn) * np.cross(row, column)
        corner = middle - half[0] * row - half[1] * column
        result.append(replace(frame, orientation=np.concatenate([row, column]), position_mm=corner))
    return result


@pytest.mark.parametrize("degrees", [0.4, 3.0, 8.0])
def test_a_tilted_end_slice_of_a_stack_without_a_name_is_not_lost_in_silence(tmp_path, degrees):
    frames = cine(tmp_path, 5, "FIESTA", slices=6)
    text = refusal(frames[:-4], turned(frames[-4:], degrees))
    assert f"{degrees:g} degrees" in text and "long axis" not in text
    assert choice(frames[:-4], turned(frames[-4:], 0.1)).stacks["cine"].depths.size == 6


def test_an_end_slice_behind_a_gap_with_another_matrix_is_not_lost_in_silence(tmp_path):
    frames = cine(tmp_path, 5, "FIESTA", slices=6)
    last = [replace(frame, shape=(24, 16)) for frame in frames[-4:]]
    text = refusal(frames[:-8], last)
    assert "another matrix" in text and "a gap" in text and "long axis" not in text


def test_a_valve_beside_the_stack_and_a_slice_taken_again_do_not_stop_a_study(tmp_path):
    frames = cine(tmp_path, 5, "FIESTA SAX", slices=6)
    again = [replace(frame, shape=(40, 40), series="1.3.8", series_number=8) for frame in frames[8:12]]
    names = {"description": "cine aortic valve", "series": "1.3.9", "series_number": 9}
    valve = [replace(frame, shape=(40, 40), **names) for frame in turned(frames[-4:], 5.0)]
    again = [replace(frame, description="FIESTA") for frame in again]
    assert choice(frames, again, valve).stacks["cine"].numbers == [5]
