"""T2-STIR or LGE brought onto the slices of the cine, in one interpolation, with a record of every slice.

A cine slice without partner stays empty and is reported. A displacement that is not believed leaves its slice where
the scanner put it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..preprocessing.agreement import Agreement
from ..preprocessing.heart_mask import HALF_MM
from ..preprocessing.localisation import heart_centre
from ..preprocessing.phase_match import Partner
from ..preprocessing.phases import PhaseChoice, choose_phase, phase_by_times
from ..volumes.grids import GeometryError
from ..volumes.pixel_maps import move_map, plane_map, rotation, transformed
from ..volumes.resampling import anti_alias, resample_planes
from .deformation import bend
from .settings import RegistrationSettings
from .slice_matching import (
    RegistrationError,
    SliceMatches,
    SliceRecord,
    completed,
    match_slices,
    slice_affines,
)
from .working_grid import Companion, Place, Views, make_views

# Least share of the heart that must be seen; step of rotation; found this near to where it was scanned, in place.
_LEAST_COVERED, _TURN_STEP_DEG, _IN_PLACE_MM = 0.6, 2.0, 2.0
_OUTSIDE, _EMPTY = "the heart lies outside the field of view", "no signal in the heart"


@dataclass(frozen=True)
class Alignment:
    """``volume`` (X, Y, S) float32 on the cine grid, 0 where the moving stack shows nothing; ``inside`` bool, the same
    shape; ``chosen``: phase of the cine."""

    volume: np.ndarray
    inside: np.ndarray
    records: tuple[SliceRecord, ...]
    matches: SliceMatches
    chosen: PhaseChoice
    localisation: str
    settings: RegistrationSettings

    @property
    def phase(self) -> int:
        """Of the cine; -1 for a 3-D cine."""
        return -1 if self.chosen.index is None else self.chosen.index

    @property
    def available(self) -> np.ndarray:
        """(S,) bool: cine slices that this sequence shows."""
        return self.matches.available

    def as_companion(self) -> Companion:
        """For ``align_to_cine`` of the next sequence: slices without flag that were moved or found to lie in place."""
        relied_on = np.array([not record.flags and _in_place(record) for record in self.records])
        return Companion(self.volume, self.inside & relied_on, self.settings.sequence)

    def report(self) -> dict:
        """For JSON: settings, phase, slices without partner, and a record per slice."""
        moved = [float(np.hypot(*r.displacement_mm)) for r in self.records if r.accepted]
        return {
            "settings": asdict(self.settings),
            "cine_phase": {
                "index": self.phase,
                "rule": self.chosen.rule,
                "residual_ms": self.chosen.residual_ms,
                "confidence": self.chosen.confidence,
            },
            "localisation": self.localisation,
            "tilt_deg": round(self.matches.tilt_deg, 3),
            "missing_slices": list(self.matches.missing),
            "extra_slices": list(self.matches.extra),
            "moved_slices": len(moved),
            "displacement_mm_median": round(float(np.median(moved)), 3) if moved else None,
            "displacement_mm_max": round(max(moved), 3) if moved else None,
            "flagged_slices": [r.slice for r in self.records if r.flags],
            "slices": [record.as_json() for record in self.records],
        }


class Stack(NamedTuple):
    """A sequence as it was scanned: ``array`` (X, Y, S) or (X, Y, S, T), any linear scale; ``affine`` voxel -> RAS mm,
    (4, 4) or one per slice; ``times_ms``: trigger time of each phase, None where unknown."""

    array: np.ndarray
    affine: np.ndarray
    times_ms: Sequence[float] | None = None


def align_to_cine(
    cine: Stack, moving: Stack, settings: RegistrationSettings | None = None, companion: Companion | None = None
) -> Alignment:
    """T2-STIR or LGE on the slices of the cine.

    Args:
        cine: with one affine; without its times, or without that of ``moving``, the phase that agrees best is used.
        moving: (X2, Y2, S2), one time.
        companion: another sequence already on the cine's slices: ``moving`` is compared with both.
    Raises:
        GeometryError: stacks of different places (slice_matching) or fields of view that share no heart.
        RegistrationError: wrong dimensions, NaN or Inf. VolumeError: trigger times that do not fit the cine.
    """
    settings = settings or RegistrationSettings()
    cine_affine, moving_time_ms = cine.affine, None if not moving.times_ms else moving.times_ms[0]
    times = {"cine_trigger_times_ms": cine.times_ms, f"{settings.sequence}_trigger_time_ms": moving_time_ms}
    frames, source = _checked(cine.array, "cine", (3, 4)), _checked(moving.array, settings.sequence, (3,))
    frames = frames if frames.ndim == 4 else frames[..., None]
    if companion is not None:
        _checked(companion.volume, companion.name, (3,), frames.shape[:3])
    timed = phase_by_times(frames.shape[3], times, settings.sequence)
    spacing = np.linalg.norm(np.asarray(cine_affine, float)[:3, :2], axis=0)
    centre, localisation = heart_centre(frames, tuple(spacing))
    tolerances = settings.slice_tolerance_mm, settings.direction_deg
    matches = match_slices(cine_affine, frames.shape[2], moving.affine, source.shape[2], *tolerances, centre)
    own = slice_affines(moving.affine, source.shape[2])
    maps = np.stack([plane_map(cine_affine, own[max(k, 0)], s, 0) for s, k in enumerate(matches.moving)])
    partner = Partner(settings.sequence, source, maps, matches.moving)
    phase = choose_phase(timed, frames, (centre, spacing), [partner])
    place = Place(np.asarray(centre), spacing, maps, matches)
    views = make_views(frames, max(phase.index or 0, 0), source, place, settings, companion)
    records, moves = _registered(views, settings)
    volume, inside = _resampled(views, source, matches, (records, moves), (frames.shape[:2], settings))
    limits = {key: getattr(settings, f"flag_{key}_mm") for key in ("displacement", "residual", "distance")}
    every = completed(matches, records, limits)
    return Alignment(volume, inside, every, matches, phase, localisation, settings)


def _registered(views: Views, settings: RegistrationSettings) -> tuple[dict[int, SliceRecord], dict[int, np.ndarray]]:
    """By cine slice: records, and of those moved the moves (3, 3), working pixel -> working pixel of the moving."""
    inner = views.moving[:, views.margin : -views.margin, views.margin : -views.margin]
    why = [_unusable(*four) for four in zip(views.hearts, views.masks, views.fixed, inner, strict=True)]
    if all(text == _OUTSIDE for text in why):
        raise GeometryError(
            f"{settings.sequence}: found to show the heart of the cine in no slice, expected at least "
            f"{100 * _LEAST_COVERED:.0f} % of it in one.\nFix: export both sequences from the same examination."
        )
    records = {s: SliceRecord(s, text or "as scanned") for s, text in zip(views.numbers, why, strict=True)}
    use = [n for n, text in enumerate(why) if not text]
    if not use or not settings.register:
        return records, {}
    turns = np.arange(_TURN_STEP_DEG, settings.max_rotation_deg + 1e-6, _TURN_STEP_DEG).tolist()
    found = {turn: views.compared(use, turn) for turn in (0.0, *turns, *(-turn for turn in turns))}
    moves = {}
    for at, n in enumerate(use):
        record = replace(_judged(found, at, views.numbers[n], settings), compared_with=views.compared_with(n))
        records[views.numbers[n]] = record
        if record.accepted:
            pivot = found[0.0].pivots[at] + HALF_MM
            moves[views.numbers[n]] = move_map(np.array(record.displacement_mm), record.rotation_deg, pivot)
    return records, moves


def _in_place(record: SliceRecord) -> bool:
    """Whether a slice was moved, or registered and found to lie in place; not one whose shift was not believed."""
    return record.accepted or (record.found_mm is not None and float(np.hypot(*record.found_mm)) <= _IN_PLACE_MM)


def _unusable(heart: np.ndarray, mask: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> str:
    """Why a slice cannot be registered; empty when it can."""
    if mask.sum() < _LEAST_COVERED * heart.sum():
        return _OUTSIDE
    return "" if np.ptp(fixed[mask]) > 0 and np.ptp(moving[mask]) > 0 else _EMPTY


def _judged(found: dict[float, Agreement], at: int, number: int, settings: RegistrationSettings) -> SliceRecord:
    """Best shift and rotation of the cine's slice ``number``, ``at`` in ``found``, and whether they are believed."""
    best = {turn: view.best(at) for turn, view in found.items()}
    turn = max(best, key=lambda one: best[one].value - (settings.min_rotation_gain if one else 0.0))
    shift_mm = rotation(turn) @ best[turn].shift_mm
    before, after = found[0.0].at(at, np.zeros(2)), best[turn].value
    length_mm = float(np.hypot(*shift_mm))
    refused = ""
    if length_mm > settings.max_displacement_mm:
        refused = f"{length_mm:.1f} mm found, at most {settings.max_displacement_mm:g} mm allowed"
    elif after - before < settings.min_improvement:
        refused = f"agreement gains {after - before:.3f}, less than {settings.min_improvement:g}"
    return SliceRecord(
        number,
        f"left as scanned: {refused}" if refused else "moved",
        displacement_mm=(0.0, 0.0) if refused else tuple(shift_mm.tolist()),
        found_mm=tuple(shift_mm.tolist()),
        rotation_deg=0.0 if refused else turn,
        agreement_before=before,
        agreement_after=before if refused else after,
        residual_mm=best[turn].residual_mm,
        accepted=not refused,
    )


def _bent(views: Views, record: SliceRecord, move: np.ndarray, settings: RegistrationSettings) -> tuple:
    """Record and deformation (2, N, N) mm of a slice that was moved; None where it is not believed."""
    n = views.numbers.index(record.slice)
    at = transformed(move, np.indices(views.fixed[n].shape).astype(float)) + views.margin
    moved = ndimage.map_coordinates(views.moving[n], at, order=1, mode="nearest")
    field_mm, gain = bend(views.fixed[n], moved, views.masks[n])
    largest_mm = float(np.hypot(*field_mm)[views.masks[n]].max())
    if gain < settings.min_deformation_gain or largest_mm > settings.max_deformation_mm:
        text = f"{record.reason}; not bent: {largest_mm:.1f} mm for a gain of {gain:.3f}"
        return replace(record, reason=text), None
    return replace(record, deformation_mm=largest_mm, reason="moved and bent"), field_mm


def _resampled(
    views: Views, moving: np.ndarray, matches: SliceMatches, found: tuple, wanted: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """The moving stack on cine pixels, interpolated once; ``found``: records, moves; ``wanted``: shape, settings."""
    (records, moves), (shape, settings) = found, wanted
    back, maps = np.linalg.inv(views.to_cine), views.to_moving.copy()
    for s, move in moves.items():
        maps[s] = maps[s] @ views.to_cine @ move @ back
    # Moving pixels per cine pixel: a finer image is blurred first.
    source = anti_alias(moving, tuple(np.linalg.norm(maps[0, :2, :2], axis=1)))
    volume, inside = resample_planes(source, maps, matches.moving, shape)
    for s, move in moves.items() if settings.deformable else ():
        records[s], field_mm = _bent(views, records[s], move, settings)
        if field_mm is not None:
            at = transformed(back, np.indices(shape).astype(float))
            at = at + np.stack([ndimage.map_coordinates(part, at, order=1) for part in field_mm])
            at = transformed(views.to_moving[s] @ views.to_cine @ move, at)
            plane = source[:, :, matches.moving[s]].astype(np.float32)
            volume[:, :, s] = ndimage.map_coordinates(plane, at, order=1, mode="nearest") * inside[:, :, s]
    return volume, inside


def _checked(
    array: np.ndarray, name: str, dimensions: tuple[int, ...], shape: tuple[int, ...] | None = None
) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim not in dimensions or 0 in array.shape:
        raise RegistrationError(
            f"{name}: shape found {array.shape}, expected {dimensions} axes, x, y, slice. Fix: give the whole stack."
        )
    if shape is not None and array.shape != shape:
        raise RegistrationError(f"{name}: shape found {array.shape}, expected the cine's {shape}. Fix: align it first.")
    if not np.isfinite(array).all():
        raise RegistrationError(
            f"{name}: found {(~np.isfinite(array)).sum()} values NaN or Inf, expected 0. Fix: export the series again."
        )
    return array
