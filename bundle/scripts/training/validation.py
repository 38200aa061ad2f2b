"""When a training run validates, and that its validation data can be read before an epoch is spent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ignite.engine import Engine, Events
from monai.engines import Evaluator

from ..conventions import counted
from ..runtime.distributed import process_number
from ..runtime.progress import ProgressLines

logger = logging.getLogger(__name__)


class Validation:
    """Runs the evaluator every ``interval`` epochs and after the last one.

    Args:
        evaluator: samples the held-out subjects.
        interval: epochs between validations.
        dataset: the evaluator's subjects; each is read once at the start, so that a bad file stops the run there.
    """

    def __init__(self, evaluator: Evaluator, interval: int, dataset: Sequence[dict]) -> None:
        self.evaluator, self.interval, self.dataset = evaluator, interval, dataset

    def attach(self, engine: Engine) -> None:
        """Registers on the trainer."""
        engine.add_event_handler(Events.STARTED, self.read_subjects)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        ProgressLines("validation", "subjects").attach(self.evaluator)

    def read_subjects(self, engine: Engine) -> None:
        """Reads every subject and forgets it; says how many there are.

        Raises:
            DataError: a subject cannot be used.
        """
        slices = sum(_slices(self.dataset[index]) for index in range(len(self.dataset)))
        if process_number() == 0:
            logger.info(
                "validation: %s, %d slices, every %s and after the last one",
                counted(len(self.dataset), "subject"), slices,
                "epoch" if self.interval == 1 else f"{self.interval} epochs",
            )  # fmt: skip

    def __call__(self, engine: Engine) -> None:
        """Validates when it is time."""
        epoch = engine.state.epoch
        if epoch % self.interval == 0 or epoch == engine.state.max_epochs:
            self.evaluator.run(epoch)


def _slices(item: Mapping) -> int:
    """Slices of a subject that validation compares."""
    return int(item["reference_slices"].sum()) if "reference_slices" in item else 0
