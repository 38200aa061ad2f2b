"""One slice's random changes: drawn, written down, applied, replayed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from ...conventions import ConfigError, flag
from .acquisition import Acquisition, T2Acquisition
from .geometry import ROTATIONS, Geometry
from .heart_slice import HeartSlice, from_item, to_item
from .lge_appearance import LgeAppearance
from .recipe import MILD, Recipe
from .structures import EpicardialRing, Trabeculae
from .surroundings import Surroundings
from .textures import Textures
from .tissues import LungOffset, OutsideCurve, RightVentricleBrightness, TissueCurve

# Key of an item under which the drawn changes travel, as JSON.
RECORD = "augmentation"


@dataclass(frozen=True)
class DrawnChanges:
    """All changes of one slice, in the order in which they are applied; None is not done.

    ``to_json`` and ``from_json`` are exact inverses.
    """

    geometry: Geometry
    tissue_curve: TissueCurve | None = None
    outside_curve: OutsideCurve | None = None
    rv_brightness: RightVentricleBrightness | None = None
    surroundings: Surroundings | None = None
    epicardial_ring: EpicardialRing | None = None
    lv_trabeculae: Trabeculae | None = None
    rv_trabeculae: Trabeculae | None = None
    textures: Textures | None = None
    lung_offset: LungOffset | None = None
    acquisition: Acquisition | None = None
    t2_acquisition: T2Acquisition | None = None
    lge_appearance: LgeAppearance | None = None

    def apply(self, slice_: HeartSlice, size: int | None = None) -> HeartSlice:
        """The changed slice, the middle ``size`` x ``size`` pixels of it."""
        slice_ = self.geometry.apply(slice_, size)
        for change in self._after_geometry():
            slice_ = change.apply(slice_)
        return slice_

    def _after_geometry(self) -> list[Any]:
        return [value for name in _CHANGES if name != "geometry" and (value := getattr(self, name)) is not None]

    def to_json(self) -> str:
        """The changes that are done, by name."""
        return json.dumps({name: asdict(value) for name in _CHANGES if (value := getattr(self, name)) is not None})

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> DrawnChanges:
        """From JSON, or from what was read from it, as ``changes`` of a line of augmentation.jsonl.

        Raises:
            ConfigError: ``text`` is no record of drawn changes.
        """
        try:
            found = text if isinstance(text, Mapping) else json.loads(text)
            return cls(**{name: _CHANGES[name](**_as_drawn(values)) for name, values in found.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"record of drawn changes: found {str(text)[:80]!r}, expected JSON of {', '.join(_CHANGES)} "
                f"({type(error).__name__}: {error}). Fix: take the line that training wrote."
            ) from error


# In the order in which they are applied.
_CHANGES = {
    "geometry": Geometry,
    "tissue_curve": TissueCurve,
    "outside_curve": OutsideCurve,
    "rv_brightness": RightVentricleBrightness,
    "surroundings": Surroundings,
    "epicardial_ring": EpicardialRing,
    "lv_trabeculae": Trabeculae,
    "rv_trabeculae": Trabeculae,
    "textures": Textures,
    "lung_offset": LungOffset,
    "acquisition": Acquisition,
    "t2_acquisition": T2Acquisition,
    "lge_appearance": LgeAppearance,
}


def _as_drawn(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where the drawn changes have tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def draw_changes(rng: np.random.Generator, recipe: Recipe, lge_appearance: bool = False) -> DrawnChanges:
    """All changes of one slice, from the ranges of ``recipe``; the LGE's look last, if it is wanted."""
    return DrawnChanges(
        geometry=Geometry.draw(rng, recipe),
        tissue_curve=TissueCurve.draw(rng, recipe),
        outside_curve=OutsideCurve.draw(rng, recipe),
        rv_brightness=RightVentricleBrightness.draw(rng, recipe),
        surroundings=Surroundings.draw(rng, recipe),
        epicardial_ring=EpicardialRing.draw(rng, recipe),
        lv_trabeculae=Trabeculae.draw(rng, recipe, "left"),
        rv_trabeculae=Trabeculae.draw(rng, recipe, "right"),
        textures=Textures.draw(rng, recipe),
        lung_offset=LungOffset.draw(rng, recipe),
        acquisition=Acquisition.draw(rng, recipe),
        t2_acquisition=T2Acquisition.draw(rng, recipe),
        lge_appearance=LgeAppearance.draw(rng, recipe) if lge_appearance else None,
    )


class DomainRandomisation:
    """Random changes of 2-D training items, so that a network learnt on phantoms finds the heart of a patient.

    Labels and LGE change by geometry alone, but for surroundings lent by another subject, which bring their LGE along,
    and for ``lge_appearance``.

    Args:
        strength: share of the slices that are changed widely; the others get small turns and shifts, gamma and noise.
            0 = none is changed widely.
        rotation: of widely changed slices: "any", or "quarter_turns", with 15 degrees more or less.
        mirror_prob: of a mirror image. A file without directions may show one.
        magnification: smallest and largest; drawn evenly on the scale of its logarithm.
        surroundings_prob: of surroundings that are replaced.
        crop_pixels: side of the square cut out of the middle, None = the whole crop; a step at 64 of 96 pixels takes
            half the time.
        lge_appearance: the LGE's contrast, shading, mottling, blur and noise change, too: for a network that reads an
            LGE. One that learns to draw it wants the LGE as the scanner gave it.
    Raises:
        ConfigError: a value outside its range.
    """

    def __init__(
        self,
        strength: float = 1.0,
        rotation: str = "any",
        mirror_prob: float = 0.5,
        magnification: Sequence[float] = (0.7, 1.5),
        surroundings_prob: float = 0.65,
        crop_pixels: int | None = None,
        lge_appearance: bool | str = False,
    ) -> None:
        shares = {"strength": strength, "mirror_prob": mirror_prob, "surroundings_prob": surroundings_prob}
        for name, value in shares.items():
            if not _is_number(value) or not 0 <= value <= 1:
                raise ConfigError(f"augmentation {name}: found {value!r}, expected a number from 0 to 1.")
        if rotation not in ROTATIONS:
            raise ConfigError(f"augmentation rotation: found {rotation!r}, expected one of {', '.join(ROTATIONS)}.")
        if crop_pixels is not None and (not isinstance(crop_pixels, int) or crop_pixels < 16):
            raise ConfigError(f"crop_pixels: found {crop_pixels!r}, expected null or a whole number of at least 16.")
        self.strength, self.crop_pixels = float(strength), crop_pixels
        self.lge_appearance = flag(lge_appearance, "lge_appearance")
        self.wide = Recipe(
            rotation=rotation,
            mirror_prob=float(mirror_prob),
            magnification=_magnification(magnification),
            surroundings_prob=float(surroundings_prob),
        )

    def draw(self, rng: np.random.Generator) -> DrawnChanges:
        """The changes of one slice."""
        wide = rng.random() < self.strength
        return draw_changes(rng, self.wide if wide else MILD, self.lge_appearance)

    def apply(
        self, item: Mapping[str, Any], changes: DrawnChanges, donors: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, torch.Tensor]:
        """image (4, h, w), lge, label, right_ventricle (1, h, w) of an item after ``changes``.

        Args:
            item: image, lge, label and perhaps right_ventricle, (C, H, W).
            changes: drawn before, or read from a record.
            donors: items of other subjects that may lend their surroundings.
        """
        wanted = changes.surroundings
        use = wanted is not None and wanted.donor is not None and len(donors) > 0
        donor = donors[int(wanted.donor * len(donors))] if use else None  # type: ignore[union-attr, operator]
        return to_item(changes.apply(from_item(item, donor), self.crop_pixels))

    def __call__(
        self, item: Mapping[str, Any], rng: np.random.Generator, donors: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, Any]:
        """``apply`` of what is drawn from ``rng``, with the record of it under ``RECORD``."""
        changes = self.draw(rng)
        return self.apply(item, changes, donors) | {RECORD: changes.to_json()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _magnification(limits: Sequence[float]) -> tuple[float, float]:
    found = list(limits) if isinstance(limits, (list, tuple)) else []
    if len(found) != 2 or not all(map(_is_number, found)) or not 0.25 <= found[0] <= found[1] <= 4:
        raise ConfigError(
            f"augmentation magnification: found {limits!r}, expected two numbers from 0.25 to 4, the smaller first. "
            "Fix: [0.7, 1.5]"
        )
    return float(found[0]), float(found[1])
