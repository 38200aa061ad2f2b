"""Subjects: the same from the same seed, sequences that do not depend on stored phases, what the user asked for."""

import numpy as np
import pytest
from scripts.dicom.geometry import affine_from_stack
from scripts.phantom.as_sent import cine_fractions
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject, subject_name

pytestmark = pytest.mark.slow

VOLUMES = ("cine", "t2_stir", "lge", "label")


def made(index, seed, **parameters):
    given = {"stored_phases": "key", "difficulty": "realistic", "slices": 6} | parameters
    return make_subject(index, seed, PhantomParameters(**given))


@pytest.fixture(scope="module")
def subject():
    return made(2, 7)


def test_same_seed_and_index_give_the_same_arrays_and_meta(subject):
    again = made(2, 7)
    assert again.name == subject.name and again.meta == subject.meta
    np.testing.assert_array_equal(again.affine, subject.affine)
    for name in VOLUMES:
        np.testing.assert_array_equal(again.volumes[name], subject.volumes[name])


def test_another_seed_or_index_gives_another_subject(subject):
    for other in (made(2, 8), made(3, 7)):
        assert other.meta["rr_interval_ms"] != subject.meta["rr_interval_ms"]
        assert other.meta["truth"]["lv_edv_ml"] != subject.meta["truth"]["lv_edv_ml"]
        for name in VOLUMES:
            mine, theirs = subject.volumes[name], other.volumes[name]
            assert mine.shape != theirs.shape or (mine != theirs).any()


@pytest.mark.parametrize("difficulty", ["clean", "hard"])
def test_stored_phases_change_the_cine_and_nothing_else(difficulty):
    key, few, many = (made(4, 5, difficulty=difficulty, **phases) for phases in (
        {}, {"stored_phases": "all", "phases": 3}, {"stored_phases": "all", "phases": 20}))  # fmt: skip
    assert [one.volumes["cine"].shape[3] for one in (key, few, many)] == [3, 3, 20]
    for other in (few, many):
        for name in ("t2_stir", "lge", "label"):
            np.testing.assert_array_equal(key.volumes[name], other.volumes[name])
        same = {name: value for name, value in key.meta.items() if name not in ("phantom", "cine_trigger_times_ms")}
        assert all(other.meta[name] == value for name, value in same.items())


def test_key_phases_are_end_diastole_end_systole_and_the_moment_of_the_lge():
    assert cine_fractions(PhantomParameters(stored_phases="key"), 0.74) == [0.0, 0.36, 0.74]
    assert cine_fractions(PhantomParameters(phases=4), 0.74) == [0.0, 0.25, 0.5, 0.75]


def test_volumes_share_one_grid_and_have_integer_types(subject):
    shape = subject.volumes["label"].shape
    assert shape[2] == 6 and subject.volumes["cine"].shape == (*shape, 3)
    assert subject.volumes["t2_stir"].shape == subject.volumes["lge"].shape == shape
    types = {name: volume.dtype.name for name, volume in subject.volumes.items()}
    assert types == {"cine": "int16", "t2_stir": "int16", "lge": "int16", "label": "uint8"}
    for name in ("cine", "t2_stir", "lge"):
        volume = subject.volumes[name]
        assert volume.min() >= 0 and volume.max() <= 4095 and len(np.unique(volume)) > 100
    assert set(np.unique(subject.volumes["label"])) <= set(range(7))
    np.testing.assert_allclose(subject.affine, affine_from_stack(subject.stack))
    assert subject.name == subject_name(2) == "phantom_0002" and subject.views == ()


def test_what_was_asked_for_is_what_is_made():
    subject = made(
        1, 3, condition="acute_mi", territory="RCA", infarct_percent_lv=22.0, ejection_fraction_percent=41.0,
        slices=9, slice_gap_mm=2.0, vendor="philips", field_strength_t=3.0, sex="female",
    )  # fmt: skip
    meta, truth = subject.meta, subject.meta["truth"]
    assert (meta["vendor"], meta["field_strength_t"]) == ("philips", 3.0)
    assert (meta["sex"], meta["condition"]) == ("female", "acute_mi")
    assert meta["slice_gap_mm"] == 2.0 and subject.volumes["label"].shape[2] == 9 and truth["territory"] == "RCA"
    assert truth["infarct_percent_lv"] == pytest.approx(22.0, abs=2.5)
    assert truth["ejection_fraction_percent"] == pytest.approx(41.0, abs=0.5)
    assert np.linalg.norm(subject.stack.slice_step_mm) == pytest.approx(meta["slice_thickness_mm"] + 2.0)


@pytest.mark.parametrize(("infarct", "ejection"), [(8.0, 30.0), (25.0, 55.0), (45.0, 25.0)])
def test_ejection_fraction_and_infarct_size_are_independent_wishes(heart_of, infarct, ejection):
    for seed in range(4):
        heart = heart_of(seed, condition="acute_mi", infarct_percent_lv=infarct, ejection_fraction_percent=ejection)
        assert heart.motion.ejection_fraction_percent(heart.anatomy.shape) == pytest.approx(ejection, abs=0.5)


def test_clean_subject_has_no_shifts_and_little_noise_and_realistic_has_both(subject, subject_of):
    clean = subject_of(7, index=2)
    assert not any(np.any(shift) for shift in clean.meta["breath_hold_shifts_mm"].values())
    assert all(np.any(shift) for shift in subject.meta["breath_hold_shifts_mm"].values())
    corner = np.s_[:8, :8]
    assert clean.volumes["t2_stir"][corner].std() < 0.4 * subject.volumes["t2_stir"][corner].std()
    assert clean.meta["t2_stir_trigger_time_ms"] == clean.meta["lge_trigger_time_ms"]
    assert subject.meta["t2_stir_trigger_time_ms"] != subject.meta["lge_trigger_time_ms"]


def test_sequences_left_as_breath_holds_left_them_are_further_apart():
    def apart(aligned):
        shifts = [made(1, seed, aligned=aligned).meta["breath_hold_shifts_mm"] for seed in range(2)]
        return np.mean([np.linalg.norm(np.subtract(one["cine"], one["lge"]), axis=1).mean() for one in shifts])

    assert apart(False) > 1.8 * apart(True) > 0


def test_further_series_do_not_change_the_stacks(subject_of):
    plain, more = (subject_of(12, views=views, slices=8) for views in (False, True))
    assert more.views and not plain.views
    for name in VOLUMES:
        np.testing.assert_array_equal(plain.volumes[name], more.volumes[name])


def test_anatomy_does_not_depend_on_difficulty():
    easy, hard = (made(5, 2, difficulty=level) for level in ("easy", "hard"))
    assert easy.meta["rr_interval_ms"] == hard.meta["rr_interval_ms"]
    np.testing.assert_array_equal(easy.affine, hard.affine)


@pytest.mark.parametrize("parameters", [
    {"slices": 3, "infarct_percent_lv": 60.0, "condition": "acute_mi"},
    {"slices": 16, "slice_gap_mm": 4.0, "phases": 1, "stored_phases": "all"},
    {"difficulty": 2.0, "infarct_percent_lv": 0.5, "ejection_fraction_percent": 80.0},
    {"slices": 3, "condition": "takotsubo", "ejection_fraction_percent": 10.0},
])  # fmt: skip
def test_ends_of_the_allowed_ranges_still_give_a_subject(parameters):
    subject = made(1, 1, **parameters)
    assert {1, 2} <= set(np.unique(subject.volumes["label"])) and subject.volumes["lge"].any()
    assert all(np.isfinite(value) for value in subject.meta["truth"].values() if isinstance(value, float))


def area_mm2(subject, label, slices):
    """Cavity of LV, whole and of middle slices."""
    return np.array([(label[..., s] == 1).sum() for s in slices]) * np.linalg.norm(subject.affine[:3, 0]) ** 2


def test_labels_at_end_diastole_and_end_systole_fit_the_cine_of_those_phases():
    subject = made(3, 7, labelled_phases="key", condition="healthy", slices=8)
    assert subject.meta["labelled_phases"] == {"ed": 0, "es": 1}
    middle = range(2, 6)
    areas = [area_mm2(subject, subject.volumes[f"label{name}"], middle) for name in ("_ed", "", "_es")]
    assert (areas[0] > areas[1]).all() and (areas[1] > areas[2]).all()
    for name, phase in subject.meta["labelled_phases"].items():
        for s in middle:
            label, frame = subject.volumes[f"label_{name}"][..., s], subject.volumes["cine"][..., s, phase]
            # papillary muscles are dark, and counted as blood
            assert np.mean(frame[label == 1]) > 1.5 * np.mean(frame[label == 2])
        lge, label = subject.volumes[f"lge_{name}"][..., 4], subject.volumes[f"label_{name}"][..., 4]
        assert lge[label == 1].mean() > 1.3 * lge[label == 2].mean()


def test_further_labels_change_nothing_else():
    plain, more = made(2, 7), made(2, 7, labelled_phases="key")
    for name in VOLUMES:
        np.testing.assert_array_equal(plain.volumes[name], more.volumes[name])
    assert set(more.volumes) - set(plain.volumes) == {"lge_ed", "label_ed", "lge_es", "label_es"}
    assert {key for key in more.meta if more.meta[key] != plain.meta.get(key)} == {"phantom", "labelled_phases"}


def test_of_all_stored_phases_the_nearest_are_labelled():
    subject = made(2, 7, labelled_phases="key", stored_phases="all", phases=20)
    assert subject.meta["labelled_phases"] == {"ed": 0, "es": 7}
