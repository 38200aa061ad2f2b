"""Chest wall: skin fat with breast, muscle, ribs and costal cartilage around the lungs; arms beside it."""

from __future__ import annotations

import numpy as np

from . import tissue
from .thorax_canvas import BODY, Canvas

# Half axes of the lungs' outline, mm, towards the wall next to the heart and across.
_DEEP_MM, _WIDE_MM = (72.0, 102.0), (102.0, 138.0)
# The corners of the image stay air, from which noise is measured: largest part of the image that the body fills.
_LARGEST_BODY = 0.72
_BREAST = {"female": 0.8, "male": 0.15}


def paint_chest_wall(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """From the skin to the lung. The heart lies against the wall on the side of the sternum, closer at the apex.

    Returns how far each pixel lies outside the lungs' outline, mm, (S, X, Y).
    """
    towards = np.deg2rad(np.clip(rng.normal(228.0, 28.0), 165.0, 285.0))
    heart = canvas.reach(towards)
    down = np.linspace(0.0, 1.0, canvas.slices) ** rng.uniform(0.7, 1.4)
    wall = np.maximum(heart[0] + rng.uniform(1.0, 18.0), heart.max() + 1.0)
    near = wall * (1 - down) + (heart[-1] + rng.uniform(1.0, 20.0)) * down
    near = np.maximum(near, heart + 1.0)
    deep, wide = rng.uniform(*_DEEP_MM), rng.uniform(*_WIDE_MM)
    shifted = (near - deep)[:, None, None].astype(np.float32)
    c, s = np.float32(np.cos(towards)), np.float32(np.sin(towards))
    along, across = c * canvas.u + s * canvas.v - shifted, c * canvas.v - s * canvas.u + np.float32(rng.normal(0, 20.0))
    radius = np.maximum(np.hypot(along / np.float32(deep), across / np.float32(wide)), 1e-3)
    outside = np.hypot(along, across) * (1 - 1 / radius)
    angle = np.arctan2(across / np.float32(wide), along / np.float32(deep))
    skin = _skin_mm(canvas, angle, (deep, wide), rng)
    depth, ribs = _paint_layers(canvas, outside, skin, rng)
    _paint_ribs(canvas, depth, angle * np.float32(0.5 * (deep + wide)), ribs, rng)
    canvas.paint(tissue.FAT, canvas.inside(-depth), only=(tissue.MUSCLE, tissue.MARROW))
    canvas.paint(tissue.LUNG, canvas.inside(-outside))
    _paint_arms(canvas, towards, wide + 16.0 + float(skin.mean()), rng)
    return outside


def _paint_layers(
    canvas: Canvas, outside: np.ndarray, skin: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fat and muscle from the skin inwards; returns the depth in the layer of the ribs and its thickness, mm.

    ``outside``: mm outside the lung. Under the skin lie the pectoral and serratus muscles, thick here and absent there,
    then a sheet of fat, the layer of the ribs, and a little fat under the pleura.
    """
    inner = np.clip(np.float32(rng.uniform(-2.0, 2.5)) + 1.2 * canvas.noise(20.0, rng), 0.0, None)
    ribs = np.clip(np.float32(rng.uniform(7.0, 14.0)) * (1 + 0.2 * canvas.noise(40.0, rng)), 5.0, None)
    between = np.clip(np.float32(rng.uniform(-1.5, 2.5)) + 1.3 * canvas.noise(28.0, rng), 0.0, None)
    outer = np.clip(np.float32(rng.uniform(-6.0, 8.0)) + 6.0 * canvas.noise(50.0, rng), 0.0, 22.0)
    muscles = inner + ribs + between + outer
    canvas.paint(tissue.FAT, canvas.inside(muscles + skin - outside))
    _paint_breast_tissue(canvas, outside - muscles, skin, rng)
    canvas.paint(tissue.MUSCLE, canvas.inside(muscles - outside))
    canvas.paint(tissue.FAT, canvas.inside(inner + ribs + between - outside))
    canvas.paint(tissue.MUSCLE, canvas.inside(inner + ribs - outside))
    marbled = np.clip(0.5 * canvas.noise(13.0, rng) - np.float32(rng.uniform(0.1, 0.9)), 0.0, 0.9)
    canvas.paint(tissue.FAT, marbled, only=(tissue.MUSCLE,))
    return outside - inner, ribs


def _skin_mm(canvas: Canvas, angle: np.ndarray, half_mm: tuple, rng: np.random.Generator) -> np.ndarray:
    """Thickness of the fat under the skin, (S, X, Y): thin or thick by subject, thicker where the breast is."""
    thickness = float(np.clip(rng.lognormal(np.log(11.0), 0.55), 3.0, 34.0))
    area = _LARGEST_BODY * np.prod(canvas.anatomy.matrix) * canvas.pixel_mm**2 / np.pi
    sides = float(sum(half_mm))
    room = (np.sqrt(sides**2 + 4 * (area - float(np.prod(half_mm)))) - sides) / 2 - 20.0
    thickness = float(np.clip(thickness, 2.0, max(room, 2.0)))
    skin = np.float32(thickness) * np.clip(1.0 + 0.3 * canvas.noise(70.0, rng), 0.25, 2.0)
    if rng.random() < _BREAST[canvas.anatomy.shape.sex]:
        middle, half = np.float32(rng.normal(0.25, 0.45)), np.float32(rng.uniform(0.25, 0.6))
        more = rng.uniform(8.0, 45.0) * (1.0 if canvas.anatomy.shape.sex == "female" else 0.4)
        skin = skin + np.float32(more) * np.exp(-(((angle - middle) / half) ** 2))
    return skin


def _paint_breast_tissue(canvas: Canvas, depth: np.ndarray, skin: np.ndarray, rng: np.random.Generator) -> None:
    """Glands and fibrous septa in the fat under the skin, in the middle of its thickness."""
    grain = canvas.noise(9.0, rng) + 0.7 * canvas.noise(22.0, rng)
    middle = np.clip(1.2 - np.abs(depth / np.maximum(skin, 1.0) - 0.5) * 3.0, 0.0, 1.0)
    strands = np.clip(grain - np.float32(rng.uniform(0.8, 2.0)), 0.0, 0.7) * middle * (depth > 0)
    canvas.paint(tissue.MUSCLE, strands, only=(tissue.FAT,))


def _paint_ribs(
    canvas: Canvas, depth: np.ndarray, along: np.ndarray, muscle: np.ndarray, rng: np.random.Generator
) -> None:
    """Ribs cut across at changing places: dark cortex around marrow or cartilage, near the sternum a wide plate."""
    pitch, drift = rng.uniform(21.0, 33.0), rng.normal(0.0, 5.0)
    place = np.arange(canvas.slices, dtype=np.float32)[:, None, None] * np.float32(drift / pitch)
    cycle = along * np.float32(1 / pitch) + place + np.float32(rng.random())
    number = np.floor(cycle).astype(np.int32)
    sizes = rng.uniform((5.5, 3.0), (12.0, 6.5), (16, 2)).astype(np.float32)
    size = sizes[number % 16]
    away = (cycle - number - 0.5 + rng.uniform(-0.2, 0.2, 16).astype(np.float32)[number % 16]) * np.float32(pitch)
    distance = (1.0 - np.hypot(away / size[..., 0], (depth - 0.5 * muscle) / size[..., 1])) * size[..., 1]
    cartilage = rng.random(16) < 0.4
    content = canvas.inside(distance - np.float32(rng.uniform(0.9, 1.6)))
    canvas.paint(tissue.AIR, 0.85 * canvas.inside(distance), only=BODY)
    soft = cartilage[number % 16]
    canvas.paint(tissue.MARROW, content * ~soft)
    canvas.paint(tissue.MUSCLE, content * soft)


def _paint_arms(canvas: Canvas, towards: float, distance_mm: float, rng: np.random.Generator) -> None:
    """Upper arms beside the chest, where the image reaches so far."""
    for side in (-1.0, 1.0):
        if rng.random() < 0.6:
            continue
        radius = rng.uniform(26.0, 40.0)
        far = side * (distance_mm + radius + rng.uniform(2.0, 15.0))
        back = rng.uniform(-70.0, -20.0)
        u = -np.sin(towards) * far + np.cos(towards) * back
        v = np.cos(towards) * far + np.sin(towards) * back
        window = canvas.window(u, v, radius)
        if not canvas.u[(0, *window)].size:
            continue
        disc = canvas.ellipse(u, v, (radius, radius * rng.uniform(0.8, 1.2)), 0.0, window)
        fat = rng.uniform(3.0, 10.0)
        canvas.paint(tissue.FAT, canvas.inside(disc), only=(tissue.AIR,), window=window)
        canvas.paint(tissue.MUSCLE, canvas.inside(disc - fat), only=(tissue.FAT,), window=window)
        canvas.paint(tissue.MARROW, canvas.inside(disc - radius + 10.0), only=(tissue.MUSCLE,), window=window)
