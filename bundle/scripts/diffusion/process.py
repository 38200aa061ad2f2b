"""Owns the joint noise process of LGE and mask: schedule, noising, what the network's output means. No network here."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from monai.networks.schedulers.scheduler import NoiseSchedules

from ..conventions import ConfigError

# Turns a predicted one-hot state (-1..1) into logits where the network does not predict logits itself (v-prediction).
_LOGITS_PER_UNIT = 4.0

PREDICTIONS = ("sample", "v_prediction")


class CleanPrediction(NamedTuple):
    """What one pass says of the clean state: logits (B, K, H, W), LGE (B, 1, H, W) in -1..1, state (B, K + 1, H, W)."""

    mask_logits: torch.Tensor
    lge: torch.Tensor
    state: torch.Tensor


class JointProcess:
    """One state of mask (one channel per class, -1 or 1) and LGE (-1..1), noised together with one timestep.

    The tables are float64 on the CPU and cast to float32 where used, never to the dtype of a batch.

    Args:
        num_classes: mask channels, background included.
        num_train_timesteps: length of the discrete schedule.
        schedule: name in MONAI's NoiseSchedules ("cosine", "linear_beta", "scaled_linear_beta", "sigmoid_beta").
        prediction: "sample" (mask logits and clean LGE) or "v_prediction" (Salimans & Ho, 2022).
        timestep_power: timesteps are drawn as T * u ** power, u uniform; below 1 favours high noise, where the
            conditions decide.
    Raises:
        ConfigError: ``schedule`` or ``prediction`` is not known.
    """

    def __init__(
        self,
        num_classes: int = 4,
        num_train_timesteps: int = 1000,
        schedule: str = "cosine",
        prediction: str = "sample",
        timestep_power: float = 1.0,
    ) -> None:
        if prediction not in PREDICTIONS:
            raise ConfigError(f"prediction: found '{prediction}', expected one of {', '.join(PREDICTIONS)}.")
        if schedule not in NoiseSchedules.names:
            raise ConfigError(f"schedule: found '{schedule}', expected one of {', '.join(NoiseSchedules.names)}.")
        tables = NoiseSchedules[schedule](num_train_timesteps)
        betas = (tables[0] if isinstance(tables, tuple) else tables).double()
        alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
        self.signal_table, self.noise_table = alphas_cumprod.sqrt(), (1.0 - alphas_cumprod).sqrt()
        self.num_classes, self.num_train_timesteps = num_classes, num_train_timesteps
        self.prediction, self.timestep_power = prediction, timestep_power

    def signal_and_noise(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale of signal and noise at (B,) timesteps, each float32 (B, 1, 1, 1)."""
        index = timesteps.cpu()
        return tuple(
            table[index].float().to(timesteps.device)[:, None, None, None]
            for table in (self.signal_table, self.noise_table)
        )

    def clean_state(self, lge: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Clean state (B, K + 1, H, W) of ``lge`` (B, 1, H, W) in 0..1 and ``label`` (B, 1, H, W) codes 0..K-1."""
        one_hot = F.one_hot(label[:, 0].long(), self.num_classes).movedim(-1, 1).float()
        return torch.cat([one_hot, lge.float()], dim=1) * 2 - 1

    def draw_timesteps(self, batch_size: int, generator: torch.Generator) -> torch.Tensor:
        """Training timesteps (batch_size,), int64, stratified: every batch sees all noise levels."""
        u = (torch.arange(batch_size) + torch.rand(batch_size, generator=generator)) / batch_size
        return (u**self.timestep_power * self.num_train_timesteps).long().clamp(max=self.num_train_timesteps - 1)

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """State at ``timesteps``; shapes (B, K + 1, H, W), (B, K + 1, H, W), (B,)."""
        signal, spread = self.signal_and_noise(timesteps)
        return signal * clean + spread * noise

    def read_output(self, output: torch.Tensor, state: torch.Tensor, timesteps: torch.Tensor) -> CleanPrediction:
        """Predicted clean state from the network's ``output`` (B, K + 1, H, W) at the noisy ``state``."""
        output, k = output.float(), self.num_classes
        if self.prediction == "sample":
            logits, lge = output[:, :k], output[:, k:]
            return CleanPrediction(logits, lge, torch.cat([logits.softmax(1) * 2 - 1, lge], dim=1))
        signal, spread = self.signal_and_noise(timesteps)
        clean = signal * state - spread * output
        return CleanPrediction(clean[:, :k] * _LOGITS_PER_UNIT, clean[:, k:], clean)
