"""Report of a whole run: run.json, summary.csv, failed_cases.csv, index.html, methods.md, exit status."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from ignite.engine import Engine, Events

from .. import conventions
from ..files import ensure_writable, json_text, write_text
from ..reports.methods import METHODS, inference_methods
from ..reports.tables import csv_text
from ..runtime.distributed import Processes, process_number
from ..runtime.provenance import provenance, public_config
from . import summary
from .ledger import Failure, Ledger
from .report_page import page_html

logger = logging.getLogger(__name__)


class RunReport:
    """Ignite handler: writes the files at the top of the output folder when the run is complete.

    Under torchrun only the first process writes and speaks.

    Args:
        ledger: the results and failures that are reported; the SubjectWriter's of the same engine.
        output_dir: of the run.
        weights: the checkpoint the network was loaded from.
        config: values worth recording, as a dict of resolved config keys; absolute paths are cut to their last part.
        seed, device: of the run.
    """

    def __init__(
        self,
        ledger: Ledger,
        output_dir: str | Path,
        weights: str | Path,
        config: dict | None = None,
        seed: int | None = None,
        device: object = None,
    ) -> None:
        self.ledger, self.output_dir, self.weights = ledger, Path(output_dir), Path(weights)
        self.config = config or {}
        self.seed = seed
        self.device = device
        self._started_s = time.perf_counter()
        self._provenance: dict[str, dict[str, str]] = {}
        self._table: list[dict] | None = None
        self._failures: list[Failure] = []
        # subject -> what else of it lies in the output folder: what it is called, and its path there
        self.beside: dict[str, dict[str, str]] = {}

    def attach(self, engine: Engine) -> None:
        """Starts the clock with the run, writes at its end."""
        engine.add_event_handler(Events.STARTED, self._started)
        engine.add_event_handler(Events.COMPLETED, self)

    def _started(self, engine: Engine) -> None:
        self._started_s, self._provenance = time.perf_counter(), provenance(self.weights)

    def __call__(self, engine: Engine) -> None:
        self.write()

    def write(self) -> None:
        """Writes the five files of the run. Under torchrun the first call waits for the other processes.

        Raises:
            OutputError: the output folder cannot be written.
        """
        self.ledger.gather()
        written, failures = self.ledger.results, list(self.ledger.failures)
        if process_number():
            self._table, self._failures = [], failures
            return
        folder = self.output_dir
        ensure_writable(folder)
        done = {result[conventions.SUBJECT] for result in written} | {
            one.subject for one in failures if not one.has_result
        }
        earlier, unreadable = summary.read_earlier(folder, done)
        failures += unreadable
        rows = summary.summary_rows(written, earlier, failures)
        results = sorted(written + earlier, key=lambda result: result[conventions.SUBJECT])
        run = self.run_record(earlier, failures)
        _warn_of_mixed_weights(rows)
        _warn_of_mixed_settings(results)
        write_text(folder / "summary.csv", csv_text(rows, summary.COLUMNS))
        write_text(folder / "failed_cases.csv", summary.failed_cases_text(failures))
        write_text(folder / "index.html", page_html(run, rows, results, failures, self.beside))
        write_text(folder / METHODS, inference_methods(run, written))
        write_text(folder / "run.json", json_text(run))
        self._table, self._failures = rows, failures

    def run_record(self, earlier: list[dict], failures: list[Failure]) -> dict:
        """The content of run.json. Slices and seconds are of this run; outputs are all that lie in the folder."""
        written = self.ledger.results
        slices = sum(result["slices"]["total"] for result in written)
        network = [result["seconds"]["network"] for result in written]
        seconds = time.perf_counter() - self._started_s
        nothing = {"not_measurable": "no slice was processed in this run"}
        unmeasured = {"not_measurable": "the inferer gave no seconds_network"} if slices else nothing
        files = [
            f"{result[conventions.SUBJECT]}/{name}" for result in written + earlier for name in result.get("files", [])
        ]
        return {
            "schema_version": 1,
            "bundle": conventions.BUNDLE_NAME,
            "disclaimer": conventions.DISCLAIMER,
            **(self._provenance or provenance(self.weights)),
            "config": public_config(self.config),
            "seed": self.seed,
            "device": None if self.device is None else str(self.device),
            "subjects": {"written": len(written), "written_earlier": len(earlier), "failed": len(failures)},
            "slices": slices,
            "seconds_total": round(seconds, 3),
            "seconds_network": round(sum(network), 3) if network and None not in network else unmeasured,
            "seconds_per_slice": round(seconds / slices, 4) if slices else nothing,
            "outputs": ["run.json", "summary.csv", "failed_cases.csv", "index.html", METHODS, *sorted(files)],
        }

    def exit_status(self) -> None:
        """Last entry of the config's run list: logs a table and, when a subject failed, ends with status 2.

        Also writes the report when the engine had nothing to do (every subject finished before).
        Raises:
            SystemExit: status 2, some subjects failed; the others are written.
        """
        if self._table is None:
            self.write()
        if process_number() == 0:
            logger.info("results:\n%s", table_text(self._table or []))
            logger.info("report: %s/index.html - %s", self.output_dir, conventions.SIDE_BY_SIDE.disclaimer)
            self._log_failures()
        Processes().leave()
        if self._failures:
            raise SystemExit(conventions.EXIT_SOME_FAILED)

    def _log_failures(self) -> None:
        lines = [
            f"  {failure.subject} ({failure.stage}): {failure.reason} Next step: {failure.next_step}"
            for failure in self._failures
        ]
        if lines:
            logger.error(
                "%s failed, see failed_cases.csv:\n%s", conventions.counted(len(lines), "subject"), "\n".join(lines)
            )


def table_text(rows: list[dict]) -> str:
    """A plain table of the main columns, aligned, one line per subject."""
    headings = {
        conventions.SUBJECT: "subject",
        "status": "status",
        "slices": "slices",
        "infarct_percent_lv": "infarct %LV",
        "reference_infarct_percent_lv": "reference %LV",
        "dice_infarct": "Dice infarct",
        "dice_lv_myocardium": "Dice LV wall",
        "dice_lv_blood_pool": "Dice blood",
        "infarct_mass_g": "infarct g",
        "lv_myocardium_mass_g": "LV mass g",
        "review_needed": "review",
        "seconds": "seconds",
    }
    shown = [column for column in headings if column == conventions.SUBJECT or any(row[column] != "" for row in rows)]
    lines = [[headings[column] for column in shown]] + [[_cell(row[column]) for column in shown] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(shown))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: object) -> str:
    if value == "":
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _warn_of_mixed_weights(rows: list[dict]) -> None:
    hashes = {row["weights_sha256"] for row in rows if row["weights_sha256"]}
    if len(hashes) > 1:
        logger.warning(
            "summary.csv: results of %d different weights lie in this folder, expected one. "
            "Fix: give another --output_dir, or --overwrite true to do all subjects again.",
            len(hashes),
        )


def _warn_of_mixed_settings(results: list[dict]) -> None:
    """Finished subjects are skipped whatever they were sampled with; say so when it was not the same for all."""
    keys = ("steps", "sampler", "samples", "seed", "spacing", "test_time_scales")
    # a result without test_time_scales is of a version that had one scale
    notes = [{"test_time_scales": [1.0], **(result.get("seeds") or {})} for result in results]
    settings = {tuple(str(note.get(key)) for key in keys) for note in notes}
    if len(settings) > 1:
        found = "; ".join(
            ", ".join(f"{k} {v}" for k, v in zip(keys, s, strict=True)) for s in sorted(settings, key=str)
        )
        logger.warning(
            "results sampled with different settings lie in this folder: %s. Fix: --overwrite true to do all again.",
            found,
        )
