"""The job that samples LGE and label map for the subjects of a folder: a folder of layout 1 to train on."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..conventions import (
    BUNDLE_NAME,
    DISCLAIMER,
    EXIT_SOME_FAILED,
    LABEL,
    LABEL_NAMES,
    LGE,
    NETWORK_CLASSES,
    PAPER,
    SEQUENCES,
    SUBJECT,
    VENDOR,
    ConfigError,
    DataError,
    counted,
    flag,
)
from ..datasets.datalist import find_subjects
from ..datasets.datasets import SubjectDataset
from ..datasets.layout import SECTIONS
from ..datasets.subject_files import own_file
from ..evaluation.frechet import NetworkFeatures
from ..evaluation.readings import SliceSegmenter
from ..files import ensure_writable, folder_aside, json_text, read_json, write_bytes, write_text
from ..inference.ledger import Failure
from ..inference.summary import failed_cases_text
from ..preprocessing.labels import LABEL_TABLE
from ..preprocessing.phases import subject_meta
from ..reports.tables import csv_text
from ..runtime.folder_lock import locked, unlock
from ..runtime.provenance import provenance
from ..runtime.weights import load_network_weights, load_weights
from ..subject_faults import subject_problem
from ..volumes.entry_files import read_entry
from ..volumes.nifti_writing import nifti_bytes
from .copies import CopyCheck
from .lesion import LesionWish
from .modes import GIVEN_LGE, GIVEN_MASK, LESION, draw, entry_for, known_mode
from .quality import COPY, SampleRules, Verdict, judge
from .sampler import Sample, Sampler

logger = logging.getLogger(__name__)

META, TABLE, SUMMARY, FAILURES = "meta.json", "samples.csv", "samples.json", "failed_cases.csv"
SYNTHETIC_KEY = "synthetic"
TRAINING, ALL = SECTIONS[0], "all"
_STAGE = "sample"
_OURS = (TABLE, SUMMARY, FAILURES)
# Facts of a subject that training uses; nothing else of its meta.json goes along.
_FACTS = (VENDOR, "field_strength_t", "cine_trigger_times_ms", "lge_trigger_time_ms", "t2_stir_trigger_time_ms")
_MOST_SAMPLES = 1000
_COLUMNS = (
    *("sample", "source", "mode", "kept", "reasons", "infarct_percent_lv", "read_percent_lv", "dice_infarct"),
    *("nearest_training_image", "slices", "tries"),
)


@dataclass(frozen=True)
class LgeReader:
    """The segmenter of true LGE that judges samples: network and file; ``on`` False keeps every sample."""

    network: nn.Module
    weights: str
    on: bool | str = True


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for.

    Args:
        mode: one of modes.MODES. samples: of each subject. tries: of each sample, before it is given up. section:
            "training" leaves out subjects that the folder's dataset.json keeps for validation and testing; "all" does
            not. with_images: cine and T2-STIR are written beside; None: but for mode "lesion", whose images show
            another heart than its label map. seed: of noise and lesions. overwrite: samples that are there are made
            again.
    Raises:
        ConfigError: a value outside its range.
    """

    mode: str
    samples: int = 1
    tries: int = 3
    section: str = TRAINING
    with_images: bool | str | None = None
    seed: int = 7
    overwrite: bool | str = False
    lesion: LesionWish = field(default_factory=LesionWish)
    rules: SampleRules = field(default_factory=SampleRules)

    def __post_init__(self) -> None:
        known_mode(self.mode)
        for key, value, high in (("samples", self.samples, _MOST_SAMPLES), ("tries", self.tries, 100)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
                raise ConfigError(f"{key}: found {value!r}, expected a whole number from 1 to {high}. Fix: --{key} 1")
        if self.section not in (TRAINING, ALL):
            raise ConfigError(f"section: found {self.section!r}, expected {TRAINING} or {ALL}.")
        flag(self.overwrite, "overwrite")

    @property
    def images(self) -> bool:
        """Whether cine and T2-STIR are written."""
        return self.mode != LESION if self.with_images is None else flag(self.with_images, "with_images")


class SampleJob:
    """Samples every subject of a folder, keeps what the rules let pass, and writes it as a folder of layout 1.

    Args:
        dataset_dir: folder in any layout; nothing in it is changed.
        output_dir: folder of its own: samples and acquired subjects never share one.
        wanted: what is asked for. sampler: the network. reader: judges the samples. copies: compares with training.
    Raises:
        ConfigError: output_dir lies in dataset_dir, or the other way about.
    """

    def __init__(
        self,
        dataset_dir: str,
        output_dir: str,
        wanted: Wanted,
        sampler: Sampler,
        reader: LgeReader,
        copies: CopyCheck,
    ) -> None:
        self.dataset_dir, self.folder = (Path(path).expanduser().absolute() for path in (dataset_dir, output_dir))
        source, target = self.dataset_dir.resolve(), self.folder.resolve()
        if target == source or source in target.parents or target in source.parents:
            raise ConfigError(
                f"output_dir {self.folder}: found with dataset_dir in one folder, expected one apart, so that samples "
                "and acquired subjects do not mix. Fix: give another --output_dir."
            )
        self.wanted, self.sampler, self.reader, self.copies = wanted, sampler, reader, copies
        self.rows: list[dict[str, Any]] = []
        self._read: SliceSegmenter | None = None
        self._features: NetworkFeatures | None = None

    def run(self) -> None:
        """Writes the samples, samples.csv, samples.json and failed_cases.csv.

        Raises:
            DataError: the folder is not usable, or the output folder holds anything but samples.
            SystemExit: EXIT_SOME_FAILED when a subject could not be sampled.
        """
        started = time.perf_counter()
        entries = [one for one in find_subjects(self.dataset_dir, require=(), on_problem="record") if self._wants(one)]
        if not entries:
            raise DataError(f"dataset_dir {self.dataset_dir}: no subject for training. Fix: --section {ALL}")
        ensure_writable(self.folder)
        lock = locked(self.folder, "output_dir")
        try:
            self._refuse_other_content()
            self._start()
            failures = self._sample_all(entries)
            self._finish(failures, time.perf_counter() - started)
        finally:
            unlock(lock)
        if failures:
            raise SystemExit(EXIT_SOME_FAILED)

    def _wants(self, entry: Mapping[str, Any]) -> bool:
        return self.wanted.section == ALL or entry.get("split", TRAINING) == TRAINING

    def _refuse_other_content(self) -> None:
        """Whatever lies in the output folder has to be this job's."""
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.name in _OURS or (path / META).is_file() and _is_sample(path):
                continue
            raise DataError(
                f"output_dir {self.folder}: found {path.name}, expected nothing but samples: a synthetic subject among "
                "acquired ones would be taken for one. Fix: give another --output_dir."
            )

    def _start(self) -> None:
        self.sampler.start()
        if flag(self.reader.on, "lge_reader"):
            network = self.reader.network
            load_network_weights(network, load_weights(Path(self.reader.weights)), Path(self.reader.weights))
            self._read, self._features = SliceSegmenter(network), NetworkFeatures(network)
            self.copies.start(self._features)
        elif self.copies.on:
            raise ConfigError("copies_of: found without lge_reader, whose features it compares. Fix: --lge_reader true")

    def _sample_all(self, entries: list[dict]) -> list[Failure]:
        failures = []
        for entry in tqdm(entries, desc="Sampling", unit="subject", disable=None):
            name = str(entry[SUBJECT])
            try:
                self._sample_subject(entry)
            except Exception as error:
                problem = subject_problem(error)
                failures.append(Failure.of_error(name, getattr(problem, "stage", _STAGE), problem))
                logger.warning("%s failed: %s", name, " ".join(str(problem).split()))
        return failures

    def _sample_subject(self, entry: dict) -> None:
        used = entry_for(self.wanted.mode, entry)
        item = SubjectDataset([used], self.sampler.preprocessing, on_error="raise")[0]
        source = hashlib.sha256(Path(used["cine"]).read_bytes()).hexdigest()[:12]
        images: dict[str, tuple[str, bytes]] = {}
        for number in range(1, self.wanted.samples + 1):
            name = f"{SYNTHETIC_KEY}_{source}_{self.wanted.mode}_{number:03d}"
            if (self.folder / name / META).is_file() and not flag(self.wanted.overwrite, "overwrite"):
                self.rows.append(_row_there(self.folder / name))
                continue
            images = images or self._images(used)
            self._sample(used, item, name, source, images)

    def _images(self, entry: dict) -> dict[str, tuple[str, bytes]]:
        """Suffix and bytes of the files that are written beside a sample; an acquired LGE always is."""
        keys = [key for key in SEQUENCES if key in entry and self.wanted.images]
        keys += [LGE] if self.wanted.mode == GIVEN_LGE else []
        return {key: own_file(entry, key, read_entry(entry, key)) for key in keys}

    def _sample(self, entry: dict, item: dict, name: str, source: str, images: Mapping[str, tuple[str, bytes]]) -> None:
        """Tries until a sample passes; the last try is listed with its reasons where none does."""
        for number in range(1, self.wanted.tries + 1):
            attempt = name if number == 1 else f"{name}_try_{number}"
            digest = hashlib.sha256(f"{self.wanted.seed}/{attempt}".encode()).digest()
            rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
            sample, about = draw(self.wanted.mode, self.sampler, item, attempt, self.wanted.lesion, rng)
            verdict, nearest = self._judged(sample, item, str(entry[SUBJECT]))
            row = {
                "sample": name,
                "source": source,
                "mode": self.wanted.mode,
                "kept": verdict.kept,
                "reasons": " ".join(verdict.reasons),
                "infarct_percent_lv": _rounded(verdict.infarct_percent_lv),
                "read_percent_lv": _rounded(verdict.read_percent_lv),
                "dice_infarct": _rounded(verdict.dice_infarct),
                "nearest_training_image": _rounded(nearest, 5),
                "slices": sample.label.shape[-1],
                "tries": number,
            }
            if verdict.kept:
                self._write(entry, item, name, sample, images, row, about)
                break
        self.rows.append(row)

    def _judged(self, sample: Sample, item: dict, subject: str) -> tuple[Verdict, float | None]:
        if self._read is None or self._features is None:
            return Verdict((), None, None, None), None
        spacing = np.linalg.norm(self.sampler.crop_affine(item)[:3, :3], axis=0)
        found = self._read(sample.lge_crop, (float(spacing[0]), float(spacing[1]), float(spacing[2])))
        verdict = judge(sample.label_crop, found, self.wanted.rules)
        if not self.copies.on or self.wanted.mode == GIVEN_LGE:
            return verdict, None
        heart = np.flatnonzero((sample.label_crop > 0).any(axis=(0, 1)))
        lge = torch.from_numpy(np.ascontiguousarray(np.moveaxis(sample.lge_crop[..., heart], -1, 0)))[:, None]
        nearest = self.copies.distance(self._features(lge), subject) if len(heart) else None
        if nearest is not None and self.copies.threshold is not None and nearest < self.copies.threshold:
            verdict = Verdict((*verdict.reasons, COPY), *list(asdict(verdict).values())[1:])
        return verdict, nearest

    def _write(
        self,
        entry: dict,
        item: dict,
        name: str,
        sample: Sample,
        images: Mapping[str, tuple[str, bytes]],
        row: Mapping[str, Any],
        about: Mapping[str, Any],
    ) -> None:
        """One sample's folder, which appears whole."""
        affine, header = sample.file_grid.affine(sample.affine), sample.file_grid.header

        def packed(volume: np.ndarray) -> bytes:
            return nifti_bytes(sample.file_grid.array(volume), affine, header)

        files = {f"{key}{suffix}": content for key, (suffix, content) in images.items()}
        files[f"{LABEL}.nii.gz"] = packed(sample.label)
        if self.wanted.mode != GIVEN_LGE:
            files[f"{LGE}.nii.gz"] = packed(sample.lge)
        meta = self._meta(entry, item, sample, row, about)
        with folder_aside(self.folder / name) as aside:
            for file, content in files.items():
                write_bytes(aside / file, content)
            write_text(aside / META, json_text(meta))

    def _meta(
        self, entry: dict, item: dict, sample: Sample, row: Mapping[str, Any], about: Mapping[str, Any]
    ) -> dict[str, Any]:
        known = subject_meta(entry) | {key: entry[key] for key in (VENDOR, "field_strength_t") if entry.get(key)}
        meta = {key: known[key] for key in _FACTS if key in known}
        phase = int(item["phase"])
        meta |= {"label_phase": phase} if phase >= 0 and self.wanted.images else {}
        if self.sampler.classes == PAPER and self.wanted.mode != GIVEN_MASK:
            meta[LABEL_TABLE] = {str(code): code for code in range(len(NETWORK_CLASSES))}
        elif self.wanted.mode == GIVEN_MASK and isinstance(known.get(LABEL_TABLE), dict):
            absent = set(LABEL_NAMES) - {LABEL_NAMES[code] for code in known[LABEL_TABLE].values()}
            meta[LABEL_TABLE] = {str(code): code for code, name in enumerate(LABEL_NAMES) if name not in absent}
        made = {"lge": "acquired" if self.wanted.mode == GIVEN_LGE else "synthetic"}
        made[LABEL] = "given" if self.wanted.mode == GIVEN_MASK else "synthetic"
        origin = {
            "disclaimer": DISCLAIMER,
            **made,
            **about,
            "images_fit_label": self.wanted.mode != LESION,
            "seeds": json.loads(sample.seeds),
            "sample": dict(row),
            "bundle": BUNDLE_NAME,
            **provenance(self.sampler.weights),
        }
        return meta | {SYNTHETIC_KEY: origin}

    def _finish(self, failures: list[Failure], seconds: float) -> None:
        kept = [row for row in self.rows if row["kept"]]
        reasons = Counter(reason for row in self.rows if not row["kept"] for reason in row["reasons"].split())
        copies = sum(COPY in row["reasons"] for row in self.rows)
        record = {
            "disclaimer": DISCLAIMER,
            "bundle": BUNDLE_NAME,
            **provenance(self.sampler.weights),
            "wanted": asdict(self.wanted),
            "filtered": self._read is not None,
            "samples": {"kept": len(kept), "rejected": len(self.rows) - len(kept), "reasons": dict(reasons)},
            "copies": {"threshold": self.copies.threshold, "found": copies}
            if self.copies.on
            else {"not_measurable": "no copies_of was given, so that nothing was compared"},
            "failed_subjects": len(failures),
            "slices": sum(int(row["slices"]) for row in self.rows),
            "seconds": round(seconds, 1),
        }
        write_text(self.folder / TABLE, csv_text(self.rows, _COLUMNS))
        write_text(self.folder / SUMMARY, json_text(record))
        write_text(self.folder / FAILURES, failed_cases_text(failures))
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        logger.info(
            "%s kept in %s, %d rejected%s, %s failed. %s",
            counted(len(kept), "sample"),
            self.folder,
            len(self.rows) - len(kept),
            f" ({listed})" if listed else "",
            counted(len(failures), "subject"),
            DISCLAIMER,
        )


def _is_sample(folder: Path) -> bool:
    try:
        meta = read_json(folder / META)
    except (OSError, ValueError):
        return False
    return isinstance(meta, dict) and isinstance(meta.get(SYNTHETIC_KEY), dict)


def _row_there(folder: Path) -> dict[str, Any]:
    """The row of a sample of an earlier run."""
    row = read_json(folder / META)[SYNTHETIC_KEY].get("sample")
    return {key: (row if isinstance(row, dict) else {}).get(key, "") for key in _COLUMNS}


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
