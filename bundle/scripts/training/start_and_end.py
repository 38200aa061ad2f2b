"""What a training starts from, and, when it has ended, where its weights are and which command uses them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ignite.engine import Engine, Events

from ..conventions import counted
from ..runtime.command_line import evaluation_command, inference_command
from ..runtime.distributed import process_number
from .checkpoint import BEST

logger = logging.getLogger(__name__)


class StartAndEnd:
    """Ignite handler of a trainer, after the checkpoint: says what the log has not said yet.

    Args:
        ckpt_dir: folder of the weights. output_dir: of the run.
        options: of the command line, to be repeated for the network's sake; none when the bundle is used from Python.
        start_from: weights that the run begins with, "" for new ones.
    """

    def __init__(
        self, ckpt_dir: str | Path, output_dir: str | Path, options: Mapping[str, str], start_from: str | Path = ""
    ) -> None:
        self.ckpt_dir, self.output_dir = Path(ckpt_dir), Path(output_dir)
        self.options, self.start_from = dict(options), str(start_from)

    def attach(self, engine: Engine) -> None:
        """Registers on the trainer, in the first process."""
        if process_number():
            return
        engine.add_event_handler(Events.STARTED, self.say_start)
        engine.add_event_handler(Events.COMPLETED, self.say_end)

    def say_start(self, engine: Engine) -> None:
        """Which weights, and what the epochs are; resumed ones are said by the checkpoint."""
        state = engine.state
        if not state.epoch:
            logger.info("start: %s", f"the weights of {self.start_from}" if self.start_from else "new weights")
        logger.info(
            "%s of %s; progress in %s", counted((state.max_epochs or 0) - state.epoch, "epoch"),
            counted(state.epoch_length or 0, "batch", "batches"), self.output_dir / "training_log.csv",
        )  # fmt: skip

    def say_end(self, engine: Engine) -> None:
        """Where the weights are, and what to do with them."""
        lines = [f"weights: {self.ckpt_dir / BEST}"]
        if self.options:
            lines.append(
                f"Measure them: {evaluation_command(self.options, self.ckpt_dir, self.output_dir / 'evaluation')}"
            )
            use = inference_command(self.options, self.ckpt_dir)
            lines += [f"Use them: {use}"] if use else []
        logger.info("%s", "\n".join(lines))
