"""Averaging over scales of the input: slices shown larger or smaller, answers brought back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ..conventions import ConfigError

SCALE_RANGE = (0.5, 2.0)


def known_scales(scales: Any) -> tuple[float, ...]:
    """``test_time_scales`` of a config or a command line, checked.

    Raises:
        ConfigError: no list of numbers in ``SCALE_RANGE`` without repeats, or none that shows the whole crop.
    """
    low, high = SCALE_RANGE
    found = list(scales) if isinstance(scales, (list, tuple)) else []
    numbers = [s for s in found if isinstance(s, (int, float)) and not isinstance(s, bool) and low <= s <= high]
    if not found or len(set(numbers)) != len(found) or min(numbers) > 1:
        raise ConfigError(
            f"test_time_scales: found {scales!r}, expected a list of different numbers from {low} to {high}, one of "
            'them at most 1. Fix: --test_time_scales "[0.75, 1.0]"'
        )
    return tuple(float(s) for s in numbers)


def shown_at(images: torch.Tensor, scale: float) -> torch.Tensor:
    """Images (N, C, H, W), ``scale`` times as large, in a frame of the same size; 0 beyond what they show."""
    if scale == 1:
        return images
    size = images.shape[2:]
    return _framed(_resized(images, _scaled_size(size, scale)), size)


def taken_back(answers: torch.Tensor, scale: float) -> torch.Tensor:
    """``shown_at`` undone on answers (N, C, H, W) of the network; 0 where the scale did not show the place."""
    if scale == 1:
        return answers
    size = answers.shape[2:]
    return _resized(_framed(answers, _scaled_size(size, scale)), size)


def averaged(answers: Sequence[torch.Tensor], scales: Sequence[float]) -> torch.Tensor:
    """One answer (N, K + 1, H, W) from those at each scale, class probabilities and LGE.

    Probabilities are averaged over the scales that show a pixel. The LGE is that of the largest scale that shows the
    whole crop: an average would be blurred.
    """
    if len(answers) == 1 and scales[0] == 1:
        return answers[0]
    backs = [taken_back(answer, scale) for answer, scale in zip(answers, scales, strict=True)]
    seen = [taken_back(torch.ones_like(answer[:, :1]), scale) for answer, scale in zip(answers, scales, strict=True)]
    probabilities = torch.stack([back[:, :-1] for back in backs]).sum(0) / torch.stack(seen).sum(0)
    largest = max(range(len(scales)), key=lambda n: (scales[n] <= 1, scales[n]))
    return torch.cat([probabilities, backs[largest][:, -1:]], dim=1)


def _scaled_size(size: Sequence[int], scale: float) -> tuple[int, int]:
    """Nearest size whose difference to ``size`` is even, so that both have one middle."""
    height, width = (n + 2 * round(n * (scale - 1) / 2) for n in size)
    return height, width


def _resized(images: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return functional.interpolate(images, tuple(size), mode="bilinear", antialias=True, align_corners=False)


def _framed(images: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Cut or filled up with 0 on all sides alike."""
    rows, columns = ((new - old) // 2 for new, old in zip(size, images.shape[2:], strict=True))
    return functional.pad(images, (columns, columns, rows, rows))
