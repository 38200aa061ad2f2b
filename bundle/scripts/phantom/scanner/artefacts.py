"""Artefacts of cardiac images as maps and offsets: shifts, off-resonance, jets, signal loss.

Source of kinds and frequencies: SOURCES.md of the repository, Artefacts.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ..heart.anatomy import Anatomy
from .protocol import Protocol

# SD of the heart's displacement per breath-hold, mm: in plane (each direction), along the axis. After registration of
# the sequences a residual stays; sequences are cine, T2-STIR, LGE.
_RESIDUAL_MM = {"cine": (0.4, 0.7), "t2_stir": (0.8, 1.1), "lge": (0.4, 0.7)}
_RAW_MM = {"cine": (1.8, 2.2), "t2_stir": (2.2, 2.8), "lge": (2.0, 2.6)}
_LARGEST_MM = 10.0
# Core of an infarct: where the mean of infarct around a pixel, weighted by a normal curve of this SD, is from some to
# all of what it can be within a wall of 8 mm.
_CORE_BORDER_MM, _CORE_FROM, _CORE_ALL = 3.5, 0.45, 0.75
# Residual blood by level: 12 of 18 apical, 4 mid, 2 basal (BEATS); relative to the mean of all slices.
_SLOW_FLOW_BY_LEVEL = (0.35, 0.7, 2.0)


def breath_hold_shifts(slices: int, level: float, aligned: bool, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Displacement of the heart, mm, per sequence and slice, (S, 3): x, y of the image, along the long axis."""
    table = _RESIDUAL_MM if aligned else _RAW_MM
    found = {}
    for sequence, (in_plane, through) in table.items():
        # Heavy tails: a t distribution with 5 degrees of freedom, scaled to the SD.
        draw = rng.standard_t(5, size=(slices, 3)) / np.sqrt(5 / 3) * (in_plane, in_plane, through)
        found[sequence] = np.clip(level * draw, -_LARGEST_MM, _LARGEST_MM)
    return found


def off_resonance_hz(anatomy: Anatomy, protocol: Protocol, rng: np.random.Generator) -> np.ndarray:
    """Residual field (X, Y): slopes over the heart and a dipole of the lung and vein next to the inferolateral wall."""
    x, y = (anatomy.pixel_positions_mm(side) for side in (0, 1))
    centre = anatomy.axis_at(anatomy.shape.length_mm / 2)
    u, v = (x - centre[0])[:, None] / 60.0, (y - centre[1])[None, :] / 60.0
    slope = rng.normal(0.0, 0.5, size=5)
    field = slope[0] * u + slope[1] * v + slope[2] * u * v + 0.5 * slope[3] * (u**2 - v**2) + 0.3 * slope[4]
    direction = _inferolateral(anatomy, rng)
    reach = float(anatomy.shape.epi_mm.max())
    du = (x - centre[0] - reach * np.cos(direction))[:, None] / 24.0
    dv = (y - centre[1] - reach * np.sin(direction))[None, :] / 24.0
    dipole = dv / (0.4 + du**2 + dv**2) * np.exp(-0.25 * (du**2 + dv**2))
    return (protocol.cine.off_resonance_hz * np.clip(field + rng.uniform(0.5, 1.6) * dipole, -3.0, 3.0)).astype(
        np.float32
    )


def _inferolateral(anatomy: Anatomy, rng: np.random.Generator) -> float:
    """Angle of the image at which the inferolateral wall lies, radians, with a scatter of 20 degrees."""
    return anatomy.shape.septum_angle - np.deg2rad(150.0 + float(np.clip(rng.normal(0.0, 20.0), -40.0, 40.0)))


def posterior_loss(anatomy: Anatomy, loss: float, rng: np.random.Generator) -> np.ndarray:
    """Factor (S, X, Y) of T2-STIR: signal lost by through-plane motion of the inferolateral wall, 1 = none."""
    x, y = (anatomy.pixel_positions_mm(side).astype(np.float32) for side in (0, 1))
    direction = _inferolateral(anatomy, rng)
    radius = np.interp(anatomy.depth_mm, anatomy.shape.depth_mm, anatomy.shape.epi_mm.mean(axis=1))
    centre = anatomy.axis_at(anatomy.depth_mm) + radius[:, None] * np.array([np.cos(direction), np.sin(direction)])
    width = rng.uniform(16.0, 30.0)
    each = loss * np.clip(rng.normal(1.0, 0.35, size=anatomy.slices), 0.0, 1.6)
    found = np.empty((anatomy.slices, *anatomy.matrix), dtype=np.float32)
    for index, (cx, cy) in enumerate(centre.astype(np.float32)):
        along = np.exp(-((x - cx) ** 2) / np.float32(2 * width**2))
        across = np.exp(-((y - cy) ** 2) / np.float32(2 * width**2))
        found[index] = 1.0 - np.float32(min(each[index], 0.85)) * along[:, None] * across[None, :]
    return found


def haemorrhage_loss(infarct: np.ndarray, pixel_mm: float, darkening: float) -> np.ndarray:
    """Factor (S, x, y) of T2-STIR: signal that deoxygenated blood takes from the core of an infarct, 1 = none.

    The core is what infarct surrounds on all sides, so that a thin or subendocardial infarct has none and a large
    transmural one has a dark middle in a bright border.

    Args:
        infarct: share of infarct in each pixel, no-reflow included, 0..1. darkening: part that is lost in the middle.
    """
    sigma = _CORE_BORDER_MM / pixel_mm
    around = gaussian_filter(infarct, (0.0, sigma, sigma))
    core = np.clip((around - _CORE_FROM) / (_CORE_ALL - _CORE_FROM), 0.0, 1.0) * infarct
    return (1.0 - darkening * core).astype(np.float32)


def slow_flow_slices(anatomy: Anatomy, chance: float, rng: np.random.Generator) -> np.ndarray:
    """In which slices standing blood stays bright in T2-STIR, bool (S,): 16 % on average, mostly apical."""
    third = np.clip((anatomy.depth_mm / anatomy.shape.length_mm * 3).astype(int), 0, 2)
    return rng.random(anatomy.slices) < chance * np.array(_SLOW_FLOW_BY_LEVEL)[third]


def jet_map(anatomy: Anatomy, box: tuple[slice, slice], rng: np.random.Generator) -> np.ndarray:
    """Where fast blood dephases, (S, X, Y) of ``box``, 0..1: a blob in the outflow tract, fading towards the apex."""
    x, y = (anatomy.pixel_positions_mm(side)[part] for side, part in zip((0, 1), box, strict=True))
    direction = anatomy.shape.septum_angle + rng.uniform(0.2, 0.9)
    radius = float(anatomy.shape.endo_mm[0].mean())
    centre = anatomy.axis_at(anatomy.depth_mm) + 0.45 * radius * np.array([np.cos(direction), np.sin(direction)])
    fade = np.clip(1.0 - anatomy.depth_mm / (0.55 * anatomy.shape.length_mm), 0.0, 1.0)
    u, v = x[None, :, None] - centre[:, 0, None, None], y[None, None, :] - centre[:, 1, None, None]
    return (fade[:, None, None] * np.exp(-(u**2 + v**2) / (2 * (0.35 * radius) ** 2))).astype(np.float32)


def jet_at(cycle_fraction: float) -> float:
    """Strength of the jets over the cycle, 0..1: ejection and early filling."""
    ejection = np.exp(-(((cycle_fraction - 0.18) / 0.09) ** 2))
    filling = 0.7 * np.exp(-(((cycle_fraction - 0.50) / 0.05) ** 2))
    return float(ejection + filling)
