"""Forms of the heart: normal, dilated, thick all round or in one place, overloaded on the right; sizes of each.

Sources: SOURCES.md of the repository, Forms of the heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Form:
    """``name``: a key of FORMS. ``severity``: 0 a normal heart, 1 fully of this form."""

    name: str
    severity: float = 1.0


@dataclass(frozen=True)
class _Range:
    """Lowest and highest of a form at full severity; lengths in mm at end-diastole, ratios without unit.

    ``length``: of the normal LV's. ``septum``: thickest wall, where it is asymmetric. ``rv_ratio``: RV over LV volume.
    ``round``: 0 a blunt cylinder, 1 a ball. ``flat``: how far the septum is pressed in, 0..1; ``bowing``: part of the
    inner radius that it moves in addition in systole (pressure overload) or back (below 0, volume overload).
    """

    inner_mm: tuple[float, float] | None
    wall_mm: tuple[float, float] | None
    rv_ratio: tuple[float, float]
    length: tuple[float, float] = (1.0, 1.0)
    thickest_mm: tuple[float, float] | None = None
    rv_wall_mm: tuple[float, float] = (2.0, 3.6)
    round: float = 0.0
    flat: tuple[float, float] = (0.0, 0.0)
    bowing: tuple[float, float] = (0.0, 0.0)


NORMAL = Form("normal", 0.0)
FORMS = {
    "normal": _Range(None, None, (0.55, 1.20)),
    "dilated": _Range((58.0, 75.0), (5.8, 9.4), (0.45, 1.0), (1.04, 1.20), round=1.0),
    "hypertrophic_concentric": _Range((38.0, 48.0), (13.0, 19.0), (0.60, 1.40)),
    "hypertrophic_asymmetric": _Range((39.0, 48.0), (8.0, 11.5), (0.60, 1.40), thickest_mm=(14.0, 25.0)),
    "rv_overload": _Range(
        (41.0, 50.0),
        (5.0, 8.5),
        (1.3, 3.2),
        (0.94, 1.02),
        rv_wall_mm=(4.0, 8.0),
        flat=(0.25, 1.0),
        bowing=(-0.15, 0.35),
    ),
}
# Conditions of which the heart's form is part.
_FIXED = {
    "healthy": {"normal": 1.0},
    "dilated": {"dilated": 1.0},
    "hypertrophic": {"hypertrophic_concentric": 0.4, "hypertrophic_asymmetric": 0.6},
    "rv_overload": {"rv_overload": 1.0},
}
# All others have any form: most are normal; a heart that ejects little is often wide, one that ejects much is not.
_SHARE = {
    "normal": 0.76,
    "dilated": 0.10,
    "hypertrophic_concentric": 0.06,
    "hypertrophic_asymmetric": 0.03,
    "rv_overload": 0.05,
}
_MILDEST = 0.3
# Mean and SD by sex: inner diameter where it is widest, mm, so that the basal third has the CMR atlas' 46 and 50
# measured between the trabeculae, which reach 1 to 2 mm into it; mid wall, mm, so that it is near MESA's 5.3 +- 0.9 and
# 6.3 +- 1.1 at end-diastole; length to the apex, mm (75-95).
_SEX = {
    "female": ((48.4, 2.2), (5.7, 0.55), (82.0, 4.0)),
    "male": ((52.4, 2.8), (6.5, 0.65), (90.0, 4.5)),
}
_WOMEN = 0.94  # of the size of men, in the forms that are not normal


@dataclass(frozen=True)
class ThickSpot:
    """Where the wall is thickest: ``factor`` over the wall elsewhere; radians from the middle of the septum; part of
    the length; ``around`` and ``along``: half widths, radians and part of the length."""

    factor: float
    angle: float
    around: float
    depth: float
    along: float


@dataclass(frozen=True)
class Sizes:
    """Of one heart, mm: ``inner_mm`` and ``wall_mm`` radius and thickness where the cavity is widest; see _Range."""

    inner_mm: float
    wall_mm: float
    length_mm: float
    round: float
    thick: ThickSpot
    rv_ratio: float
    rv_wall_mm: float
    flat: float
    bowing: float


def draw_form(condition: str, ejection_fraction_percent: float, rng: np.random.Generator) -> Form:
    """Form of the heart under a condition: fixed by it, or anything from normal to severe."""
    fixed = _FIXED.get(condition)
    chances = dict(fixed or _SHARE)
    if fixed is None:
        chances["dilated"] *= float(np.clip((70.0 - ejection_fraction_percent) / 20.0, 0.1, 2.0))
    weight = np.array(list(chances.values()))
    name = str(rng.choice(list(chances), p=weight / weight.sum()))
    severity = float(rng.uniform(_MILDEST, 1.0))
    if name == "normal":
        return NORMAL
    return Form(name, severity if fixed is None else 1.0)


def draw_sizes(form: Form, sex: str, dilatation: float, hypertrophy: float, rng: np.random.Generator) -> Sizes:
    """Sizes of an adult: normal by sex, ``severity`` of the way to the form; both factors scale the normal part.

    Raises:
        KeyError: an unknown form or sex.
    """
    limits, part = FORMS[form.name], form.severity
    (diameter, diameter_sd), (wall, wall_sd), (length, length_sd) = _SEX[sex]
    length = float(np.clip(rng.normal(length, length_sd), 75.0, 98.0))
    inner = float(np.clip(rng.normal(diameter, diameter_sd), 41.0, 58.5)) / 2 * dilatation
    wall = float(np.clip(rng.normal(wall, wall_sd), 4.6, 8.0)) * hypertrophy
    size = _WOMEN if sex == "female" else 1.0
    if limits.inner_mm is not None:
        inner += part * (size * _within(limits.inner_mm, rng) / 2 - inner)
    if limits.wall_mm is not None:
        wall += part * (size * _within(limits.wall_mm, rng) - wall)
    length *= 1.0 + part * (_within(limits.length, rng) - 1.0)
    normal = FORMS["normal"]
    return Sizes(
        inner,
        wall,
        length,
        part * limits.round,
        _thick_spot(limits, part, wall, rng),
        _within(_mixed(normal.rv_ratio, limits.rv_ratio, part), rng),
        _within(_mixed(normal.rv_wall_mm, limits.rv_wall_mm, part), rng),
        part * _within(limits.flat, rng),
        part * _within(limits.bowing, rng),
    )


def _thick_spot(limits: _Range, part: float, wall: float, rng: np.random.Generator) -> ThickSpot:
    """Septal and basal in most, mid-ventricular or apical in some."""
    place = rng.choice(["septal", "mid", "apical"], p=[0.7, 0.15, 0.15])
    turn, along = float(rng.normal(0.25, 0.3)), float(rng.uniform(0.25, 0.45))
    around, thickest = float(np.deg2rad(rng.uniform(38.0, 75.0))), 0.0
    if limits.thickest_mm is not None:
        thickest = _within(limits.thickest_mm, rng)
    factor = 1.0 + part * max(thickest / wall - 1.0, 0.0)
    if place == "apical":
        return ThickSpot(min(factor, 2.2), turn, 2.5, float(rng.uniform(0.75, 0.85)), 0.16)
    depth = rng.uniform(0.15, 0.35) if place == "septal" else rng.uniform(0.45, 0.6)
    return ThickSpot(factor, turn, around, float(depth), along)


def _within(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Between two limits, the middle more often than the ends."""
    low, high = limits
    return float(low + (high - low) * rng.beta(1.6, 1.6))


def _mixed(first: tuple[float, float], second: tuple[float, float], part: float) -> tuple[float, float]:
    return first[0] + part * (second[0] - first[0]), first[1] + part * (second[1] - first[1])
