"""The course of an evaluation: each subject's pair goes to every part, then the files are written."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ignite.engine import Engine, Events

from ..conventions import NO_INFARCT_CLASS, SIDE_BY_SIDE, TASKS, counted
from ..files import write_text
from ..reports.methods import METHODS, evaluation_methods
from ..runtime.progress import ProgressLines
from .evaluated import EVALUATED, Evaluated
from .page import evaluation_html, number_text
from .pairs import SubjectPair, subject_pair

logger = logging.getLogger(__name__)

SUMMARY, PAGE = "evaluation.json", "index.html"
# Numbers of all subjects that are logged at the end.
LOGGED = (
    "mean_dice_infarct",
    "infarct_size_r",
    "infarct_size_bias_percent_lv",
    "presence_auc",
    "presence_specificity",
)


class EvaluationPart(Protocol):
    """One section of evaluation.json and the files that go with it.

    ``section``: its key. ``needs``: the task without which there is nothing to measure, of conventions.TASKS, or None.
    """

    @property
    def section(self) -> str: ...

    @property
    def needs(self) -> str | None: ...

    def start(self) -> None:
        """Forgets an earlier run."""

    def collect(self, pair: SubjectPair) -> None:
        """Takes in one subject."""

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes its files and returns its entries of evaluation.json."""


class EvaluationReport:
    """Hands every subject to the parts; writes evaluation.json and index.html at the end.

    Args:
        parts: sections, in order, as parts.standard_parts gives them. output_dir: for all files.
        tasks: what the network gives; a part that needs more is left out, and said to be.
        evaluated: weights, section and settings, to be recorded; None: not known, and no methods.md.
    """

    def __init__(
        self,
        parts: Sequence[EvaluationPart],
        output_dir: str,
        tasks: Sequence[str] = TASKS,
        evaluated: Evaluated | None = None,
    ) -> None:
        self.folder, self.tasks = Path(output_dir), tuple(tasks)
        self.evaluated = evaluated
        self.parts = [part for part in parts if part.needs in (None, *tasks)]
        self.left_out = {part.section: part.needs for part in parts if part not in self.parts}
        self.without_label: list[str] = []
        self.without_infarct_class: list[str] = []
        self.subjects = 0

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)
        ProgressLines("evaluation", "subjects").attach(engine)

    def start(self, engine: Engine) -> None:
        """Forgets an earlier run."""
        self.without_label, self.without_infarct_class, self.subjects = [], [], 0
        for part in self.parts:
            part.start()

    def collect(self, engine: Engine) -> None:
        """Hands this iteration's subject to all parts."""
        state: Any = engine.state  # ignite's types do not know what an engine works on
        pair = subject_pair(state.batch[0], state.output[0])
        self.subjects += 1
        if "label_codes" not in state.batch[0]:
            self.without_label.append(pair.subject)
        if not pair.infarct_marked:
            self.without_infarct_class.append(pair.subject)
        for part in self.parts:
            part.collect(pair)

    def write(self, engine: Engine) -> None:
        """Writes what the parts found, and logs what matters most."""
        summary: dict[str, Any] = {"disclaimer": SIDE_BY_SIDE.disclaimer}
        summary |= self.evaluated.record() if self.evaluated else {}
        for part in self.parts:
            summary |= part.write(self.folder)
        for section, needs in self.left_out.items():
            summary[section] = {"not_measurable": f"the network gives no {needs}"}
        if self.without_label:
            missing = "overlap, agreement of sizes, segments and calibration"
            logger.warning("%s without a label: not measured on them: %s.",
                           counted(len(self.without_label), "subject"), missing)  # fmt: skip
            summary["without_label"] = {"subjects": self.without_label, "not_measurable": missing}
        if self.without_infarct_class:
            logger.warning("%s in no number about infarct: %s.",
                           counted(len(self.without_infarct_class), "subject"), NO_INFARCT_CLASS)  # fmt: skip
            summary["without_infarct_class"] = {
                "subjects": self.without_infarct_class,
                "not_measurable": f"infarct, segments and calibration: {NO_INFARCT_CLASS}",
            }
        write_text(self.folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
        everyone = summary.get("all", {})
        if EVALUATED in summary:
            methods = evaluation_methods(summary[EVALUATED], self.subjects, self.tasks)
            write_text(self.folder / METHODS, methods)
        write_text(self.folder / PAGE, evaluation_html(summary, self.folder))
        lines = [f"  {name:34s} {number_text(everyone[name])}" for name in LOGGED if name in everyone]
        logger.info("%s, 95 %% intervals by subject:\n%s\nall numbers, also by group: %s\npage: %s. %s",
                    counted(self.subjects, "subject"), "\n".join(lines), self.folder / SUMMARY,
                    self.folder / PAGE, SIDE_BY_SIDE.disclaimer)  # fmt: skip
