"""Motion of the heart: contraction over the cycle, regional strength, the deformed surfaces at one moment.

Every ray of the wall keeps its volume: inward motion of the endocardium, long-axis shortening and wall thickening are
tied to each other, (epi^2 - endo^2) x length = constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import integrate
from scipy.interpolate import PchipInterpolator

from .shape import ANGLES, HeartShape

# Fraction of full contraction over the cycle: systole to 0.36, early filling, diastasis, atrial kick.
_CYCLE = PchipInterpolator(
    (0, 0.10, 0.24, 0.36, 0.45, 0.55, 0.62, 0.75, 0.88, 0.95, 1.0),
    (0, 0.30, 0.85, 1.0, 0.80, 0.40, 0.24, 0.17, 0.13, 0.04, 0.0),
)
END_SYSTOLE = 0.36
_LARGEST_SHORTENING = 0.62
_DEEPEST_SHORTENING = 0.78  # of the inner radius anywhere
# Seen from the apex (angles clockwise, as y points down) the apex turns counter-clockwise, the base clockwise.
_TWIST_BASE_DEG, _TWIST_APEX_DEG = 4.0, -9.0


def contraction_at(cycle_fraction: float) -> float:
    """Contraction, 0 at end-diastole to 1 at end-systole, at a fraction 0..1 of the RR interval."""
    return float(_CYCLE(cycle_fraction % 1.0))


@dataclass(frozen=True)
class Motion:
    """``strength`` (DEPTHS, ANGLES): 1 normal, 0 akinetic, below 0 bulging. ``shortening``: of the inner radius at
    end-systole where strength is 1. ``mapse_mm``: descent of the mitral plane at end-systole. ``flash`` (DEPTHS,
    ANGLES): early motion that is gone at end-systole, in parts of ``shortening``.
    """

    strength: np.ndarray
    shortening: float
    mapse_mm: float
    rv_shortening: float
    flash: np.ndarray | float = 0.0

    def surfaces_mm(self, shape: HeartShape, contraction: float) -> tuple[np.ndarray, np.ndarray]:
        """Inner and outer LV radius of the material rows, mm, (DEPTHS, ANGLES)."""
        inwards = self.strength * contraction + self.flash * (4.0 * contraction * (1.0 - contraction))
        endo = shape.endo_mm * (1.0 - np.minimum(self.shortening * inwards, _DEEPEST_SHORTENING))
        stretch = 1.0 - self.mapse_mm * contraction / shape.length_mm
        return endo, np.sqrt(endo**2 + (shape.epi_mm**2 - shape.endo_mm**2) / stretch)

    def material_depth_mm(self, shape: HeartShape, depth_mm: np.ndarray, contraction: float) -> np.ndarray:
        """End-diastolic depth of what lies at ``depth_mm``; below 0 it is atrium, the apex stays where it is."""
        descent = self.mapse_mm * contraction
        return (depth_mm - descent) / (1.0 - descent / shape.length_mm)

    def twist(self, shape: HeartShape, material_depth_mm: np.ndarray, contraction: float) -> np.ndarray:
        """Rotation of the material in columns of the angle grid, integer, one per depth."""
        u = np.clip(material_depth_mm / shape.length_mm, 0.0, 1.0)
        degrees = (_TWIST_BASE_DEG + (_TWIST_APEX_DEG - _TWIST_BASE_DEG) * u) * contraction
        return np.rint(degrees / 360.0 * ANGLES).astype(int)

    def cavity_ml(self, shape: HeartShape, contraction: float) -> float:
        """LV cavity with papillary muscles and trabeculae, from the mitral plane to the apex."""
        endo, _ = self.surfaces_mm(shape, contraction)
        stretch = 1.0 - self.mapse_mm * contraction / shape.length_mm
        return _cavity_mm3(shape, endo) * stretch / 1000.0

    def ejection_fraction_percent(self, shape: HeartShape) -> float:
        """100 (EDV - ESV) / EDV, of the whole cavity with its base followed through the cycle."""
        return 100.0 * (1.0 - self.cavity_ml(shape, 1.0) / self.cavity_ml(shape, 0.0))


def motion_for(
    shape: HeartShape,
    strength: np.ndarray,
    ejection_fraction_percent: float,
    rng: np.random.Generator,
    flash: np.ndarray | float = 0.0,
) -> Motion:
    """The motion that gives the ejection fraction; remote muscle works harder or less, at most 62 % shortening.

    Long-axis descent follows the ejection fraction: 13 mm at 60 %. What cannot be reached stays short of it.
    """
    mapse = float(np.clip(13.0 * ejection_fraction_percent / 60.0 * rng.uniform(0.85, 1.15), 2.0, 18.0))
    rv = float(rng.uniform(0.18, 0.30))
    low, high = 0.0, _LARGEST_SHORTENING
    for _ in range(30):
        middle = 0.5 * (low + high)
        reached = Motion(strength, middle, mapse, rv).ejection_fraction_percent(shape)
        low, high = (middle, high) if reached < ejection_fraction_percent else (low, middle)
    return Motion(strength, 0.5 * (low + high), mapse, rv, flash)


def _cavity_mm3(shape: HeartShape, endo: np.ndarray) -> float:
    rings = 0.5 * (endo**2).sum(axis=1) * (2 * np.pi / ANGLES)
    return float(integrate.trapezoid(rings, shape.depth_mm))
