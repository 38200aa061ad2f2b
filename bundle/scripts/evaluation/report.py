"""The course of an evaluation: each subject's pair goes to every part, then the files are written."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ignite.engine import Engine, Events

from ..conventions import DISCLAIMER, TASKS
from ..files import write_bytes
from .pairs import SubjectPair, subject_pair

logger = logging.getLogger(__name__)

SUMMARY = "evaluation.json"


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


def number_text(number: Mapping | float) -> str:
    """A number of the summary in words: value and interval, or why there is none."""
    if not isinstance(number, Mapping):
        return str(number)
    if "value" not in number:
        return str(number.get("not_measurable", "not measurable"))
    interval = f" ({number['low']:.3g} to {number['high']:.3g})" if "low" in number else ""
    return f"{number['value']:.3g}{interval}"
