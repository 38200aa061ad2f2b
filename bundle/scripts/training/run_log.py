"""Log of a training run: one line and one CSV row per epoch, progress.png, speed and time to go."""

from __future__ import annotations

import csv
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from torch.optim import Optimizer

from ..diffusion.loss import JointLoss
from ..files import write_text, written_aside
from ..reports.tables import csv_text
from ..runtime.distributed import process_count, process_number
from ..runtime.progress import ProgressLines, clock_text

logger = logging.getLogger(__name__)

LOG_FILE = "training_log.csv"


class RunLog:
    """Collects loss terms, learning rate, speed and validation metrics per epoch in ``training_log.csv``.

    The rows are part of the state that a run goes on from (``state_dict``), so that a process that ends between two
    files loses none; TrainingCheckpoint attaches it.

    Args:
        output_dir: gets training_log.csv and progress.png.
        loss: its ``terms`` are averaged per epoch.
        optimizer: its learning rate is logged.
        evaluator: its metrics are logged at epochs with validation.
    """

    def __init__(self, output_dir: str, loss: JointLoss, optimizer: Optimizer, evaluator: Engine) -> None:
        self.folder, self.loss, self.optimizer, self.evaluator = Path(output_dir), loss, optimizer, evaluator
        self.rows: list[dict[str, float]] = []
        self.sums: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)
        self.images, self.epoch_started, self.training_s, self.run_started = 0, 0.0, 0.0, 0.0
        self.first_epoch: int | None = None

    def attach(self, engine: Engine) -> None:
        """Registers on the trainer, in the first process; before the checkpoint, which stores the rows."""
        if process_number():
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish_epoch)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def state_dict(self) -> dict[str, Any]:
        """The rows, for a run to go on from."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the rows of the run that is resumed."""
        self.rows = [{str(name): float(value) for name, value in row.items()} for row in state["rows"]]

    @property
    def file(self) -> Path:
        """The CSV."""
        return self.folder / LOG_FILE

    def _start(self, engine: Engine) -> None:
        self.run_started, self.first_epoch, self.rows = time.perf_counter(), None, []

    def _start_epoch(self, engine: Engine) -> None:
        if self.first_epoch is None:
            self.first_epoch = engine.state.epoch - 1
            self.rows = self.rows or self._rows_on_disk(self.first_epoch)
        self.sums.clear()
        self.counts.clear()
        self.images, self.epoch_started = 0, time.perf_counter()

    def _add(self, engine: Engine) -> None:
        # the batch's slices: with several draws the output holds each of them as often
        state: Any = engine.state  # ignite's types do not know what an engine works on
        count = len(state.batch)
        self.images += count
        self.training_s = time.perf_counter() - self.epoch_started
        self.sums["loss"] += float(state.output[0]["loss"]) * count
        for name, value in self.loss.terms.items():
            self.sums[name] += value * count
            # a batch may have nothing that a term is about, such as an LGE
            self.counts[name] += count

    def _finish_epoch(self, engine: Engine) -> None:
        row = {"epoch": float(engine.state.epoch), "images_per_second": self.images * process_count() / self.training_s}
        row |= {name: total / self.counts.get(name, self.images) for name, total in self.sums.items()}
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        # where MLFlowHandler, which runs after this, finds them
        engine.state.metrics.update({f"train_{name}": value for name, value in row.items() if name != "epoch"})
        if self.evaluator.state.epoch == engine.state.epoch:
            row |= {k: float(v) for k, v in self.evaluator.state.metrics.items()}
        self.rows.append(row)
        self._write(engine)
        done, last = engine.state.epoch - (self.first_epoch or 0), engine.state.max_epochs or engine.state.epoch
        remaining = (time.perf_counter() - self.run_started) / done * (last - engine.state.epoch)
        numbers = "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "epoch")
        logger.info(
            "epoch %d/%d  %s  to go %s", engine.state.epoch, engine.state.max_epochs, numbers, clock_text(remaining)
        )

    def _rows_on_disk(self, epochs: int) -> list[dict[str, float]]:
        """Rows of a run that is resumed and whose state has none."""
        if not epochs or not self.file.is_file():
            return []
        with self.file.open(newline="") as stream:
            stored = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
        return [row for row in stored if row["epoch"] <= epochs]

    def _write(self, engine: Engine) -> None:
        """Table and curve; at the end of a run, too, so that a run resumed after its last epoch has them."""
        if not self.rows:
            return
        write_text(self.file, csv_text([{k: f"{v:.6g}" for k, v in row.items()} for row in self.rows]))
        with written_aside(self.folder / "progress.png") as aside:
            draw_progress(self.rows, aside)


class TrainingBar:
    """Progress bar of the epoch with time to go, loss and images per second; a line a minute where no one watches."""

    def __init__(self) -> None:
        self.images, self.started = 0, 0.0

    def attach(self, engine: Engine) -> None:
        """Registers ignite's ProgressBar, in the first process."""
        if process_number():
            return
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        ProgressLines("training", "batches", epochs=True, bar=True).attach(engine)
        ProgressBar(desc="training", disable=None).attach(engine, output_transform=self._numbers)

    def _start(self, engine: Engine) -> None:
        self.images, self.started = 0, time.perf_counter()

    def _count(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        self.images += len(batch)

    def _numbers(self, output: list[dict]) -> dict[str, float]:
        speed = self.images * process_count() / (time.perf_counter() - self.started)
        return {"loss": round(float(output[0]["loss"]), 4), "images/s": round(speed, 2)}


def draw_progress(rows: list[dict[str, float]], path: Path) -> None:
    """Curves over epochs: loss terms left, validation metrics right (one unit an axis)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(14, 4), layout="constrained")
    FigureCanvasAgg(figure)
    names = {name for row in rows for name in row}
    groups = {
        "training loss": sorted(n for n in names if n == "loss" or n.startswith(("lge_", "mask_", "first_"))),
        "validation, 0 to 1": sorted(n for n in names if n.startswith(("val_dice", "val_ssim", "val_ms_ssim"))),
        "validation, error of infarct size, %LV": sorted(n for n in names if n.startswith("val_infarct_size")),
        "validation, PSNR, dB": sorted(n for n in names if n.startswith("val_psnr")),
    }
    groups = {title: members for title, members in groups.items() if members}
    for axes, (title, members) in zip(
        np.atleast_1d(figure.subplots(1, len(groups) or 1)), groups.items(), strict=False
    ):
        for name, marker in zip(members, itertools.cycle("os^Dv"), strict=False):
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), marker=marker, ms=4, label=name)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if members:
            axes.legend(fontsize=8)
    figure.savefig(path, dpi=100, format="png")
