"""Image panels of a transfer evaluation: the best, the median and the worst label map by overlap of the LV wall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import write_bytes
from ..reports.preview import Panels, heart_window, preview_png

RANKS = ("best", "median", "worst")


@dataclass(frozen=True)
class KeptPanels:
    """What a panel is drawn from, cut to the heart, in half precision: many of them lie in memory until the end.

    score: Dice of the LV wall. title: whose it is. affine: (4, 4), voxel to mm, for the directions on the screen.
    """

    score: float
    title: str
    cine: np.ndarray
    t2_stir: np.ndarray | None
    virtual_lge: np.ndarray | None
    label: np.ndarray
    reference: np.ndarray
    affine: np.ndarray


def kept_panels(
    score: float, title: str, images: Mapping[str, np.ndarray], labels: tuple[np.ndarray, np.ndarray],
    affine: np.ndarray,
) -> KeptPanels:  # fmt: skip
    """Cuts the arrays of one label map to what is drawn of them.

    Args:
        images: "cine", the phase, and, where there is one, "t2_stir" and "virtual_lge", (X, Y, S).
        labels: found, reference, (X, Y, S), disk codes.
    """
    window = heart_window(np.maximum(*labels), images.get("virtual_lge"))
    found, reference = (np.ascontiguousarray(one[window]) for one in labels)
    cut = {name: np.ascontiguousarray(image[window]) for name, image in images.items()}
    kept = {name: (one if name == "virtual_lge" else _to_one(one)).astype(np.float16) for name, one in cut.items()}
    return KeptPanels(
        score, title, kept["cine"], kept.get("t2_stir"), kept.get("virtual_lge"), found, reference, affine
    )


def _to_one(image: np.ndarray) -> np.ndarray:
    """Scaled to 0..1: half precision holds no large numbers."""
    image = image - image.min()
    return image / max(float(image.max()), 1e-6)


def write_panels(kept: list[KeptPanels], folder: Path) -> list[dict]:
    """panels/<rank>.png of the best, the median and the worst one; returns rank, title, score and file of each."""
    ordered = sorted(kept, key=lambda one: one.score, reverse=True)
    places = dict(zip(RANKS, (0, len(ordered) // 2, len(ordered) - 1), strict=True))
    entries, seen = [], set()
    for rank, place in places.items():
        if not ordered or place in seen:
            continue
        seen.add(place)
        one, name = ordered[place], f"panels/{rank}.png"
        title = f"{one.title}, {rank}, {one.score:.2f}"
        panels = Panels(
            cine=one.cine.astype(np.float32),
            t2_stir=None if one.t2_stir is None else one.t2_stir.astype(np.float32),
            virtual_lge=None if one.virtual_lge is None else one.virtual_lge.astype(np.float32),
            label=one.label,
            reference_label=one.reference,
        )
        write_bytes(folder / name, preview_png(panels, one.affine, title))
        entries.append({"rank": rank, "subject": one.title, "score": round(one.score, 4), "file": name})
    return entries
