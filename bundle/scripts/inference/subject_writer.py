"""Writer of one subject's folder at the end of each iteration."""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from .. import conventions
from ..files import ensure_writable, json_text, remove, write_bytes, write_text
from ..runtime.provenance import provenance, without_folders
from ..subject_faults import subject_problem
from . import outputs
from .ledger import Failure, Ledger
from .result import SubjectResult, recorded_failure, subject_result
from .subject_item import SubjectItem

logger = logging.getLogger(__name__)


class SubjectWriter:
    """Ignite handler: writes the files of one subject's folder (outputs.SUBJECT_FILES) after each iteration.

    Args:
        output_dir: made if missing.
        ledger: gets the result or the failure of each subject.
        weights: the checkpoint the network was loaded from; its hash goes into every result.
        preview: whether to draw ``<subject>_preview.png``.
    """

    def __init__(self, output_dir: str | Path, ledger: Ledger, weights: str | Path, preview: bool | str = True) -> None:
        self.output_dir, self.ledger, self.weights = Path(output_dir), ledger, Path(weights)
        self.preview = conventions.flag(preview, "preview")
        self._started_s = time.perf_counter()

    def attach(self, engine: Engine) -> None:
        """Checks at the start of the run, writes at the end of each iteration."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start_clock)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def started(self, engine: Engine) -> None:
        """Stops before the first subject when the folder or the weights are unusable."""
        ensure_writable(self.output_dir)
        self._provenance()

    @functools.cache  # noqa: B019 (one writer per run)
    def _provenance(self) -> dict[str, dict[str, str]]:
        """Versions and weights, the same for every subject of the run."""
        return provenance(self.weights)

    def _start_clock(self, engine: Engine) -> None:
        self._started_s = time.perf_counter()

    def __call__(self, engine: Engine) -> None:
        """Writes the subject of this iteration; one that cannot be used is noted and the next ones go on.

        Raises:
            OutputError: the output folder cannot be written. ConfigError: the engine does not give what is needed.
        """
        state: Any = engine.state  # ignite's types do not know what an engine works on
        item = SubjectItem(state.batch, state.output)
        position = f"subject {state.iteration}/{state.epoch_length} {item.subject}"
        failure = recorded_failure(item)
        if failure is None:
            try:
                result = subject_result(item, self._provenance())
                record = write_result(result, self.output_dir, self._started_s, self.preview)
            except Exception as error:
                problem = subject_problem(error)
                failure = Failure(item.subject, "results", without_folders(str(problem)), "see the reason; run again")
        if failure is not None:
            self.ledger.failures.append(failure)
            logger.warning("%s: failed (%s): %s", position, failure.stage, failure.reason)
            return
        self.ledger.results.append(record)
        size, slices = record["infarct_percent_lv"], record["slices"]["total"]
        shown = f"{size['value']:.1f} %LV" if "value" in size else "not measurable"
        logger.info("%s: %d slices, infarct %s, %.1f s", position, slices, shown, record["seconds"]["total"])


def write_result(result: SubjectResult, output_dir: Path, started_s: float, preview: bool) -> dict:
    """Writes ``<output_dir>/<subject>/``, replacing the files of an earlier result; result.json last.

    Args:
        started_s: time.perf_counter() when the work on the subject began.
        preview: whether to draw one.
    Returns:
        The content of result.json.
    Raises:
        DataError: the subject's name is no folder name. OutputError: the folder cannot be written.
    """
    files = result.image_files(preview)
    paths = {kind: outputs.subject_file(output_dir, result.subject, kind) for kind in outputs.SUBJECT_FILES}
    # An old result.json would call the new, incomplete files finished: it goes first and comes back last.
    remove(paths[outputs.RESULT])
    for kind, path in paths.items():
        if kind in files:
            write_bytes(path, files[kind])
        else:
            remove(path)
    names = [paths[kind].name for kind in files] + [paths[outputs.RESULT].name]
    seconds = {**result.record["seconds"], "total": round(time.perf_counter() - started_s, 3)}
    record = {**result.record, "seconds": seconds, "files": names}
    write_text(paths[outputs.RESULT], json_text(record))
    return record
