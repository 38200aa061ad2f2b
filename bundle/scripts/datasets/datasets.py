"""Datasets: whole subjects for evaluation and inference, single slices for training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from .. import conventions
from ..clinical.contours import ring_fraction
from ..subject_faults import subject_problem
from ..volumes.resampling import resample_planes
from .layout import short_list
from .layouts import USABLE_SLICES
from .marked_classes import MarkedClasses
from .monai_label_cases import as_entry

_RIGHT_VENTRICLE = conventions.LABEL_NAMES.index("rv_blood_pool")
_REFERENCES = (conventions.LGE, conventions.LABEL)
# Slices a training sees: those that entries call usable, or every one.
USABLE, ALL = "usable", "all"
_UNREADABLE = (conventions.DataError, OSError, MemoryError)
_logger = logging.getLogger(__name__)


def failure_item(subject: str, error: Exception, size: Sequence[int] = (96, 96)) -> dict:
    """The subject-level item of a subject that cannot be read: stage, reason and next step in words."""
    _, _, fix = str(error).partition("Fix:")
    default_fix = "check the subject with configs/check_dataset.json"
    stage = getattr(error, "stage", "preprocessing" if isinstance(error, conventions.DataError) else "read")
    return {
        conventions.SUBJECT: str(subject),
        "failure_stage": stage,
        "failure": _reason(str(error)) or type(error).__name__,
        "failure_fix": " ".join(fix.split()) or default_fix,
        conventions.IMAGE: torch.zeros(len(conventions.SEQUENCES), *size, 0),
        conventions.AVAILABLE: torch.zeros(len(conventions.SEQUENCES)),
        conventions.VENDOR: torch.tensor(0),
    }


def _reason(text: str) -> str:
    """An error's message on one line, without its fix."""
    return " ".join(text.partition("Fix:")[0].split())


class SubjectDataset(Dataset):
    """Subject-level items, one per datalist entry, read when asked for.

    Args:
        data: entries of datalist.find_subjects / split / subjects_to_infer, or MONAI Label's {image, label}.
        transform: SubjectPreprocessing.
        on_error: "record" turns an unreadable subject into ``failure_item``, and goes without an lge or label that is
            unusable, with a line in the item's ``warnings``; "raise" lets the error through.
    """

    def __init__(self, data: Sequence[dict], transform: Callable[[dict], dict], on_error: str = "record") -> None:
        if on_error not in ("record", "raise"):
            raise conventions.ConfigError(f"on_error: found '{on_error}', expected 'record' or 'raise'.")
        self.data, self.transform, self.on_error = [as_entry(entry) for entry in data], transform, on_error

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict:
        entry = self.data[index]
        if self.on_error == "raise":
            return self.transform(entry)
        try:
            return self._read_with_usable_references(entry)
        except Exception as error:
            problem = subject_problem(error)
            _logger.warning("subject %s failed: %s", entry[conventions.SUBJECT], str(problem).replace("\n", " "))
            return failure_item(entry[conventions.SUBJECT], problem, getattr(self.transform, "crop_size", (96, 96)))

    def _read_with_usable_references(self, entry: dict) -> dict:
        """The subject's item; an unusable reference is left out, since the result does not depend on it."""
        warnings = [f"{key} not used: {_reason(text)}" for key, text in entry.get("reference_problems", {}).items()]
        while True:
            try:
                item = self.transform(entry)
                break
            except _UNREADABLE as error:
                sequence = getattr(error, "sequence", None)
                if sequence not in _REFERENCES:
                    raise
                warnings.append(f"{sequence} not used: {_reason(str(error)) or type(error).__name__}")
                entry = {key: value for key, value in entry.items() if key != sequence}
        for warning in warnings:
            _logger.warning("subject %s: %s", entry[conventions.SUBJECT], warning)
        return item | {"warnings": "\n".join([*warnings, *item["warnings"].splitlines()])} if warnings else item


class Augmentation(Protocol):
    """Random changes of one slice, as training.domain_randomisation.randomisation.DomainRandomisation makes them."""

    def __call__(self, item: Mapping[str, Any], rng: np.random.Generator, donors: Sequence[Mapping]) -> dict[str, Any]:
        """Changed image, lge and label; other entries, such as a record, go into the item as they are.

        Args:
            item: image (4, I, J), lge, label, right_ventricle (1, I, J).
            rng: of this slice and epoch.
            donors: such items of other subjects.
        """


class SliceDataset(Dataset):
    """2-D training items: every slice of every subject that its references cover, and that its entry calls usable.

    Item: subject str, slice int, image float32 (4, I, J), lge float32 (1, I, J), label uint8 (1, I, J), available
    float32 (2,), vendor int64, label_groups int64 (K,) and known bool (2,) as diffusion.partial_labels reads them, and
    what the augmentation adds. A slice the T2-STIR does not cover counts as
    unavailable there. Augmentation is seeded from (seed, epoch, index): the same item whatever the worker count or the
    order.

    Args:
        data: entries with lge and label, or MONAI Label's {image, label}. ``usable_slices``, where an entry has it,
            lists the slices to train on, counted from 0 along the slice axis of the cine file; an item's slices are in
            the same order.
        transform: SubjectPreprocessing.
        augmentation: random changes, or None.
        seed: of the augmentation.
        cache: keep all slices in memory (about 0.12 MB each); False keeps only the last subject read, for cohorts
            that do not fit, wants an ordered sampler, and has no other subjects' slices to offer to the augmentation.
        tasks: what is learnt; a mask is not learnt from label maps that do not tell all its classes.
        slices: "usable", or "all" that the references cover: also the apex, the base, and what lies beyond the heart.
        partial_labels: learn also from subjects without LGE, and from label maps that do not tell all classes, what
            they say (diffusion.partial_labels).
        ring_fraction: a slice whose LV wall meets a smaller share of the directions from the cavity's centre is learnt
            as one without LV, as readers draw who leave out the outflow tract; 0 keeps every partial ring.
    Raises:
        ConfigError: ``slices`` is neither; ``partial_labels`` is not true or false; ``ring_fraction`` is not in 0..1.
        DataError: subjects that cannot be used (all of them are tried, the first five named), or no slice at all.
    """

    def __init__(
        self,
        data: Sequence[dict],
        transform: Callable[[dict], dict],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        cache: bool = True,
        tasks: Sequence[str] = conventions.TASKS,
        slices: str = USABLE,
        partial_labels: bool | str = False,
        ring_fraction: float = 0.0,
    ) -> None:
        if isinstance(ring_fraction, (bool, str)) or not 0 <= ring_fraction <= 1:
            raise conventions.ConfigError(f"ring_fraction: found {ring_fraction!r}, expected a number from 0 to 1.")
        self.ring_fraction = float(ring_fraction)
        self.partial_labels = conventions.flag(partial_labels, "train::dataset::partial_labels")
        if slices not in (USABLE, ALL):
            raise conventions.ConfigError(f"slices: found {slices!r}, expected {USABLE} or {ALL}. Fix: --slices {ALL}")
        self.slices = slices
        self.tasks = conventions.known_tasks(tasks)
        self.data, self.transform, self.augmentation = [as_entry(entry) for entry in data], transform, augmentation
        self.seed, self.cache = int(seed), cache
        # Shared memory, so that set_epoch reaches workers that are kept alive between epochs.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._subjects: dict[int, dict] = {}
        self._marked = MarkedClasses()
        self._slices = self._read_all()
        self._require_every_class_once()
        self._items_of = _items_by_subject(self.data, self._slices)
        self._without_lge = np.asarray([n for n, (index, _) in enumerate(self._slices) if self._lacks_lge(index)], int)

    def _lacks_lge(self, index: int) -> bool:
        return index in self._subjects and not self._subjects[index][conventions.KNOWN].all()

    def _read_all(self) -> list[tuple[int, int]]:
        """Reads every subject once; returns (subject, slice) of each item."""
        slices, problems = [], []
        for index, entry in enumerate(tqdm(self.data, desc="Reading subjects", unit="subject", disable=None)):
            try:
                subject = self._compact(index)
            except Exception as error:
                problems.append(f"{subject_problem(error)}")
                continue
            if self.cache:
                self._subjects[index] = subject
            if conventions.LABEL_GROUPS in subject:
                self._marked.note(entry, subject[conventions.LABEL_GROUPS], subject[conventions.LABEL])
            used = np.flatnonzero(subject["training_slices"]).tolist()
            if not used:
                _logger.warning("subject %s has no usable slice with both LGE and label", entry[conventions.SUBJECT])
            slices += [(index, s) for s in used]
        if problems:
            raise conventions.DataError(short_list(problems, "subjects cannot be used"))
        if self.partial_labels:
            self._marked.merge_never_shown()
            self._subjects = {index: self._as_marked(index, one) for index, one in self._subjects.items()}
        if not slices:
            raise conventions.DataError(
                f"training data: found {len(self.data)} subjects and no usable slice with both LGE and label.\n"
                "Fix: run configs/check_dataset.json on the folder."
            )
        return slices

    def _as_marked(self, index: int, subject: dict) -> dict:
        if conventions.LABEL_GROUPS not in subject:
            return subject
        groups = self._marked.merged(self.data[index], subject[conventions.LABEL_GROUPS])
        return subject | {conventions.LABEL_GROUPS: groups}

    def unmarked_classes(self) -> list[str]:
        """Classes of the network that no label map of the training shows: they are left to chance."""
        return self._marked.unmarked() if conventions.MASK in self.tasks else []

    def _require_every_class_once(self) -> None:
        """Raises DataError for an unmarked class of the paper's four; no-reflow and oedema are a part of these."""
        unmarked = self.unmarked_classes()
        if needed := [name for name in unmarked if name in conventions.NETWORK_CLASSES]:
            raise conventions.DataError(
                f"training data: no subject marks {' or '.join(needed)}, so that what the network says of it would be "
                "left to chance.\nFix: add a folder that marks it with --extra_training_dirs, such as phantoms."
            )
        if unmarked:
            _logger.warning(
                "training data: no subject marks %s: these weights cannot be used with --classes %s. The four classes "
                "that are written by default are learnt as they are.", " or ".join(unmarked), conventions.EVERY,
            )  # fmt: skip

    def _compact(self, index: int) -> dict:
        entry = self.data[index]
        item = self.transform(entry)
        missing, learns_mask = [key for key in _REFERENCES if key not in item], conventions.MASK in self.tasks
        if missing and not (self.partial_labels and learns_mask and missing == [conventions.LGE]):
            raise conventions.DataError(
                f"{entry[conventions.SUBJECT]}: {' and '.join(missing)} missing, needed for training.\n"
                "Fix: add the file, or leave the subject out."
            )
        if apart := item.get("reference_apart"):
            raise conventions.DataError(
                f"{entry[conventions.SUBJECT]}: {apart}, and nothing is learnt from it.\n"
                "Fix: train with preprocessing::at_label_phase true."
            )
        if learns_mask:
            _require_lv(entry[conventions.SUBJECT], item)
            if not self.partial_labels:
                _require_all_classes(entry[conventions.SUBJECT], item)
        return {
            conventions.IMAGE: item[conventions.IMAGE].half(),
            conventions.LGE: item.get(conventions.LGE, torch.zeros(item[conventions.LABEL].shape)).half(),
            conventions.LABEL: closed_rings(item[conventions.LABEL], self.ring_fraction),
            **{key: item[key] for key in [conventions.LABEL_GROUPS] if key in item},
            conventions.KNOWN: torch.tensor([conventions.LABEL in item, conventions.LGE in item]),
            "right_ventricle": _right_ventricle(item),
            conventions.VENDOR: item[conventions.VENDOR],
            "available_slices": item["available_slices"],
            "training_slices": self._wanted(entry, item),
        }

    def _wanted(self, entry: dict, item: dict) -> np.ndarray:
        """Slices to train on, bool (S,)."""
        covered = item["reference_slices"].numpy().astype(bool)
        return covered if self.slices == ALL else covered & _usable(entry, item)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the random changes of the coming epoch, in all workers."""
        self._epoch.fill_(int(epoch))

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> dict:
        subject_index, s = self._slices[index]
        item = self.plain(index)
        if self.augmentation is not None:
            rng = np.random.default_rng([self.seed, int(self._epoch), index])
            item |= self.augmentation(item, rng, self.donors(index))
        subject = self._subjects[subject_index]
        images = {key: item[key].contiguous() for key in (conventions.IMAGE, conventions.LGE)}
        changed = (conventions.LABEL, "right_ventricle", *images)
        return {
            conventions.SUBJECT: str(self.data[subject_index][conventions.SUBJECT]),
            "slice": s,
            **{key: value.clamp(*conventions.INTENSITY_RANGE) for key, value in images.items()},
            conventions.LABEL: item[conventions.LABEL].to(torch.uint8).contiguous(),
            conventions.AVAILABLE: subject["available_slices"][:, s].clone(),
            conventions.VENDOR: subject[conventions.VENDOR],
            **{key: subject[key] for key in (conventions.LABEL_GROUPS, conventions.KNOWN) if key in subject},
            **{key: value for key, value in item.items() if key not in changed},
        }

    def plain(self, index: int) -> dict[str, torch.Tensor]:
        """image, lge, label and right_ventricle of an item as they were read, float32."""
        subject_index, s = self._slices[index]
        if subject_index not in self._subjects:
            self._subjects = {subject_index: self._as_marked(subject_index, self._compact(subject_index))}
        subject = self._subjects[subject_index]
        keys = (conventions.IMAGE, conventions.LGE, conventions.LABEL, "right_ventricle")
        return {key: subject[key][..., s].float() for key in keys}

    def donors(self, index: int) -> Sequence[Mapping]:
        """Plain items of all other subjects with an LGE, for a changed slice's surroundings; none without the cache."""
        if not self.cache:
            return ()
        own = self._items_of[self.data[self._slices[index][0]][conventions.SUBJECT]]
        return _PlainItems(self, np.union1d(own, self._without_lge), len(self._slices))


class _PlainItems(Sequence):
    """Items of a SliceDataset as they were read, each made when asked for: all ``count`` of them but ``left_out``.

    None is listed: this is made for every slice that is trained on.
    """

    def __init__(self, dataset: SliceDataset, left_out: np.ndarray, count: int) -> None:
        self.dataset, self.length = dataset, count - len(left_out)
        # how many items that can be had come before each of ``left_out``
        self.others_before = left_out - np.arange(len(left_out))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: Any) -> Any:
        n = range(self.length)[n]
        return self.dataset.plain(n + int(np.searchsorted(self.others_before, n, side="right")))


def _require_lv(subject: str, item: Mapping[str, Any]) -> None:
    """Raises DataError where the table of the label map lacks LV blood or LV wall, which would become background."""
    if not item.get("label_marks_lv", True):
        raise conventions.DataError(
            f"{subject}: the label table has no code for LV blood pool or for LV wall; the network would learn that "
            "there is none.\nFix: give whole label maps and the table they are coded in, or leave the subject out."
        )


def _require_all_classes(subject: str, item: Mapping[str, Any]) -> None:
    """Raises DataError where the table of the label map lacks a class, which the network would learn is not there."""
    if not item.get("label_marks_infarct", True):
        raise conventions.DataError(
            f"{subject}: {conventions.NO_INFARCT_CLASS}; the network would learn that there is none.\n"
            "Fix: give label maps with infarct and the table they are coded in, or --tasks \"['lge']\"; "
            "--train::dataset::partial_labels true learns what they say."
        )
    lacking = [
        conventions.ALL_CLASSES[c] for c, shown in enumerate(item.get(conventions.LABEL_GROUPS, ())) if int(shown) != c
    ]
    if lacking:
        raise conventions.DataError(
            f"{subject}: the label table has no code for {' and '.join(lacking)}; the network would learn that there "
            "is none.\nFix: --train::dataset::partial_labels true, to learn what such maps say, or --num_classes 4"
        )


def _items_by_subject(data: Sequence[Mapping], slices: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
    """Subject -> numbers of its items, rising; an entry of its own for each phase does not make another subject."""
    found: dict[str, list[int]] = {}
    for number, (entry, _) in enumerate(slices):
        found.setdefault(data[entry][conventions.SUBJECT], []).append(number)
    return {name: np.asarray(numbers) for name, numbers in found.items()}


def _right_ventricle(item: dict) -> torch.Tensor:
    """Bool (1, I, J, S): RV blood of the label map in the crop; nothing where its codes have none."""
    crop = item[conventions.IMAGE].shape[1:]
    mask = item["label_codes"].numpy() == _RIGHT_VENTRICLE
    if not mask.any():
        return torch.zeros(1, *crop, dtype=torch.bool)
    share, _ = resample_planes(mask, item["crop_to_cine"].numpy(), np.arange(crop[-1]), (crop[0], crop[1]))
    return torch.from_numpy(share > 0.5)[None]


def _usable(entry: dict, item: dict) -> np.ndarray:
    """Bool (S,): slices the entry calls usable; all when it says nothing."""
    slices = item[conventions.IMAGE].shape[-1]
    listed = entry.get(USABLE_SLICES)
    if listed is None:
        return np.ones(slices, dtype=bool)
    whole = isinstance(listed, list) and all(isinstance(s, int) and not isinstance(s, bool) for s in listed)
    if not whole or any(not 0 <= s < slices for s in listed):
        raise conventions.DataError(
            f"{entry[conventions.SUBJECT]}: {USABLE_SLICES} found {str(listed)[:80]}, expected a list of whole "
            f"numbers from 0 to {slices - 1}, slices of its cine.\nFix: correct the list in dataset.json, or remove it."
        )
    return np.isin(np.arange(slices), listed)


def closed_rings(label: torch.Tensor, least: float) -> torch.Tensor:
    """A label map (1, I, J, S) of network classes, pixels square, without the slices whose ring of LV wall is open.

    Args:
        least: share of the directions from the cavity's centre that must meet the wall, 0..1. Slices without LV blood,
            such as the cap of the apex, stay.
    """
    if not least:
        return label
    blood = conventions.NETWORK_CLASSES.index("lv_blood_pool")
    planes = label[0].numpy()
    drawn = [s for s in range(planes.shape[-1]) if (planes[..., s] == blood).any()]
    opened = [s for s in drawn if ring_fraction(planes[..., s], np.eye(2)) < least]
    closed = label.clone()
    closed[..., opened] = conventions.NETWORK_CLASSES.index("background")
    return closed
