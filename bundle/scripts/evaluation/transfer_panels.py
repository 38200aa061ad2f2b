"""Image panels of a transfer evaluation: the best, the median and the worst label map by overlap of the LV wall."""

from __future__ import annotations

from collections.abc import Sequence
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
    virtual_lge: np.ndarray | None
    label: np.ndarray
    reference: np.ndarray
    affine: np.ndarray


def kept_panels(
    score: float, title: str, images: Sequence[np.ndarray], labels: tuple[np.ndarray, np.ndarray],
    affine: np.ndarray,
) -> KeptPanels:  # fmt: skip
    """Cuts the arrays of one label map to what is drawn of them.

    Args:
        images: cine phase and, where the network gives one, virtual LGE, (X, Y, S).
        labels: found, reference, (X, Y, S), disk codes.
    """
    window = heart_window(np.maximum(*labels), images[1] if len(images) > 1 else None)
    found, reference, cine, *lge = (np.ascontiguousarray(one[window]) for one in (*labels, *images))
    cine = cine - cine.min()
    cine = cine / max(float(cine.max()), 1e-6)
    drawn = lge[0].astype(np.float16) if lge else None
    return KeptPanels(score, title, cine.astype(np.float16), drawn, found, reference, affine)


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
            t2_stir=None,
            virtual_lge=None if one.virtual_lge is None else one.virtual_lge.astype(np.float32),
            label=one.label,
            reference_label=one.reference,
        )
        write_bytes(folder / name, preview_png(panels, one.affine, title))
        entries.append({"rank": rank, "subject": one.title, "score": round(one.score, 4), "file": name})
    return entries
