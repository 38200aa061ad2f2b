"""Which slice of one short-axis stack belongs to which of another, their pixel maps, the record of a slice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from .. import conventions
from ..volumes.grids import GeometryError

# Positions that differ by rounding only must not decide over a slice at the tolerance.
_ROUNDING_MM = 1e-3
_OF_A_PAIR = ("displacement_mm", "rotation_deg", "deformation_mm")


class RegistrationError(conventions.DataError):
    """The images of two sequences cannot be brought together."""

    stage = "registration"


@dataclass(frozen=True)
class SliceMatches:
    """Which moving slice stands for each fixed slice.

    moving: (S,) int, index of the moving slice, -1 where none lies within the tolerance.
    distance_mm: (S,) along the normal, moving minus fixed, positive in the direction of the fixed stack's slices; to
        the nearest moving slice where there is no partner.
    extra: moving slices that stand for no fixed slice.
    tilt_deg: angle between the two slice normals; 0 when only positions were given.
    """

    moving: np.ndarray
    distance_mm: np.ndarray
    extra: tuple[int, ...]
    tilt_deg: float

    @property
    def available(self) -> np.ndarray:
        """(S,) bool: the fixed slice has a partner."""
        return self.moving >= 0

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(fixed slice, moving slice) of every match, in fixed order."""
        return [(s, k) for s, k in enumerate(self.moving.tolist()) if k >= 0]

    @property
    def missing(self) -> tuple[int, ...]:
        """Fixed slices without partner."""
        return tuple(np.flatnonzero(~self.available).tolist())


@dataclass(frozen=True)
class SliceRecord:
    """What was done to one cine slice.

    matched: slice of the moving stack, None where there is none. distance_mm: to it, along the normal.
    displacement_mm: applied, along the cine's x and y: what the cine shows at p the moving slice shows at p + it, and
        found_mm before it was judged. rotation_deg: about the heart's middle, x towards y.
    compared_with: the sequences; agreement_before, agreement_after: the mean of agreement.agreement with them
        (of LGE in the heart and in its core), as scanned and as applied. It compares within a slice, not between them.
    residual_mm: how far two judges of the shift disagree, all of the agreement and its mutual information alone; a hint
        at the error, which nobody knows in a patient.
    flags: what a reader should look at.
    """

    slice: int
    reason: str
    matched: int | None = None
    distance_mm: float = 0.0
    displacement_mm: tuple[float, float] = (0.0, 0.0)
    found_mm: tuple[float, float] | None = None
    rotation_deg: float = 0.0
    deformation_mm: float = 0.0
    agreement_before: float | None = None
    agreement_after: float | None = None
    residual_mm: float | None = None
    compared_with: tuple[str, ...] = ()
    accepted: bool = False
    flags: tuple[str, ...] = ()

    def as_json(self) -> dict:
        """Lists for tuples, four decimals; a slice without partner has no displacement, which is not one of 0."""
        found = {key: _rounded(value) for key, value in asdict(self).items()}
        return found if self.matched is not None else found | dict.fromkeys(_OF_A_PAIR)


def match_slices(
    fixed_affine: np.ndarray,
    fixed_slices: int,
    moving: np.ndarray,
    moving_slices: int | None = None,
    tolerance_mm: float = 5.0,
    direction_deg: float = 5.0,
    at: tuple[float, float] = (0.0, 0.0),
) -> SliceMatches:
    """Pairs the slices of two stacks by their position along the fixed stack's normal, each slice at most once.

    The nearest pair is taken first; pairs never cross, so that the order along the heart is kept whatever the order in
    the files. No slice is made up: what has no partner within the tolerance stays without.

    Args:
        fixed_affine: (4, 4) voxel -> patient RAS mm, of the stack that is kept (cine).
        fixed_slices: its number of slices.
        moving: affine (4, 4) of the other stack; (K, 4, 4) one per slice, for slices that are not equally spaced; or
            (K, 3) RAS mm, a point on each slice (parallel to the fixed ones: the caller's word).
        moving_slices: number of slices; needed with an affine.
        tolerance_mm: largest distance along the normal.
        direction_deg: largest angle between the two normals.
        at: fixed voxel (x, y) at which the distance is measured; it matters when the stacks are tilted.
    Raises:
        GeometryError: not an affine, stacks not parallel, or no slice within the tolerance.
    """
    fixed_affine = _affine(fixed_affine, "fixed stack")
    normal = _normal(fixed_affine)
    point = fixed_affine[:3, :2] @ np.asarray(at, float) + fixed_affine[:3, 3]
    fixed_mm = np.arange(fixed_slices) * float(fixed_affine[:3, 2] @ normal)
    moving = np.asarray(moving, dtype=float)
    if moving.shape == (4, 4):
        count = _count(moving_slices)
        moving_mm, tilt_deg = _heights(_affine(moving, "moving stack"), count, point, normal, direction_deg)
    elif moving.ndim == 3:
        found = [_heights(_affine(one, "moving slice"), 1, point, normal, direction_deg) for one in moving]
        moving_mm, tilt_deg = np.concatenate([height for height, _ in found]), max(tilt for _, tilt in found)
    else:
        moving_mm, tilt_deg = (_points(moving) - point) @ normal, 0.0
    # Heights grow with the index of the fixed slices, whichever way the normal points.
    direction = -1.0 if fixed_slices > 1 and fixed_mm[1] < 0 else 1.0
    offset_mm = direction * (moving_mm[None, :] - fixed_mm[:, None])
    matched = _pairs(offset_mm, tolerance_mm + _ROUNDING_MM, direction * fixed_mm, direction * moving_mm)
    if not (matched >= 0).any():
        raise GeometryError(
            f"slices: nearest found {np.abs(offset_mm).min():.1f} mm apart along the short-axis normal, "
            f"expected at most {tolerance_mm:g} mm (tolerance_mm).\n"
            "Fix: export both stacks from the same examination, or leave this sequence out."
        )
    chosen = np.where(matched >= 0, matched, np.abs(offset_mm).argmin(axis=1))
    extra = sorted(set(range(len(moving_mm))) - set(matched.tolist()))
    return SliceMatches(matched, offset_mm[np.arange(fixed_slices), chosen], tuple(extra), tilt_deg)


def slice_affines(affine: np.ndarray, slices: int) -> np.ndarray:
    """(K, 4, 4), the affine of each slice, from that of an even stack (4, 4); (K, 4, 4) passes."""
    affine = np.asarray(affine, dtype=float)
    if affine.ndim == 3:
        return affine
    found = np.tile(affine, (slices, 1, 1))
    found[:, :3, 3] += np.arange(slices)[:, None] * affine[:3, 2]
    return found


def completed(
    matches: SliceMatches, records: dict[int, SliceRecord], limits: dict[str, float]
) -> tuple[SliceRecord, ...]:
    """A record for every fixed slice, with its partner, and flags where what ``limits`` names is larger, mm."""
    done = []
    for s, (k, distance_mm) in enumerate(zip(matches.moving.tolist(), matches.distance_mm.tolist(), strict=True)):
        found = records.get(s, SliceRecord(s, "no slice of this sequence within the tolerance"))
        length_mm = float(np.hypot(*(found.found_mm or (0.0, 0.0))))
        sizes = {"displacement": length_mm, "residual": found.residual_mm or 0.0, "distance": abs(distance_mm)}
        flags = tuple(f"{key} {sizes[key]:.1f} mm, above {mm:g}" for key, mm in limits.items() if sizes[key] > mm)
        done.append(replace(found, matched=k if k >= 0 else None, distance_mm=distance_mm, flags=flags))
    return tuple(done)


def _pairs(offset_mm: np.ndarray, tolerance_mm: float, fixed_mm: np.ndarray, moving_mm: np.ndarray) -> np.ndarray:
    """(S,) moving slice per fixed slice or -1: nearest first, each once, never crossing a pair already taken."""
    matched = np.full(len(fixed_mm), -1)
    taken: list[tuple[int, int]] = []
    for flat in np.argsort(np.abs(offset_mm), axis=None, kind="stable").tolist():
        s, k = divmod(flat, offset_mm.shape[1])
        if abs(offset_mm[s, k]) > tolerance_mm:
            break
        if all((fixed_mm[s] - fixed_mm[a]) * (moving_mm[k] - moving_mm[b]) > 0 for a, b in taken):
            taken.append((s, k))
            matched[s] = k
    return matched


def _heights(
    affine: np.ndarray, count: int, point: np.ndarray, normal: np.ndarray, direction_deg: float
) -> tuple[np.ndarray, float]:
    """(K,) where the line through ``point`` along the fixed normal meets each moving slice, mm; tilt in degrees."""
    own = _normal(affine)
    cosine = float(own @ normal)
    tilt_deg = float(np.degrees(np.arccos(min(1.0, abs(cosine)))))
    if tilt_deg > direction_deg:
        raise GeometryError(
            f"slices: normal {np.round(own, 2).tolist()} found {tilt_deg:.1f} degrees away from "
            f"{np.round(normal, 2).tolist()}, expected at most {direction_deg:g} degrees (direction_deg).\n"
            "Fix: give two short-axis stacks of the same examination."
        )
    origins = affine[:3, 3] + np.arange(count)[:, None] * affine[:3, 2]
    return (origins - point) @ own / cosine, tilt_deg


def _count(slices: int | None) -> int:
    if slices is None or slices < 1:
        raise GeometryError(
            f"slices: moving_slices found {slices}, expected a positive number together with an affine. "
            "Fix: give the number of slices of the moving stack."
        )
    return int(slices)


def _affine(affine: np.ndarray, name: str) -> np.ndarray:
    found = np.asarray(affine, dtype=float)
    usable = found.shape == (4, 4) and np.isfinite(found).all()
    if usable:
        usable = np.linalg.norm(np.cross(found[:3, 0], found[:3, 1])) > 1e-6
        usable = usable and abs(float(found[:3, 2] @ _normal(found))) > 1e-6
    if not usable:
        raise GeometryError(
            f"{name}: affine found {np.array2string(found, precision=2, threshold=20)}, expected 4 x 4 finite numbers "
            "with three independent axes.\nFix: correct the header, or export the series again."
        )
    return found


def _points(points: np.ndarray) -> np.ndarray:
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
        raise GeometryError(
            f"slices: positions found with shape {points.shape}, expected (slices, 3) finite numbers in mm, or a 4 x 4 "
            "affine.\nFix: give ImagePositionPatient of each slice, in RAS."
        )
    return points


def _normal(affine: np.ndarray) -> np.ndarray:
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    return normal / np.linalg.norm(normal)


def _rounded(value: object) -> object:
    if isinstance(value, tuple):
        return [_rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value
