"""Owns what validation adds to MONAI's metrics: slices as a batch, one class as a mask, infarct size error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.metrics import CumulativeIterationMetric

from ..conventions import DISCLAIMER, SUBJECT, NotMeasurable

logger = logging.getLogger(__name__)

Items = Sequence[dict[str, torch.Tensor]]


def slices_as_batch(prediction: str, reference: str) -> Callable[[Items], tuple[torch.Tensor, torch.Tensor]]:
    """Output transform for image metrics: volumes (C, H, W, S) to (S, C, H, W), prediction and reference."""

    def transform(output: Items) -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(
            torch.cat([item[key].movedim(-1, 0) for item in output]).float() for key in (prediction, reference)
        )

    return transform


def one_class(code: int, prediction: str, reference: str) -> Callable[[Items], tuple[list, list]]:
    """Output transform for overlap metrics: masks (1, H, W, S) of one class, over the whole subject."""

    def transform(output: Items) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        return tuple([(item[key] == code).float() for item in output] for key in (prediction, reference))

    return transform


class InfarctSizeError(CumulativeIterationMetric):
    """Absolute error of infarct size in %LV per subject; the mean over subjects whose size can be measured.

    Args:
        measure: label (X, Y, S) to infarct in %LV; raises NotMeasurable.
    """

    def __init__(self, measure: Callable[[np.ndarray], float]) -> None:
        super().__init__()
        self.measure = measure

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        """Errors (1, 1) of one subject; nan where a size cannot be measured."""
        try:
            error = abs(self.measure(y_pred[0, 0].cpu().numpy()) - self.measure(y[0, 0].cpu().numpy()))
        except NotMeasurable:
            error = float("nan")
        return torch.tensor([[error]])

    def aggregate(self) -> torch.Tensor:
        """Mean over the measurable subjects; nan when there is none."""
        return torch.as_tensor(self.get_buffer()).float().nanmean()


def subject_names(batch: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Batch transform of MetricsSaver: the subject's name where MONAI looks for a file name."""
    return [{"filename_or_obj": str(item[SUBJECT])} for item in batch]


class MetricsTable:
    """Logs the mean of every metric at the end of an evaluation.

    Args:
        output_dir: where the tables of MetricsSaver are, for the message.
    """

    def __init__(self, output_dir: str) -> None:
        self.output_dir = output_dir

    def attach(self, engine: Engine) -> None:
        """Registers at the end of the run."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """One line per metric."""
        lines = [f"  {name:36s} {float(value):.4g}" for name, value in engine.state.metrics.items()]
        subjects = engine.state.epoch_length
        logger.info("means over %d subjects:\n%s\nper subject: %s/*_raw.csv. %s",
                    subjects, "\n".join(lines), self.output_dir, DISCLAIMER)  # fmt: skip
