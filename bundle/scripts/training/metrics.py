"""Validation metrics beside MONAI's: slices as a batch, measures per subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from monai.handlers import IgniteMetricHandler, MeanAbsoluteError, PeakSignalToNoiseRatio, from_engine
from monai.metrics import CumulativeIterationMetric, MultiScaleSSIMMetric, SSIMMetric

from ..clinical.agreement import dice, infarct_size_error
from ..conventions import ConfigError, NotMeasurable

# Empty where the label table of a subject has no infarct class (postprocessing.PairWithReference).
_INFARCT_REFERENCE = "infarct_ref"
Items = Sequence[dict[str, torch.Tensor]]


def slices_as_batch(prediction: str, reference: str) -> Callable[[Items], tuple[torch.Tensor, torch.Tensor]]:
    """Output transform for image metrics: volumes (C, H, W, S) to (S, C, H, W), prediction and reference."""

    def transform(output: Items) -> tuple[torch.Tensor, torch.Tensor]:
        found, true = (
            torch.cat([item[key].movedim(-1, 0) for item in output]).float() for key in (prediction, reference)
        )
        return found, true

    return transform


class SubjectMeasure(CumulativeIterationMetric):
    """A measure of predicted against true label map, one number per subject; the mean over those that have one.

    Args:
        measure: label map and reference (X, Y, S), then ``arguments``; raises NotMeasurable.
        arguments: passed on to ``measure`` by position, such as the name of a structure.
    """

    def __init__(self, measure: Callable[..., float], arguments: Sequence[Any] = ()) -> None:
        super().__init__()
        self.measure, self.arguments = measure, tuple(arguments)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        """The number (1, 1) of one subject; nan where there is none."""
        try:
            found, true = (one[0, 0].cpu().numpy() for one in (y_pred, cast(torch.Tensor, y)))
            value = self.measure(found, true, *self.arguments)
        except NotMeasurable:
            value = float("nan")
        return torch.tensor([[value]])

    def aggregate(self) -> torch.Tensor:
        """Mean over the measurable subjects; nan when there is none."""
        return torch.as_tensor(self.get_buffer()).float().nanmean()


def key_metric() -> dict[str, IgniteMetricHandler]:
    """The metric that decides which weights are best, unless another is named: overlap of the infarct."""
    return {"val_dice_infarct": _of_labels(dice, "infarct", reference=_INFARCT_REFERENCE)}


def additional_metrics(leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """The other metrics of a validation: overlap, size error, and similarity of the images, by name.

    Args:
        leave_out: names not to measure, such as val_ms_ssim for a crop below 28 pixels.
    Raises:
        ConfigError: a name that is none of them.
    """
    images = slices_as_batch("lge_pred", "lge_ref")
    # the five default scales of MS-SSIM need 176 pixels; three fit a 96-pixel crop
    ms_ssim = MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, kernel_size=7, weights=(0.3, 0.4, 0.3))
    metrics = {
        "val_dice_lv_blood_pool": _of_labels(dice, "lv_blood_pool"),
        "val_psnr_db": PeakSignalToNoiseRatio(max_val=1.0, output_transform=images),
        "val_mae": MeanAbsoluteError(output_transform=images),
        "val_ssim": IgniteMetricHandler(metric_fn=SSIMMetric(spatial_dims=2, data_range=1.0), output_transform=images),
        "val_ms_ssim": IgniteMetricHandler(metric_fn=ms_ssim, output_transform=images),
        "val_infarct_size_error_percent_lv": _of_labels(infarct_size_error, reference=_INFARCT_REFERENCE),
        "val_dice_lv_myocardium": _of_labels(dice, "lv_myocardium"),
    }
    if unknown := sorted(set(leave_out) - set(metrics)):
        raise ConfigError(f"leave_out: found {', '.join(unknown)}, expected some of {', '.join(metrics)}.")
    return {name: metric for name, metric in metrics.items() if name not in leave_out}


def _of_labels(measure: Callable[..., float], *arguments: str, reference: str = "label_ref") -> IgniteMetricHandler:
    return IgniteMetricHandler(
        metric_fn=SubjectMeasure(measure, arguments),
        output_transform=from_engine(["label_pred", reference]),
        save_details=True,
    )
