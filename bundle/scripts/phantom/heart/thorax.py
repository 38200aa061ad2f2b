"""Surroundings of the heart, drawn anew for every subject: chest wall, lung, mediastinum and upper abdomen."""

from __future__ import annotations

import numpy as np

from ..smooth_fields import texture
from . import tissue
from .abdomen import paint_abdomen
from .anatomy import Anatomy
from .chest_vessels import Tree, paint_great_vessels, paint_vessel_tree
from .chest_wall import paint_chest_wall
from .thorax_canvas import CODES, Canvas

__all__ = ["CODES", "Thorax"]
# Blood in vessels too small to be seen, part of the lung's volume: with it lung has 0.05-0.15 of the bright end of a
# cine, as in patients. The lower lung has more of it.
_LUNG_BLOOD = (0.07, 0.19)
_LUNG_VESSELS = Tree((90, 240), (0.5, 4.2), 5.0, (0.35, 1.0), 0.55)
_LIVER_VESSELS = Tree((20, 60), (0.8, 3.6), 9.0, (0.2, 0.8), 0.3)
_PAD_STRANDS = 0.16
# Connective tissue that runs as thin sheets through all fat: distance of the sheets and their width as part of it.
_SEPTA_MM, _SEPTA_WIDTH = 17.0, 0.13


class Thorax:
    """Paints the chest around one heart; ``shares``: (len(CODES), S, X, Y), float32, summing to 1.

    ``turn``: of the body on the screen, radians, clockwise; it follows the direction of the septum with a scatter.
    """

    def __init__(self, anatomy: Anatomy, rng: np.random.Generator) -> None:
        canvas = Canvas(anatomy, rng)
        outside = paint_chest_wall(canvas, rng)
        paint_abdomen(canvas, rng)
        _paint_pericardial_fat(canvas, rng)
        _paint_septa(canvas, rng)
        _paint_pericardium(canvas, rng)
        paint_vessel_tree(canvas, tissue.LIVER, _LIVER_VESSELS, rng)
        paint_great_vessels(canvas, outside, rng)
        _paint_lung(canvas, rng)
        self.shares, self.turn = canvas.shares, canvas.turn


def _paint_pericardial_fat(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fat between heart and lung: pads towards the sternum and in the angles of the diaphragm, patches elsewhere.

    Much of it in some, none in others; muscle fibres and small vessels run through it.
    """
    angle = np.arctan2(canvas.v, canvas.u) + np.float32(0.16) * canvas.noise(22.0, rng)
    reach = np.full_like(angle, -rng.uniform(0.0, 5.0))
    apical = np.linspace(0.0, 1.0, canvas.slices, dtype=np.float32)[:, None, None]
    for middle, spread, most in ((235.0, 25.0, 34.0), (150.0, 20.0, 26.0), (45.0, 30.0, 12.0)):
        thickness = most * rng.beta(0.7, 1.7)
        turn = np.float32(np.deg2rad(rng.normal(middle, spread)))
        half = np.float32(np.deg2rad(rng.uniform(22.0, 50.0)))
        away = np.abs((angle - turn + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)) / half
        fading = 1.0 - np.float32(rng.uniform(-0.2, 0.7)) * apical
        reach += np.float32(thickness) * fading * np.exp(-(np.minimum(away, 4.0) ** 2))
    reach += np.float32(rng.uniform(0.5, 4.0)) * canvas.noise(26.0, rng) + canvas.noise(8.0, rng)
    pad = canvas.inside(reach - canvas.beyond_heart)
    grain = texture(pad.shape, canvas.pixel_mm, rng, persistence=0.4)
    fibres = np.clip(_PAD_STRANDS + np.float32(rng.uniform(0.05, 0.3)) * grain, 0.0, 0.9)
    canvas.paint(tissue.FAT, pad * (1 - fibres), only=(tissue.LUNG,))
    canvas.paint(tissue.MUSCLE, canvas.inside(reach - canvas.beyond_heart) * fibres, only=(tissue.LUNG,))


def _paint_pericardium(canvas: Canvas, rng: np.random.Generator) -> None:
    """Pericardium and pleura, and beyond them lung that the heart presses and moves: no step from wall to air.

    Profiles outside the epicardium fall slowly in patients (docs/SOURCES.md, Surroundings).
    """
    beyond = canvas.beyond_heart - np.float32(rng.uniform(1.0, 3.0))
    uneven = 1.0 + 0.35 * canvas.noise(25.0, rng)
    layer = np.clip(np.float32(rng.uniform(0.4, 2.2)) * uneven, 0.0, None)
    canvas.paint(tissue.MUSCLE, np.float32(rng.uniform(0.3, 0.8)) * canvas.inside(layer - beyond, 2.0), (tissue.LUNG,))
    pressed = np.exp(-np.maximum(beyond, 0.0) / np.float32(rng.uniform(3.0, 9.0)))
    dense = np.clip(np.float32(rng.uniform(0.1, 0.5)) * uneven, 0.0, 0.9)
    canvas.paint(tissue.MUSCLE, dense * pressed, (tissue.LUNG,))


def _paint_septa(canvas: Canvas, rng: np.random.Generator) -> None:
    """Thin dark sheets in fat under the skin, in the pads and in the abdomen, denser in some than in others."""
    sheets = canvas.noise(_SEPTA_MM, rng)
    width = np.float32(_SEPTA_WIDTH * rng.uniform(0.5, 1.5))
    canvas.paint(tissue.MUSCLE, np.float32(rng.uniform(0.1, 0.55)) * np.exp(-((sheets / width) ** 2)), (tissue.FAT,))


def _paint_lung(canvas: Canvas, rng: np.random.Generator) -> None:
    """Vessels of many sizes and the blood of those too small to be seen, more of it in the lower lung."""
    paint_vessel_tree(canvas, tissue.LUNG, _LUNG_VESSELS, rng)
    blood = np.float32(rng.uniform(*_LUNG_BLOOD))
    slope = np.clip(1.0 + np.float32(rng.uniform(0.0, 0.006)) * canvas.v, 0.5, 1.6)
    canvas.paint(tissue.ARTERY, blood * slope, only=(tissue.LUNG,))
