"""Checkpoints of a training run: the state to resume from and the best EMA weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import BaseFileLock
from ignite.engine import Engine, Events
from torch import nn

from ..conventions import ConfigError, DataError
from ..files import ensure_writable, write_bytes
from ..runtime.distributed import process_number
from ..runtime.folder_lock import locked, unlock
from ..runtime.weights import load_network_weights, load_weights, move_weights, save_network_weights, state_bytes
from .run_log import RunLog

logger = logging.getLogger(__name__)

LAST, BEST = "last.pt", "model.pt"
_LOG = "log"
# A schedule's length belongs to the run that is started, not to the one that is resumed.
_OF_THIS_RUN = ("t_total", "end_lr", "warmup_steps", "warmup_multiplier", "cycles", "base_lrs")
RESUME_CHOICES = ("none", "auto")


class TrainingCheckpoint:
    """Saves everything a run needs to go on, and the best weights by the evaluator's key metric; restores on start.

    In distributed training every process restores and the first one writes.

    Args:
        ckpt_dir: folder of ``last.pt`` (resume) and ``model.pt`` (best EMA weights, plain tensors on the CPU).
        objects: name to object with ``state_dict``: network, EMA network, optimiser, scheduler.
        ema_model: the network whose weights become ``model.pt``.
        evaluator: its ``state.metrics[key_metric]`` decides what is best; higher is better.
        key_metric: name of that metric.
        log: of the run; attached before, so that its rows are in ``last.pt``.
        output_dir: of the run; a second training into it, or into ``ckpt_dir``, is refused while this one runs.
        resume: "auto" goes on from ``last.pt`` if there is one; "none" starts anew and keeps the old one aside.
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
        log: RunLog | None = None,
        output_dir: str = "",
    ) -> None:
        if resume not in RESUME_CHOICES:
            raise ConfigError(f"resume: found '{resume}', expected one of {', '.join(RESUME_CHOICES)}.")
        self.folder, self.ema_model = Path(ckpt_dir), ema_model
        self.objects = {name: _unwrapped(item) for name, item in objects.items()}
        self.log = log
        if log is not None:
            self.objects[_LOG] = log
        self.evaluator, self.key_metric, self.resume = evaluator, key_metric, resume
        self.output_dir = Path(output_dir) if output_dir else None
        self.best: dict[str, float] = {}
        self.locks: list[BaseFileLock] = []

    def attach(self, engine: Engine) -> None:
        """Restores at the start, saves after each epoch; list it after the validation handler."""
        if self.log is not None:
            self.log.attach(engine)
        engine.add_event_handler(Events.STARTED, self._lock)
        engine.add_event_handler(Events.STARTED, self.restore)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        engine.add_event_handler(Events.COMPLETED, self._unlock)

    def _lock(self, engine: Engine) -> None:
        if process_number():
            return
        folders = {"ckpt_dir": self.folder} | ({"output_dir": self.output_dir} if self.output_dir else {})
        for key, folder in folders.items():
            ensure_writable(folder)
            self.locks.append(locked(folder, key))

    def _unlock(self, engine: Engine) -> None:
        while self.locks:
            unlock(self.locks.pop())

    def restore(self, engine: Engine) -> None:
        """Loads ``last.pt`` when resuming; otherwise moves an earlier run's files out of the way."""
        ensure_writable(self.folder)
        path = self.folder / LAST
        if not path.is_file():
            if self.resume == "auto":
                logger.info("resume: no %s yet, starting at epoch 1.", path)
            return
        if self.resume == "none":
            if process_number() == 0:
                self._keep_earlier_run()
            return
        stored = load_weights(path)
        _check_stored(stored, self.objects, path)
        for name, item in self.objects.items():
            if name not in stored:
                continue
            if isinstance(item, nn.Module):
                load_network_weights(item, stored[name], path)
            else:
                _load(item, stored[name], name, path)
        engine.state.epoch, engine.state.iteration = stored["epoch"], stored["epoch"] * engine.state.epoch_length
        if engine.state.iteration != stored["iteration"]:
            # ignite ends a run by its iterations: with another epoch length they must be counted anew
            logger.warning("the number of batches per epoch has changed since %s was written.", path)
        torch.set_rng_state(stored["rng"])
        self.best = dict(stored["best"])
        best = f"{self.best['score']:.4g} after epoch {self.best['epoch']:.0f}" if self.best else "none"
        logger.info("Resumed %s after epoch %d, best %s so far: %s.", path, stored["epoch"], self.key_metric, best)

    def _keep_earlier_run(self) -> None:
        for name in (LAST, BEST):
            path = self.folder / name
            if path.is_file():
                move_weights(path, path.with_name(f"{path.stem}_previous.pt"))
        logger.warning(
            "%s holds an earlier run, kept as *_previous.pt; --resume auto would have gone on with it.", self.folder
        )

    def save(self, engine: Engine) -> None:
        """Writes ``last.pt``, and ``model.pt`` when this epoch's validation is the best."""
        if process_number():
            return
        score = self._new_score(engine)
        last_chance = engine.state.epoch == engine.state.max_epochs and not self.best
        if score is not None and score > self.best.get("score", float("-inf")):
            self.best = {"score": score, "epoch": float(engine.state.epoch)}
            save_network_weights(self.ema_model, self.folder / BEST)
            logger.info("%s %.4g after epoch %d, the best so far: %s", self.key_metric, score, engine.state.epoch, BEST)
        elif score is not None:
            logger.info(
                "%s %.4g after epoch %d; %s stays that of epoch %.0f with %.4g.", self.key_metric, score,
                engine.state.epoch, BEST, self.best["epoch"], self.best["score"],
            )  # fmt: skip
        elif last_chance:
            logger.warning("no validation gave a %s: model.pt holds the averaged weights of the end.", self.key_metric)
            save_network_weights(self.ema_model, self.folder / BEST)
        state = {name: item.state_dict() for name, item in self.objects.items()}
        state |= {"epoch": engine.state.epoch, "iteration": engine.state.iteration}
        state |= {"best": self.best, "rng": torch.get_rng_state()}
        write_bytes(self.folder / LAST, state_bytes(state))

    def _new_score(self, engine: Engine) -> float | None:
        if self.evaluator.state.epoch != engine.state.epoch:
            return None
        score = self.evaluator.state.metrics.get(self.key_metric)
        if score is None:
            known = ", ".join(sorted(self.evaluator.state.metrics)) or "none"
            raise ConfigError(f"key_metric_name: found '{self.key_metric}', expected one of: {known}.")
        # a validation set without infarct makes the infarct Dice nan: nothing to compare then
        return None if score != score else float(score)


def _check_stored(stored: Mapping[str, Any], objects: Mapping[str, Any], path: Path) -> None:
    """Raises DataError where a file that is to go on from lacks something, or holds something else."""
    # the log of a run that an earlier version began is in its table alone
    wanted = [name for name in objects if name != _LOG or name in stored]
    kinds = dict.fromkeys(wanted, Mapping) | {"epoch": int, "iteration": int, "best": Mapping, "rng": torch.Tensor}
    wrong = [name for name, kind in kinds.items() if not isinstance(stored.get(name), kind)]
    counts = [stored[name] for name in ("epoch", "iteration") if name not in wrong]
    if wrong or min(counts) < 0 or stored["rng"].dtype != torch.uint8:
        found = f"no state of {', '.join(sorted(wrong))}" if wrong else "counts or random state that cannot be"
        raise DataError(f"{path}: found {found}. Fix: start anew with --resume none.")


def _load(item: Any, state: Mapping[str, Any], name: str, path: Path) -> None:
    try:
        item.load_state_dict(_for_this_run(item, state))
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise DataError(
            f"{path}: the state of the {name} does not fit this run ({type(error).__name__}). "
            "Fix: the configs it was written with, or start anew with --resume none."
        ) from error


def _for_this_run(item: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The stored state, but for what the present config says about a learning-rate schedule."""
    if not isinstance(item, torch.optim.lr_scheduler.LRScheduler):
        return dict(stored)
    return {**stored, **{k: v for k, v in item.state_dict().items() if k in _OF_THIS_RUN}}


def _unwrapped(item: Any) -> Any:
    """The network inside DistributedDataParallel, so that a checkpoint fits any number of processes."""
    return item.module if isinstance(item, nn.parallel.DistributedDataParallel) else item
