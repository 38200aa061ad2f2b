"""Owns a phantom cohort on disk: subjects in parallel, split by subject, dataset.json last. One subject: writer.py."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..conventions import LABEL_NAMES, ConfigError, DataError, flag
from .cohort_folder import DATASET_FILE, prepare_folder, subject_identity, write_json
from .writer import DISCLAIMER, make_subject, subject_name, write_subject

logger = logging.getLogger(__name__)

SPLITS = ("training", "validation", "testing")
SMALL_COHORT_SUBJECTS = 64
MAX_PHASES = 60


class PhantomCohort:
    """Writes <output_dir>/<subject>/... and dataset.json (layouts 1 and 2 of the contract at once).

    The same seed gives the same bytes whatever ``num_workers`` is. A run that was interrupted goes on where it stopped;
    a folder that holds another cohort or anything else is refused unless ``overwrite``, which removes phantom subjects
    and their dataset.json and leaves every other file alone.

    Args:
        num_workers: processes; 0 takes one per core, at most 8.
        held_out: fractions of the subjects for validation and for testing; at least one each from 3 subjects on.
    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        output_dir: str,
        subjects: int = SMALL_COHORT_SUBJECTS,
        seed: int = 0,
        phases: int = 8,
        num_workers: int = 0,
        overwrite: bool = False,
        held_out: Sequence[float] = (0.125, 0.125),
    ) -> None:
        _check_whole("subjects", subjects, 1, 9999)
        _check_whole("seed", seed, 0, 2**32 - 1)
        _check_whole("phases", phases, 1, MAX_PHASES)
        _check_whole("num_workers", num_workers, 0, 256)
        _check_fractions(held_out)
        self.output_dir = Path(str(output_dir)).expanduser()
        self.subjects, self.seed, self.phases, self.overwrite = subjects, seed, phases, flag(overwrite, "overwrite")
        self.num_workers = num_workers or min(os.cpu_count() or 1, 8)
        self.held_out = [float(fraction) for fraction in held_out]

    def run(self) -> str:
        """Makes what is missing and writes dataset.json; returns its path.

        Raises:
            DataError: the folder holds something else, or cannot be written.
        """
        prepare_folder(self.output_dir, self.parameters, self.overwrite)
        missing = [index for index in range(1, self.subjects + 1) if not self._is_finished(index)]
        logger.info(
            "Phantom cohort in %s: %d subjects, seed %d, %d phases, %d to make.",
            self.output_dir,
            self.subjects,
            self.seed,
            self.phases,
            len(missing),
        )
        with tqdm(total=len(missing), desc="phantom", unit="subject", disable=None) as bar:
            for _ in self._make(missing):
                bar.update()
        target = self.output_dir / DATASET_FILE
        write_json(target, self._dataset())
        logger.info("Wrote %s.", target)
        return str(target)

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides the bytes of the cohort; recorded in dataset.json."""
        return {"subjects": self.subjects, "seed": self.seed, "phases": self.phases, "held_out": self.held_out}

    def _make(self, indices: list[int]) -> Iterator[None]:
        jobs = [(index, self.seed, self.phases, str(self.output_dir)) for index in indices]
        if min(self.num_workers, len(jobs)) <= 1:
            for job in jobs:
                yield _make_one(*job)
            return
        # Fork where it exists: a spawned worker would import the whole program that runs the config.
        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        with ProcessPoolExecutor(min(self.num_workers, len(jobs)), multiprocessing.get_context(method)) as pool:
            running = [pool.submit(_make_one, *job) for job in jobs]
            try:
                for done in as_completed(running):
                    yield done.result()
            except BrokenProcessPool as error:
                raise DataError(
                    f"{self.output_dir}: a phantom worker process died, most likely for lack of memory. "
                    "Expected about 400 MB per worker. Fix: run again with --num_workers 1; finished subjects "
                    "are kept."
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _is_finished(self, index: int) -> bool:
        # A subject folder appears by a rename once it is complete.
        return (self.output_dir / subject_name(index) / "meta.json").exists()

    def _dataset(self) -> dict[str, Any]:
        lists: dict[str, list] = {name: [] for name in SPLITS}
        for index, split in enumerate(split_of_subjects(self.subjects, self.seed, self.held_out), start=1):
            lists[split].append(_entry(self.output_dir, subject_name(index), self.seed))
        return {
            "name": "digital phantom of acute myocardial infarction",
            "description": DISCLAIMER,
            "labels": {str(code): name for code, name in enumerate(LABEL_NAMES)},
            "phantom": self.parameters,
        } | lists


def make_cohort_if_absent(
    dataset_dir: str,
    default_dataset_dir: str,
    subjects: int = SMALL_COHORT_SUBJECTS,
    seed: int = 0,
    phases: int = 8,
    num_workers: int = 0,
) -> bool:
    """Makes the small cohort when the default folder has no data yet; True if it made one.

    A cohort that was interrupted is finished; a default folder into which somebody put other data is left as it is.

    Raises:
        DataError: ``dataset_dir`` is not the default and does not exist.
    """
    given, default = (Path(str(folder)).expanduser().resolve() for folder in (dataset_dir, default_dataset_dir))
    if given != default:
        if not given.exists():
            raise DataError(
                f"dataset_dir {given}: found nothing there, expected a folder with subjects or a "
                f"{DATASET_FILE}. Fix: correct --dataset_dir, or leave it out to train on a small phantom."
            )
        return False
    if given.exists() and any(
        subject_identity(path) is None and not path.name.startswith(".") for path in given.iterdir()
    ):
        return False
    logger.info(
        "No data in %s: making a small phantom cohort of %d subjects first (about two minutes on 2 cores). "
        "A full one: python -m monai.bundle run --config_file configs/make_phantom.json --output_dir %s "
        "--subjects 1000 --overwrite true",
        given,
        subjects,
        given,
    )
    PhantomCohort(str(given), subjects, seed, phases, num_workers).run()
    return True


def split_of_subjects(subjects: int, seed: int, held_out: Sequence[float]) -> list[str]:
    """Split name of each subject, in order; at least one validation and one test subject from 3 subjects on."""
    counts = [round(subjects * fraction) for fraction in held_out]
    if subjects >= 3:
        counts = [max(count, 1 if fraction > 0 else 0) for count, fraction in zip(counts, held_out, strict=True)]
    names = [SPLITS[1]] * counts[0] + [SPLITS[2]] * counts[1]
    names += [SPLITS[0]] * (subjects - len(names))
    order = np.random.default_rng(np.random.SeedSequence([seed, 0])).permutation(subjects)
    return [names[position] for position in order]


def _make_one(index: int, seed: int, phases: int, output_dir: str) -> None:
    write_subject(make_subject(index, seed, phases), Path(output_dir))


def _entry(output_dir: Path, name: str, seed: int) -> dict[str, Any]:
    meta = json.loads((output_dir / name / "meta.json").read_text())
    files = {key: f"{name}/{key}.nii.gz" for key in ("cine", "t2_stir", "lge", "label")}
    return {
        "subject": name,
        **files,
        "meta": f"{name}/meta.json",
        "vendor": meta["vendor"],
        "field_strength_t": meta["field_strength_t"],
        **meta["truth"],
        "seed": seed,
    }


def _check_whole(key: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(
            f"{key}: found {value!r}, allowed are whole numbers from {low} to {high}. "
            f"Fix: for example --{key} {max(low, 8)}"
        )


def _check_fractions(held_out: object) -> None:
    fits = isinstance(held_out, (list, tuple)) and len(held_out) == 2
    fits = fits and all(isinstance(value, (int, float)) for value in held_out)
    if not fits or min(held_out) < 0 or sum(held_out) >= 1:
        raise ConfigError(
            f"held_out: found {held_out!r}, allowed are two numbers from 0 that add up to less than 1, "
            'for validation and testing. Fix: --held_out "[0.125, 0.125]"'
        )
