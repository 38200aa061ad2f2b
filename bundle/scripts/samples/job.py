"""The job that samples LGE and label map for the subjects of a folder: a folder of layout 1 to train on."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..conventions import (
    ALL_CLASSES,
    BUNDLE_NAME,
    EXIT_SOME_FAILED,
    LABEL,
    LABEL_MAP,
    LABEL_NAMES,
    LGE,
    NETWORK_CLASSES,
    PAPER,
    SEQUENCES,
    SUBJECT,
    VENDOR,
    VENDORS,
    ConfigError,
    DataError,
    counted,
    flag,
)
from ..datasets.datalist import find_subjects, split
from ..datasets.datasets import SubjectDataset
from ..datasets.layout import FILE_KEYS, SECTIONS
from ..datasets.subject_files import nifti_file, written_file
from ..evaluation.frechet import NetworkFeatures
from ..evaluation.readings import SliceSegmenter
from ..files import ensure_writable, folder_aside, json_text, read_json, settle_folder, write_bytes, write_text
from ..inference.ledger import Failure
from ..inference.summary import failed_cases_text
from ..preprocessing.labels import LABEL_TABLE, lesions_not_marked, table_for
from ..preprocessing.phases import subject_meta, vendor_index
from ..reports.tables import csv_text
from ..runtime.folder_lock import locked, unlock
from ..runtime.provenance import is_phantom, provenance
from ..runtime.weights import load_network_weights, load_weights, sha256_of
from ..subject_faults import subject_problem
from ..volumes.entry_files import CINE_FRAMES, read_entry
from ..volumes.nifti_writing import nifti_bytes
from ..volumes.reading import SUFFIXES
from .copies import CopyCheck
from .lesion import LesionWish
from .modes import (
    GIVEN_LGE,
    GIVEN_MASK,
    LESION,
    disclaimer_of,
    draw,
    entry_for,
    known_evidence,
    known_mode,
    shown_slices,
)
from .quality import COPY, SampleRules, Verdict, judge
from .sampler import Sample, Sampler

logger = logging.getLogger(__name__)

META, TABLE, SUMMARY, FAILURES = "meta.json", "samples.csv", "samples.json", "failed_cases.csv"
SYNTHETIC_KEY = "synthetic"
TRAINING, ALL = SECTIONS[0], "all"
_STAGE = "sample"
_OURS = (TABLE, SUMMARY, FAILURES)
# What a sample's folder may hold of ours, in the order in which it may be deleted.
_FILES = (META, *(f"{key}{suffix}" for key in FILE_KEYS for suffix in SUFFIXES))
FIELD_STRENGTH, NOT_DRAWN = "field_strength_t", "lesion_not_drawn"
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
        mode: one of modes.MODES. samples: of each subject. tries: of each sample, before it is given up.
        section: "training" takes the subjects that a training on the folder learns from; "all" takes every one.
        with_images: cine and T2-STIR are written beside; None: but for mode "lesion", whose images show another heart
            than its label map.
        evidence: what the network sees beside a given label map, "all" or "anatomy", one phase of the cine; None: all
            for "given_mask", anatomy for "lesion", which the images speak against.
        seed: of noise and lesions. overwrite: samples that are there are made again.
    Raises:
        ConfigError: a value outside its range.
    """

    mode: str
    samples: int = 1
    tries: int = 3
    section: str = TRAINING
    with_images: bool | str | None = None
    evidence: str | None = None
    seed: int = 7
    overwrite: bool | str = False
    lesion: LesionWish = field(default_factory=LesionWish)
    rules: SampleRules = field(default_factory=SampleRules)

    def __post_init__(self) -> None:
        known_evidence(self.evidence, known_mode(self.mode))
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
        self.rows: dict[str, dict[str, Any]] = {}
        self._settings = ""
        self._read: SliceSegmenter | None = None
        self._features: NetworkFeatures | None = None

    def run(self) -> None:
        """Writes the samples, samples.csv, samples.json and failed_cases.csv.

        Raises:
            DataError: the folder is not usable, or the output folder holds anything but samples of these settings.
            SystemExit: EXIT_SOME_FAILED when a subject could not be sampled.
        """
        started = time.perf_counter()
        entries = self._entries()
        self._settings = self._settings_hash()
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

    def _entries(self) -> list[dict]:
        """Every subject, or those that a training on this folder learns from, by the same rule as it."""
        entries = find_subjects(self.dataset_dir, require=(), on_problem="record")
        if self.wanted.section == ALL:
            return entries
        training = {one[SUBJECT] for one in split(self.dataset_dir, TRAINING, require=("cine",))}
        return [one for one in entries if "problem" in one or "cine" not in one or one[SUBJECT] in training]

    def _settings_hash(self) -> str:
        """Of all that a sample follows from beside the subject's files."""
        kept = {key: value for key, value in asdict(self.wanted).items() if key not in ("samples", "overwrite")}
        record = {key: value for key, value in self.sampler.inferer.record.items() if key != "samples"}
        weights = provenance(self.sampler.weights)["weights"]["sha256"]
        reader = sha256_of(Path(self.reader.weights)) if flag(self.reader.on, "lge_reader") else ""
        how = [self.sampler.settings, self.copies.dataset_dir]
        parts = [kept, record, weights, reader, *how]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def _refuse_other_content(self) -> None:
        """Whatever lies in the output folder has to be this job's, and made with these settings."""
        ours = _says_ours(self.folder / SUMMARY)
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith((".", "_")) or (ours and path.name in _OURS):
                continue
            if not path.is_dir() or (origin := _origin_of(path)) is None:
                raise DataError(
                    f"output_dir {self.folder}: found {path.name}, expected nothing but samples: a synthetic subject "
                    "among acquired ones would be taken for one. Fix: give another --output_dir."
                )
            if origin.get("settings_sha256") != self._settings and not flag(self.wanted.overwrite, "overwrite"):
                raise DataError(
                    f"output_dir {self.folder}: found {path.name}, made with other settings or weights, expected those "
                    "of this run. Fix: give another --output_dir, or --overwrite true to make its samples again."
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
        item = self._item(used)
        source = _source_of(used)
        images: dict[str, tuple[str, bytes]] = {}
        for number in range(1, self.wanted.samples + 1):
            name = f"{SYNTHETIC_KEY}_{source}_{self.wanted.mode}_{number:03d}"
            settle_folder(self.folder / name, lambda folder: _FILES)
            there = _origin_of(self.folder / name)
            if there is not None and not flag(self.wanted.overwrite, "overwrite"):
                self.rows[name] = _row_of(name, there)
                continue
            images = images or self._images(used)
            self._sample(used, item, name, source, images)

    def _item(self, entry: dict) -> dict:
        """The subject as the network takes it; for a given LGE without a T2-STIR that cannot be used."""
        try:
            return SubjectDataset([entry], self.sampler.preprocessing, on_error="raise")[0]
        except DataError as error:
            if self.wanted.mode != GIVEN_LGE or getattr(error, "sequence", None) != "t2_stir":
                raise
            entry.pop("t2_stir")
            return SubjectDataset([entry], self.sampler.preprocessing, on_error="raise")[0]

    def _images(self, entry: dict) -> dict[str, tuple[str, bytes]]:
        """Suffix and bytes of the files that are written beside a sample; headers of the source may name a patient."""
        keys = [key for key in SEQUENCES if key in entry and self.wanted.images]
        keys += [LGE] if self.wanted.mode == GIVEN_LGE else []
        return {key: written_file(entry, key, read_entry(entry, key)) for key in keys}

    def _sample(self, entry: dict, item: dict, name: str, source: str, images: Mapping[str, tuple[str, bytes]]) -> None:
        """Tries until a sample passes; the last try is listed with its reasons where none does."""
        slices = shown_slices(self.wanted.mode, item)
        row: dict[str, Any] = {"sample": name, "source": source, "mode": self.wanted.mode}
        for number in range(1, self.wanted.tries + 1):
            attempt = name if number == 1 else f"{name}_try_{number}"
            digest = hashlib.sha256(f"{self.wanted.seed}/{attempt}".encode()).digest()
            rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
            row |= {"slices": slices.stop - slices.start, "tries": number}
            try:
                evidence = known_evidence(self.wanted.evidence, self.wanted.mode)
                sample, about = draw(self.wanted.mode, self.sampler, item, attempt, self.wanted.lesion, rng, evidence)
            except DataError as error:
                if self.wanted.mode != LESION:
                    raise
                logger.warning("%s: %s", name, " ".join(str(error).split()))
                row |= {"kept": False, "reasons": NOT_DRAWN}
                continue
            row |= self._judged(sample, item)
            if row["kept"]:
                self._write(
                    name, self._files(item, sample, slices, images), self._meta(entry, item, sample, row, about)
                )
                break
        if not row["kept"]:
            self._take_back(name)
        self.rows[name] = {key: row.get(key) for key in _COLUMNS}

    def _take_back(self, name: str) -> None:
        """An earlier sample of this name that is made again and not kept goes; what a person put there stays."""
        folder = self.folder / name
        if _origin_of(folder) is None:
            return
        for file in reversed(_FILES):  # what says that it is synthetic goes last
            (folder / file).unlink(missing_ok=True)
        if any(folder.iterdir()):
            folder.rename(folder.with_name(f"_{name}.kept"))  # readers of a data set pass over such a name
        else:
            folder.rmdir()

    def _judged(self, sample: Sample, item: dict) -> dict[str, Any]:
        """What the reader finds of a sample, and whether it is kept; everything is where there is no reader."""
        verdict, nearest = Verdict((), None, None, None), None
        if self._read is not None and self._features is not None:
            x, y, z = np.linalg.norm(self.sampler.crop_affine(item)[:3, :3], axis=0)
            verdict = judge(
                sample.label_crop, self._read(sample.lge_crop, (float(x), float(y), float(z))), self.wanted.rules
            )
            if self.copies.threshold is not None and self.wanted.mode != GIVEN_LGE:
                lge = torch.from_numpy(np.ascontiguousarray(np.moveaxis(sample.lge_crop, -1, 0)))[:, None]
                nearest = self.copies.distance(self._features(lge))
                if nearest < self.copies.threshold:
                    verdict = replace(verdict, reasons=(*verdict.reasons, COPY))
        return {
            "kept": verdict.kept,
            "reasons": " ".join(verdict.reasons),
            "infarct_percent_lv": _rounded(verdict.infarct_percent_lv),
            "read_percent_lv": _rounded(verdict.read_percent_lv),
            "dice_infarct": _rounded(verdict.dice_infarct),
            "nearest_training_image": _rounded(nearest, 5),
        }

    def _files(
        self, item: dict, sample: Sample, slices: slice, images: Mapping[str, tuple[str, bytes]]
    ) -> dict[str, bytes]:
        """Name to bytes of what is written of a sample, on the slices that are known."""
        whole = slices == slice(0, int(item["cine_shape"][2]))
        affine, header = sample.file_grid.affine(sample.affine), sample.file_grid.header
        if not whole:
            affine, header = sample.affine.copy(), {}
            affine[:3, 3] += slices.start * affine[:3, 2]

        def on_grid(volume: np.ndarray) -> np.ndarray:
            return sample.file_grid.array(volume) if whole else np.ascontiguousarray(volume[..., slices])

        files = {f"{key}{suffix}": content for key, (suffix, content) in images.items()}
        if self.wanted.mode == GIVEN_MASK:
            files[f"{LABEL}.nii.gz"] = nifti_file(on_grid(sample.label), affine, LABEL, text=LABEL_MAP.note)
        else:
            files[f"{LABEL}.nii.gz"] = nifti_bytes(on_grid(sample.label), affine, header)
        if self.wanted.mode != GIVEN_LGE:
            files[f"{LGE}.nii.gz"] = nifti_bytes(on_grid(sample.lge), affine, header)
        return files

    def _write(self, name: str, files: Mapping[str, bytes], meta: Mapping[str, Any]) -> None:
        """One sample's folder, which appears whole; what a person put there stays."""
        with folder_aside(self.folder / name, own=lambda folder: _FILES) as aside:
            for file, content in files.items():
                write_bytes(aside / file, content)
            write_text(aside / META, json_text(meta))

    def _meta(
        self, entry: dict, item: dict, sample: Sample, row: Mapping[str, Any], about: Mapping[str, Any]
    ) -> dict[str, Any]:
        known = subject_meta(entry)
        meta = _facts(known | {key: entry[key] for key in (VENDOR, FIELD_STRENGTH) if entry.get(key)})
        if is_phantom(known):
            meta["phantom"] = known["phantom"]
        phase = int(item["phase"])
        meta |= {"label_phase": phase} if phase >= 0 and self.wanted.images else {}
        if absent := self._not_marked(entry):
            meta[LABEL_TABLE] = {str(code): code for code, name in enumerate(LABEL_NAMES) if name not in absent}
        acquired = "phantom" if is_phantom(known) else "acquired"
        given_lge = self.wanted.mode == GIVEN_LGE
        origin = {
            "disclaimer": disclaimer_of(self.wanted.mode),
            "lge": acquired if given_lge else "synthetic",
            LABEL: "given" if self.wanted.mode == GIVEN_MASK else "synthetic",
            **about,
            "images_fit_label": self.wanted.mode != LESION,
            "evidence": known_evidence(self.wanted.evidence, self.wanted.mode),
            "seeds": json.loads(sample.seeds),
            "sample": dict(row),
            "settings_sha256": self._settings,
            "bundle": BUNDLE_NAME,
            **provenance(self.sampler.weights),
        }
        return meta | {SYNTHETIC_KEY: origin}

    def _not_marked(self, entry: dict) -> tuple[str, ...]:
        """Structures that the label map of a sample has no code for."""
        if self.wanted.mode == GIVEN_MASK:
            return lesions_not_marked(table_for(entry, self.sampler.preprocessing.label_table))
        marked = NETWORK_CLASSES if self.sampler.classes == PAPER else ALL_CLASSES
        drawn = [name for name in marked if name != "oedema" or self.wanted.mode != LESION]
        return tuple(set(LABEL_NAMES) - set(drawn))

    def _finish(self, failures: list[Failure], seconds: float) -> None:
        there = {path.name: _origin_of(path) for path in sorted(self.folder.glob(f"{SYNTHETIC_KEY}_*"))}
        earlier = {name: _row_of(name, origin) for name, origin in there.items() if origin and name not in self.rows}
        rows = [row for _, row in sorted((earlier | self.rows).items())]
        kept = [row for row in rows if row["kept"]]
        reasons = Counter(reason for row in rows if not row["kept"] for reason in str(row["reasons"]).split())
        record = {
            "disclaimer": disclaimer_of(self.wanted.mode),
            "bundle": BUNDLE_NAME,
            **provenance(self.sampler.weights),
            "wanted": asdict(self.wanted),
            "filtered": self._read is not None,
            "samples": {"kept": len(kept), "rejected": len(rows) - len(kept), "reasons": dict(reasons)},
            "copies": {"threshold": self.copies.threshold, "found": reasons[COPY]}
            if self.copies.on
            else {"not_measurable": "no copies_of was given, so that nothing was compared"},
            "failed_subjects": len(failures),
            "slices": sum(int(row["slices"] or 0) for row in rows),
            "seconds": round(seconds, 1),
        }
        write_text(self.folder / SUMMARY, json_text(record))
        write_text(self.folder / TABLE, csv_text(rows, _COLUMNS))
        write_text(self.folder / FAILURES, failed_cases_text(failures))
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        logger.info(
            "%s kept in %s, %d rejected%s, %s failed.%s %s",
            counted(len(kept), "sample"),
            self.folder,
            len(rows) - len(kept),
            f" ({listed})" if listed else "",
            counted(len(failures), "subject"),
            "" if self.wanted.images else " They have no cine: for networks that read an LGE (docs/SAMPLES.md).",
            disclaimer_of(self.wanted.mode),
        )


def _source_of(entry: Mapping[str, Any]) -> str:
    """Start of the SHA-256 over the files that a sample is made from."""
    found = hashlib.sha256()
    for key in FILE_KEYS:
        for path in entry.get(CINE_FRAMES, [entry[key]]) if key == "cine" else [entry[key]] if key in entry else []:
            found.update(key.encode() + hashlib.sha256(Path(path).read_bytes()).digest())
    return found.hexdigest()[:12]


def _facts(known: Mapping[str, Any]) -> dict[str, Any]:
    """Vendor, field strength and trigger times, where they are what they should be; nothing else goes along."""
    facts: dict[str, Any] = {}
    if vendor_index(known.get(VENDOR)):
        facts[VENDOR] = VENDORS[vendor_index(known[VENDOR])]
    for key in (FIELD_STRENGTH, "lge_trigger_time_ms", "t2_stir_trigger_time_ms"):
        if _is_number(known.get(key)):
            facts[key] = known[key]
    times = known.get("cine_trigger_times_ms")
    if isinstance(times, list) and times and all(map(_is_number, times)):
        facts["cine_trigger_times_ms"] = times
    return facts


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _says_ours(summary: Path) -> bool:
    """Whether samples.json is one that this job wrote."""
    try:
        found = read_json(summary) if summary.is_file() else None
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("bundle") == BUNDLE_NAME and "wanted" in found


def _origin_of(folder: Path) -> dict[str, Any] | None:
    """What the meta.json of a sample says of how it was made; None of anything else."""
    try:
        meta = read_json(folder / META) if (folder / META).is_file() else None
    except (OSError, ValueError):
        return None
    origin = meta.get(SYNTHETIC_KEY) if isinstance(meta, dict) else None
    return origin if isinstance(origin, dict) else None


def _row_of(name: str, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a sample that is there."""
    row = origin.get("sample")
    found = row if isinstance(row, dict) else {}
    return {key: found.get(key) for key in _COLUMNS} | {"sample": name, "kept": True}


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
