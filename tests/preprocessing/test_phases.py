"""Which cine phase stands for a subject, and what is said about it."""

import numpy as np
import pytest
from scripts.preprocessing.phases import motion_phases, named_phase, pick_phase, read_meta, subject_meta, vendor_index
from scripts.volumes.volume import VolumeError

TIMES = [0, 100, 200, 300, 400, 500, 600, 700]


def test_phase_nearest_to_the_lge_trigger_time():
    meta = {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": 620, "t2_stir_trigger_time_ms": 90}
    phase, rule = pick_phase(8, meta, "p/meta.json")
    assert phase == 6
    assert "trigger time: phase 6 at 600 ms is nearest to lge at 620 ms" in rule


def test_t2_stir_trigger_time_when_there_is_no_lge():
    phase, rule = pick_phase(8, {"cine_trigger_times_ms": TIMES, "t2_stir_trigger_time_ms": 90}, "p/meta.json")
    assert phase == 1 and "t2_stir at 90 ms" in rule


@pytest.mark.parametrize("meta", [{}, {"lge_trigger_time_ms": 620}, {"cine_trigger_times_ms": TIMES}])
def test_end_diastole_without_trigger_times(meta):
    phase, rule = pick_phase(8, meta, "p/meta.json")
    assert phase == 0 and rule.startswith("end-diastole")


def test_end_systole_is_least_like_the_first_phase_and_end_diastole_least_like_it():
    radius = np.array([10, 9, 6, 4, 7, 11, 10])
    x = np.hypot(*np.mgrid[-15:16, -15:16])
    cine = (x[..., None, None] < radius).astype(float).repeat(2, axis=2)
    assert motion_phases(cine) == (5, 3)


@pytest.mark.parametrize("cine", [np.ones((4, 4, 1, 1)), np.ones((4, 4, 1, 5))])
def test_one_phase_or_a_still_heart_has_no_motion(cine):
    assert motion_phases(cine) is None


def test_3d_cine_has_no_phase_index():
    assert pick_phase(1, {"cine_trigger_times_ms": TIMES, "lge_trigger_time_ms": 620}, "p/meta.json")[0] == -1


@pytest.mark.parametrize("times", [TIMES[:5], "abc", [0, "x"], [[0, 1]], [float("nan")] * 8])
def test_trigger_times_that_do_not_fit_are_refused(make, times):
    with pytest.raises(VolumeError) as error:
        pick_phase(8, {"cine_trigger_times_ms": times, "lge_trigger_time_ms": 620}, "p/meta.json")
    assert make.readable(error).startswith("p/meta.json")


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
