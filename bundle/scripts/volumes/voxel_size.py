"""The voxel size of a NIfTI header, which gives it more than once: in the s-form, in the q-form and in pixdim."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .volume import VolumeError

# Sizes within one percent are equal: rounding in a header is smaller.
_EQUAL = 0.01
# What programs write for a size they do not know, or in an s-form that holds directions only.
_PLACEHOLDER_MM = 1.0
_SAME_FORM_MM = 1e-2


class Forms(NamedTuple):
    """What a header says: ``sform`` and ``qform`` (4, 4), None where its code is 0; ``pixdim_mm`` (3,) as stored.

    The q-form has no size of its own: it takes that of pixdim.
    """

    sform: np.ndarray | None
    qform: np.ndarray | None
    pixdim_mm: np.ndarray


def affine_of_sform(sform: np.ndarray, forms: Forms, n_slices: int, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The affine (4, 4) of a header whose s-form is coded, and what the reader should know about it.

    The s-form is the affine where its voxel size is that of pixdim. Where they differ, 1 mm gives way to any other
    size; else pixdim counts when a q-form was written with it. Directions come from the q-form where pixdim is used and
    a q-form is coded, else from the s-form.

    Args:
        forms: ``sform`` among them.
        n_slices: of the file; the third size of a single slice is not compared.
        name: what messages call the file.
    Raises:
        VolumeError: the sizes differ and none is to be preferred; the message names them all.
    """
    sform_mm, pixdim_mm = np.linalg.norm(sform[:3, :3], axis=0), forms.pixdim_mm
    differs = _differing(sform, pixdim_mm, n_slices)
    if not differs.any():
        return sform, _other_place(sform, forms.qform, name)
    said = f"pixdim{' and qform' if forms.qform is not None else ''}"
    found = f"{name}: found voxels of {_size(sform_mm)} mm in the sform and of {_size(pixdim_mm)} mm in {said}"
    sform_unknown, pixdim_unknown = (
        np.allclose(mm[differs], _PLACEHOLDER_MM, atol=1e-3) for mm in (sform_mm, pixdim_mm)
    )
    if not pixdim_unknown and (sform_unknown or forms.qform is not None):
        affine = forms.qform if forms.qform is not None else _resized(sform, np.where(differs, pixdim_mm, sform_mm))
        return affine, (f"{found}; the size in {said} is used",)
    if pixdim_unknown and forms.qform is None:
        return sform, (f"{found}, where 1 mm stands for an unknown size; the size in the sform is used",)
    raise VolumeError(
        f"{found}{'' if forms.qform is not None else ' (no qform: code 0)'}.\n"
        f"Expected: one size, or two that agree on one that is not {_PLACEHOLDER_MM:g} mm.\n"
        "Fix: convert from DICOM again, or write the true size into sform, qform and pixdim."
    )


def _differing(sform: np.ndarray, pixdim_mm: np.ndarray, n_slices: int) -> np.ndarray:
    """bool (3,): axes whose two sizes contradict; none for a form without volume, which is no size at all."""
    volume = float(np.linalg.det(sform[:3, :3]))
    if not np.isfinite(sform).all() or abs(volume) < 1e-9:
        return np.zeros(3, dtype=bool)
    sform_mm = np.linalg.norm(sform[:3, :3], axis=0)
    pitch_mm = abs(volume) / np.linalg.norm(np.cross(sform[:3, 0], sform[:3, 1]))
    given = np.isfinite(pixdim_mm) & (pixdim_mm > 0)
    equal = np.isclose(sform_mm, pixdim_mm, rtol=_EQUAL, atol=0)
    # of a sheared stack some programs note the distance between the slices' planes
    equal[2] |= n_slices == 1 or np.isclose(pitch_mm, pixdim_mm[2], rtol=_EQUAL, atol=0)
    return given & ~equal


def _resized(form: np.ndarray, size_mm: np.ndarray) -> np.ndarray:
    affine = form.copy()
    affine[:3, :3] *= size_mm / np.linalg.norm(form[:3, :3], axis=0)
    return affine


def _other_place(sform: np.ndarray, qform: np.ndarray | None, name: str) -> tuple[str, ...]:
    if qform is None or np.allclose(sform, qform, atol=_SAME_FORM_MM):
        return ()
    return (f"{name}: sform and qform differ (up to {float(np.abs(sform - qform).max()):.2f}); sform is used",)


def _size(size_mm: np.ndarray) -> str:
    return " x ".join(f"{mm:.4g}" for mm in size_mm)
