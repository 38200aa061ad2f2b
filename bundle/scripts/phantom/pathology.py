"""Owns acute infarction on a heart: area at risk, infarct depth, no-reflow and the wall motion they leave.

Everything is a field over (slice, angle), (S, ANGLES), in the frame of anatomy.py; depth through the wall runs from 0
at the endocardium to 1 at the epicardium. Shape rules: Reimer and Jennings, Circulation 1977;56:786 (the wavefront
grows from the endocardium; lateral edges are fixed by the bed).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from .anatomy import ANGLES, Anatomy, smooth_field

TERRITORIES = ("LAD", "RCA", "LCX")
# Middle of each territory, degrees from the middle of the septum: LAD anterior and anteroseptal, RCA inferior and
# inferoseptal, LCX lateral (AHA 17 segments; Perez 2005 and Ortiz 2008 for how far they overlap).
_TERRITORY_CENTRE = {"LAD": 55.0, "RCA": -72.0, "LCX": 178.0}
_TERRITORY_SHARE = {"LAD": 0.45, "RCA": 0.40, "LCX": 0.15}
_LARGE_AREA = 0.36
HEALTHY_FRACTION = 0.10
MAX_INFARCT_FRACTION = 0.50


@dataclass(frozen=True)
class Pathology:
    """``infarct_depth``: necrotic fraction of the wall; ``area_at_risk``: bool; ``no_reflow``: (2, S, ANGLES) from, to;
    ``motion``: 1 normal to 0 akinetic, below 0 bulging. ``territory`` is "none" in a healthy subject.
    """

    territory: str
    infarct_depth: np.ndarray
    area_at_risk: np.ndarray
    no_reflow: np.ndarray
    motion: np.ndarray
    haemorrhage: bool
    slow_flow: np.ndarray


def draw_pathology(anatomy: Anatomy, contraction: float, rng: np.random.Generator) -> Pathology:
    """Infarct size ~ Beta(1.20, 4.55) below 50 %LV, salvage ~ Beta(1.33, 1.63); one subject in ten is healthy.

    The area at risk is limited by the bed of the artery, 26-48 %LV. ``contraction`` is that of the LGE frame,
    where sizes are measured.
    Source: fitted to Stone, JACC 2016;67:1674 (median 17.9 %LV, quartiles 8.0 and 29.8).
    """
    if rng.random() < HEALTHY_FRACTION:
        return _healthy(anatomy)
    size = _truncated_beta(1.20, 4.55, MAX_INFARCT_FRACTION, rng)
    salvage = rng.beta(1.33, 1.63)
    bed = max(rng.uniform(0.26, 0.48), 1.12 * size)
    area = float(np.clip(size / (1.0 - min(salvage, 0.9)), max(1.12 * size, 0.05), bed))
    territory = _draw_territory(area, rng)
    geometry = wall_at(anatomy, contraction)
    offset, reach = _bed(anatomy, territory, area, rng)
    width = _solve(lambda half: wall_share(geometry, np.abs(offset) < half * reach), area, 0.05, np.pi)
    edge = np.abs(offset) / np.maximum(width * reach, 1e-3)
    lateral = rng.uniform(0.78, 0.92)
    irregular = 1.0 + 0.16 * smooth_field(anatomy.slices, 9, rng)
    depth = _solve_depth(geometry, edge / lateral, irregular, size)
    at_risk = (edge < 1.0) | (depth > 0.0)
    no_reflow = _no_reflow(depth, edge / lateral, size, rng)
    open_core = bool((no_reflow[1] > no_reflow[0]).any())
    return Pathology(
        territory,
        depth,
        at_risk,
        no_reflow,
        _motion(anatomy, depth, at_risk, rng),
        open_core and bool(rng.random() < 0.65),
        _slow_flow(anatomy, at_risk, rng),
    )


def _healthy(anatomy: Anatomy) -> Pathology:
    flat = np.zeros((anatomy.slices, ANGLES))
    return Pathology("none", flat, flat > 0, np.zeros((2, *flat.shape)), flat + 1.0, False, flat)


def _truncated_beta(a: float, b: float, limit: float, rng: np.random.Generator) -> float:
    while (value := rng.beta(a, b)) > limit:
        pass
    return float(max(value, 0.005))


def _draw_territory(area: float, rng: np.random.Generator) -> str:
    """Culprit artery; only the LAD bed is large enough for a very large area at risk."""
    if area > _LARGE_AREA:
        return "LAD"
    return str(rng.choice(TERRITORIES, p=[_TERRITORY_SHARE[name] for name in TERRITORIES]))


def wall_at(anatomy: Anatomy, contraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Inner radius and wall thickness at a contraction, (S, ANGLES), with normal motion."""
    motion = np.ones_like(anatomy.wall_mm)
    wall = anatomy.wall_thickness_mm(contraction, motion)
    return np.maximum(anatomy.outer_radius_mm(contraction, motion) - wall, 0.5), wall


def wall_share(geometry: tuple[np.ndarray, np.ndarray], depth: np.ndarray) -> float:
    """Part of the LV wall within ``depth`` (0..1 through the wall): ring sectors, integral of r dr."""
    inner, wall = geometry
    part = inner * depth * wall + 0.5 * (depth * wall) ** 2
    return float(part.sum() / (inner * wall + 0.5 * wall**2).sum())


def _solve(function, target: float, low: float, high: float) -> float:
    """Bisection for a function that rises with its argument; the nearer end if the target is out of reach."""
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < target else (low, middle)
    return 0.5 * (low + high)


def _bed(anatomy: Anatomy, territory: str, area: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Angle from the middle of the bed, (S, ANGLES), -pi..pi, and the relative half width of the bed per slice, (S, 1).

    A more proximal occlusion takes more slices: the LAD bed runs from the occlusion to the apex and widens there, RCA
    and LCX beds run from the base and narrow towards the apex.
    """
    fraction = (anatomy.depth_mm / anatomy.length_mm)[:, None]
    angle = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)[None, :]
    centre = anatomy.septum_angle + np.deg2rad(_TERRITORY_CENTRE[territory] + rng.normal(0.0, 9.0))
    ragged = 0.05 * smooth_field(anatomy.slices, 6, rng)
    offset = (angle - centre + np.pi) % (2 * np.pi) - np.pi + ragged
    if territory == "LAD":
        start = float(np.clip(0.58 - 1.1 * area + rng.normal(0.0, 0.06), -0.1, 0.55))
        reach = np.clip((fraction - start) / 0.14, 0.0, 1.0) * (0.85 + 0.45 * fraction)
    else:
        end = float(np.clip(0.55 + 0.9 * area + rng.normal(0.0, 0.06), 0.5, 1.05))
        start = float(rng.uniform(-0.15, 0.2)) if area < 0.2 else -0.2
        reach = np.clip((end - fraction) / 0.18, 0.0, 1.0) * np.clip((fraction - start) / 0.12, 0.0, 1.0)
        reach = reach * (1.05 - 0.2 * fraction)
    return offset, reach


def _solve_depth(
    geometry: tuple[np.ndarray, np.ndarray], edge: np.ndarray, irregular: np.ndarray, size: float
) -> np.ndarray:
    """Infarct depth (S, ANGLES) of the wanted size: a wavefront that is deepest in the middle of the bed."""
    dome = np.sqrt(np.clip(1.0 - edge**2.6, 0.0, 1.0)) * irregular

    def depth_of(advance: float) -> np.ndarray:
        depth = np.clip(advance * dome, 0.0, 1.0)
        return np.where(depth > 0.06, depth, 0.0)

    return depth_of(_solve(lambda advance: wall_share(geometry, depth_of(advance)), size, 0.02, 6.0))


def _no_reflow(depth: np.ndarray, edge: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Wall interval (2, S, ANGLES) of microvascular obstruction: the subendocardial core of a deep infarct.

    P = 0.18 at 6 %LV to 0.95 at 27 %LV, so that about 55 % of infarcts have it (de Waha, EHJ 2017;38:3502).
    """
    interval = np.zeros((2, *depth.shape))
    chance = np.interp(size, (0.06, 0.27), (0.18, 0.95))
    if rng.random() > chance:
        return interval
    reach, thick = rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.6)
    core = np.clip(1.0 - (edge / reach) ** 2, 0.0, 1.0) * (depth > 0.35)
    start = rng.uniform(0.08, 0.2)
    interval[0] = start * depth
    interval[1] = np.where(core > 0, interval[0] + thick * depth * np.sqrt(core), interval[0])
    return interval


def _motion(anatomy: Anatomy, depth: np.ndarray, at_risk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Wall motion: 1 remote, 0.25-0.55 in the stunned rim, -0.08..0.1 in the core, tethered over 12 degrees.

    Source: infarct thickens by 0 to -10 %, the area at risk by 10-30 %, remote by 40-90 %.
    """
    stunned, core = rng.uniform(0.25, 0.55), rng.uniform(-0.08, 0.12)
    motion = np.where(at_risk, stunned, 1.0)
    necrotic = np.clip(depth / 0.5, 0.0, 1.0)
    motion = motion * (1 - necrotic) + core * necrotic
    return gaussian_filter(motion, sigma=(0.6, 12.0 / 360.0 * ANGLES), mode=("nearest", "wrap"))


def _slow_flow(anatomy: Anatomy, at_risk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thickness, mm, (S, ANGLES), of stagnant blood on the endocardium; about 16 % of slices, mostly apical."""
    fraction = anatomy.depth_mm / anatomy.length_mm
    chance = np.where(fraction > 0.7, 0.33, np.where(fraction > 0.35, 0.12, 0.05))
    present = rng.random(anatomy.slices) < chance
    thickness = rng.uniform(0.8, 2.4, size=anatomy.slices) * present
    return thickness[:, None] * np.where(at_risk, 1.0, 0.45)
