"""training_record.json beside the weights: settings, data hash, curve, seconds, machine."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ..files import json_text, write_text
from ..preprocessing.phases import read_meta
from ..reports.methods import METHODS, training_methods
from ..runtime.distributed import process_count, process_number
from ..runtime.provenance import (
    PHANTOMS_ONLY,
    TRAINING_RECORD,
    UNMARKED_CLASSES,
    is_phantom,
    recorded,
    software_versions,
    trained_on_phantoms,
)
from ..runtime.weights import sha256_of
from .checkpoint import BEST
from .run_log import LOG_FILE
from .tracking import CONFIG_FILE

_FILES = ("cine", "t2_stir", "lge", "label", "meta")


class TrainingRecord:
    """Writes the record after every epoch.

    Args:
        ckpt_dir: folder of the weights.
        output_dir: folder of the run's config.json and training_log.csv.
        data: datalist entries that are trained on.
        samples: slices per epoch that one process trains on.
        start_from: weights that the run began with, "" for new ones.
        unmarked_classes: classes that no label map of ``data`` tells, SliceDataset.unmarked_classes.
        preprocessing: SubjectPreprocessing.settings; with them methods.md is written into ``output_dir`` at the end.
    """

    def __init__(
        self,
        ckpt_dir: str,
        output_dir: str,
        data: Sequence[Mapping],
        samples: int,
        start_from: str | Path = "",
        unmarked_classes: Sequence[str] = (),
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        self.preprocessing, self.methods_file = preprocessing, Path(output_dir) / METHODS
        self.path, self.data, self.samples, self._hash = Path(ckpt_dir) / TRAINING_RECORD, list(data), samples, ""
        metas = [read_meta(entry.get("meta")) for entry in self.data]
        self.phantoms, self.synthetic = all(map(is_phantom, metas)), sum("synthetic" in meta for meta in metas)
        if start_from and Path(start_from).is_file():
            self.phantoms &= trained_on_phantoms(start_from, sha256_of(Path(start_from)))
        self.weights, self.unmarked_classes = Path(ckpt_dir) / BEST, list(unmarked_classes)
        self.config_file, self.log_file = Path(output_dir) / CONFIG_FILE, Path(output_dir) / LOG_FILE

    def attach(self, engine: Engine) -> None:
        """Registers on the trainer, in the first process; after the log."""
        if process_number():
            return
        engine.add_event_handler(Events.STARTED, self.goes_on)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.write_methods)

    def write_methods(self, engine: Engine) -> None:
        """methods.md of the training, from the record."""
        if self.preprocessing is not None:
            write_text(self.methods_file, training_methods(recorded(self.path), self.preprocessing))

    def goes_on(self, engine: Engine) -> None:
        """Of a run that is resumed, what was learnt from before counts, too."""
        if engine.state.epoch:
            self.phantoms &= recorded(self.path).get(PHANTOMS_ONLY) is True

    def __call__(self, engine: Engine) -> None:
        """Writes the file anew."""
        self._hash = self._hash or data_hash(self.data)
        with self.log_file.open(newline="") as stream:
            stored = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
        # a measure that no validation subject has is nan in the log, and left out of the JSON
        rows = [{k: v for k, v in row.items() if math.isfinite(v)} for row in stored]
        samples = self.samples * process_count()
        record = {
            "config": json.loads(self.config_file.read_text(encoding="utf-8")),
            "subjects": len({str(entry["subject"]) for entry in self.data}),
            "synthetic_samples": self.synthetic,
            "slices_per_epoch": samples,
            "slices_seen": samples * engine.state.epoch,
            "data_sha256": self._hash,
            PHANTOMS_ONLY: self.phantoms,
            UNMARKED_CLASSES: self.unmarked_classes,
            "weights_sha256": sha256_of(self.weights) if self.weights.is_file() else None,
            "seconds_training": round(sum(samples / row["images_per_second"] for row in rows), 1),
            "processes": process_count(),
            "machine": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
            "software": software_versions(),
            "curve": [{key: round(value, 6) for key, value in row.items()} for row in rows],
        }
        write_text(self.path, json_text(record))


def data_hash(data: Sequence[Mapping]) -> str:
    """SHA-256 over the files of the entries, by subject: the same data in another folder is equal."""
    found = hashlib.sha256()
    for entry in sorted(data, key=lambda one: str(one["subject"])):
        found.update(str(entry.get("usable_slices")).encode())
        for name in _FILES:
            if entry.get(name):
                found.update(f"{entry['subject']}/{name}".encode())
                found.update(hashlib.sha256(Path(entry[name]).read_bytes()).digest())
    return found.hexdigest()
