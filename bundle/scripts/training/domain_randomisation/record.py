"""augmentation.jsonl: the changes drawn for every slice that was trained on, one line each."""

from __future__ import annotations

import json
import math
from itertools import takewhile
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ...conventions import SUBJECT, ConfigError, flag
from ...files import written_aside
from ...runtime.distributed import process_number
from .randomisation import RECORD

# What a dataset draws beside the changes: datasets/shown_phases.py.
_DRAWN_BESIDE = ("shown_phase", "shown_reference")


class AugmentationRecord:
    """Writes a line per slice and step: epoch, subject, slice, the phase shown, whose references, the drawn changes.

    ``DomainRandomisation.apply`` on the same item with ``DrawnChanges.from_json`` of a line's changes and the same
    donors gives the same tensors. A run of several processes has a file for each. A resumed run goes on in the file of
    the first, without the steps that are taken again.

    Args:
        output_dir: folder of the run.
        enabled: False writes nothing.
    """

    def __init__(self, output_dir: str, enabled: bool | str = True) -> None:
        self.folder, self.enabled = Path(output_dir), flag(enabled, "record_augmentation")

    @property
    def path(self) -> Path:
        """The file of this process."""
        number = process_number()
        return self.folder / (f"augmentation_{number}.jsonl" if number else "augmentation.jsonl")

    def attach(self, engine: Engine) -> None:
        """Registers on the trainer."""
        if not self.enabled:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        engine.add_event_handler(Events.STARTED, self.begin)
        # later in the step MONAI takes the batch apart
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def begin(self, engine: Engine) -> None:
        """A new run begins a new file; a resumed one keeps the epochs before it. List it after the checkpoint."""
        if not (engine.state.epoch and self.path.is_file()):
            self.path.write_text("", encoding="utf-8")
            return
        with (
            self.path.open(encoding="utf-8") as old,
            written_aside(self.path) as aside,
            aside.open("w", encoding="utf-8") as new,
        ):
            new.writelines(takewhile(lambda line: _epoch(line) <= engine.state.epoch, old))

    def __call__(self, engine: Engine) -> None:
        """Adds the batch that is trained on next."""
        batch: Any = engine.state.batch
        if RECORD not in batch:
            raise ConfigError(
                f"record_augmentation: found true, and slices without {RECORD!r}, expected those that "
                "train::augmentation has changed. Fix: --record_augmentation false"
            )
        beside = {key: batch[key] for key in _DRAWN_BESIDE if key in batch}
        rows = zip(batch[SUBJECT], batch["slice"].tolist(), *beside.values(), batch[RECORD], strict=True)
        lines = [
            {"epoch": engine.state.epoch, SUBJECT: subject, "slice": s}
            | dict(zip(beside, drawn, strict=True))
            | {"changes": json.loads(changes)}
            for subject, s, *drawn, changes in rows
        ]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)


def _epoch(line: str) -> float:
    """Epoch of a line; infinite where writing it was interrupted."""
    return json.loads(line)["epoch"] if line.endswith("\n") else math.inf
