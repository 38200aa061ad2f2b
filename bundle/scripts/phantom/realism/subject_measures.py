"""All realism measures of one subject, each with the reason when it is not measurable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ...clinical.salvage import salvage_index
from ...conventions import NotMeasurable
from . import contrast_measures as contrast
from . import label_measures as labels
from . import motion_measures as motion
from . import segment_measures

GLOBAL_STRAIN = "global_circumferential_strain"


class SubjectOnDisk(Protocol):
    """What a cohort's ``load`` returns, as datasets.cohort_on_disk.WholeSubject."""

    name: str
    label: np.ndarray
    affine: np.ndarray
    meta: dict
    images: Mapping[str, np.ndarray]
    missing: Mapping[str, str]

    @property
    def label_phase(self) -> int:
        """Cine phase that the label was drawn on."""


@dataclass
class Measures:
    """One subject: ``values`` in the unit its name or measure says, ``reasons`` for what could not be measured.

    ``segments``: infarcted percent of the wall, (16,), empty when not measurable. ``motion`` and ``sectors``: as
    segment_measures.segment_motion and stir_sectors give them, empty when not measurable. ``facts``: vendor, field
    strength, condition, territory and haemorrhage as meta.json records them, None where it does not.
    """

    subject: str
    facts: dict
    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    segments: np.ndarray = field(default_factory=lambda: np.empty(0))
    motion: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    sectors: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))

    def record(self, names: tuple[str, ...], measure: Callable[[], Any]) -> None:
        """Stores what ``measure`` returns (dict, tuple or number) under ``names``, or why it cannot be measured."""
        try:
            found = measure()
        except NotMeasurable as reason:
            self.reasons.update(dict.fromkeys(names, str(reason)))
            return
        values = found if isinstance(found, dict) else dict(zip(names, np.atleast_1d(found), strict=True))
        self.values.update({name: float(value) for name, value in values.items()})
        self.reasons.update({name: "no slice shows it" for name in names if name not in values})


_LEVELS = labels.LEVELS
_WALL = tuple(f"{what}_{level}" for what in ("wall", "cavity") for level in _LEVELS)
_CAVITY = tuple(f"{moment}_cavity_{level}" for level in _LEVELS for moment in ("ed", "es"))


def measure_subject(subject: SubjectOnDisk) -> Measures:
    """Every measure of one subject; nothing is raised for a sequence or structure that is missing."""
    truth = subject.meta.get("truth") or {}
    facts = {key: subject.meta.get(key) for key in ("vendor", "field_strength_t", "condition")}
    facts |= {key: truth.get(key) for key in ("territory", "haemorrhage")}
    found = Measures(subject.name, facts)
    if subject.meta.get("usable_slices") is not None:
        found.values["usable_slices"] = float(len(subject.meta["usable_slices"]))
    label, pixel_mm = subject.label, float(np.linalg.norm(subject.affine[:3, 0]))
    found.record(("infarct", "no_reflow", "area_at_risk"), lambda: labels.lesion_sizes(label))
    if "infarct" not in found.values:
        return found
    sizes = found.values
    found.record(("salvage",), lambda: salvage_index(sizes["infarct"], sizes["area_at_risk"]))
    found.record(("swelling",), lambda: labels.infarct_swelling_ratio(label))
    found.record(_WALL, lambda: labels.wall_and_cavity_mm(label, pixel_mm))
    try:
        found.segments = labels.segment_transmurality_percent(label)
    except NotMeasurable as reason:
        found.reasons["segments"] = str(reason)
    _measure_motion(found, subject, pixel_mm)
    _measure_segments(found, subject)
    _measure_contrast(found, subject)
    return found


def _measure_segments(found: Measures, subject: SubjectOnDisk) -> None:
    try:
        found.motion = segment_measures.segment_motion(subject.meta)
    except NotMeasurable as reason:
        found.reasons["motion"] = str(reason)
    try:
        found.sectors = segment_measures.stir_sectors(_image(subject, "t2_stir"), subject.label)
    except NotMeasurable as reason:
        found.reasons["sectors"] = str(reason)
    strain = (subject.meta.get("truth") or {}).get(f"{GLOBAL_STRAIN}_percent")
    if strain is not None:
        found.values[GLOBAL_STRAIN] = float(strain)


def _measure_motion(found: Measures, subject: SubjectOnDisk, pixel_mm: float) -> None:
    def cavity() -> motion.Cavity:
        return motion.measure_cavity(_image(subject, "cine"), subject.label, subject.label_phase)

    def all_of_it() -> dict[str, float]:
        area = cavity()
        return motion.cavity_diameters_mm(area, subject.label, pixel_mm) | {
            "ejection_fraction_of_stack": area.ejection_fraction_percent,
            "ed_phase": area.phases[0],
            "es_phase": area.phases[1],
        }

    found.record(("ejection_fraction_of_stack", *_CAVITY), all_of_it)
    # The stack does not follow the base through the cycle; a phantom knows its whole cavity.
    known = (subject.meta.get("truth") or {}).get("ejection_fraction_percent")
    if known is not None:
        found.values["ejection_fraction"] = float(known)
    elif "ejection_fraction_of_stack" in found.values:
        found.values["ejection_fraction"] = found.values["ejection_fraction_of_stack"]
    else:
        found.reasons["ejection_fraction"] = found.reasons["ejection_fraction_of_stack"]


def _measure_contrast(found: Measures, subject: SubjectOnDisk) -> None:
    label = subject.label

    def stir() -> np.ndarray:
        return _image(subject, "t2_stir")

    def lge() -> np.ndarray:
        return _image(subject, "lge")

    def cine() -> np.ndarray:
        return _image(subject, "cine")[..., subject.label_phase]

    def snr(image: np.ndarray, region: str, noise: float) -> float:
        return contrast.mean_signal(image, label, region) / noise

    found.record(("stir_ratio", "stir_excess_sd"), lambda: contrast.stir_infarct_ratio(stir(), label))
    zero = float(((subject.meta.get("protocol") or {}).get("lge") or {}).get("zero_level") or 0.0)
    found.record(("lge_blood_ratio",), lambda: contrast.lge_blood_ratio(lge(), label, zero))
    found.record(("lge_blood_ratio_as_stored",), lambda: contrast.lge_blood_ratio(lge(), label))
    found.record(("lge_cnr",), lambda: contrast.lge_infarct_blood_cnr(lge(), label))
    found.record(("snr_cine_blood",), lambda: snr(cine(), "blood", contrast.air_noise(cine())))
    found.record(("snr_cine_wall",), lambda: snr(cine(), "remote", contrast.air_noise(cine())))
    found.record(("snr_stir_wall",), lambda: snr(stir(), "remote", contrast.air_noise(stir())))
    found.record(("snr_lge_infarct",), lambda: snr(lge() - zero, "infarct", contrast.blood_noise(lge(), label)))


def _image(subject: SubjectOnDisk, key: str) -> np.ndarray:
    if key not in subject.images:
        raise NotMeasurable(subject.missing.get(key, f"there is no {key}"))
    return subject.images[key]
