"""Measures of a label map: sizes, transmurality by segment, wall and cavity by level. Numpy only."""

from __future__ import annotations

import numpy as np

from ... import conventions
from ...conventions import NotMeasurable

BLOOD, MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA, RV_BLOOD = range(1, 7)
WALL_CODES, INFARCT_CODES = conventions.STRUCTURES["lv_myocardium"], conventions.STRUCTURES["infarct"]
LEVELS = ("basal", "mid", "apical")
CHORDS = 100  # per slice, the usual number (SOURCES.md of the repository, Measures)
SECTORS = (6, 6, 4)  # AHA-17 without the cap, per level
_STEP_PIXELS = 0.25
_FEWEST_CHORDS = 10


def lesion_sizes(label: np.ndarray) -> dict[str, float]:
    """Percent of the LV wall: ``infarct`` (with no-reflow), ``no_reflow``, ``area_at_risk`` (infarct and oedema).

    Args:
        label: (X, Y, S), disk codes.
    Raises:
        NotMeasurable: there is no LV wall.
    Source: 100 V / V(LV myocardium), Schulz-Menger et al., JCMR 2020;22:19.
    """
    counts = np.bincount(np.asarray(label, dtype=np.uint8).ravel(), minlength=len(conventions.LABEL_NAMES))
    wall = int(counts[list(WALL_CODES)].sum())
    if wall == 0:
        raise NotMeasurable("the label holds no LV wall")
    infarct = int(counts[INFARCT] + counts[NO_REFLOW])
    return {
        "infarct": 100.0 * infarct / wall,
        "no_reflow": 100.0 * int(counts[NO_REFLOW]) / wall,
        "area_at_risk": 100.0 * (infarct + int(counts[OEDEMA])) / wall,
        "oedema_only": float(infarct == 0 and counts[OEDEMA] > 0),
        "scar_only": float(infarct > 0 and counts[OEDEMA] == 0),
    }


def ring_slices(label: np.ndarray) -> list[int]:
    """Slices, base first as stored, in which every chord from the blood pool's centre meets the LV wall."""
    return [s for s in range(label.shape[2]) if (_chords(label[..., s])[1] > 0).all()]


def levels_of(label: np.ndarray) -> list[np.ndarray]:
    """Ring slices in three equal parts: basal, mid, apical. The end whose cavity is wider is the base.

    Raises:
        NotMeasurable: fewer than three slices with a full ring.
    """
    rings = ring_slices(label)
    if len(rings) < len(LEVELS):
        raise NotMeasurable(f"{len(rings)} slices show a full LV ring, at least {len(LEVELS)} are needed")
    cavity = [(label[..., s] == BLOOD).sum() for s in rings]
    if sum(cavity[: len(rings) // 2]) < sum(cavity[-(len(rings) // 2) :]):
        rings = rings[::-1]
    return np.array_split(np.asarray(rings), len(LEVELS))


def segment_transmurality_percent(label: np.ndarray) -> np.ndarray:
    """Infarcted part of the wall in the 16 AHA segments without the cap, (16,), 0..100, percent.

    Radial chords from the blood pool's centre, CHORDS per slice at equal angles; each gives the infarcted share of its
    wall, averaged over the chords and slices of a segment. Sectors start at the middle of the septum, the
    direction of the RV blood pool: two septal sectors of 60 degrees, or one of 90 degrees at the apex. The order is
    basal, mid, apical, then by angle, which is not the AHA numbering; grades and shares do not depend on it.
    A stand-in for the centreline chords of the clinical report: same input, same output but for the numbering.

    Args:
        label: (X, Y, S), disk codes.
    Raises:
        NotMeasurable: fewer than three ring slices, or no RV to tell the septum.
    """
    levels, septum = levels_of(label), _septum_angle(label)
    found = []
    for slices, sectors in zip(levels, SECTORS, strict=True):
        width = 2 * np.pi / sectors
        start = septum - (width if sectors == 6 else width / 2)
        chords = [_chords(label[..., s]) for s in slices]
        sector = ((chords[0][0] - start) % (2 * np.pi) / width).astype(int) % sectors
        share = np.mean([infarct / wall for _, wall, infarct in chords], axis=0)
        found += [100.0 * share[sector == k].mean() for k in range(sectors)]
    return np.asarray(found)


def wall_and_cavity_mm(label: np.ndarray, pixel_mm: float) -> dict[str, float]:
    """``wall_<level>``, ``cavity_<level>``: mean wall thickness and inner diameter at the phase of the label, mm.

    From areas: diameter 2 sqrt(A_blood / pi), thickness sqrt((A_blood + A_wall) / pi) - sqrt(A_blood / pi), so that
    the wall's mean does not depend on where its centre is taken. Papillary muscles count as the label counts them.

    Raises:
        NotMeasurable: as levels_of.
    """
    found = {}
    for name, slices in zip(LEVELS, levels_of(label), strict=True):
        blood = np.array([(label[..., s] == BLOOD).sum() for s in slices]) * pixel_mm**2
        wall = np.array([np.isin(label[..., s], WALL_CODES).sum() for s in slices]) * pixel_mm**2
        inner = np.sqrt(blood / np.pi)
        found[f"wall_{name}"] = float((np.sqrt((blood + wall) / np.pi) - inner).mean())
        found[f"cavity_{name}"] = float((2 * inner).mean())
    return found


def infarct_swelling_ratio(label: np.ndarray) -> float:
    """Wall thickness where more than half of a chord is infarct over that of chords without lesion, same slices.

    Acute infarct is swollen, thinning is chronic. The normal difference between walls is part of it.
    Source: SOURCES.md of the repository, Shape of the infarct.

    Raises:
        NotMeasurable: fewer than ten chords of either kind.
    """
    infarcted, remote = [], []
    for s in ring_slices(label):
        _, wall, infarct = _chords(label[..., s])
        _, _, lesion = _chords(np.where(label[..., s] == OEDEMA, INFARCT, label[..., s]))
        if (infarct > 0.5 * wall).any() and (lesion == 0).any():
            infarcted += list(wall[infarct > 0.5 * wall])
            remote += list(wall[lesion == 0])
    if min(len(infarcted), len(remote)) < _FEWEST_CHORDS:
        raise NotMeasurable("there are not enough chords with and without infarct in one slice")
    return float(np.mean(infarcted) / np.mean(remote))


def _chords(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angle, samples of wall and samples of infarct of each chord, (CHORDS,); no wall where there is no blood pool."""
    angle = np.linspace(0.0, 2 * np.pi, CHORDS, endpoint=False)
    blood = plane == BLOOD
    if not blood.any():
        return angle, np.zeros(CHORDS), np.zeros(CHORDS)
    heart = np.argwhere(blood | np.isin(plane, WALL_CODES))
    centre = np.argwhere(blood).mean(axis=0)
    radius = np.arange(0.0, np.linalg.norm(heart - centre, axis=1).max() + 1.0, _STEP_PIXELS)
    x = np.rint(centre[0] + np.cos(angle)[:, None] * radius).astype(int)
    y = np.rint(centre[1] + np.sin(angle)[:, None] * radius).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < plane.shape[0]) & (y < plane.shape[1])
    code = np.where(inside, plane[np.clip(x, 0, plane.shape[0] - 1), np.clip(y, 0, plane.shape[1] - 1)], 0)
    return angle, np.isin(code, WALL_CODES).sum(axis=1), np.isin(code, INFARCT_CODES).sum(axis=1)


def _septum_angle(label: np.ndarray) -> float:
    """Direction from the LV's to the RV's blood pool, radians, mean over the slices that show both."""
    arrows = []
    for s in range(label.shape[2]):
        lv, rv = np.argwhere(label[..., s] == BLOOD), np.argwhere(label[..., s] == RV_BLOOD)
        if len(lv) and len(rv):
            arrow = rv.mean(axis=0) - lv.mean(axis=0)
            arrows.append(arrow / max(np.linalg.norm(arrow), 1e-6))
    if not arrows:
        raise NotMeasurable("the label shows no RV blood pool, so the septum is not known")
    arrow = np.mean(arrows, axis=0)
    return float(np.arctan2(arrow[1], arrow[0]))
