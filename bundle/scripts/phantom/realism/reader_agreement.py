"""How far the independent reader's label maps agree with those of the phantom: measures and targets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ...clinical.independent_reader import ACDC, EMIDEC, IndependentReader
from ...conventions import NotMeasurable, counted
from .label_measures import BLOOD, INFARCT_CODES, RV_BLOOD, WALL_CODES, lesion_sizes
from .subject_measures import Measures, SubjectOnDisk
from .targets import Realised, Target, healthy, infarcted, mean, share

LARGE_INFARCT_PERCENT = 8.0
NO_INFARCT_FOUND_PERCENT = 1.0
_READINGS = (("cine", ACDC, ("blood", "wall", "rv")), ("lge", EMIDEC, ("blood", "wall", "infarct")))
# The same over the slices in which the label has the LV: without what the reader finds above the base and beyond the
# apex, of which the data sets it was trained on hold little.
_OF_LV, _IN_LV = ("blood", "wall"), "_in_lv_slices"
_BLOCK, _SOURCE = "independent reader", "myopari (MIT)"


def read_subject(reader: IndependentReader, subject: SubjectOnDisk, measures: Measures) -> None:
    """Adds the Dice values and the infarct size the reader finds to ``measures``."""

    pixel_mm = float(np.linalg.norm(subject.affine[:3, 0]))
    found: dict[str, np.ndarray] = {}

    def compare(sequence: str, key: str, structures: tuple[str, ...]) -> dict[str, float]:
        image = _image(subject, sequence)
        image = image[..., subject.label_phase] if image.ndim == 4 else image
        found[sequence] = reader.read_heart(image, key, subject.label, pixel_mm)
        dice = agreement(found[sequence], subject.label)
        shown = np.isin(subject.label, (BLOOD, *WALL_CODES)).any(axis=(0, 1))
        inside = agreement(found[sequence][..., shown], subject.label[..., shown])
        values = {f"reader_{sequence}_{name}": dice[name] for name in structures if name in dice}
        return values | {f"reader_{sequence}_{name}{_IN_LV}": inside[name] for name in _OF_LV if name in inside}

    def size() -> float:
        if "lge" not in found or not np.isin(found["lge"], WALL_CODES).any():
            raise NotMeasurable("the reader found no LV wall in LGE")
        return lesion_sizes(found["lge"])["infarct"]

    for sequence, key, structures in _READINGS:
        names = tuple(f"reader_{sequence}_{name}" for name in (*structures, *(f"{one}{_IN_LV}" for one in _OF_LV)))
        measures.record(names, partial(compare, sequence, key, structures))
    measures.record(("reader_infarct",), size)


def agreement(found: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Dice of ``blood``, ``wall`` (with infarct and oedema), ``rv`` and ``infarct``, over the volume.

    A structure that neither holds is left out.
    """
    groups = {"blood": (BLOOD,), "wall": WALL_CODES, "rv": (RV_BLOOD,), "infarct": INFARCT_CODES}
    result = {}
    for name, codes in groups.items():
        a, b = np.isin(found, codes), np.isin(label, codes)
        if a.any() or b.any():
            result[name] = 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())
    return result


def reader_targets(reason: str = "") -> list[Target]:
    """Rows of the independent reader; with ``reason`` each one says why it was not measured."""
    rows = [
        ("cine blood, Dice, mean", ">= 0.93", 0.93, mean("reader_cine_blood")),
        ("cine wall, Dice, mean", ">= 0.80", 0.80, mean("reader_cine_wall")),
        ("cine RV, Dice, mean", ">= 0.80", 0.80, mean("reader_cine_rv")),
        ("LGE blood, Dice, mean", ">= 0.92", 0.92, mean("reader_lge_blood")),
        ("LGE wall, Dice, mean", ">= 0.85", 0.85, mean("reader_lge_wall")),
        ("LGE infarct above 8 %LV, Dice, mean", ">= 0.60", 0.60, mean("reader_lge_infarct", _large)),
        ("infarct size, R with the truth", ">= 0.85", 0.85, _size_correlation),
    ]
    targets = [Target(_BLOCK, text, goal, _SOURCE, low, 1.0, measure) for text, goal, low, measure in rows]
    clean = share("reader_infarct", lambda percent: percent < NO_INFARCT_FOUND_PERCENT, healthy)
    quantity = "healthy with less than 1 %LV infarct found, %"
    targets.append(Target(_BLOCK, quantity, ">= 85", _SOURCE, 85.0, 100.0, clean))
    targets += [
        Target(_BLOCK, f"{text} {name} in slices that show the LV, Dice, mean", "none", "-", None, None,
               mean(f"reader_{sequence}_{name}{_IN_LV}"))
        for text, sequence in (("cine", "cine"), ("LGE", "lge")) for name in _OF_LV
    ]  # fmt: skip
    if not reason:
        return targets

    def skipped(cohort: Sequence[Measures]) -> Realised:
        raise NotMeasurable(reason)

    return [Target(t.block, t.quantity, t.published, t.source, t.low, t.high, skipped) for t in targets]


def _large(cohort: Sequence[Measures]) -> list[Measures]:
    return [one for one in cohort if one.values.get("infarct", 0.0) > LARGE_INFARCT_PERCENT]


def _size_correlation(cohort: Sequence[Measures]) -> Realised:
    pairs = [(one.values["infarct"], one.values["reader_infarct"]) for one in cohort if "reader_infarct" in one.values]
    if len(infarcted(cohort)) < 3 or len(pairs) < 3 or min(np.std(pairs, axis=0)) == 0:
        raise NotMeasurable(f"{counted(len(pairs), 'subject')} read, or sizes that do not vary")
    truth, found = np.array(pairs).T
    bias = f"bias {np.mean(found - truth):+.1f} %LV"
    return Realised(float(np.corrcoef(truth, found)[0, 1]), len(pairs), bias)


def _image(subject: SubjectOnDisk, key: str) -> np.ndarray:
    if key not in subject.images:
        raise NotMeasurable(subject.missing.get(key, f"there is no {key}"))
    return subject.images[key]
