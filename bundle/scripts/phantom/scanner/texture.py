"""Uneven signal inside each tissue: grain of the organs, streaks and swirls of flowing blood, over the slices of one
stack. Published tissue values stay the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..heart import tissue
from ..smooth_fields import grid_noise, texture

# Standard deviation relative to the tissue's mean, of the chest; lung and marrow are mixtures on the scale of a pixel.
_CHEST_SD = {
    tissue.FAT: 0.13,
    tissue.ARTERY: 0.10,
    tissue.MUSCLE: 0.18,
    tissue.LIVER: 0.10,
    tissue.LUNG: 0.40,
    tissue.MARROW: 0.25,
    tissue.SPLEEN: 0.09,
}
_WALL = (
    tissue.MYOCARDIUM, tissue.INFARCT, tissue.NO_REFLOW, tissue.OEDEMA, tissue.RV_WALL, tissue.PAPILLARY,
)  # fmt: skip
# Share of the blood's variance that all phases have alike (slow recirculation, the coil's phase); the rest goes round
# with the heart's contraction.
_STILL = 0.6
_SWIRL_MM = 22.0  # of the inflow that changes
_LOWEST, _HIGHEST = 0.15, 2.2
Factors = dict[int, np.ndarray]


@dataclass(frozen=True)
class TextureStrength:
    """Standard deviation relative to the mean of ``blood`` and ``wall``; ``chest`` scales the table of its tissues.
    0: none, as for the clean phantom."""

    blood: float = 0.0
    wall: float = 0.0
    chest: float = 0.0


class ChestTexture:
    """Grain of the organs around the heart, the same in every sequence; ``factors`` per tissue code, (S, X, Y)."""

    def __init__(self, shape: tuple[int, int, int], pixel_mm: float, rng: np.random.Generator) -> None:
        fields = [texture(shape, pixel_mm, rng, persistence=0.3) for _ in range(2)]
        self._fields = {code: fields[place % 2] for place, code in enumerate(_CHEST_SD)}

    def factors(self, strength: float) -> Factors:
        if not strength:
            return {}
        return {code: _about_one(strength * _CHEST_SD[code] * field) for code, field in self._fields.items()}


class HeartTexture:
    """Grain of the wall and flow in the blood of one sequence, (S, x, y) of the heart's box, at any contraction."""

    def __init__(
        self, shape: tuple[int, int, int], pixel_mm: float, strength: TextureStrength, rng: np.random.Generator
    ) -> None:
        self._strength = strength
        if not (strength.blood or strength.wall):
            return
        self._wall = texture(shape, pixel_mm, rng)
        fresh = rng.standard_normal((shape[0], 1, 1), dtype=np.float32)  # how much fresh blood each slice was given
        self._still = (texture(shape, pixel_mm, rng, persistence=0.3) + 0.4 * fresh) / np.float32(np.hypot(1.0, 0.4))
        cell = _SWIRL_MM / pixel_mm
        self._moving = [
            np.float32(0.8) * grid_noise(shape, cell, rng) + np.float32(0.6) * texture(shape, pixel_mm, rng)
            for _ in range(2)
        ]

    def factors(self, contraction: float) -> Factors:
        """Per tissue code of the heart; {} where the strength is 0."""
        found: Factors = {}
        strength = self._strength
        if strength.wall:
            found |= dict.fromkeys(_WALL, _about_one(strength.wall * self._wall))
        if strength.blood:
            turn = np.pi * contraction
            first, second = self._moving
            moving = np.float32(np.cos(turn)) * first + np.float32(np.sin(turn)) * second
            flow = np.float32(np.sqrt(_STILL)) * self._still + np.float32(np.sqrt(1 - _STILL)) * moving
            found |= dict.fromkeys(tissue.BLOOD_CODES, _about_one(strength.blood * flow))
        return found


def _about_one(change: np.ndarray) -> np.ndarray:
    return np.clip(1.0 + change, _LOWEST, _HIGHEST).astype(np.float32)
