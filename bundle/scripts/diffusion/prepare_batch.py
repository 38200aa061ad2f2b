"""Batches as an inferer takes them: noised, with sequences hidden at random, or one plain subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..conventions import (
    AVAILABLE,
    IMAGE,
    KNOWN,
    LABEL,
    LABEL_GROUPS,
    LGE,
    MASK,
    MOTION_CHANNELS,
    SEQUENCES,
    SUBJECT,
    TASKS,
    VENDOR,
    ConfigError,
)
from .partial_labels import says_all, says_the_papers
from .process import ASKED, GIVEN, ONE_HOT, JointProcess


class TrainingBatch:
    """Noises LGE and mask to drawn timesteps, one or more per slice; hides a sequence or the vendor now and then.

    Hiding them in training is what makes a missing T2-STIR or an unknown vendor work at inference.

    Args:
        process: the joint noise process.
        sequence_dropout: probability that a sequence is hidden, for each slice and sequence.
        vendor_dropout: probability that the vendor is hidden.
        motion_dropout: probability that end-diastole and end-systole are not shown, as with a cine of one phase.
        hidden: sequences that are never shown, for ablations.
        image_key: what the network is given: "image" (the sequences), or "lge" for a network that reads the LGE.
        draws: noisy states made of each slice; the batch grows by this factor. With 2 and half of the draws at full
            noise, every slice is seen once without its answer and once with a part of it.
    Raises:
        ConfigError: a sequence or a key that does not exist; fewer than 1 draw.
    """

    def __init__(
        self,
        process: JointProcess,
        sequence_dropout: float = 0.1,
        vendor_dropout: float = 0.3,
        motion_dropout: float = 0.1,
        hidden: Sequence[str] = (),
        image_key: str = IMAGE,
        draws: int = 1,
    ) -> None:
        if not isinstance(draws, int) or draws < 1:
            raise ConfigError(f"draws: found {draws!r}, expected a whole number of at least 1. Fix: 1, or 2.")
        self.draws = draws
        self.process, self.sequence_dropout, self.vendor_dropout = process, sequence_dropout, vendor_dropout
        self.motion_dropout = motion_dropout
        self.shown = _shown(hidden)
        self.image_key = _checked_image_key(image_key)
        self.generator = torch.Generator()

    def seed(self, seed: int) -> None:
        """Restarts the draws; called at every epoch so that a resumed run draws what a straight one would."""
        self.generator.manual_seed(seed)

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], tuple, dict[str, torch.Tensor]]:
        """Inputs, targets and inferer arguments of one training batch; images (draws * B, C, H, W) in 0..1.

        Where mask and LGE have noise levels of their own, "asked" among the targets says which of them are looked for,
        (draws * B, 2), bool: mask, LGE. Where a label map of the batch does not tell every class, or an LGE is not
        there, "label_groups" and "known" say so (``partial_labels``). A slice without LGE, or whose map does not tell
        the paper's four classes, is seen at full noise, where the state says nothing of what is not known; where
        no-reflow is a part of infarct and oedema of myocardium the state shows them so, as a given mask does.

        Raises:
            ConfigError: such a slice, and a process that cannot leave anything open.
        """
        own = (LGE, LABEL, AVAILABLE, VENDOR, self.image_key, *(key for key in (LABEL_GROUPS, KNOWN) if key in batch))
        batch = {key: torch.cat([batch[key]] * self.draws) for key in own}
        clean = self.process.clean_state(batch[LGE], batch[LABEL])
        timesteps = self.process.draw_timesteps(len(clean), self.generator)
        left_open = self._open(batch)
        timesteps[left_open.any(dim=1)] = self.process.num_train_timesteps - 1
        noise = torch.randn(clean.shape, generator=self.generator)
        state = self.process.add_noise(clean, noise, timesteps)
        available, vendor = batch[AVAILABLE], batch[VENDOR]
        available = available * (torch.rand(available.shape, generator=self.generator) >= self.sequence_dropout)
        available = available * self.shown if self.image_key == IMAGE else torch.ones(len(clean), 1)
        vendor = vendor * (torch.rand(vendor.shape, generator=self.generator) >= self.vendor_dropout)

        image = batch[self.image_key]
        if self.image_key == IMAGE:
            moving = torch.rand(len(image), generator=self.generator) >= self.motion_dropout
            image = image.clone()
            image[:, list(MOTION_CHANNELS)] *= moving[:, None, None, None]

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=non_blocking)

        targets = {LGE: move(batch[LGE]), LABEL: move(batch[LABEL]), "state": move(clean), "noise": move(noise)}
        targets[IMAGE] = move(image)
        if timesteps.ndim == 2:
            targets[ASKED] = move(timesteps != GIVEN)
        if LABEL_GROUPS in batch and MASK in self.process.tasks and not says_all(batch[LABEL_GROUPS]).all():
            targets[LABEL_GROUPS] = move(batch[LABEL_GROUPS])
        if left_open.any():
            targets[KNOWN] = move(batch[KNOWN])
        arguments = {
            "state": move(state),
            "timesteps": move(timesteps),
            "available": move(available),
            "vendor": move(vendor),
        }
        return move(image), targets, (), arguments

    def _open(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Whether the references leave mask and LGE open where these are learnt, (B, 2), bool."""
        if KNOWN not in batch:
            return torch.zeros(len(batch[LABEL]), 2, dtype=torch.bool)
        told = batch[KNOWN].clone()
        if self.image_key == LGE and not told[:, 1].all():
            raise ConfigError(
                "partial labels: found a subject without LGE for a network that reads the LGE. "
                "Fix: leave such folders out, or another variant."
            )
        if LABEL_GROUPS in batch:
            told[:, 0] &= says_the_papers(batch[LABEL_GROUPS])
        learnt = torch.tensor([task in self.process.tasks for task in TASKS])
        left_open, whole = ~told & learnt, batch[KNOWN].clone()
        if LABEL_GROUPS in batch:
            whole[:, 0] &= says_all(batch[LABEL_GROUPS])
        if (~whole & learnt).any() and (self.process.prediction == "epsilon" or self.process.mask != ONE_HOT):
            raise ConfigError(
                f"partial labels: found with process::prediction '{self.process.prediction}' and process::mask "
                f"'{self.process.mask}', expected a process that predicts the clean state, {ONE_HOT}. "
                "Fix: another variant, or data sets that mark every class and have an LGE."
            )
        return left_open


class SubjectBatch:
    """Hands one subject's volume, availability, vendor and name to the sampling inferer.

    Args:
        hidden, image_key: as TrainingBatch's.
    """

    def __init__(self, hidden: Sequence[str] = (), image_key: str = IMAGE) -> None:
        self.shown, self.image_key = _shown(hidden), _checked_image_key(image_key)

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
        if self.image_key == IMAGE:
            shown = self.shown.to(arguments[AVAILABLE])
            # (1, sequences), or (1, sequences, slices)
            arguments[AVAILABLE] = arguments[AVAILABLE] * (shown if arguments[AVAILABLE].ndim == 2 else shown[:, None])
        else:
            arguments[AVAILABLE] = torch.ones(len(batch[IMAGE]), 1, device=device)
        image = batch[self.image_key].to(device, non_blocking=non_blocking)
        return image, None if label is None else label.to(device, non_blocking=non_blocking), (), arguments


def _shown(hidden: Sequence[str]) -> torch.Tensor:
    """1 for each sequence that is shown, 0 for a hidden one, (sequences,)."""
    if unknown := sorted(set(hidden) - set(SEQUENCES)):
        raise ConfigError(f"hidden: found {', '.join(unknown)}, expected names of {', '.join(SEQUENCES)}.")
    return torch.tensor([float(name not in hidden) for name in SEQUENCES])


def _checked_image_key(key: str) -> str:
    if key not in (IMAGE, LGE):
        raise ConfigError(f"image_key: found '{key}', expected '{IMAGE}' or '{LGE}'.")
    return key
