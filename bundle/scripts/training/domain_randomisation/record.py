"""augmentation.jsonl: the changes drawn for every slice that was trained on, one line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ...conventions import SUBJECT, flag
from ...runtime.distributed import process_number
from .randomisation import RECORD


class AugmentationRecord:
    """Writes a line per slice and step: epoch, subject, slice and the drawn changes.

    ``DomainRandomisation.apply`` on the same item with ``DrawnChanges.from_json`` of a line's changes gives the same
    tensors. A run of several processes has a file for each. A resumed run goes on in the file of the first.

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
        engine.add_event_handler(Events.EPOCH_STARTED(once=1), self.begin)
        # later in the step MONAI takes the batch apart
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def begin(self, engine: Engine) -> None:
        """A new run begins a new file."""
        self.path.write_text("", encoding="utf-8")

    def __call__(self, engine: Engine) -> None:
        """Adds the batch that is trained on next."""
        batch: Any = engine.state.batch
        rows = zip(batch[SUBJECT], batch["slice"].tolist(), batch[RECORD], strict=True)
        lines = [
            json.dumps({"epoch": engine.state.epoch, SUBJECT: subject, "slice": s, "changes": json.loads(changes)})
            for subject, s, changes in rows
        ]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
