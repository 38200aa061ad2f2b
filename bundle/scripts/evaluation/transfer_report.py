"""Transfer to patients' cine: label maps of cines without LGE against their ground truth, on the grid of the cine."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from ..conventions import (
    EXIT_SOME_FAILED,
    LGE,
    MASK,
    NO_INFARCT_CLASS,
    SEQUENCES,
    SIDE_BY_SIDE,
    SUBJECT,
    TASKS,
    ConfigError,
    DataError,
    known_tasks,
)
from ..files import write_text
from ..reports.methods import METHODS, transfer_methods
from ..reports.tables import write_table
from .evaluated import EVALUATED, Evaluated
from .evaluation_report import PAGE, SUMMARY
from .slice_table import SLICES
from .subject_rows import Row
from .subject_table import group_facts
from .transfer_page import measure_text, transfer_html
from .transfer_panels import KeptPanels, kept_panels, write_panels
from .transfer_rows import SHARES, by_group, summarise_transfer, transfer_row, transfer_slice_rows

logger = logging.getLogger(__name__)

# Not the name of the table of evaluate.json: compare has one row per subject and would mix the phases.
TABLE = "label_maps.csv"
DRAWN_ON = "label_drawn_on"
LOGGED = ("mean_dice_lv_blood_pool", "mean_dice_lv_myocardium", "mean_slices_missed", "mean_slices_invented", *SHARES)
_NO_LGE = "the subjects have no LGE to compare with"
_NOT_HERE = "transfer.json compares LV blood and LV wall only; evaluate.json compares the rest, where there is an LGE"


class TransferReport:
    """label_maps.csv, one row each, slices.csv, evaluation.json and index.html of cines with label maps.

    Everything is measured on the grid of the cine, where the label map was drawn, on the slices it covers: what lies
    outside of the crop that the network sees counts as missed.

    Args:
        subjects: entries of datasets.labelled_cines. output_dir: for all files.
        tasks: what the network gives.
        evaluated: weights, section and settings, to be recorded; None: not known, and no methods.md.
    Raises:
        ConfigError: it gives no mask.
    """

    def __init__(
        self,
        subjects: Sequence[Mapping],
        output_dir: str,
        tasks: Sequence[str] = TASKS,
        evaluated: Evaluated | None = None,
    ) -> None:
        self.evaluated = evaluated
        if MASK not in known_tasks(tasks):
            raise ConfigError(
                f"tasks: found {list(tasks)}, expected {MASK} among them: a network without a label map has no walls "
                "to compare.\nFix: leave the variant out, or measure it with configs/evaluate.json."
            )
        self.folder, self.draws_lge = Path(output_dir), LGE in tasks
        self.facts = {str(entry[SUBJECT]): _facts(entry) for entry in subjects}
        self.label_phases = {str(entry[SUBJECT]): entry.get("label_phase") for entry in subjects}
        self.reasons = _not_measurable(subjects)
        self.start()

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, engine: Engine | None = None) -> None:
        """Forgets an earlier run."""
        self.rows: list[Row] = []
        self.slices: list[Row] = []
        self.panels: list[KeptPanels] = []
        self.failed: dict[str, str] = {}
        self.infarct_marked = False

    def collect(self, engine: Engine) -> None:
        """Measures the label map of this iteration, or notes why it cannot be."""
        state: Any = engine.state  # ignite's types do not know what an engine works on
        batch, output = state.batch[0], state.output[0]
        name, place = str(batch[SUBJECT]), f"{state.iteration}/{state.epoch_length}"
        if problem := _problem(batch) or _of_one_phase(batch, self.label_phases.get(name)):
            self.failed[name] = problem
            logger.warning("%s %s: failed: %s", place, name, problem)
            return
        covered = np.flatnonzero(np.asarray(batch["label_slices"].cpu()))
        found, reference = (
            np.asarray(one, dtype=np.uint8)[..., covered] for one in (output["label_map"], batch["label_codes"].cpu())
        )
        facts: Row = self.facts.get(name) or _facts({SUBJECT: name})
        row = transfer_row(found, reference, np.asarray(batch["cine_affine"].cpu(), dtype=np.float64))
        warnings = _warnings(batch)
        self.rows.append(facts | {"cine_phase": str(max(int(batch["phase"]), 0) + 1)} | row | warnings)
        own = {key: facts[key] for key in (SUBJECT, DRAWN_ON)}
        self.slices += [own | one for one in transfer_slice_rows(found, reference, covered.tolist())]
        if "dice_lv_myocardium" in row:
            shown = {"cine": batch["cine_native"].cpu()} | (
                {"virtual_lge": output["virtual_lge"]} if self.draws_lge else {}
            )
            if bool(batch["available_slices"][SEQUENCES.index("t2_stir")].any()):
                shown["t2_stir"] = batch["t2_native"].cpu()
            images = {name: np.asarray(one, dtype=np.float32)[..., covered] for name, one in shown.items()}
            affine = np.asarray(batch["cine_affine"].cpu())
            score, title = float(row["dice_lv_myocardium"]), f"{facts[SUBJECT]}, {facts[DRAWN_ON]}"
            self.panels.append(kept_panels(score, title, images, (found, reference), affine))
        self.infarct_marked |= bool(batch.get("label_marks_infarct", True))
        dices = (f"{row[key]:.3f}" if key in row else "none" for key in ("dice_lv_blood_pool", "dice_lv_myocardium"))
        logger.info("%s %s: Dice blood %s, wall %s", place, name, *dices)
        if warnings:
            logger.warning("%s %s: %s", place, name, warnings["warnings"])

    def write(self, engine: Engine | None = None) -> None:
        """Writes tables, summary and page, and logs the means.

        Raises:
            DataError: no label map could be measured.
        """
        if not self.rows:
            name, reason = next(iter(self.failed.items()), ("dataset_dir", "no subject was read"))
            raise DataError(
                f"{name}: {reason}\nNone of {len(self.failed)} label maps could be measured.\n"
                "Fix: look at the folder with configs/check_dataset.json."
            )
        write_table(self.folder / TABLE, self.rows)
        write_table(self.folder / SLICES, self.slices)
        summary = self.summary() | {"panels": write_panels(self.panels, self.folder)}
        write_text(self.folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
        if EVALUATED in summary:
            write_text(self.folder / METHODS, transfer_methods(summary[EVALUATED], len(self.rows)))
        write_text(self.folder / PAGE, transfer_html(summary, self.rows))
        for phase, numbers in summary["by"][DRAWN_ON].items():
            lines = "\n".join(f"  {key:28s} {measure_text(numbers[key])}" for key in LOGGED if key in numbers)
            logger.info("label maps, %s, subjects: %s; means with 95 %% intervals by subject:\n%s",
                        phase, numbers["subjects"], lines)  # fmt: skip
        logger.info("page: %s. %s", self.folder / PAGE, SIDE_BY_SIDE.disclaimer)

    def summary(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        columns = {key for row in self.rows for key in row}
        groups = [DRAWN_ON, *(name for name in ("vendor", "field_strength_t", "condition") if name in columns)]
        why = _NOT_HERE if self.infarct_marked else NO_INFARCT_CLASS
        infarct = {name: {"not_measurable": why} for name in ("infarct", "segments", "calibration")}
        return {
            "disclaimer": SIDE_BY_SIDE.disclaimer,
            **(self.evaluated.record() if self.evaluated else {}),
            "all": summarise_transfer(self.rows),
            "by": by_group(self.rows, groups),
            **infarct,
            **self.reasons,
            "failed": self.failed,
        }

    def exit_status(self) -> None:
        """Last entry of the config's run list. Raises SystemExit with status 2 when some label maps failed."""
        if self.failed:
            raise SystemExit(EXIT_SOME_FAILED)


def _facts(entry: Mapping) -> Row:
    """What a row begins with: whose label map it is, the phase it was drawn on, and the groups it belongs to."""
    whose = str(entry.get("labelled_subject", entry[SUBJECT]))
    facts: Row = {SUBJECT: whose, DRAWN_ON: str(entry.get(DRAWN_ON, "phase not said"))}
    facts.update(group_facts(entry))
    return facts


def _not_measurable(subjects: Sequence[Mapping]) -> dict[str, dict[str, str]]:
    """Why nothing is said of the virtual LGE."""
    why = _NOT_HERE if any(entry.get(LGE) for entry in subjects) else _NO_LGE
    return {name: {"not_measurable": why} for name in ("virtual_lge", "frechet_distance")}


def _warnings(batch: Mapping) -> Row:
    """What preprocessing doubts of the files, as the column ``warnings``; that no LGE is of this phase says nothing."""
    doubt = json.loads(batch.get("phase_check") or "{}").get("doubt")
    lines = [line for line in str(batch.get("warnings", "")).splitlines() if line != doubt]
    return {"warnings": "; ".join(lines)} if lines else {}


def _problem(batch: Mapping) -> str:
    """Why a subject has nothing to compare, on one line; "" where it has."""
    if "failure" in batch:
        return str(batch["failure"])
    if "label_codes" not in batch:
        warnings = str(batch.get("warnings", "")).splitlines()
        return next((line for line in warnings if line.startswith("label")), "it has no label map")
    if not bool(np.asarray(batch["label_slices"].cpu()).any()):
        return "the label map covers no slice of the cine"
    return ""


def _of_one_phase(batch: Mapping, label_phase: Any) -> str:
    """Why a label map that the layout ties to a later phase is not laid on a cine of one phase (phase -1); else ""."""
    if not label_phase or int(batch["phase"]) >= 0:
        return ""
    return f"the label map was drawn on phase {label_phase + 1} of the cine (from 1), and the cine has one phase"
