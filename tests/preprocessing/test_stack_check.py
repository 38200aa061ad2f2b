"""Slices and phases are told apart by how alike they are; each right order has no finding."""

import numpy as np
import pytest
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.preprocessing.stack_check import refuse_exchanged_axes, stack_flags
from scripts.volumes.grids import Grid
from scripts.volumes.volume import Volume, VolumeError

SLICES, PHASES = 5, 6


@pytest.fixture
def cine():
    """(48, 44, 5, 6): each slice an image of its own, with a disc that beats, and noise."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(48) - 24, np.arange(44) - 22, indexing="ij")
    tissue = np.stack([rng.normal(size=(6, 6)).repeat(8, 0).repeat(8, 1)[:, :44] for _ in range(SLICES)], axis=-1)
    beat = 9 - 1.5 * np.sin(np.pi * np.arange(PHASES) / PHASES)
    disc = np.stack([np.hypot(x, y) < radius for radius in beat], axis=-1)
    return (tissue[..., None] + disc[:, :, None] + rng.normal(0, 0.05, (48, 44, SLICES, PHASES))).astype(np.float32)


def flags(array):
    return [flag.flag for flag in stack_flags(array)]


def test_a_cine_and_one_of_its_phases_have_no_finding(cine):
    assert flags(cine) == [] and flags(cine[..., :1]) == [] and flags(cine[:, :, :1]) == []


def test_phases_stored_as_slices_are_flagged_for_review(cine):
    (found,) = stack_flags(cine[:, :, 2, :, None])
    assert found.flag == "phases_stored_as_slices" and found.review and "6 slices" in found.message


def test_exchanged_axes_are_flagged_for_review(cine):
    (found,) = stack_flags(cine.swapaxes(2, 3))
    assert found.flag == "slices_and_phases_exchanged" and found.review


def test_exact_copies_and_empty_slices_tell_nothing(cine):
    assert flags(np.repeat(cine[:, :, :1], 4, axis=2)) == []
    assert flags(np.zeros_like(cine[..., :1])) == []


def volume(make, array):
    return Volume(array, Grid("p/cine.nii.gz", array.shape[:3], make.affine(array.shape[:3])))


def test_exchanged_axes_are_refused_where_another_sequence_has_as_many_slices_as_the_cine_phases(make, cine):
    other = Grid("p/t2_stir.nii.gz", (48, 44, SLICES), make.affine((48, 44, SLICES)))
    with pytest.raises(VolumeError) as error:
        refuse_exchanged_axes(volume(make, cine.swapaxes(2, 3)), other)
    text = make.readable(error)
    assert "p/cine.nii.gz: found 6 slices of 5 phases" in text and "p/t2_stir.nii.gz" in text


def test_a_sequence_with_as_many_slices_as_the_cine_has_phases_is_no_proof_by_itself(make, cine):
    for shape, spacing in (((48, 44, PHASES), (1.4, 1.4, 8)), ((48, 44, SLICES), (1.4, 1.4, 8))):
        refuse_exchanged_axes(volume(make, cine), Grid("p/lge.nii.gz", shape, make.affine(shape, spacing)))
    for shape, spacing in (((40, 44, SLICES), (1.4, 1.4, 8)), ((48, 44, SLICES), (1.9, 1.9, 8))):
        refuse_exchanged_axes(
            volume(make, cine.swapaxes(2, 3)), Grid("p/lge.nii.gz", shape, make.affine(shape, spacing))
        )


@pytest.mark.parametrize("key", ["t2_stir", "label"])
def test_the_subject_is_refused_whichever_sequence_shows_it(tmp_path, make, cine, key):
    exchanged, matrix = np.ascontiguousarray(cine.swapaxes(2, 3)), make.affine((48, 44, PHASES))
    make.write(tmp_path / "p/cine.nii.gz", exchanged, matrix)
    make.write(tmp_path / f"p/{key}.nii.gz", np.abs(cine[..., 0]).round(), make.affine((48, 44, SLICES)))
    with pytest.raises(VolumeError, match="exchanged") as error:
        SubjectPreprocessing(crop_size=(32, 32))(make.entry(tmp_path / "p"))
    assert getattr(error.value, "sequence", None) is None
