"""One phantom subject in memory, made from its seed: volumes, geometry, further series, meta."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..dicom.geometry import StackGeometry, affine_from_stack
from .as_sent import OwnStack, Sending, draw_sending, labelled_phases
from .describe import DISCLAIMER, analytic_volumes_ml, describe, usable_slices
from .heart.anatomy import Anatomy, draw_anatomy
from .heart.forms import draw_form
from .heart.lesion_sizes import Lesion, draw_lesion
from .heart.motion import Motion, contraction_at, motion_for
from .heart.pathology import Pathology, make_pathology, wall_share
from .heart.segment_truth import segment_truth
from .heart.shape import DEPTHS, HeartShape
from .heart.tissue import Acuteness, subject_tissues
from .parameters import AS_SENT, PhantomParameters
from .scanner.acquisition import Examination
from .scanner.artefacts import breath_hold_shifts
from .scanner.protocol import Protocol, draw_protocol
from .scanner.views import View, further_views

_logger = logging.getLogger(__name__)
__all__ = ["DISCLAIMER", "PhantomSubject", "View", "make_subject", "subject_name"]


@dataclass(frozen=True)
class PhantomSubject:
    """One subject: ``volumes`` cine (x, y, slice, phase), t2_stir, lge, label (x, y, slice), integer;
    lge_ed, label_ed, lge_es, label_es as lge and label, at other phases, where these are labelled.

    ``affine``: voxel to RAS mm, of the cine and of every volume that is not in ``own_stacks``. ``stack``: the same
    geometry in LPS. ``views``: further series, when asked for. ``own_stacks``: geometry of volumes beside the cine's.
    """

    name: str
    volumes: dict[str, np.ndarray]
    affine: np.ndarray
    stack: StackGeometry
    meta: dict[str, Any]
    views: tuple[View, ...] = ()
    own_stacks: Mapping[str, StackGeometry] = field(default_factory=dict)

    def stack_of(self, name: str) -> StackGeometry:
        """Geometry of a volume, LPS."""
        return self.own_stacks.get(name, self.stack)

    def affine_of(self, name: str) -> np.ndarray:
        """Voxel to RAS mm of a volume."""
        return affine_from_stack(self.own_stacks[name]) if name in self.own_stacks else self.affine


@dataclass(frozen=True)
class Heart:
    """One subject before it is scanned: lesion, body with the swollen wall, pathology, motion, scanner settings."""

    lesion: Lesion
    anatomy: Anatomy
    pathology: Pathology
    motion: Motion
    protocol: Protocol


def make_subject(
    index: int, seed: int, parameters: PhantomParameters, views: int = 0, stream: int = 0
) -> PhantomSubject:
    """Subject ``index`` (from 1) of the cohort ``seed``; cohorts of another ``stream`` share no heart with it.

    Labels, LGE and T2-STIR do not depend on which cine phases are stored. ``views``: also localiser, long-axis cines of
    so many slices and the magnitude LGE; True is 1.
    """
    rng = [np.random.default_rng(stream) for stream in np.random.SeedSequence([seed, stream, index]).spawn(11)]
    heart = draw_heart(parameters, rng[0])
    sending = draw_sending(parameters, heart.protocol, heart.anatomy, rng[9])
    anatomy, protocol = heart.anatomy, replace(heart.protocol, diastolic_fraction=(sending.lge, sending.t2_stir))
    shifts = breath_hold_shifts(anatomy.slices, parameters.level, parameters.aligned, rng[1])
    tissues = subject_tissues(protocol.field_strength_t, _acuteness(heart.lesion, parameters, rng[2]), rng[3])
    seen = _seen_by_stacks(shifts, sending.stacks)
    exam = Examination(anatomy, heart.pathology, heart.motion, protocol, tissues, seen, rng[4])
    fractions = [moment % 1.0 for moment in sending.cine]
    stir, diagnostic = exam.t2_stir(rng[5])
    lge, label = exam.lge(rng[6]), exam.label()
    volumes = {"cine": exam.cine(fractions, rng[7]), "t2_stir": stir, "lge": lge, "label": label}
    key_phases = labelled_phases(parameters, fractions)
    for name, phase in key_phases.items():
        volumes[f"lge_{name}"], volumes[f"label_{name}"] = exam.references_at(fractions[phase], rng[10])
    meta = describe(anatomy, heart.lesion, heart.motion, protocol, tissues, label, sending)
    volumes_ml = analytic_volumes_ml(anatomy, heart.pathology, heart.motion, contraction_at(sending.lge))
    meta["truth"] |= {f"{name}_ml_at_lge": round(value, 2) for name, value in volumes_ml.items()}
    meta["truth"] |= segment_truth(anatomy.shape, heart.pathology, heart.motion, _seen(anatomy, anatomy.shape))
    if key_phases:
        meta["labelled_phases"] = key_phases
    if parameters.timing == AS_SENT:
        meta["truth"]["sent"] = sending.truth()
    # Sequences that nobody registered are not judged by how far they lie apart.
    usable = usable_slices(label, anatomy.pixel_mm, diagnostic, shifts if parameters.aligned else {})
    meta["usable_slices"] = [one for one in usable if sending.shows(one, anatomy.slices)]
    meta["breath_hold_shifts_mm"] = {key: np.round(shift, 3).tolist() for key, shift in shifts.items()}
    meta["phantom"] = {"seed": seed, "index": index, "parameters": parameters.recorded()}
    further: tuple[View, ...] = ()
    if views:
        further = further_views(anatomy, heart.pathology, heart.motion, exam, fractions, rng[8], int(views))
    name, affine = subject_name(index), affine_from_stack(anatomy.stack)
    return _as_sent(PhantomSubject(name, volumes, affine, anatomy.stack, meta, further), sending)


def draw_heart(parameters: PhantomParameters, rng: np.random.Generator) -> Heart:
    """Everything about a subject but its images."""
    sex = parameters.sex or ("female" if rng.random() < 0.25 else "male")  # men are three in four of infarct cohorts
    lesion = draw_lesion(parameters, sex, rng)
    dilatation = 1.0 + 0.07 * float(np.clip((57.0 - lesion.ejection_fraction_percent) / 20.0, 0.0, 1.6))
    # Blood pressure thickens the wall of the healthy and the ill alike: thickness must not tell them apart.
    thicker = float(np.clip(rng.normal(1.06, 0.09), 0.9, 1.35))
    form = draw_form(lesion.condition, lesion.ejection_fraction_percent, rng)
    anatomy = draw_anatomy(parameters, sex, dilatation, thicker, rng, form)
    protocol = draw_protocol(parameters, anatomy.rr_ms, rng)
    anatomy, pathology = _with_lesion(anatomy, lesion, rng)
    ejection = lesion.ejection_fraction_percent
    motion = motion_for(anatomy.shape, pathology.strength, ejection, rng, pathology.flash)
    reached = motion.ejection_fraction_percent(anatomy.shape)
    if parameters.ejection_fraction_percent is not None and abs(reached - lesion.ejection_fraction_percent) > 1.0:
        _logger.warning(
            "ejection_fraction_percent: %g cannot be reached with an infarct of %.0f %%LV; this subject has %.1f.",
            lesion.ejection_fraction_percent, 100 * lesion.infarct, reached,
        )  # fmt: skip
    return Heart(lesion, anatomy, pathology, motion, protocol)


def subject_name(index: int) -> str:
    return f"phantom_{index:04d}"


def _seen_by_stacks(shifts_mm: dict[str, np.ndarray], stacks: Mapping[str, OwnStack]) -> dict[str, np.ndarray]:
    """Displacement of the heart against each sequence's slices, mm: a stack nearer the apex sees it farther up."""
    along = {name: np.array([0.0, 0.0, stacks[name].along_mm]) for name in stacks}
    return {name: shift - along[name] if name in along else shift for name, shift in shifts_mm.items()}


def _as_sent(subject: PhantomSubject, sending: Sending) -> PhantomSubject:
    """The subject without what was not sent: missing slices are 0, stacks of their own lie on their own grid."""
    stacks = dict(sending.stacks)
    if "lge" in stacks:
        stacks["label"] = stacks["lge"]  # drawn on it
    volumes = {
        name: _sent_volume(volume, sending.gaps.get(name), stacks.get(name)) for name, volume in subject.volumes.items()
    }
    own_stacks = {name: one.stack(subject.stack) for name, one in stacks.items()}
    views = tuple(
        replace(
            view,
            pixels=_sent_volume(view.pixels, sending.gaps.get("lge"), stacks.get("lge")),
            stack=own_stacks.get("lge", view.stack),
        )
        if view.kind == "lge_magnitude"
        else view
        for view in subject.views
    )
    return replace(subject, volumes=volumes, views=views, own_stacks=own_stacks)


def _sent_volume(volume: np.ndarray, gap: int | None, stack: OwnStack | None) -> np.ndarray:
    if gap is not None:
        volume = volume.copy()
        volume[:, :, gap] = 0
    return volume if stack is None else np.ascontiguousarray(stack.volume(volume))


def _with_lesion(anatomy: Anatomy, lesion: Lesion, rng: np.random.Generator) -> tuple[Anatomy, Pathology]:
    """The lesion on the heart, and the heart with the wall that it swells or thins.

    Swelling changes the wall's volume and so the infarct's share: the second pass asks for what the first one missed.
    """
    again, wanted = deepcopy(rng), lesion
    pathology = make_pathology(anatomy.shape, lesion, _seen(anatomy, anatomy.shape), rng)
    swollen = _swollen(anatomy.shape, pathology)
    # A scar thins the wall more than fresh necrosis swells it, and wants more than one correction.
    for _ in range(0 if lesion.infarct <= 0 else 4 if lesion.condition == "old_scar" else 1):
        reached = _infarct_share(anatomy, swollen, pathology)
        size = wanted.infarct * float(np.clip(lesion.infarct / reached, 0.7, 1.4))
        wanted = replace(wanted, infarct=size, area_at_risk=max(wanted.area_at_risk, 1.04 * size))
        pathology = make_pathology(anatomy.shape, wanted, _seen(anatomy, anatomy.shape), deepcopy(again))
        swollen = _swollen(anatomy.shape, pathology)
    return replace(anatomy, shape=swollen), pathology


def _seen(anatomy: Anatomy, shape: HeartShape) -> np.ndarray:
    """Wall volume inside the slices of the stack near end-diastole, mm3, (DEPTHS, ANGLES)."""
    distance = np.abs(shape.depth_mm[:, None] - anatomy.depth_mm[None, :]).min(axis=1)
    row_mm = shape.length_mm / (DEPTHS - 1)
    covered = np.clip((anatomy.slice_thickness_mm / 2 - distance) / row_mm + 0.5, 0.0, 1.0)
    return shape.wall_volume * covered[:, None]


def _infarct_share(anatomy: Anatomy, shape: HeartShape, pathology: Pathology) -> float:
    seen = _seen(anatomy, shape)
    return wall_share(shape, pathology.infarct[1], seen) - wall_share(shape, pathology.infarct[0], seen)


def _swollen(shape: HeartShape, pathology: Pathology) -> HeartShape:
    """The wall changes thickness by two thirds inwards and one third outwards."""
    extra = (shape.epi_mm - shape.endo_mm) * (pathology.swelling - 1.0)
    endo = np.maximum(shape.endo_mm - extra * 2 / 3, 0.0)
    return replace(shape, endo_mm=endo, epi_mm=np.maximum(shape.epi_mm + extra / 3, endo))


def _acuteness(lesion: Lesion, parameters: PhantomParameters, rng: np.random.Generator) -> Acuteness:
    tracking = lesion.oedema_regime == "tracking"
    # Clean keeps the table's contrast; else the bed stays behind the infarct by up to 45 % (T2 58-66 against 62-73).
    faded = float(rng.uniform(*((0.75, 1.0) if tracking else (0.05, 0.45)))) * min(parameters.level, 1.0)
    return Acuteness(
        severity=lesion.acute_severity,
        oedema_severity=lesion.acute_severity * (1.0 - faded),
        haemorrhage=lesion.haemorrhage,
        scatter=min(parameters.level, 1.25),
    )
