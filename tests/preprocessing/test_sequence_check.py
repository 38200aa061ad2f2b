"""Cine and T2-STIR in each other's place or of two hearts are noticed; right and uncertain pairs are not reported."""

import numpy as np
import pytest
from scripts.datasets.datalist import find_subjects
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.preprocessing.sequence_check import of_another_heart, sequences_look_swapped

SPACING_MM = 1.5


@pytest.fixture(scope="module")
def pairs(phantom_folder):
    """(cine, T2-STIR) of each phantom on the slices both cover."""
    made = []
    for entry in find_subjects(phantom_folder, ("cine", "t2_stir")):
        item = SubjectPreprocessing(references=[])(entry)
        both = item["available_slices"].numpy().all(axis=0)
        made.append([item["image"].numpy()[channel][..., both] for channel in (0, 1)])
    return made


@pytest.mark.slow
def test_the_right_order_is_not_accused_and_the_wrong_one_is(pairs):
    assert len(pairs) == 10
    assert not any(sequences_look_swapped(cine, t2_stir, SPACING_MM) for cine, t2_stir in pairs)
    assert all(sequences_look_swapped(t2_stir, cine, SPACING_MM) for cine, t2_stir in pairs)


@pytest.mark.slow
def test_a_sequence_given_twice_is_no_swap(pairs):
    assert not any(sequences_look_swapped(image, image, SPACING_MM) for pair in pairs for image in pair)


def ring_of(blood, wall, failed=()):
    """A round wall about blood in grey surroundings, (128, 128, 8); slices ``failed`` show blood as bright as it is."""
    x = np.arange(128) - 60.0
    radius = np.hypot(x[:, None], x[None, :])
    crop = np.repeat(np.select([radius < 15, radius < 22], [blood, wall], 0.2)[..., None], 8, axis=2)
    crop[:, :, list(failed)] = np.where(radius < 15, 1.0, crop[:, :, 0])[..., None]
    return crop


def test_blood_inside_a_ring_tells_even_where_one_slice_fails_to_suppress_it():
    cine, t2_stir = ring_of(1.0, 0.4), ring_of(0.05, 0.7, failed=(4,))
    assert sequences_look_swapped(t2_stir, cine, SPACING_MM) and not sequences_look_swapped(cine, t2_stir, SPACING_MM)
    assert sequences_look_swapped(10 * t2_stir, 3 * cine, SPACING_MM)


@pytest.mark.parametrize("shape", [(128, 128, 0), (4, 4, 3), (64, 64, 3)])
def test_nothing_is_said_without_slices_of_small_crops_and_of_constant_ones(shape):
    assert not sequences_look_swapped(np.zeros(shape), np.ones(shape), SPACING_MM)


def test_a_swapped_subject_has_a_line_among_its_warnings(phantom_folder):
    entry = find_subjects(phantom_folder, ("cine", "t2_stir"))[0]
    preprocessing = SubjectPreprocessing(references=[])
    assert "swapped" not in preprocessing(entry)["warnings"]
    frame = {"cine": entry["t2_stir"], "t2_stir": entry["cine"], "channels": {"t2_stir": 0}}
    assert "look swapped" in preprocessing({**entry, **frame})["warnings"]


@pytest.mark.slow
def test_the_t2_stir_of_another_subject_is_told_from_the_own_one_also_when_a_breath_hold_moved_it(pairs):
    for (cine, t2_stir), (_, other) in zip(pairs, [*pairs[1:], pairs[0]], strict=True):
        place = np.linspace(0, other.shape[2] - 1, cine.shape[2]).round().astype(int)
        assert of_another_heart(cine, other[..., place], SPACING_MM)
        assert not of_another_heart(cine, t2_stir, SPACING_MM)
        assert not of_another_heart(cine, np.roll(t2_stir, (4, -3), axis=(0, 1)), SPACING_MM)


def test_whose_heart_it_is_cannot_be_told_from_few_slices_small_crops_and_constant_ones():
    rng = np.random.default_rng(0)
    cine, t2_stir = rng.random((2, 64, 64, 4))
    assert of_another_heart(cine, t2_stir, SPACING_MM) and not of_another_heart(cine, cine, SPACING_MM)
    assert not of_another_heart(cine[..., :2], t2_stir[..., :2], SPACING_MM)
    assert not of_another_heart(cine[:8, :8], t2_stir[:8, :8], SPACING_MM)
    assert not of_another_heart(cine, np.ones_like(t2_stir), SPACING_MM)
