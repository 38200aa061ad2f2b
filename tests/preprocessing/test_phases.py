"""Which cine phase stands for a subject, and what is said about it."""

import numpy as np
import pytest
from scripts.clinical.quality import Flag
from scripts.preprocessing.phase_match import Partner
from scripts.preprocessing.phases import (
    PhaseChoice,
    choose_phase,
    motion_phases,
    named_phase,
    noted_flags,
    phase_by_times,
    phase_on_disk,
    read_meta,
    starts_at_r_wave,
    subject_meta,
    vendor_index,
)
from scripts.volumes.volume import VolumeError

TIMES = [0, 100, 200, 300, 400, 500, 600, 700]


def test_phase_nearest_to_the_lge_trigger_time():
    meta = {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": 620, "t2_stir_trigger_time_ms": 90}
    found = phase_by_times(8, meta, "p/meta.json")
    assert (found.index, found.residual_ms, found.confidence, found.doubt) == (6, 20, None, "")
    assert "trigger time: phase 6 at 600 ms is nearest to lge at 620 ms" in found.rule and not found.warnings


def test_t2_stir_trigger_time_when_there_is_no_lge():
    found = phase_by_times(8, {"cine_trigger_times_ms": TIMES, "t2_stir_trigger_time_ms": 90}, "p/meta.json")
    assert found.index == 1 and "t2_stir at 90 ms" in found.rule


@pytest.mark.parametrize("meta", [{}, {"lge_trigger_time_ms": 620}, {"cine_trigger_times_ms": TIMES}])
def test_without_trigger_times_the_images_decide(meta):
    found = phase_by_times(8, meta, "p/meta.json")
    assert found.index is None and "by the images" in found.rule and not found.warnings


@pytest.mark.parametrize(("factor", "unit"), [(0.001, "s"), (1000, "microseconds")])
def test_times_in_another_unit_are_recognised_and_said(factor, unit):
    meta = {"cine_trigger_times_ms": [time * factor for time in TIMES], "lge_trigger_time_ms": 620 * factor}
    found = phase_by_times(8, meta, "p/meta.json")
    assert found.index == 6 and found.residual_ms == pytest.approx(20)
    assert len(found.warnings) == 1 and f"taken as {unit}" in found.warnings[0]


@pytest.mark.parametrize("target", [0.62, 620_000])
def test_a_target_in_another_unit_than_the_cine_s_times_is_recognised_and_said(target):
    found = phase_by_times(8, {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": target}, "p/meta.json")
    assert found.index == 6 and "taken as 620 ms" in found.warnings[0] and "p/meta.json" in found.warnings[0]


@pytest.mark.parametrize("factor", [0.001, 1000])
def test_a_target_in_ms_beside_times_of_the_cine_in_another_unit_stays_in_ms(factor):
    meta = {"cine_trigger_times_ms": [time * factor for time in TIMES], "lge_trigger_time_ms": 620}
    found = phase_by_times(8, meta, "p/meta.json")
    assert found.index == 6 and found.residual_ms == pytest.approx(20)


def test_a_target_that_is_no_finite_number_is_named():
    meta = {"cine_trigger_times_ms": TIMES, "t2_stir_trigger_time_ms": float("nan")}
    with pytest.raises(VolumeError, match="p/meta.json: t2_stir_trigger_time_ms"):
        phase_by_times(8, meta, "p/meta.json")


@pytest.mark.parametrize("meta", [{"lge_trigger_time_ms": 10**400}, {"cine_trigger_times_ms": [10**400] * 8}])
def test_a_number_that_no_computer_holds_is_named(meta):
    with pytest.raises(VolumeError, match="p/meta.json: trigger times must be numbers in ms"):
        phase_by_times(8, {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": 620} | meta, "p/meta.json")


@pytest.mark.parametrize("times", [[0.0] * 8, np.arange(8) * 5.0, np.arange(8) * 4000.0])
def test_times_that_cover_no_heartbeat_in_any_unit_are_refused(make, times):
    with pytest.raises(VolumeError) as error:
        phase_by_times(8, {"cine_trigger_times_ms": list(times), "lge_trigger_time_ms": 20}, "p/meta.json")
    text = make.readable(error)
    assert text.startswith("p/meta.json") and "150 to 3000 ms" in text


@pytest.mark.parametrize(
    ("target", "rr_ms", "phase", "residual"),
    [(760, None, 7, 60), (1420, 800, 6, 20), (2300, 800, 7, 0), (1420, None, None, None), (-300, 800, None, None)],
)
def test_a_target_past_the_heartbeat_counts_from_the_next_r_wave_where_the_interval_is_known(
    target, rr_ms, phase, residual
):
    meta = {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": target}
    found = phase_by_times(8, meta | ({"rr_interval_ms": rr_ms} if rr_ms else {}), "p/meta.json")
    assert (found.index, found.residual_ms) == (phase, residual)
    assert bool(found.warnings) == (phase is None)


def test_a_target_between_two_phases_far_apart_chooses_neither_and_the_next_one_is_asked():
    meta = {"cine_trigger_times_ms": [0, 330], "lge_trigger_time_ms": 620}
    found = phase_by_times(2, meta, "p/meta.json")
    assert found.index is None and "290 ms from the nearest cine phase" in found.warnings[0]
    second = phase_by_times(2, meta | {"t2_stir_trigger_time_ms": 30}, "p/meta.json")
    assert second.index == 0 and second.residual_ms == 30 and len(second.warnings) == 1


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (TIMES, True),
        ([20, *TIMES[1:]], True),
        ([300, 400, 500, 600, 700, 0, 100, 200], False),
        (TIMES[:3], False),
        (["x"] * 8, False),
        ([float("nan")] * 8, False),
        ([[0]] * 8, False),
    ],
)
def test_whether_the_first_phase_lies_at_the_r_wave(times, expected):
    assert starts_at_r_wave(8, {"cine_trigger_times_ms": times}) is expected
    assert starts_at_r_wave(8, {}) is False


RADIUS = np.array([10.7, 9, 6, 4, 7, 9, 9.4, 9.8, 9.8, 9.9])


def ring(radius):
    """(61, 61, 3, P): a bright cavity of these radii in a darker wall, in tissue between."""
    x = np.hypot(*np.mgrid[-30:31, -30:31])[..., None, None]
    return np.where(x < radius, 200.0, np.where(x < radius + 5, 40.0, 80.0)).repeat(3, axis=2)


@pytest.mark.parametrize("start", [0, 2, 6])
def test_the_largest_and_the_smallest_cavity_are_the_ends_wherever_the_cine_starts(start):
    found = motion_phases(np.roll(ring(RADIUS), -start, axis=3))
    assert [(phase + start) % 10 for phase in found] == [0, 3]


def test_from_the_r_wave_on_end_systole_is_least_like_the_first_phase_and_end_diastole_least_like_it():
    radius = np.array([10, 9, 6, 4, 7, 11, 10])
    x = np.hypot(*np.mgrid[-15:16, -15:16])
    cine = (x[..., None, None] < radius).astype(float).repeat(2, axis=2)
    assert motion_phases(cine, from_r_wave=True) == (5, 3)


@pytest.mark.parametrize("start", [0, 3, 4])
def test_times_that_count_from_a_finger_s_pulse_do_not_exchange_the_ends(start):
    found = motion_phases(np.roll(ring(RADIUS), -start, axis=3), from_r_wave=True)
    assert [(phase + start) % 10 for phase in found] == [0, 3]


@pytest.mark.parametrize("from_r_wave", [False, True])
@pytest.mark.parametrize("cine", [np.ones((4, 4, 1, 1)), np.ones((4, 4, 1, 5))])
def test_one_phase_or_a_still_heart_has_no_motion(cine, from_r_wave):
    assert motion_phases(cine, from_r_wave) is None


def test_3d_cine_has_no_phase_index():
    assert phase_by_times(1, {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": 620}, "p/meta.json").index == -1


@pytest.mark.parametrize("times", [TIMES[:5], "abc", [0, "x"], [[0, 1]], [float("nan")] * 8])
def test_trigger_times_that_do_not_fit_are_refused(make, times):
    with pytest.raises(VolumeError) as error:
        phase_by_times(8, {"cine_trigger_times_ms": times, "lge_trigger_time_ms": 620}, "p/meta.json")
    assert make.readable(error).startswith("p/meta.json")


PLACE = ((30.0, 30.0), np.array([1.4, 1.4]))
UNTIMED = PhaseChoice(None, "by the images")


def t2_like(radius):
    """A dark cavity of one radius, on the grid of ``ring``."""
    array = 100.0 - ring(np.array([radius]))[..., 0] / 2.5
    return Partner("t2_stir", array, np.tile(np.eye(3), (3, 1, 1)), np.arange(3))


def noisy(array, level=8.0):
    return (array + np.random.default_rng(2).normal(0, level, array.shape)).astype(np.float32)


def test_what_the_trigger_times_decided_stays():
    timed = PhaseChoice(4, "trigger time", 12.0)
    assert choose_phase(timed, ring(RADIUS), PLACE, [t2_like(4)]) is timed


def test_the_image_decides_without_trigger_times():
    found = choose_phase(UNTIMED, noisy(ring(RADIUS)), PLACE, [t2_like(4)])
    assert found.index == 3 and found.rule.startswith("image: phase 3 of 10 agrees best with t2_stir")
    assert found.confidence >= 0.8 and found.doubt == "" and found.residual_ms is None


@pytest.mark.parametrize(("kept", "doubtful"), [([0, 3], True), ([0, 3, 7], True), ([0, 3, 5, 7], False)])
def test_the_best_of_few_phases_is_in_doubt_however_clearly_it_agrees(kept, doubtful):
    found = choose_phase(UNTIMED, noisy(ring(RADIUS[kept])), PLACE, [t2_like(4)])
    assert found.index == 1 and bool(found.doubt) == doubtful
    assert (f"{len(kept)} phases" in found.doubt) == doubtful


def test_the_phase_of_the_label_map_is_in_doubt_unless_the_trigger_times_choose_it_too():
    times = {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": 620}
    drawn = phase_on_disk(8, {"label_phase": 0}, "p/meta.json", labelled=True)
    assert drawn.index == 0 and "phase 0" in drawn.doubt
    assert phase_on_disk(8, {"label_phase": 0} | times, "p/meta.json", labelled=True).doubt
    both = phase_on_disk(8, {"label_phase": 6} | times, "p/meta.json", labelled=True)
    assert (both.index, both.residual_ms, both.doubt) == (6, 20, "")
    unused = phase_on_disk(8, {"label_phase": 0} | times, "p/meta.json", labelled=False)
    assert (unused.index, unused.doubt) == (6, "")


def test_mid_diastole_without_another_sequence():
    found = choose_phase(UNTIMED, noisy(ring(RADIUS)), PLACE, [])
    assert found.index in (6, 7, 8) and found.rule.startswith("mid-diastole") and found.doubt == ""
    assert found.confidence > 0.7


def test_an_image_that_tells_nothing_gives_mid_diastole_and_a_doubt():
    empty = t2_like(9)._replace(array=noisy(np.full((61, 61, 3), 90.0)))
    found = choose_phase(UNTIMED, noisy(ring(RADIUS)), PLACE, [empty])
    assert found.index in (6, 7, 8) and found.rule.startswith("mid-diastole") and "t2_stir" in found.doubt


def test_a_sequence_that_does_not_show_the_heart_is_passed_over():
    away = t2_like(4)._replace(slices=np.full(3, -1))
    found = choose_phase(UNTIMED, noisy(ring(RADIUS)), PLACE, [away, t2_like(4)._replace(name="lge")])
    assert found.index == 3 and "lge" in found.rule


def test_too_few_phases_and_no_other_sequence_leave_a_doubt():
    found = choose_phase(UNTIMED, ring(np.array([10.0, 5.0])), PLACE, [])
    assert found.index == 0 and found.confidence == 0 and "mid-diastole" in found.doubt


def test_a_still_cine_has_one_phase_as_good_as_any():
    found = choose_phase(UNTIMED, ring(np.full(5, 9.0)), PLACE, [t2_like(9)])
    assert found.index == 0 and "no motion" in found.rule


def test_meta_json_that_is_not_json_is_refused(tmp_path, make):
    (tmp_path / "meta.json").write_text('{"vendor": ')
    with pytest.raises(VolumeError) as error:
        read_meta(str(tmp_path / "meta.json"))
    assert "not valid JSON" in make.readable(error)
    make.json(tmp_path / "meta.json", [1])
    with pytest.raises(VolumeError, match="found a list"):
        read_meta(str(tmp_path / "meta.json"))
    assert read_meta(None) == {}


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("siemens", 1), ("Siemens Healthineers", 1), ("Philips Medical Systems", 2), ("GE MEDICAL SYSTEMS", 3),
        ("GE", 3), ("UIH", 4), ("United Imaging Healthcare", 4), ("", 0), (None, 0), ("imager", 0), ("unknown", 0),
    ],
)  # fmt: skip
def test_vendor_spellings(text, index):
    assert vendor_index(text) == index


def test_the_phases_that_a_layout_names_stand_beside_the_meta_file(tmp_path, make):
    make.json(tmp_path / "meta.json", {"vendor": "ge", "es_phase": 5, "ed_phase": 1})
    meta = subject_meta({"subject": "p", "meta": str(tmp_path / "meta.json"), "ed_phase": 0, "label_phase": 0})
    assert meta == {"vendor": "ge", "es_phase": 5, "ed_phase": 0, "label_phase": 0}
    assert subject_meta({"subject": "p"}) == {}
    assert named_phase(meta, "es_phase", 6, "p/meta.json") == 5 and named_phase({}, "es_phase", 6, "p") is None


@pytest.mark.parametrize("phase", [6, -1, 1.5, "1", True])
def test_a_named_phase_that_the_cine_does_not_have_is_refused(phase, make):
    with pytest.raises(VolumeError) as error:
        named_phase({"label_phase": phase}, "label_phase", 6, "p/meta.json")
    assert make.readable(error).startswith("p/meta.json: label_phase found")


def test_flags_of_an_import_are_read_from_meta_json():
    flag = {"flag": "lge_in_doubt", "message": "two series fit", "review": True}
    assert noted_flags({"flags": [flag]}, "a/meta.json") == [Flag(**flag)]
    assert noted_flags({}, "a/meta.json") == [] == noted_flags({"flags": None}, "a/meta.json")


@pytest.mark.parametrize("found", ["lge", 3, ["lge"], {"flag": "lge"}, [{"flag": 1, "message": "a"}], [{"flag": "a"}]])
def test_flags_that_are_none_name_the_file_and_what_is_expected(found):
    with pytest.raises(VolumeError, match="a/meta.json: found flags") as error:
        noted_flags({"flags": found}, "a/meta.json")
    assert "Fix: " in str(error.value)
