"""Gradient clipping, a stop when the loss is not finite, and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler, TerminateOnNan
from monai.engines.utils import IterationEvents

from ..conventions import SSDiffError


class GradientClipping:
    """Clips the global norm of the gradients after each backward pass.

    Args:
        parameters: the trained parameters.
        max_norm: largest norm that passes unchanged.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], max_norm: float) -> None:
        self.parameters, self.max_norm = list(parameters), max_norm

    def attach(self, engine: Engine) -> None:
        """Registers between backward and optimiser step."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clips in place."""
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)


class StopOnNan:
    """Stops a run whose loss is NaN or infinite, with a message, before its weights are saved."""

    def attach(self, engine: Engine) -> None:
        """Registers ignite's TerminateOnNan, and the message that goes with it."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, TerminateOnNan(lambda output: output[0]["loss"]))
        engine.add_event_handler(Events.TERMINATE, self)

    def __call__(self, engine: Engine) -> None:
        """Says where the run stopped.

        Raises:
            SSDiffError: always; the run must not end as if it had finished.
        """
        output: Any = engine.state.output  # ignite's types do not know what a trainer gives
        loss = float(output[0]["loss"])
        if math.isfinite(loss):
            return
        raise SSDiffError(
            f"training: the loss became {loss} in epoch {engine.state.epoch}.\n"
            "Fix: go on from the last good epoch with --resume auto and a smaller --learning_rate, or --amp false."
        )


class AveragedWeights:
    """Attaches the EMA handler; the averages start from the network, and their warm-up follows a resumed run.

    List it after whatever loads weights to start from, and before what restores a run.

    Args:
        ema: ignite's EMAHandler.
    """

    def __init__(self, ema: EMAHandler) -> None:
        self.ema = ema

    def attach(self, engine: Engine) -> None:
        """Copies the network at the start, updates the average after every iteration."""
        engine.add_event_handler(Events.STARTED, self._start_from_network)
        self.ema.attach(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self._synchronise)

    def _start_from_network(self, engine: Engine) -> None:
        # ignite copied it when it was made, before weights were loaded
        self.ema.ema_model.load_state_dict(self.ema.model.state_dict())

    def _synchronise(self, engine: Engine) -> None:
        # ignite counts its own calls from 0, also after a resume; one call per iteration makes the counts equal
        scheduler = getattr(self.ema, "momentum_scheduler", None)
        if scheduler is not None:
            scheduler.event_index = engine.state.iteration
