"""Image panels of an evaluation: best, median and worst subjects by infarct overlap, and invented infarcts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..clinical.agreement import dice
from ..clinical.volumes import infarct_percent_lv
from ..conventions import LGE, MASK, TASKS, NotMeasurable
from ..files import write_bytes
from ..reports.preview import CROP_AFFINE, Panels, preview_png
from .pairs import SubjectPair

BEST, MEDIAN, WORST = RANKS = ("best", "median", "worst")
INVENTED = "invented"


class RankedPanels:
    """panels/<rank>_<n>.png and the entry "panels": subject, rank and score; a mean hides a missed infarct.

    Best, median and worst are subjects whose reference has an infarct; "invented" are the largest infarcts called in
    hearts without one (their overlap is 0 for one voxel as for a hundred: they would hide missed infarcts).

    Args:
        each: subjects per rank.
        tasks: what the network gives; an image it never learnt is not drawn.
    """

    needs, section = MASK, "panels"

    def __init__(self, each: int = 2, tasks: Sequence[str] = TASKS) -> None:
        self.each, self.draws_lge = each, LGE in tasks
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.scores: list[tuple[float, str]] = []
        self.invented: list[tuple[float, str]] = []
        self.panels: dict[str, Panels] = {}

    def collect(self, pair: SubjectPair) -> None:
        """Keeps a subject that has a score or an invented infarct, in half precision."""
        if not pair.infarct_marked:
            return
        label, reference = pair.label[0].numpy(), pair.reference[0].numpy()
        try:
            if infarct_percent_lv(reference) > 0:
                self.scores.append((dice(label, reference, "infarct"), pair.subject))
            elif (size := infarct_percent_lv(label)) > 0:
                self.invented.append((size, pair.subject))
            else:
                return
        except NotMeasurable:
            return
        image = pair.image.half().numpy()
        self.panels[pair.subject] = Panels(
            cine=image[0],
            t2_stir=image[1] if float(pair.available.reshape(-1)[1]) else None,
            virtual_lge=pair.lge[0].half().numpy() if self.draws_lge else None,
            label=label,
            real_lge=pair.reference_lge[0].half().numpy(),
            reference_label=reference,
        )

    def write(self, folder: Path) -> dict[str, Any]:
        """Draws the chosen subjects."""
        entries = []
        for rank, number, (value, subject) in self._chosen():
            name = f"panels/{rank}_{number}.png"
            key, shown = ("size_percent_lv", f"{value:.1f} %LV") if rank == INVENTED else ("score", f"{value:.2f}")
            title = f"{subject}, {rank}, {shown}"
            write_bytes(folder / name, preview_png(_single(self.panels[subject]), CROP_AFFINE, title))
            entries.append({"rank": rank, "subject": subject, key: round(value, 4), "file": name})
        return {self.section: entries}

    def _chosen(self) -> list[tuple[str, int, tuple[float, str]]]:
        ordered = sorted(self.scores, reverse=True)
        middle = max((len(ordered) - self.each) // 2, 0)
        places = {BEST: range(self.each), MEDIAN: range(middle, middle + self.each)}
        places[WORST] = range(-1, -self.each - 1, -1)
        chosen, seen = [], set()
        for rank in RANKS:
            for number, place in enumerate(places[rank], start=1):
                if -len(ordered) <= place < len(ordered) and ordered[place] not in seen:
                    seen.add(ordered[place])
                    chosen.append((rank, number, ordered[place]))
        largest = sorted(self.invented, reverse=True)[: self.each]
        return chosen + [(INVENTED, number, one) for number, one in enumerate(largest, start=1)]


def _single(panels: Panels) -> Panels:
    """In single precision, for drawing."""
    fields = {name: getattr(panels, name) for name in panels.__dataclass_fields__}
    return Panels(
        **{
            name: one.astype(np.float32) if isinstance(one, np.ndarray) and one.dtype == np.float16 else one
            for name, one in fields.items()
        }
    )
