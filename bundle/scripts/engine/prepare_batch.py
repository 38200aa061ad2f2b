"""Owns how a batch becomes the arguments of an engine's inferer: noising and dropout, or the plain subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..conventions import AVAILABLE, IMAGE, LABEL, LGE, SUBJECT, VENDOR
from ..diffusion.process import JointProcess


class TrainingBatch:
    """Noises LGE and mask to one drawn timestep per slice; hides a sequence or the vendor now and then.

    Hiding them in training is what makes a missing T2-STIR or an unknown vendor work at inference.

    Args:
        process: the joint noise process.
        sequence_dropout: probability that a sequence is hidden, for each slice and sequence.
        vendor_dropout: probability that the vendor is hidden.
    """

    def __init__(self, process: JointProcess, sequence_dropout: float = 0.1, vendor_dropout: float = 0.3) -> None:
        self.process, self.sequence_dropout, self.vendor_dropout = process, sequence_dropout, vendor_dropout
        self.generator = torch.Generator()

    def seed(self, seed: int) -> None:
        """Restarts the draws; called at every epoch so that a resumed run draws what a straight one would."""
        self.generator.manual_seed(seed)

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], tuple, dict[str, torch.Tensor]]:
        """Inputs, targets and inferer arguments of one training batch; images (B, C, H, W) in 0..1."""
        clean = self.process.clean_state(batch[LGE], batch[LABEL])
        timesteps = self.process.draw_timesteps(len(clean), self.generator)
        noise = torch.randn(clean.shape, generator=self.generator)
        state = self.process.add_noise(clean, noise, timesteps)
        available, vendor = batch[AVAILABLE], batch[VENDOR]
        available = available * (torch.rand(available.shape, generator=self.generator) >= self.sequence_dropout)
        vendor = vendor * (torch.rand(vendor.shape, generator=self.generator) >= self.vendor_dropout)

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=non_blocking)

        targets = {LGE: move(batch[LGE]), LABEL: move(batch[LABEL]), "state": move(clean)}
        arguments = {
            "state": move(state),
            "timesteps": move(timesteps),
            "available": move(available),
            "vendor": move(vendor),
        }
        return move(batch[IMAGE]), targets, (), arguments


class SubjectBatch:
    """Hands one subject's volume, availability, vendor and name to the sampling inferer."""

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None, tuple, dict[str, Any]]:
        """Inputs (1, C, H, W, S) in 0..1, the label if there is one, and inferer arguments."""
        label = batch.get(LABEL)
        arguments = {
            # per slice where preprocessing says so: a T2-STIR may cover a part of the cine stack
            AVAILABLE: batch.get("available_slices", batch[AVAILABLE]).to(device),
            VENDOR: batch[VENDOR].to(device),
            SUBJECT: batch[SUBJECT],
        }
        image = batch[IMAGE].to(device, non_blocking=non_blocking)
        return image, None if label is None else label.to(device, non_blocking=non_blocking), (), arguments
