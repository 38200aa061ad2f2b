"""What crosses the cavities: papillary muscles, false tendons, mitral leaflets, the moderator band; trabeculae.

Every muscle is a capsule between two points, a row of numbers (STRAND): angle and part of the inner radius of its two
ends, its radius in mm, from and to which part of the ventricle's length it is seen.
"""

from __future__ import annotations

import numpy as np

from .grid import ANGLE, DEPTHS, rough_field, smooth_field

STRAND = 7


def draw_papillary(septum: float, inner_mm: float, wall_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Anterolateral and posteromedial muscle of one to three heads each, with their bases on the wall, (n, STRAND);
    larger in a wide heart and in one with a thick wall."""
    rows: list[list[float]] = []
    size = float(rng.uniform(0.85, 1.2)) * (inner_mm / 24.0) ** 0.5 * (wall_mm / 7.0) ** 0.4
    for degrees in (rng.uniform(112.0, 150.0), -rng.uniform(102.0, 142.0)):
        middle = septum + float(np.deg2rad(degrees))
        heads = int(rng.choice([1, 2, 3], p=[0.4, 0.42, 0.18]))
        radius = size * float(rng.uniform(3.2, 5.2)) / heads**0.45
        place, top, end = rng.uniform(0.56, 0.82), rng.uniform(0.18, 0.36), rng.uniform(0.62, 0.85)
        for head in range(heads):
            beside = (head - (heads - 1) / 2) * rng.uniform(15.0, 26.0) + rng.normal(0.0, 4.0)
            angle = middle + float(np.deg2rad(beside))
            out = place + rng.uniform(-0.06, 0.08)
            across = angle + float(np.deg2rad(rng.normal(0.0, 6.0)))
            lower = top + rng.uniform(0.0, 0.1)
            rows.append([angle, out, across, out + rng.uniform(0.0, 0.16), radius, lower, end])
            # The base grows out of the wall and of the trabeculae towards the apex.
            base = lower + rng.uniform(0.35, 0.7) * (end - lower)
            rows.append([angle, out + 0.05, across, 1.03, radius * rng.uniform(0.6, 1.0), base, end + 0.08])
    return np.array(rows)


def draw_tendons(septum: float, rng: np.random.Generator) -> np.ndarray:
    """Mitral leaflets below the base, false tendons, and trabeculae that stand free of the wall, (n, STRAND)."""
    rows = []
    for angle in (septum + rng.uniform(1.2, 1.9), septum - rng.uniform(1.7, 2.4)):
        tip = septum + np.pi + rng.uniform(-1.0, 1.0)
        rows.append([angle, 0.9, tip, rng.uniform(0.0, 0.55), rng.uniform(0.25, 0.55), -0.1, rng.uniform(0.03, 0.1)])
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.35, 0.35, 0.2, 0.1]))):
        first, top = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.4, 0.8)
        second = first + float(np.deg2rad(rng.uniform(60.0, 150.0)))
        rows.append([first, rng.uniform(0.75, 1.0), second, rng.uniform(0.75, 1.0), rng.uniform(0.4, 0.9), top,
                     top + rng.uniform(0.06, 0.14)])  # fmt: skip
    for _ in range(int(rng.integers(4, 15))):
        first, top = rng.uniform(0.0, 2 * np.pi), rng.triangular(0.2, 0.75, 0.85)
        place, second = rng.uniform(0.6, 0.93), first + rng.normal(0.0, 0.22)
        rows.append([first, place, second, place + rng.normal(0.0, 0.12), rng.uniform(0.6, 1.7), top,
                     top + rng.uniform(0.08, 0.25)])  # fmt: skip
    return np.array(rows)


def draw_rv_strands(rv_angle: float, wall_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Moderator band from the septum to the free wall, papillary muscles and trabeculae of the RV, (n, STRAND); more
    and thicker ones behind a thick wall."""
    more = float(np.clip(wall_mm / 3.0, 0.8, 2.0))
    top = rng.uniform(0.5, 0.68)
    band = rv_angle + np.pi + rng.uniform(-0.7, 0.7)
    rows = [[band, rng.uniform(0.2, 0.5), rv_angle + rng.normal(0.3, 0.5), 1.0, rng.uniform(0.9, 1.8) * more, top,
             top + rng.uniform(0.08, 0.16)]]  # fmt: skip
    for _ in range(int(rng.integers(8, 20) * more)):
        first, top = rv_angle + rng.uniform(-1.9, 1.9), rng.triangular(0.08, 0.75, 0.85)
        second, place = first + float(rng.normal(0.0, 0.4)), rng.uniform(0.55, 1.0)
        inwards = place - abs(rng.normal(0.0, 0.22))
        rows.append([first, place, second, max(inwards, 0.1), rng.uniform(0.6, 1.6) * more**0.5, top,
                     top + rng.uniform(0.08, 0.3)])  # fmt: skip
    return np.array(rows)


def draw_lv_ridges(endo: np.ndarray, wall_mm: float, septum: float, rng: np.random.Generator) -> np.ndarray:
    """Trabecular layer of the LV: how far muscle reaches into the cavity, mm, (DEPTHS, ANGLES); denser at the apex and
    on the lateral side, with smooth stretches between."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    fine = rough_field(rng.uniform(1.8, 3.2), rng.uniform(2.5, 5.0), 85.0, rng)
    thick = rough_field(rng.uniform(4.0, 8.0), rng.uniform(4.5, 9.0), 85.0, rng)
    patches = rough_field(24.0, 14.0, 85.0, rng)
    # The base is smoother than the apex: inflow and outflow.
    uneven = np.clip(1.0 + 0.6 * patches - 0.25 * np.cos(ANGLE - septum), 0.1, 2.2)
    scale = rng.uniform(1.2, 3.0) * (wall_mm / 7.0) ** 0.3 * (0.55 + 0.9 * u) * uneven
    reach = (0.85 * np.clip(fine + 0.45, 0.0, 2.6) + 0.55 * np.clip(thick + 0.2, 0.0, 2.6) ** 1.3) * scale
    return np.minimum(reach, 0.45 * endo) * (endo > 4.0)


def draw_rv_ridges(rng: np.random.Generator) -> np.ndarray:
    """Trabeculae on the free wall of the RV, mm, (DEPTHS, ANGLES)."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    fine = rough_field(rng.uniform(1.8, 3.2), rng.uniform(3.0, 6.0), 85.0, rng)
    thick = rough_field(rng.uniform(4.0, 7.0), rng.uniform(5.0, 10.0), 85.0, rng)
    reach = 0.5 * np.clip(fine + 0.4, 0.0, 2.6) + 0.7 * np.clip(thick + 0.1, 0.0, 2.6) ** 1.3
    return reach * rng.uniform(1.4, 3.6) * (0.45 + 1.7 * u)


def draw_fat(septum: float, rng: np.random.Generator) -> np.ndarray:
    """Epicardial fat, mm, (DEPTHS, ANGLES): often none towards the lung, more over the RV and at the base's groove;
    thins out over the apex, which lies bare against lung and diaphragm."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    lung = float(rng.uniform(-0.9, 0.2) if rng.random() < 0.6 else rng.uniform(0.3, 2.2))
    right = float(rng.uniform(0.2, 3.4))
    side = (0.5 + 0.5 * np.cos(ANGLE[None, :] - septum)) ** 2
    groove = float(rng.uniform(0.5, 4.0)) * np.exp(-((u / 0.07) ** 2))
    patchy = rng.uniform(0.4, 0.9) * smooth_field(6, rng) * (0.7 + 0.5 * u)
    thickness = np.clip(lung + (right - lung) * side + groove + patchy, 0.0, 8.0)
    towards_apex = np.clip((u - 0.5) / 0.35, 0.0, 1.0)
    return thickness * (1.0 - 0.95 * towards_apex**2 * (3.0 - 2.0 * towards_apex))
