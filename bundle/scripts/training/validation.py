"""When a training run validates, and that its validation data can be read before an epoch is spent."""

from __future__ import annotations

from collections.abc import Sequence

from ignite.engine import Engine, Events
from monai.engines import Evaluator


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

    def read_subjects(self, engine: Engine) -> None:
        """Reads every subject and forgets it.

        Raises:
            DataError: a subject cannot be used.
        """
        for index in range(len(self.dataset)):
            self.dataset[index]

    def __call__(self, engine: Engine) -> None:
        """Validates when it is time."""
        epoch = engine.state.epoch
        if epoch % self.interval == 0 or epoch == engine.state.max_epochs:
            self.evaluator.run(epoch)
