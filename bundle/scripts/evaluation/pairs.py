"""Result and ground truth of one subject, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..conventions import (
    AVAILABLE,
    COMPARED_STRUCTURES,
    IMAGE,
    NETWORK_CLASSES,
    NO_INFARCT_CLASS,
    SEQUENCES,
    STRUCTURES,
    SUBJECT,
)


@dataclass(frozen=True)
class SubjectPair:
    """Result and ground truth of one subject, on the slices its reference covers.

    label, reference: (1, H, W, S), uint8, network classes. lge, reference_lge: (1, H, W, S), 0..1. probabilities:
    (K, H, W, S). sample_labels: (samples, H, W, S) or None. affine: (4, 4), voxel to RAS mm, of the crop's stack.
    native_label, native_affine: the reference as it is in its file, disk codes, on the cine grid, numpy.
    image: (channels, H, W, S), 0..1; available: (sequences,), 1 where one was acquired. evenly_spaced: whether the
    slices are, so that the affine tells volumes and distances. slices: their indices in the cine, from 0; None: all.
    infarct_marked: whether the label table of the reference has an infarct class.
    """

    subject: str
    label: torch.Tensor
    reference: torch.Tensor
    lge: torch.Tensor
    reference_lge: torch.Tensor
    probabilities: torch.Tensor
    sample_labels: torch.Tensor | None
    affine: np.ndarray
    native_label: np.ndarray
    native_affine: np.ndarray
    image: torch.Tensor
    available: torch.Tensor
    evenly_spaced: bool = True
    slices: tuple[int, ...] | None = None
    infarct_marked: bool = True

    @property
    def compared(self) -> tuple[str, ...]:
        """COMPARED_STRUCTURES that the reference can show; without the infarct where its table has no class for it."""
        return tuple(one for one in COMPARED_STRUCTURES if self.infarct_marked or one != "infarct")

    @property
    def not_compared(self) -> str:
        """Why a structure is not among ``compared``; "" where all are."""
        return "" if self.infarct_marked else f"reference infarct: {NO_INFARCT_CLASS}"

    @property
    def sequences(self) -> str:
        """Names of the sequences that were acquired, with blanks between."""
        return " ".join(name for name, there in zip(SEQUENCES, self.available.tolist(), strict=False) if there > 0)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbours along the three axes; slice gaps included."""
        x, y, z = (float(one) for one in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    @property
    def wall(self) -> torch.Tensor:
        """LV wall of the reference, infarct included, (1, H, W, S), bool."""
        return structure(self.reference, "lv_myocardium")

    @property
    def infarct_probability(self) -> torch.Tensor:
        """(H, W, S), 0..1."""
        return self.probabilities[NETWORK_CLASSES.index("infarct")]


def subject_pair(batch: Mapping[str, Any], output: Mapping[str, Any]) -> SubjectPair:
    """The pair of one evaluated subject: ``batch`` as collated, ``output`` after PairWithReference."""
    covered = torch.nonzero(batch["reference_slices"].cpu())[:, 0]
    step = slice_step(covered.numpy())
    cine_affine = np.asarray(batch["cine_affine"], dtype=np.float64)
    samples = output.get("sample_labels")
    label, reference, lge, reference_lge = (
        output[key].cpu() for key in ("label_pred", "label_ref", "lge_pred", "lge_ref")
    )
    return SubjectPair(
        subject=str(batch[SUBJECT]),
        label=label,
        reference=reference,
        lge=lge.float(),
        reference_lge=reference_lge.float(),
        probabilities=output["probabilities"][..., covered].cpu(),
        sample_labels=None if samples is None else samples[..., covered].cpu(),
        affine=crop_affine(
            cine_affine,
            np.asarray(batch["crop_to_cine"], dtype=np.float64)[covered.numpy()],
            int(covered[0]),
            step or 1,
        ),
        evenly_spaced=step is not None,
        slices=tuple(covered.tolist()),
        native_label=np.asarray(batch.get("label_codes", np.zeros_like(batch["cine_native"], np.uint8))),
        native_affine=cine_affine,
        image=batch[IMAGE][..., covered].cpu(),
        available=batch[AVAILABLE].cpu(),
        infarct_marked=bool(batch.get("label_marks_infarct", True)),
    )


def slice_step(covered: np.ndarray) -> int | None:
    """Cine slices from one covered slice to the next, 1 for a single one; None when they are not evenly spaced."""
    steps = set(np.diff(covered).tolist())
    return None if len(steps) > 1 else steps.pop() if steps else 1


def crop_affine(cine_affine: np.ndarray, maps: np.ndarray, first: int = 0, step: int = 1) -> np.ndarray:
    """(4, 4), crop voxel to RAS mm, of a stack of every ``step``-th cine slice from ``first`` on.

    Args:
        cine_affine: (4, 4), cine voxel to RAS mm. maps: (S, 3, 3), crop pixel to cine voxel.
    """
    to_cine = np.eye(4)
    to_cine[:2, :2], to_cine[:2, 3] = maps[0, :2, :2], maps[0, :2, 2]
    to_cine[2, 2], to_cine[2, 3] = step, first
    return cine_affine @ to_cine


def structure(label: torch.Tensor, name: str) -> torch.Tensor:
    """Voxels of one of conventions.STRUCTURES in network classes, bool, same shape."""
    return torch.isin(label, torch.tensor(STRUCTURES[name], dtype=label.dtype))
