"""Joint noise process of LGE and mask: schedule, noising, what the network's output means. No network here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from monai.networks.schedulers.scheduler import NoiseSchedules

from ..conventions import LGE, MASK, NETWORK_CLASSES, TASKS, ConfigError, known_tasks

# Turns a predicted one-hot state (-1..1) into logits where the network does not predict logits itself (v-prediction).
_LOGITS_PER_UNIT = 4.0

# The same for a mask that is one number per pixel: logits fall with the squared distance from the class's level.
_LOGITS_PER_SQUARED_UNIT = 20.0

PREDICTIONS = ("sample", "v_prediction", "epsilon")
ONE_HOT, SCALAR = MASKS = ("one_hot", "scalar")
INPUT_SCALINGS = ("none", "signal")

# Timestep of a part of the state that is known, not looked for: signal 1, noise 0.
GIVEN = -1
# Half log-SNR between which the default grid spends its steps: below, the state is noise; above, clean to the eye.
_HALF_LOG_SNR = (-2.0, 4.0)
SPACINGS = ("logsnr", "time")

# Where a training inferer puts the prediction that a network made before it saw any noise.
FIRST_ANSWER = "first_answer"
# Where a training batch says which of mask and LGE its loss is about, (B, 2), bool.
ASKED = "asked"


class CleanPrediction(NamedTuple):
    """What one pass says of the clean state: logits (B, K, H, W), LGE (B, 1, H, W) in -1..1, state as the process has
    it; the noise in the state, where the network predicts that."""

    mask_logits: torch.Tensor
    lge: torch.Tensor
    state: torch.Tensor
    noise: torch.Tensor | None = None

    def known(self) -> dict[str, torch.Tensor]:
        """The fields by name, without the noise where there is none."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class JointProcess:
    """One state of mask and LGE (-1..1), noised to one timestep or to one each; mask channels first, LGE last.

    Timesteps are (B,) where mask and LGE share theirs, or (B, 2): mask, LGE. GIVEN marks a part that is known. With
    levels of their own the same network finds both, the mask of a given LGE or the LGE of a given mask (Bao et al.,
    UniDiffuser, ICML 2023). The tables are float64 on the CPU and cast to float32 where used, never to the dtype of a
    batch.

    Args:
        num_classes: classes, background included.
        num_train_timesteps: length of the discrete schedule.
        schedule: name in MONAI's NoiseSchedules ("cosine", "linear_beta", "scaled_linear_beta", "sigmoid_beta").
        prediction: "sample" (mask logits and clean LGE), "v_prediction" (Salimans & Ho, 2022) or "epsilon" (noise).
        mask: "one_hot", a channel per class, -1 or 1; "scalar", the class as one number in -1..1, as published.
        timestep_power: timesteps are drawn as T * u ** power, u uniform; below 1 favours high noise, where the
            conditions decide.
        full_noise_share: share of the training draws at T - 1, the step that sees nothing but the conditions.
        input_scaling: what the network is shown of a noisy state: "none", the state; "signal", the state times its
            signal scale, the linear estimate of the clean state (Wiener), so that noise fades where there is no signal.
        given_shares: share of the training draws in which "mask" or "lge" is given and the other one looked for. Above
            0, timesteps are drawn as (B, 2), and the network has to have two noise levels. Where one task alone is
            learnt nothing is given.
        trained_steps: train only on the timesteps that sampling in so many steps visits (spacing "logsnr"), the first
            one in ``full_noise_share`` of the draws, the others equally often (Fast-DDPM, Jiang et al., 2024); with
            share 0 all equally often. 0: train on all timesteps.
        tasks: what is learnt, "mask", "lge" or both. The channels of the other are shown as zero: in training they
            would hold its ground truth, in sampling the guess of a network that never learnt it.
    Raises:
        ConfigError: ``schedule``, ``prediction``, ``mask``, ``input_scaling`` or one of ``tasks`` is not known; a share
            outside 0..1; shares of given parts with prediction "epsilon"; steps that are not possible.
    """

    def __init__(
        self,
        num_classes: int = 4,
        num_train_timesteps: int = 1000,
        schedule: str = "cosine",
        prediction: str = "sample",
        timestep_power: float = 0.6,
        mask: str = ONE_HOT,
        full_noise_share: float = 0.5,
        input_scaling: str = "signal",
        tasks: Sequence[str] = TASKS,
        given_shares: Mapping[str, float] | None = None,
        trained_steps: int = 0,
    ) -> None:
        if mask not in MASKS or (mask == SCALAR and prediction == "sample"):
            raise ConfigError(
                f"mask: found '{mask}' with prediction '{prediction}', expected {ONE_HOT}, or {SCALAR} with another."
            )
        if mask == SCALAR and num_classes != len(NETWORK_CLASSES):
            raise ConfigError(
                f"mask: found {mask} with {num_classes} classes, expected {len(NETWORK_CLASSES)}: between two numbers "
                "lies a third class. Fix: --process::mask one_hot, or --num_classes 4"
            )
        if prediction not in PREDICTIONS:
            raise ConfigError(f"prediction: found '{prediction}', expected one of {', '.join(PREDICTIONS)}.")
        if schedule not in NoiseSchedules.names:
            raise ConfigError(f"schedule: found '{schedule}', expected one of {', '.join(NoiseSchedules.names)}.")
        if input_scaling not in INPUT_SCALINGS:
            raise ConfigError(f"input_scaling: found '{input_scaling}', expected one of {', '.join(INPUT_SCALINGS)}.")
        if not 0 <= full_noise_share < 1:
            raise ConfigError(f"full_noise_share: found {full_noise_share}, expected a number from 0 to below 1.")
        tables = NoiseSchedules[schedule](num_train_timesteps)
        betas = (tables[0] if isinstance(tables, tuple) else tables).double()
        alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
        self.signal_table, self.noise_table = alphas_cumprod.sqrt(), (1.0 - alphas_cumprod).sqrt()
        self.num_classes, self.num_train_timesteps, self.mask = num_classes, num_train_timesteps, mask
        self.state_channels = (num_classes if mask == ONE_HOT else 1) + 1
        self.schedule, self.prediction, self.timestep_power = schedule, prediction, timestep_power
        self.full_noise_share, self.input_scaling, self.tasks = full_noise_share, input_scaling, known_tasks(tasks)
        self.given_shares = _checked_shares({} if given_shares is None else given_shares, self.tasks, prediction)
        if type(trained_steps) is not int or not 0 <= trained_steps <= num_train_timesteps:
            raise ConfigError(
                f"trained_steps: found {trained_steps!r}, expected a whole number from 0 (all) to "
                f"{num_train_timesteps}. Fix: the --steps of sampling"
            )
        self.trained_timesteps = self.sampling_timesteps(trained_steps) if trained_steps else []

    def sampling_timesteps(self, steps: int, spacing: str = "logsnr") -> list[int]:
        """Timesteps that sampling visits, from pure noise on.

        "logsnr" spaces them evenly in log-SNR (Lu et al., 2022), which keeps the spread of the samples right with few
        steps: toy Gaussian of SD 0.300, 8 steps of DPM-Solver++(2M) give 0.306. "time" uses equal strides, for many
        steps.

        Raises:
            ConfigError: ``steps`` or ``spacing`` is not possible.
        """
        last = self.num_train_timesteps - 1
        if not isinstance(steps, int) or not 1 <= steps <= last + 1:
            raise ConfigError(f"steps: found {steps}, expected a whole number from 1 to {last + 1}.")
        if spacing not in SPACINGS:
            raise ConfigError(f"spacing: found '{spacing}', expected one of {', '.join(SPACINGS)}.")
        if spacing == "time":
            times = np.linspace(last, -1, steps + 1).round().astype(int)[:-1]
        else:
            table = (self.signal_table / self.noise_table).log().numpy()
            wanted = np.linspace(*_HALF_LOG_SNR, steps)[1:]
            times = np.array([last, *(int(np.abs(table - level).argmin()) for level in wanted)])
        if len(np.unique(times)) < steps:
            raise ConfigError(f"steps: {steps} do not fit into spacing 'logsnr'. Fix: fewer steps, or --spacing time.")
        return [int(t) for t in times]

    def signal_and_noise(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale of signal and noise at timesteps (B,) or (B, 2), float32 (B, 1, 1, 1) or (B, state_channels, 1, 1)."""
        index = timesteps.cpu()
        signal, noise = (
            torch.where(index < 0, known, table[index.clamp(min=0)]).float().to(timesteps.device)
            for table, known in ((self.signal_table, 1.0), (self.noise_table, 0.0))
        )
        return self._per_channel(signal), self._per_channel(noise)

    def _per_channel(self, scale: torch.Tensor) -> torch.Tensor:
        """(B,) to (B, 1, 1, 1); (B, 2), mask and LGE, to (B, state_channels, 1, 1)."""
        if scale.ndim == 2:
            scale = torch.cat([scale[:, :1].expand(-1, self.state_channels - 1), scale[:, 1:]], dim=1)
            return scale[:, :, None, None]
        return scale[:, None, None, None]

    def clean_state(self, lge: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Clean state (B, state_channels, H, W) of ``lge`` (B, 1, H, W), 0..1, and ``label`` (B, 1, H, W), 0..K-1."""
        if self.mask == ONE_HOT:
            mask = F.one_hot(label[:, 0].long(), self.num_classes).movedim(-1, 1).float()
        else:
            mask = label.float() / (self.num_classes - 1)
        return torch.cat([mask, lge.float()], dim=1) * 2 - 1

    def draw_timesteps(self, batch_size: int, generator: torch.Generator) -> torch.Tensor:
        """Training timesteps (batch_size,), int64, stratified: every batch sees all noise levels.

        (batch_size, 2), of mask and LGE, where ``given_shares`` gives one of them in a part of the draws.
        """
        u = (torch.arange(batch_size) + torch.rand(batch_size, generator=generator)) / batch_size
        if self.trained_timesteps:
            count, full = len(self.trained_timesteps), self.full_noise_share
            first = full if full and count > 1 else 1 / count
            place = (1 + (u - first) / (1 - first + 1e-9) * (count - 1)).floor().clamp(0, count - 1)
            times = torch.tensor(self.trained_timesteps)[place.long()]
        else:
            drawn = (u / (1 - self.full_noise_share)).clamp(max=1.0) ** self.timestep_power
            times = (drawn * self.num_train_timesteps).long().clamp(max=self.num_train_timesteps - 1)
        if not any(self.given_shares.values()):
            return times
        mode, both = torch.rand(batch_size, generator=generator), times[:, None].repeat(1, 2)
        both[mode < self.given_shares[MASK], 0] = GIVEN
        both[mode >= 1 - self.given_shares[LGE], 1] = GIVEN
        return both

    def network_input(self, state: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What the network is shown of a noisy ``state`` (B, state_channels, H, W) at timesteps (B,) or (B, 2)."""
        shown = state if self.input_scaling == "none" else self.signal_and_noise(timesteps)[0].to(state) * state
        if MASK not in self.tasks:
            return torch.cat([torch.zeros_like(shown[:, :-1]), shown[:, -1:]], dim=1)
        return shown if LGE in self.tasks else torch.cat([shown[:, :-1], torch.zeros_like(shown[:, -1:])], dim=1)

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """State at ``timesteps``; shapes (B, state_channels, H, W) twice, and (B,) or (B, 2)."""
        signal, spread = self.signal_and_noise(timesteps)
        return signal * clean + spread * noise

    def read_output(self, output: torch.Tensor, state: torch.Tensor, timesteps: torch.Tensor) -> CleanPrediction:
        """Predicted clean state from the network's ``output`` at the noisy ``state``, shapes of a state both."""
        output = output.float()
        if self.prediction == "sample":
            return self.read_clean(output)
        signal, spread = self.signal_and_noise(timesteps)
        if self.prediction == "v_prediction":
            clean = signal * state - spread * output
            return CleanPrediction(self._logits(clean), clean[:, -1:], clean)
        # Near pure noise a small error of the noise is a large one of the clean state: kept in its range.
        clean = ((state - spread * output) / signal).clamp(-1, 1)
        return CleanPrediction(self._logits(clean), clean[:, -1:], clean, output)

    def read_clean(self, output: torch.Tensor) -> CleanPrediction:
        """Clean state of an ``output`` that is mask logits and LGE in -1..1 at any noise, (B, state_channels, H, W).

        Raises:
            ConfigError: the process predicts something else.
        """
        self.require_clean_prediction()
        output = output.float()
        logits, lge = output[:, :-1], output[:, -1:]
        return CleanPrediction(logits, lge, torch.cat([logits.softmax(1) * 2 - 1, lge], dim=1))

    def require_clean_prediction(self) -> None:
        """For a network whose output is added to a first answer, which is a clean state.

        Raises:
            ConfigError: the process predicts something else.
        """
        if self.prediction != "sample":
            raise ConfigError(
                f"process::prediction: found '{self.prediction}' with a network that gives a first answer, expected "
                "'sample'. Fix: --process::prediction sample, or another network_def."
            )

    def probabilities(self, state: torch.Tensor) -> torch.Tensor:
        """Class probabilities (B, K, H, W) of a sampled clean state (B, state_channels, H, W)."""
        if self.mask == SCALAR:
            return self._logits(state).softmax(1)
        mask = ((state[:, :-1] + 1) / 2).clamp(min=0)
        return mask / mask.sum(dim=1, keepdim=True).clamp(min=1e-6)

    def _logits(self, clean: torch.Tensor) -> torch.Tensor:
        if self.mask == ONE_HOT:
            return clean[:, :-1] * _LOGITS_PER_UNIT
        levels = torch.linspace(-1, 1, self.num_classes, device=clean.device)[:, None, None]
        return -_LOGITS_PER_SQUARED_UNIT * (clean[:, :1] - levels).square()


def _checked_shares(shares: Mapping[str, float], tasks: Sequence[str], prediction: str) -> dict[str, float]:
    """Share of the draws in which each part is given; none where one part alone is learnt."""
    parts = {MASK: 0.0, LGE: 0.0}
    found = parts | dict(shares) if isinstance(shares, Mapping) else {}
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) and one >= 0 for one in found.values())
    if set(found) != set(parts) or not numbers or sum(found.values()) > 1:
        raise ConfigError(
            f"given_shares: found {shares!r}, expected shares of {MASK} and {LGE}, numbers of at least 0, together at "
            "most 1. Fix: {'mask': 0.15, 'lge': 0.15}"
        )
    if any(found.values()) and prediction == "epsilon":
        raise ConfigError(
            "given_shares: found with prediction 'epsilon', expected none: a part that is given has no noise to "
            "predict. Fix: another prediction, or no given_shares."
        )
    return found if len(tasks) > 1 else parts
