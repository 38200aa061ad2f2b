"""Vessels of the chest: descending aorta, inferior vena cava, oesophagus and spine beside them; trees in the organs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import tissue
from .thorax_canvas import BODY, CODES, Canvas

_HILUM_MM = (38.0, -18.0)  # where the trees begin, to the left lung and downwards from the heart's middle
_BEHIND_MM = 50.0  # from the heart to the wall of the back, at least, where there is such a direction


@dataclass(frozen=True)
class Tree:
    """Vessels of one organ, cut by the slices: ``count`` per slice, ``radius_mm`` from the finest to the widest, mean
    ``length_mm`` of a piece within a slice, ``density``: share of blood in it, ``kept``: chance that the next slice
    shows it, too, a little further on."""

    count: tuple[int, int]
    radius_mm: tuple[float, float]
    length_mm: float
    density: tuple[float, float]
    kept: float


def paint_vessel_tree(canvas: Canvas, organ: int, tree: Tree, rng: np.random.Generator) -> None:
    """Pieces of branching vessels in ``organ``, mostly cut across; wide ones near the hilum, fine ones everywhere."""
    count = int(rng.integers(*tree.count))
    hilum = rng.normal(_HILUM_MM, 25.0)
    pieces = _pieces(count, hilum, tree, rng)
    for level in range(canvas.slices):
        for piece in pieces:
            _paint_piece(canvas, organ, level, piece)
        moved = pieces.copy()
        moved[:, :2] += rng.normal(0.0, 3.5, (count, 2))
        moved[:, 3] *= rng.uniform(0.6, 1.3, count)
        fresh = rng.random(count) > tree.kept
        pieces = np.where(fresh[:, None], _pieces(count, hilum, tree, rng), moved)


def _pieces(count: int, hilum: np.ndarray, tree: Tree, rng: np.random.Generator) -> np.ndarray:
    """(count, 6): u, v of the middle, direction, half length, radius (all mm, radians), share of blood.

    Every third piece is a branch: it starts where the one before it ends, at an angle, and is thinner.
    """
    at = rng.uniform(-115.0, 115.0, (count, 2))
    at = np.where(rng.random((count, 1)) < 0.45, hilum + rng.normal(0.0, 38.0, (count, 2)), at)
    away = at - hilum
    distance = np.hypot(*away.T)
    direction = np.arctan2(away[:, 1], away[:, 0]) + rng.normal(0.0, 0.5, count)
    half = np.minimum(rng.exponential(tree.length_mm / 4, count), 2 * tree.length_mm)
    low, high = tree.radius_mm
    radius = low + (high - low) * rng.beta(0.7, 2.6, count) * np.clip(1.4 - distance / 110.0, 0.35, 1.0)
    branch = np.arange(2, count, 3)
    parent = branch - 1
    step = np.column_stack([np.cos(direction[parent]), np.sin(direction[parent])])
    at[branch] = at[parent] + step * half[parent, None]
    direction[branch] = direction[parent] + rng.choice([-1.0, 1.0], len(branch)) * rng.uniform(0.4, 1.0, len(branch))
    half[branch] += 2.0
    radius[branch] = 0.7 * radius[parent]
    at[branch] += np.column_stack([np.cos(direction[branch]), np.sin(direction[branch])]) * half[branch, None]
    return np.column_stack([at, direction, half, radius, rng.uniform(*tree.density, count)])


def _paint_piece(canvas: Canvas, organ: int, level: int, piece: np.ndarray) -> None:
    u, v, direction, half, radius, density = piece.tolist()
    x, y = canvas.on_screen(u, v)
    reach = half + radius + 2.0
    found = []
    for side, at in enumerate((float(x), float(y))):
        size = canvas.anatomy.matrix[side]
        middle = (size - 1) / 2
        low = int((at - reach) / canvas.pixel_mm + middle)
        high = int((at + reach) / canvas.pixel_mm + middle) + 2
        if high <= 0 or low >= size:
            return
        low, high = max(low, 0), min(high, size)
        found.append(((np.arange(low, high) - middle) * canvas.pixel_mm - at, slice(low, high)))
    (dx, along_x), (dy, along_y) = found
    here = canvas.shares[:, level, along_x, along_y]
    lung = here[CODES.index(organ)]
    if not lung.any():
        return
    turned = direction + canvas.turn
    c, s = np.cos(turned), np.sin(turned)
    along = np.maximum(np.abs(c * dx[:, None] + s * dy[None, :]) - half, 0.0)
    away = np.hypot(along, c * dy[None, :] - s * dx[:, None])
    alpha = np.clip((radius - away) / (1.6 * canvas.pixel_mm) + 0.5, 0.0, 1.0)
    part = lung * (density * alpha * min(1.0, 0.45 + 0.5 * radius / canvas.pixel_mm)).astype(np.float32)
    lung -= part
    here[CODES.index(tissue.ARTERY)] += part


def paint_great_vessels(canvas: Canvas, outside: np.ndarray, rng: np.random.Generator) -> None:
    """Below and behind the heart, where the plane happens to cut them: aorta with oesophagus, spine, vena cava.

    ``outside``: mm outside the lungs' outline; the spine lies there, the aorta inside.
    """
    steps = np.arange(canvas.slices)
    candidates = np.deg2rad(rng.uniform(35.0, 140.0, 4)).tolist()
    room = [_wall_mm(canvas, outside, one) - canvas.reach(one)[0] for one in candidates]
    angle = next(
        (one for one, mm in zip(candidates, room, strict=True) if mm > _BEHIND_MM), candidates[np.argmax(room)]
    )
    radius = rng.uniform(8.5, 13.0)
    heart, wall = canvas.reach(angle)[0], _wall_mm(canvas, outside, angle)
    out = heart + radius + rng.uniform(4.0, 34.0) + rng.uniform(-0.5, 3.5) * steps
    out = np.maximum(np.minimum(out, wall - radius - 4.0), heart + radius + 3.0)
    angles = angle + rng.normal(0.0, 0.02) * steps
    u, v = out * np.cos(angles), out * np.sin(angles)
    direction = angle + rng.normal(-0.1, 0.3)
    _paint_spine(canvas, direction, _wall_mm(canvas, outside, direction) - rng.uniform(8.0, 26.0), rng)
    if rng.random() < 0.6:
        beside = angle + rng.choice([-1.0, 1.0]) * rng.uniform(1.2, 2.2)
        gullet = u + 20.0 * np.cos(beside), v + 20.0 * np.sin(beside)
        _paint_tube(canvas, gullet, rng.uniform(5.0, 8.0), (tissue.MUSCLE, tissue.MUSCLE), 1.0, rng)
    if rng.random() < 0.9:
        _paint_tube(canvas, (u, v), radius, (tissue.ARTERY, tissue.MUSCLE), rng.uniform(1.0, 2.0), rng)
    if rng.random() < 0.4:
        cava = canvas.reach(np.deg2rad(120.0)) + rng.uniform(6.0, 30.0) + rng.uniform(0.0, 4.0) * steps
        turn = np.deg2rad(rng.uniform(105.0, 160.0))
        place = cava * np.cos(turn), cava * np.sin(turn)
        _paint_tube(canvas, place, rng.uniform(8.0, 14.0), (tissue.ARTERY, tissue.MUSCLE), 1.0, rng)


def _paint_tube(
    canvas: Canvas,
    centre: tuple[np.ndarray, np.ndarray],
    radius: float,
    codes: tuple[int, int],
    wall_mm: float,
    rng: np.random.Generator,
) -> None:
    """Content and wall of a tube that is cut more or less obliquely, in a cuff of fat here and there."""
    half = radius * rng.uniform(1.0, 1.5), radius
    window = canvas.window(*centre, max(half) + 10.0)
    if 0 in canvas.u[(0, *window)].shape:
        return
    disc = canvas.ellipse(*centre, half, rng.uniform(0.0, np.pi), window)
    apart = canvas.inside(canvas.beyond_heart[(slice(None), *window)] - 1.0)
    cuff = np.float32(rng.uniform(-4.0, 5.0)) + 3.0 * canvas.noise(14.0, rng, window)
    canvas.paint(tissue.FAT, canvas.inside(disc + np.clip(cuff, 0, None)) * apart, only=(tissue.LUNG,), window=window)
    inner, outer = codes
    canvas.paint(outer, canvas.inside(disc) * apart, only=BODY, window=window)
    canvas.paint(inner, canvas.inside(disc - wall_mm) * apart, only=BODY, window=window)


def _wall_mm(canvas: Canvas, outside: np.ndarray, angle: float) -> float:
    """Distance from the heart's middle to the chest wall in a direction of the body's frame, in the middle slice."""
    steps = np.arange(10.0, 220.0, 2.0)
    places = canvas.on_screen(steps * np.cos(angle), steps * np.sin(angle))
    x, y = (
        np.clip(np.searchsorted(canvas.anatomy.pixel_positions_mm(side), at), 0, canvas.anatomy.matrix[side] - 1)
        for side, at in enumerate(places)
    )
    beyond = outside[canvas.slices // 2, x, y] > 0
    return float(steps[np.argmax(beyond)] if beyond.any() else steps[-1])


def _paint_spine(canvas: Canvas, direction: float, away_mm: float, rng: np.random.Generator) -> None:
    """Vertebral body with dark cortex, the canal behind it, in muscles of the back that end under fat and skin."""
    u, v = (np.full(canvas.slices, away_mm * one) for one in (np.cos(direction), np.sin(direction)))
    window = canvas.window(u, v, 60.0)
    if 0 in canvas.u[(0, *window)].shape:
        return
    size = rng.uniform(15.0, 20.0)
    lean = direction + np.pi / 2
    body = canvas.ellipse(u, v, (1.15 * size, 0.9 * size), lean, window)
    far = u + 1.35 * size * np.cos(direction), v + 1.35 * size * np.sin(direction)
    canal = canvas.ellipse(*far, (9.0, 7.0), lean, window)
    cuff = canvas.ellipse(*far, (rng.uniform(34.0, 46.0), rng.uniform(22.0, 30.0)), lean, window)
    marbled = np.clip(0.25 + 0.3 * canvas.noise(9.0, rng, window), 0.0, 0.9)
    around = np.maximum(cuff, body + 3.0)
    canvas.paint(tissue.FAT, canvas.inside(around + np.float32(rng.uniform(3.0, 12.0))), (tissue.AIR,), window)
    around = canvas.inside(around)
    canvas.paint(tissue.MUSCLE, around, window=window)
    canvas.paint(tissue.FAT, around * marbled, only=(tissue.MUSCLE,), window=window)
    canvas.paint(tissue.AIR, 0.8 * canvas.inside(np.maximum(body, canal + 2.0)), only=BODY, window=window)
    canvas.paint(tissue.MARROW, canvas.inside(body - 1.5), window=window)
    canvas.paint(tissue.ARTERY, canvas.inside(canal), window=window)
