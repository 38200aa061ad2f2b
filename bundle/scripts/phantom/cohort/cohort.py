"""Phantom cohorts on disk: subjects made in parallel, dataset.json written last."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ...conventions import LABEL_NAMES, DataError, flag
from .. import subject
from ..dicom import writer as dicom_writer
from ..dicom.vendors import LONG_AXIS_SLICES
from ..foreign_files import VOLUMES
from ..parameters import GENERATOR_VERSION, PhantomParameters
from . import cohort_folder, nifti_writer
from .cohort_folder import DATASET_FILE, DICOM_FOLDER, generator_of, identity_in, meta_file, recorded_in
from .plans import AUTOMATIC, CUSTOM, SMALL_COHORT_SUBJECTS, SPLITS, CohortPlan, check_whole, split_of_subjects

logger = logging.getLogger(__name__)

# What dataset.json repeats of a subject's meta.json.
_META_KEYS = ("vendor", "field_strength_t", "condition", "truth", "usable_slices")
# Names of the labelled phases in file names, and in dataset.json.
_KEY_PHASES = {"ed": "end_diastole", "es": "end_systole"}


class PhantomCohort:
    """Writes one cohort: <output_dir>/<subject>/..., <output_dir>/dicom/<subject>/... and dataset.json.

    The same plan gives the same bytes whatever ``num_workers`` is. A run that was interrupted goes on where it stopped;
    a folder that holds another cohort or anything else is refused unless ``overwrite``, which removes the folders
    of phantom subjects and their dataset.json and leaves everything beside them alone.

    Args:
        num_workers: processes; 0 takes one per core, at most 8.
    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self, output_dir: str | Path, plan: CohortPlan, num_workers: int = 0, overwrite: bool | str = False
    ) -> None:
        check_whole("num_workers", num_workers, 0, 256)
        self.output_dir, self.plan = Path(str(output_dir)).expanduser(), plan
        self.overwrite = flag(overwrite, "overwrite")
        self.num_workers = num_workers or min(os.cpu_count() or 1, 8)

    def prepare(self) -> None:
        """Makes the folder.

        Raises:
            DataError: it holds something else, or cannot be written.
        """
        cohort_folder.prepare_folder(self.output_dir, self.plan.recorded(), self.plan.origin(), self.overwrite)

    def run(self) -> str:
        """Makes what is missing and writes dataset.json; returns its path.

        Raises:
            DataError: the folder holds something else, or cannot be written.
        """
        self.prepare()
        return self.make()

    def make(self) -> str:
        """As ``run``, in a folder that is prepared."""
        names = {index: subject.subject_name(index) for index in self.plan.indices}
        missing = [i for i, name in names.items() if not cohort_folder.is_finished(self.output_dir, name, self.formats)]
        logger.info(
            "Phantom cohort %s in %s: %d subjects, seed %d, %d to make.",
            self.plan.name, self.output_dir, len(names), self.plan.seed, len(missing),
        )  # fmt: skip
        with tqdm(total=len(missing), desc=f"phantom {self.plan.name}", unit="subject", disable=None) as bar:
            try:
                # Closed at once: an interrupt between two subjects must stop the workers, too.
                with closing(self._make(missing)) as made:
                    for _ in made:
                        bar.update()
            except KeyboardInterrupt as stopped:
                raise DataError(
                    f"{self.output_dir}: interrupted; finished subjects are kept. {self._how_to_go_on}"
                ) from stopped
        target, dataset = self.output_dir / DATASET_FILE, self._dataset(list(names.values()))
        cohort_folder.write_json(target, dataset)
        slices = sum(len(entry["usable_slices"]) for split in SPLITS for entry in dataset[split])
        logger.info("Wrote %s: %d subjects, %d usable slices.", target, len(names), slices)
        return str(target)

    @property
    def _how_to_go_on(self) -> str:
        return f"Fix: the same command goes on{', but without --overwrite true' * self.overwrite}."

    @property
    def formats(self) -> tuple[str, ...]:
        return self.plan.formats

    def _make(self, indices: list[int]) -> Generator[None]:
        if min(self.num_workers, len(indices)) <= 1:
            for index in indices:
                make_one(index, self.plan, self.output_dir)
                yield
            return
        # Fork where it exists: a spawned worker would import the whole program that runs the config.
        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        context = multiprocessing.get_context(method)
        # Ctrl-C reaches every process: the workers leave it to the main one, which says in one line what happened.
        alone = signal.SIGINT, signal.SIG_IGN
        with ProcessPoolExecutor(min(self.num_workers, len(indices)), context, signal.signal, alone) as pool:
            running = [pool.submit(make_one, index, self.plan, self.output_dir) for index in indices]
            try:
                for done in as_completed(running):
                    yield done.result()
            except BrokenProcessPool as error:
                raise DataError(
                    f"{self.output_dir}: a phantom worker process died, most likely for lack of memory. "
                    "Expected up to 1 GB per worker (--num_workers 1 needs least); finished subjects are kept. "
                    f"{self._how_to_go_on}"
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _dataset(self, names: Sequence[str]) -> dict[str, Any]:
        lists: dict[str, list] = {name: [] for name in SPLITS}
        for name, split in zip(names, split_of_subjects(len(names), self.plan.seed, self.plan.held_out), strict=True):
            lists[split].append(self._entry(name))
        return {
            "name": "digital phantom of acute myocardial infarction",
            "description": subject.DISCLAIMER,
            "labels": {str(code): name for code, name in enumerate(LABEL_NAMES)},
            "phantom": self.plan.recorded(),
        } | lists

    def _entry(self, name: str) -> dict[str, Any]:
        source = meta_file(self.output_dir, name, self.formats[0])
        meta = json.loads(source.read_text())
        entry: dict[str, Any] = {"subject": name}
        if "nifti" in self.formats:
            entry |= {key: f"{name}/{key}.nii.gz" for key in VOLUMES}
            if phases := meta.get("labelled_phases"):
                entry["key_references"] = {
                    words: {key: f"{name}/{key}_{short}.nii.gz" for key in ("lge", "label")}
                    | {"label_phase": phases[short]}
                    for short, words in _KEY_PHASES.items()
                }
        if "dicom" in self.formats:
            entry["dicom"] = f"{DICOM_FOLDER}/{name}"
        entry |= {"meta": source.relative_to(self.output_dir).as_posix()} | {key: meta[key] for key in _META_KEYS}
        return entry | {"cohort": self.plan.name, "seed": self.plan.seed}


class PhantomStudy:
    """What make_phantom.json runs: one cohort in ``output_dir``, or several in <output_dir>/<cohort>.

    Args:
        plans: of ``planned_cohorts``; a cohort called "custom" lies in ``output_dir`` itself.
    """

    def __init__(
        self, output_dir: str | Path, plans: Sequence[CohortPlan], num_workers: int = 0, overwrite: bool | str = False
    ) -> None:
        self.root, self.overwrite = Path(str(output_dir)).expanduser(), flag(overwrite, "overwrite")
        folders = [self.root if plan.name == CUSTOM else self.root / plan.name for plan in plans]
        self.cohorts = [
            PhantomCohort(folder, plan, num_workers, self.overwrite)
            for folder, plan in zip(folders, plans, strict=True)
        ]

    def run(self) -> list[str]:
        """Makes what is missing; returns the path of each dataset.json.

        Raises:
            DataError: a folder holds something else, or cannot be written; found before the first subject is made.
        """
        if self.overwrite:
            for folder in {self.root, *(cohort.output_dir for cohort in self.cohorts)}:
                cohort_folder.refuse_overwriting(folder)
        beside = [cohort.plan.name for cohort in self.cohorts if cohort.output_dir != self.root]
        if beside:
            cohort_folder.prepare_study_folder(self.root, beside, self.overwrite)
        for cohort in self.cohorts:
            cohort.prepare()
        return [cohort.make() for cohort in self.cohorts]


class DefaultCohort:
    """The small cohort that a training uses when nobody gave it data.

    A cohort that was interrupted is finished; a default folder into which somebody put other data is left as it is.

    Args:
        dataset_dir: what the training reads. default_dataset_dir: the only folder in which a cohort is made.
        subjects, seed: of the cohort.
        parameters: three stored cine phases, everything else by default, if None.
    """

    def __init__(
        self,
        dataset_dir: str,
        default_dataset_dir: str,
        subjects: int = SMALL_COHORT_SUBJECTS,
        seed: int = 7,
        num_workers: int = 0,
        parameters: PhantomParameters | None = None,
    ) -> None:
        self.given, self.default = (
            Path(str(folder)).expanduser().resolve() for folder in (dataset_dir, default_dataset_dir)
        )
        parameters = parameters or PhantomParameters(stored_phases="key")
        self.plan, self.num_workers = CohortPlan(subjects, seed, parameters, name=AUTOMATIC), num_workers

    def run(self) -> bool:
        """Makes the cohort when the default folder is asked for and has no data yet; True if it made one.

        Raises:
            DataError: ``dataset_dir`` is not the default and does not exist, or the default holds several cohorts or
                an unfinished other one.
        """
        if self.given != self.default:
            if not self.given.exists():
                raise DataError(
                    f"dataset_dir {self.given}: found nothing there, expected a folder with subjects or a "
                    f"{DATASET_FILE}. Fix: correct --dataset_dir, or leave it out to train on a small phantom."
                )
            return False
        if _holds_data(self.given):
            return False
        logger.info(
            "No data in %s: making a small phantom cohort of %d subjects first (about two minutes on 2 cores).\n"
            "The full study, 409 subjects and two test cohorts: python -m monai.bundle run --config_file "
            "configs/make_phantom.json --cohort paper --output_dir STUDY; then train with --dataset_dir STUDY/internal",
            self.given,
            self.plan.subjects,
        )
        PhantomCohort(self.given, self.plan, self.num_workers).run()
        return True


def _holds_data(folder: Path) -> bool:
    """Whether there is anything but an unfinished phantom cohort."""
    if not folder.exists():
        return False
    if (folder / "internal" / DATASET_FILE).is_file() and not (folder / DATASET_FILE).is_file():
        raise DataError(
            f"dataset_dir {folder}: found the cohorts of a phantom study, expected one cohort. "
            f"Fix: --dataset_dir {folder / 'internal'}"
        )
    recorded = recorded_in(folder / DATASET_FILE)
    if recorded is not None and generator_of(recorded) != GENERATOR_VERSION:
        logger.warning(
            "%s: a phantom cohort of generator %s, this is generator %d; it is used as it is. To make it anew: "
            "python -m monai.bundle run --config_file configs/make_phantom.json --output_dir %s --overwrite true",
            folder, generator_of(recorded), GENERATOR_VERSION, folder,
        )  # fmt: skip
    return any(identity_in(path / "meta.json") is None for path in folder.iterdir() if not path.name.startswith("."))


def make_one(index: int, plan: CohortPlan, output_dir: Path) -> None:
    """Makes one subject and writes its files, each folder complete or not at all.

    Raises:
        DataError: the disk is full or not writable.
    """
    # A matrix product is rounded differently with another number of threads: one thread, the same bytes everywhere.
    with threadpool_limits(limits=1, user_api="blas"):
        made = subject.make_subject(
            index,
            plan.seed,
            plan.parameters,
            views="dicom" in plan.formats and LONG_AXIS_SLICES[plan.dicom_style],
            stream=plan.stream,
        )
    made = replace(made, meta=made.meta | {"cohort": plan.name, "phantom": made.meta["phantom"] | plan.origin()})
    if "nifti" in plan.formats:
        nifti_writer.write_subject(made, output_dir)
    if "dicom" in plan.formats:
        folder = output_dir / DICOM_FOLDER
        cohort_folder.make_folder(folder)
        # The meta first: a DICOM folder without it would count as somebody else's.
        cohort_folder.write_json(meta_file(output_dir, made.name, "dicom"), made.meta)
        dicom_writer.write_dicom_subject(made, folder)
