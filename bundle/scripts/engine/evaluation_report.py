"""Owns the course of an evaluation: each subject's pair of pictures and label maps goes to every part, then files."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ignite.engine import Engine, Events

from ..conventions import AVAILABLE, DISCLAIMER, IMAGE, LABEL_NAMES, NETWORK_CLASSES, SUBJECT, TASKS
from .atomic import write_bytes

logger = logging.getLogger(__name__)

SUMMARY = "evaluation.json"
STRUCTURES = {
    "lv_blood_pool": [LABEL_NAMES.index("lv_blood_pool")],
    "lv_myocardium": [LABEL_NAMES.index("myocardium"), LABEL_NAMES.index("infarct")],
    "infarct": [LABEL_NAMES.index("infarct")],
}


@dataclass(frozen=True)
class SubjectPair:
    """What was found and what is true of one subject, on the slices its reference covers.

    label, reference: (1, H, W, S), uint8, network classes. lge, reference_lge: (1, H, W, S), 0..1. probabilities:
    (K, H, W, S). sample_labels: (samples, H, W, S) or None. affine: (4, 4), voxel to RAS mm, of the crop's stack.
    native_label, native_affine: the reference as it is in its file, disk codes, on the cine grid, numpy.
    image: (channels, H, W, S), 0..1; available: (sequences,), 1 where one was acquired. evenly_spaced: whether the
    slices are, so that the affine tells volumes and distances. slices: their indices in the cine, from 0; None: all.
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

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbours along the three axes; slice gaps included."""
        return tuple(float(one) for one in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def wall(self) -> torch.Tensor:
        """LV wall of the reference, infarct included, (1, H, W, S), bool."""
        return structure(self.reference, "lv_myocardium")

    @property
    def infarct_probability(self) -> torch.Tensor:
        """(H, W, S), 0..1."""
        return self.probabilities[NETWORK_CLASSES.index("infarct")]


class EvaluationPart(Protocol):
    """One section of evaluation.json and the files that go with it.

    ``needs``: what the network must give, "mask" or "lge"; ``section``: its key, both for parts that cannot do without.
    """

    def start(self) -> None:
        """Forgets an earlier run."""

    def collect(self, pair: SubjectPair) -> None:
        """Takes in one subject."""

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes its files and returns its entries of evaluation.json."""


class EvaluationReport:
    """Hands every subject to the parts and writes evaluation.json, and a page, at the end.

    Args:
        parts: sections, in order. tasks: what the network gives; a part that needs more is left out, and said to be.
        page: summary and folder to the bytes of index.html; None: no page.
        shown: entries of the summary's "all" that are logged.
    """

    def __init__(
        self,
        parts: Sequence[EvaluationPart],
        output_dir: str,
        page: Any = None,
        shown: Sequence[str] = (),
        tasks: Sequence[str] = TASKS,
    ) -> None:
        self.folder, self.page, self.shown = Path(output_dir), page, tuple(shown)
        self.parts = [part for part in parts if getattr(part, "needs", None) in (None, *tasks)]
        self.left_out = {part.section: part.needs for part in parts if part not in self.parts}

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forgets an earlier run."""
        self.without_label: list[str] = []
        for part in self.parts:
            part.start()

    def collect(self, engine: Engine) -> None:
        """Hands this iteration's subject to all parts."""
        pair = subject_pair(engine.state.batch[0], engine.state.output[0])
        if "label_codes" not in engine.state.batch[0]:
            self.without_label.append(pair.subject)
        for part in self.parts:
            part.collect(pair)

    def write(self, engine: Engine) -> None:
        """Writes what the parts found, and logs what matters most."""
        summary: dict[str, Any] = {"disclaimer": DISCLAIMER}
        for part in self.parts:
            summary |= part.write(self.folder)
        for section, needs in self.left_out.items():
            summary[section] = {"not_measurable": f"the network gives no {needs}"}
        if self.without_label:
            missing = "overlap, agreement of sizes, segments and calibration"
            logger.warning("%d subjects have no label: not measured on them: %s.", len(self.without_label), missing)
            summary["without_label"] = {"subjects": self.without_label, "not_measurable": missing}
        write_bytes(self.folder / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())
        if self.page is not None:
            write_bytes(self.folder / "index.html", self.page(summary, self.folder))
        everyone = summary.get("all", {})
        lines = [f"  {name:34s} {number_text(everyone[name])}" for name in self.shown if name in everyone]
        logger.info("%s subjects, 95 %% intervals by subject:\n%s\nall numbers, also by group: %s. %s",
                    everyone.get("subjects", "no"), "\n".join(lines), self.folder / SUMMARY, DISCLAIMER)  # fmt: skip


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
    """Voxels of one of STRUCTURES in network classes, bool, same shape."""
    return torch.isin(label, torch.tensor(STRUCTURES[name], dtype=label.dtype))


def number_text(number: Mapping | float) -> str:
    """A number of the summary in words: value and interval, or why there is none."""
    if not isinstance(number, Mapping):
        return str(number)
    if "value" not in number:
        return str(number.get("not_measurable", "not measurable"))
    interval = f" ({number['low']:.3g} to {number['high']:.3g})" if "low" in number else ""
    return f"{number['value']:.3g}{interval}"
