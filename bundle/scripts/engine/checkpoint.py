"""Owns what a training run keeps on disk: the state to resume from and the best EMA weights."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # the exception's name only; nothing is unpickled here
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from ..conventions import ConfigError, DataError
from .atomic import write_bytes
from .outputs import ensure_writable

logger = logging.getLogger(__name__)

LAST, BEST = "last.pt", "model.pt"
# A schedule's length belongs to the run that is started, not to the one that is resumed.
_OF_THIS_RUN = ("t_total", "end_lr", "warmup_steps", "warmup_multiplier", "cycles", "base_lrs")
RESUME_CHOICES = ("none", "auto")


class TrainingCheckpoint:
    """Saves everything a run needs to go on, and the best weights by the evaluator's key metric; restores on start.

    Args:
        ckpt_dir: folder of ``last.pt`` (resume) and ``model.pt`` (best EMA weights, plain tensors on the CPU).
        objects: name to object with ``state_dict``: network, EMA network, optimiser, scheduler.
        ema_model: the network whose weights become ``model.pt``.
        evaluator: its ``state.metrics[key_metric]`` decides what is best; higher is better.
        key_metric: name of that metric.
        resume: "auto" goes on from ``last.pt`` if there is one; "none" starts anew and keeps the old one aside.
        rank: process number in distributed training; only 0 writes.
    Raises:
        ConfigError: ``resume`` is not one of the choices.
    """

    def __init__(
        self,
        ckpt_dir: str,
        objects: Mapping[str, Any],
        ema_model: nn.Module,
        evaluator: Engine,
        key_metric: str,
        resume: str = "none",
        rank: int = 0,
    ) -> None:
        if resume not in RESUME_CHOICES:
            raise ConfigError(f"resume: found '{resume}', expected one of {', '.join(RESUME_CHOICES)}.")
        self.folder, self.ema_model = Path(ckpt_dir), ema_model
        self.objects = {name: _unwrapped(item) for name, item in objects.items()}
        self.evaluator, self.key_metric, self.resume, self.rank = evaluator, key_metric, resume, rank
        self.best: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Restores at the start, saves after each epoch; list it after the validation handler."""
        engine.add_event_handler(Events.STARTED, self.restore)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def restore(self, engine: Engine) -> None:
        """Loads ``last.pt`` when resuming; otherwise moves an earlier run's files out of the way."""
        ensure_writable(self.folder)
        path = self.folder / LAST
        if not path.is_file():
            if self.resume == "auto":
                logger.info("resume: no %s yet, starting at epoch 1.", path)
            return
        if self.resume == "none":
            if self.rank == 0:
                self._keep_earlier_run()
            return
        stored = load_weights(path)
        names = sorted(set(self.objects) - set(stored))
        if names:
            raise DataError(f"{path}: found no state of {', '.join(names)}. Fix: start anew with --resume none.")
        for name, item in self.objects.items():
            if isinstance(item, nn.Module):
                load_network_weights(item, stored[name], path)
            else:
                item.load_state_dict(_for_this_run(item, stored[name]))
        engine.state.epoch, engine.state.iteration = stored["epoch"], stored["epoch"] * engine.state.epoch_length
        if engine.state.iteration != stored["iteration"]:
            # ignite ends a run by its iterations: with another epoch length they must be counted anew
            logger.warning("the number of batches per epoch has changed since %s was written.", path)
        torch.set_rng_state(stored["rng"])
        self.best = dict(stored["best"])
        logger.info("Resumed %s after epoch %d, best %s so far %s.", path, stored["epoch"], self.key_metric, self.best)

    def _keep_earlier_run(self) -> None:
        for name in (LAST, BEST):
            path = self.folder / name
            if path.is_file():
                path.replace(path.with_name(f"{path.stem}_previous.pt"))
        logger.warning(
            "%s holds an earlier run, kept as *_previous.pt; --resume auto would have gone on with it.", self.folder
        )

    def save(self, engine: Engine) -> None:
        """Writes ``last.pt``, and ``model.pt`` when this epoch's validation is the best."""
        if self.rank:
            return
        score = self._new_score(engine)
        last_chance = engine.state.epoch == engine.state.max_epochs and not self.best
        if score is not None and score > self.best.get("score", float("-inf")):
            self.best = {"score": score, "epoch": float(engine.state.epoch)}
            save_network_weights(self.ema_model, self.folder / BEST)
        elif last_chance:
            logger.warning("no validation gave a %s: model.pt holds the averaged weights of the end.", self.key_metric)
            save_network_weights(self.ema_model, self.folder / BEST)
        state = {name: item.state_dict() for name, item in self.objects.items()}
        state |= {"epoch": engine.state.epoch, "iteration": engine.state.iteration}
        state |= {"best": self.best, "rng": torch.get_rng_state()}
        write_bytes(self.folder / LAST, _as_bytes(state))

    def _new_score(self, engine: Engine) -> float | None:
        if self.evaluator.state.epoch != engine.state.epoch:
            return None
        score = self.evaluator.state.metrics.get(self.key_metric)
        if score is None:
            known = ", ".join(sorted(self.evaluator.state.metrics)) or "none"
            raise ConfigError(f"key_metric_name: found '{self.key_metric}', expected one of: {known}.")
        # a validation set without infarct makes the infarct Dice nan: nothing to compare then
        return None if score != score else float(score)


class WeightsLoader:
    """Loads ``model.pt`` into the network before the first subject.

    Args:
        path: file of plain tensors, as ``TrainingCheckpoint`` writes it.
        network: gets the weights, strictly.
    """

    def __init__(self, path: str, network: nn.Module) -> None:
        self.path, self.network = Path(path), network

    def attach(self, engine: Engine) -> None:
        """Loads at the start of the run."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Loads the weights.

        Raises:
            DataError: the file is missing, unreadable, or made for another network.
        """
        load_network_weights(self.network, load_weights(self.path), self.path)


def save_network_weights(network: nn.Module, path: Path) -> None:
    """Writes a state dict of plain, contiguous CPU tensors, complete or not at all."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    write_bytes(path, _as_bytes(state))


def _as_bytes(state: Mapping[str, Any]) -> bytes:
    # in memory first: on a full disk torch.save raises an error of its own kind, a plain write an OSError
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def load_weights(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, tensors and numbers only.

    Raises:
        DataError: missing or unreadable file.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such weights file.\nExpected: the shipped models/model.pt, or that of a training run.\n"
            "Fix: give its folder with --ckpt_dir, or train first (configs/train.json)."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # before the others: its own message is a page of advice to unpickle it all
        raise DataError(
            f"{path}: damaged, or holds more than tensors. Fix: copy it again, or save plain tensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a readable weights file ({first_line(error)}). Fix: copy it again.") from error
    if not isinstance(state, Mapping):
        raise DataError(f"{path}: holds a {type(state).__name__}, expected a state dict. Fix: give a model.pt.")
    return state


def load_network_weights(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Strict load.

    Raises:
        DataError: names or shapes differ; lists the first five.
    """
    state = {k.removeprefix("module."): v for k, v in state.items()}
    problems = misfits(network, state)
    if problems:
        lines = "\n".join(f"  {p}" for p in problems[:5])
        raise DataError(
            f"{path}: the weights do not fit the network ({len(problems)} differences):\n{lines}\n"
            "Fix: use the config (network_def) these weights were trained with."
        )
    network.load_state_dict(state)


def misfits(network: nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Where names or shapes of ``state`` differ from the network's, in words."""
    wanted = network.state_dict()
    problems = [f"{k}: missing in the file" for k in wanted if k not in state]
    problems += [f"{k}: unknown to the network" for k in state if k not in wanted]
    return problems + [
        f"{k}: shape {tuple(state[k].shape)} in the file, {tuple(v.shape)} in the network"
        for k, v in wanted.items()
        if k in state and getattr(state[k], "shape", None) != v.shape
    ]


def _for_this_run(item: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The stored state, but for what the present config says about a learning-rate schedule."""
    if not isinstance(item, torch.optim.lr_scheduler.LRScheduler):
        return dict(stored)
    return {**stored, **{k: v for k, v in item.state_dict().items() if k in _OF_THIS_RUN}}


def _unwrapped(item: Any) -> Any:
    """The network inside DistributedDataParallel, so that a checkpoint fits any number of processes."""
    return item.module if isinstance(item, nn.parallel.DistributedDataParallel) else item


def first_line(error: Exception) -> str:
    """First line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
