"""Under the diaphragm: liver, stomach with what it holds, spleen, bowel, fat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..smooth_fields import texture
from . import tissue
from .thorax_canvas import Canvas

DOWN = np.pi / 2
STOMACHS = ("fluid", "mixed", "dark", "gas", "empty")
_LUNG_BEHIND = 0.4  # of chests in which lung goes on lateral of the dome


@dataclass(frozen=True)
class Dome:
    """Height of the diaphragm in the body's frame, mm downwards: ``top_mm`` per slice, bent, leaning, and lateral of
    ``drop_from_mm`` steeply down to the angle between diaphragm and chest wall."""

    top_mm: np.ndarray
    middle_mm: float
    curve: float
    lean: float
    drop_from_mm: float
    drop: float

    def at(self, u_mm: np.ndarray) -> np.ndarray:
        """``u_mm``: (S,) or (S, X, Y), float32."""
        top = self.top_mm.reshape(-1, *[1] * (u_mm.ndim - 1)).astype(np.float32)
        away, beyond = u_mm - np.float32(self.middle_mm), np.maximum(u_mm - np.float32(self.drop_from_mm), 0.0)
        return top + np.float32(self.curve) * away**2 + np.float32(self.lean) * u_mm + np.float32(self.drop) * beyond


def paint_abdomen(canvas: Canvas, rng: np.random.Generator) -> None:
    """What lies below the dome, into the lung that was there; the dome rises from base to apex."""
    dome = _draw_dome(canvas, rng)
    depth = canvas.v - dome.at(canvas.u)
    cavity = canvas.share(tissue.LUNG).copy()
    below = canvas.inside(depth) * cavity
    sheet = np.float32(rng.uniform(1.0, 3.0))
    canvas.paint(tissue.MUSCLE, canvas.inside(depth + sheet), only=(tissue.LUNG,))
    canvas.paint(tissue.FAT, below, only=(tissue.MUSCLE,))
    depth = depth - np.clip(rng.uniform(-5.0, 3.0) + 2.0 * canvas.noise(30.0, rng), 0.0, None)
    edge, slant = np.float32(_liver_edge_mm(rng)), np.float32(rng.uniform(-0.3, 1.2))
    liver = np.minimum(depth, (edge - slant * depth - canvas.u) * np.float32(0.8)) + 1.2 * canvas.noise(18.0, rng)
    canvas.paint(tissue.LIVER, canvas.inside(liver) * below, only=(tissue.FAT,))
    left = below * canvas.inside(-liver)
    _paint_spleen(canvas, dome, left, float(edge), rng)
    for kind in (rng.choice(STOMACHS), *(["gas", "dark"] if rng.random() < 0.25 else [])):
        if rng.random() < 0.85:
            _paint_stomach(canvas, str(kind), dome, left, float(edge), rng)


def _draw_dome(canvas: Canvas, rng: np.random.Generator) -> Dome:
    reach = canvas.reach(DOWN)
    gap = np.linspace(rng.uniform(-4.0, 12.0), rng.uniform(-8.0, 6.0), canvas.slices)
    top = np.minimum.accumulate(reach + gap) + np.cumsum(rng.normal(0.0, 1.0, canvas.slices))
    lean = float(np.clip(rng.normal(0.0, 0.2), -0.45, 0.45))
    middle, curve = rng.uniform(-45.0, 20.0), rng.uniform(0.0005, 0.004)
    drop = rng.uniform(0.5, 2.5) if rng.random() < _LUNG_BEHIND else 0.0
    return Dome(top, middle, curve, lean, rng.uniform(-25.0, 45.0), drop)


def _liver_edge_mm(rng: np.random.Generator) -> float:
    """Where the left lobe ends, mm lateral of the heart's middle; now and then it reaches under the spleen."""
    return float(rng.uniform(80.0, 160.0) if rng.random() < 0.15 else rng.uniform(-45.0, 55.0))


def _paint_spleen(canvas: Canvas, dome: Dome, room: np.ndarray, edge: float, rng: np.random.Generator) -> None:
    if rng.random() < 0.4:
        return
    u = edge + rng.uniform(45.0, 85.0) + np.zeros(canvas.slices)
    v = dome.at(u) + rng.uniform(10.0, 40.0)
    half = rng.uniform(28.0, 48.0), rng.uniform(16.0, 26.0)
    window = canvas.window(u, v, max(half))
    disc = canvas.inside(canvas.ellipse(u, v, half, rng.uniform(0.6, 2.2), window))
    canvas.paint(tissue.SPLEEN, disc * room[(slice(None), *window)], only=(tissue.FAT,), window=window)


def _paint_stomach(
    canvas: Canvas, kind: str, dome: Dome, room: np.ndarray, edge: float, rng: np.random.Generator
) -> None:
    """A pouch with a wall of muscle. ``kind``: of its content, one of STOMACHS."""
    size = 0.55 if kind == "empty" else 1.0
    half = size * rng.uniform(26.0, 55.0), size * rng.uniform(22.0, 42.0)
    u = edge + half[0] * rng.uniform(0.4, 1.2) + rng.normal(0.0, 1.5) * np.arange(canvas.slices)
    v = dome.at(u) + half[1] * rng.uniform(0.7, 1.3)
    window = canvas.window(u, v, max(half))
    if 0 in canvas.u[(0, *window)].shape:
        return
    here = room[(slice(None), *window)]
    pouch = canvas.ellipse(u, v, half, rng.uniform(-0.6, 0.6), window)
    pouch = pouch + np.float32(rng.uniform(0.5, 2.5)) * canvas.noise(16.0, rng, window)
    replaced = (tissue.FAT, tissue.SPLEEN)
    canvas.paint(tissue.MUSCLE, canvas.inside(pouch) * here, only=replaced, window=window)
    lumen = canvas.inside(pouch - np.float32(rng.uniform(1.8, 4.5))) * here
    grain = texture(pouch.shape, canvas.pixel_mm, rng, persistence=0.5)
    if kind == "empty":  # folds around a little fluid
        folds = np.clip(0.6 * grain + 0.5, 0.0, 1.0) * canvas.inside(pouch - np.float32(0.45 * min(half)), 3.0)
        canvas.paint(tissue.ARTERY, folds * here, only=(tissue.MUSCLE,), window=window)
        return
    fluid, gas = _content(kind, grain, canvas.v[(slice(None), *window)] - np.float32(v.mean()), rng)
    canvas.paint(tissue.AIR, lumen * gas, only=(tissue.MUSCLE,), window=window)
    canvas.paint(tissue.ARTERY, lumen * fluid, only=(tissue.MUSCLE,), window=window)


def _content(kind: str, grain: np.ndarray, height: np.ndarray, rng: np.random.Generator) -> tuple:
    """Shares of fluid and gas in the stomach; the rest is food, as dark as muscle."""
    if kind == "fluid":
        return np.clip(rng.uniform(0.6, 1.0) + 0.12 * grain, 0.0, 1.0), np.zeros_like(grain)
    if kind == "mixed":
        gas = np.clip(0.9 * grain - rng.uniform(0.4, 1.0), 0.0, 0.9)
        return np.clip(rng.uniform(0.55, 0.9) + 0.25 * grain[:, ::-1], 0.0, 1.0), gas
    if kind == "dark":
        gas = np.clip(0.35 + 0.45 * grain, 0.0, 1.0)
        return np.clip(0.5 * grain[:, ::-1] - rng.uniform(0.1, 0.6), 0.0, 0.9), gas
    gas = np.clip(0.5 - (height - np.float32(rng.uniform(-15.0, 20.0))) / 3.0, 0.0, 1.0)
    return np.clip(rng.uniform(0.2, 0.9) + 0.15 * grain, 0.0, 1.0), gas
