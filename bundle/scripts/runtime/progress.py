"""Progress in a log: a line a minute where nobody watches a bar."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from ignite.engine import Engine, Events

from .distributed import process_number

logger = logging.getLogger(__name__)


class ProgressLines:
    """Ignite handler: what is done and the time to go, as a line of the log; the first process speaks.

    Silent on a terminal where a bar shows it.

    Args:
        name: of the work, in front of the line.
        unit: what an iteration of the engine works on, in the plural.
        epochs: whether to say which epoch it is, and how long all of them take.
        bar: whether a bar shows the same on a terminal.
        every_s: seconds between two lines.
        clock: seconds from any moment on.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        epochs: bool = False,
        bar: bool = False,
        every_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.unit, self.epochs, self.every_s, self.clock = name, unit, epochs, every_s, clock
        self.bar = bar
        self._before, self._started, self._spoken = 0, 0.0, 0.0

    def attach(self, engine: Engine) -> None:
        """Registers, unless nobody is to be told."""
        if process_number() or (self.bar and sys.stderr.isatty()):
            return
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def start(self, engine: Engine) -> None:
        """Starts the clock."""
        self._before = -1  # iterations of the run that is resumed: another handler may read them after this one
        self._started = self._spoken = self.clock()

    def __call__(self, engine: Engine) -> None:
        """Speaks when it is time."""
        state, now = engine.state, self.clock()
        if self._before < 0:
            self._before = state.iteration - 1
        if now - self._spoken < self.every_s or not state.epoch_length:
            return
        self._spoken = now
        length = state.epoch_length
        done = (state.iteration - 1) % length + 1
        seconds_each = (now - self._started) / (state.iteration - self._before)
        work, to_go = self.name, clock_text(seconds_each * (length - done))
        if self.epochs:
            epochs = state.max_epochs or state.epoch
            work += f", epoch {state.epoch}/{epochs}"
            to_go += f" of this epoch, {clock_text(seconds_each * (epochs * length - state.iteration))} of all"
        logger.info("%s: %d of %d %s, %.2f s each; to go %s", work, done, length, self.unit, seconds_each, to_go)


def clock_text(seconds: float) -> str:
    """Hours, minutes and seconds, such as 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
