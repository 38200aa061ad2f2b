"""Random state of a training run: every epoch starts from the seed of the run and its own number."""

from __future__ import annotations

import random
from typing import Protocol

import numpy as np
import torch
from ignite.engine import Engine, Events

from ..diffusion.prepare_batch import TrainingBatch
from ..runtime.distributed import process_number

# Keeps the streams of epochs and ranks apart; any odd number above the epochs of a run does.
_EPOCH_STRIDE = 1_000_003


class EpochDataset(Protocol):
    """A dataset whose random transforms depend on the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch."""


class EpochSeeder:
    """Reseeds shuffling, noise and augmentation at the start of each epoch.

    The state of the random generators is thereby a function of (seed, rank, epoch): a run resumed at an epoch
    boundary draws bit for bit what the uninterrupted run draws, and nothing has to be stored.

    Args:
        seed: seed of the run.
        batch: the preparation of training batches, which draws timesteps and noise.
        dataset: the training dataset, which draws the augmentation.
    """

    def __init__(self, seed: int, batch: TrainingBatch, dataset: EpochDataset) -> None:
        self.seed, self.batch, self.dataset = seed, batch, dataset

    def attach(self, engine: Engine) -> None:
        """Registers at the start of every epoch."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Reseeds for ``engine.state.epoch``."""
        epoch_seed = (self.seed * _EPOCH_STRIDE + engine.state.epoch) % 2**31
        self.batch.seed(epoch_seed * 64 + process_number())
        self.dataset.set_epoch(engine.state.epoch)
        random.seed(epoch_seed)
        np.random.seed(epoch_seed)
        torch.manual_seed(epoch_seed)
