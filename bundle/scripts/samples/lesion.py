"""An infarct of a wanted size and place, drawn into the LV wall of a label map by the phantom's wavefront rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ..clinical.aha17 import SEGMENTS
from ..clinical.contours import lv_contours
from ..clinical.short_axis import short_axis_frame
from ..clinical.volumes import infarct_percent_lv
from ..conventions import ALL_CLASSES, ConfigError, DataError, NotMeasurable, flag
from ..phantom.heart.grid import ANGLE, ANGLES, DEPTHS
from ..phantom.heart.lesion_sizes import Lesion
from ..phantom.heart.pathology import Infarction, infarct_in_bed
from ..phantom.heart.shape import wall_volume
from ..phantom.heart.territory import bed_field, segment_map, segments_field
from ..phantom.parameters import BED_OVER_INFARCT, LARGEST_BED_PERCENT, TERRITORIES

_MYOCARDIUM, _INFARCT, _NO_REFLOW = (ALL_CLASSES.index(name) for name in ("myocardium", "infarct", "no_reflow"))
# Where the first and the last ring of a stack lie, parts of the LV's length: a ring is no mitral plane and no apex.
_FIRST_RING, _LAST_RING = 0.08, 0.9
# Sizes that can be asked for, percent of the LV wall, and how near the drawn one has to come, share of it.
SIZES_PERCENT_LV = (1.0, 40.0)
_NEAR, _TRIES = 0.15, 6
# Mean depth of a lesion whose transmurality was not asked for, and those that can be, percent of the wall's thickness.
_DEPTHS_DRAWN_PERCENT, _DEPTHS_PERCENT = (45.0, 95.0), (20.0, 100.0)
_RAYS = 17  # degrees in which the wall of a ray is looked for
_SEEN_OF_SEGMENTS = 0.97  # of the wall of the wanted segments that an infarct may fill


@dataclass(frozen=True)
class WallOfLabel:
    """The LV wall of a label map on the phantom's material grid, as phantom.heart.shape.Wall; ``rings``: base first."""

    length_mm: float
    septum_angle: float
    endo_mm: np.ndarray
    epi_mm: np.ndarray
    rings: tuple[int, ...]

    @property
    def ring_depths(self) -> np.ndarray:
        """Where the rings lie, parts of the length."""
        return np.linspace(_FIRST_RING, _LAST_RING, len(self.rings))

    @property
    def seen(self) -> np.ndarray:
        """Wall volume between the first and the last ring, mm3, (DEPTHS, ANGLES)."""
        depth = np.linspace(0.0, 1.0, DEPTHS)[:, None]
        return np.asarray(wall_volume(self) * ((depth >= _FIRST_RING) & (depth <= _LAST_RING)))


@dataclass(frozen=True)
class LesionWish:
    """What is asked for; a range is drawn from evenly.

    Args:
        size_percent_lv: lowest and highest infarct size, percent of the LV wall.
        territories: arteries to choose from. segments: AHA segments 1-17 instead, which the infarct stays near.
        transmurality_percent: lowest and highest mean depth of the infarct, or None for that of patients.
        no_reflow: whether it has a core without reflow; None: every other one.
    Raises:
        ConfigError: a value outside its range.
    """

    size_percent_lv: tuple[float, float] = (3.0, 25.0)
    territories: tuple[str, ...] = TERRITORIES
    segments: tuple[int, ...] = ()
    transmurality_percent: tuple[float, float] | None = None
    no_reflow: bool | None = None

    def __post_init__(self) -> None:
        _require_range("lesion_percent_lv", self.size_percent_lv, SIZES_PERCENT_LV)
        if self.transmurality_percent is not None:
            _require_range("lesion_transmurality_percent", self.transmurality_percent, _DEPTHS_PERCENT)
        if not self.territories or set(self.territories) - set(TERRITORIES):
            raise ConfigError(
                f"lesion_territory: found {list(self.territories)}, expected one or more of {', '.join(TERRITORIES)}."
            )
        if any(not isinstance(one, int) or not 1 <= one <= SEGMENTS for one in self.segments):
            raise ConfigError(f"lesion_segments: found {list(self.segments)}, expected AHA segments 1 to {SEGMENTS}.")


def lesion_wish(
    size_percent_lv: object,
    territory: object = None,
    segments: object = None,
    transmurality_percent: object = None,
    no_reflow: object = None,
) -> LesionWish:
    """From a config's values: one number or two, one name or a list, null for what is free.

    Raises:
        ConfigError: a value outside its range.
    """
    wanted: Any = [territory] if isinstance(territory, str) else territory or TERRITORIES
    numbers: Any = [segments] if isinstance(segments, int) else segments or ()
    depth = transmurality_percent
    core: Any = no_reflow if no_reflow is None else flag(no_reflow, "lesion_no_reflow")  # type: ignore[arg-type]
    return LesionWish(
        _two_numbers("lesion_percent_lv", size_percent_lv),
        tuple(wanted),
        tuple(numbers),
        None if depth is None else _two_numbers("lesion_transmurality_percent", depth),
        core,
    )


def wall_of_label(label: np.ndarray, affine: np.ndarray, septum_degrees: float) -> WallOfLabel:
    """The LV wall of a label map.

    Args:
        label: (I, J, S), network classes, on display axes: i to the right of the image, j down.
        affine: (4, 4), voxel to RAS mm, of that grid.
        septum_degrees: direction of the RV seen from the LV, 0 = right, 90 = down.
    Raises:
        DataError: the label map shows no LV whose base and apex can be told.
    """
    try:
        frame = short_axis_frame(label, affine)
    except NotMeasurable as reason:
        raise DataError(
            f"no lesion can be drawn: {reason}. Fix: another label map, or leave the subject out."
        ) from None
    spacing = np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0)
    radii = [_radii_mm(label[..., s], spacing[:2]) for s in frame.rings]
    depth = np.linspace(0.0, 1.0, DEPTHS)
    at = np.linspace(_FIRST_RING, _LAST_RING, len(frame.rings))
    endo, epi = (
        np.stack([np.interp(depth, at, [one[side][k] for one in radii]) for k in range(ANGLES)], axis=1)
        for side in (0, 1)
    )
    length = float(spacing[2]) * (len(frame.rings) - 1) / (_LAST_RING - _FIRST_RING)
    return WallOfLabel(length, math.radians(septum_degrees), endo, epi, frame.rings)


def draw_lesion(
    label: np.ndarray, wall: WallOfLabel, wish: LesionWish, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """A label map whose only lesion is the one asked for, and what was drawn.

    An infarct, no-reflow or oedema that ``label`` has becomes myocardium first. Shape: the wavefront from the
    endocardium, lateral edges by the artery's bed (phantom.heart.pathology; Reimer and Jennings 1977, 1979).

    Args:
        label: (I, J, S), network classes. wall: of that label map.
    Returns:
        uint8 (I, J, S), classes 0-4; territory or segments, and the size it has, percent of the LV wall.
    Raises:
        DataError: the wanted place cannot hold the size, or no drawing came near it.
    """
    healthy = np.where(label >= _MYOCARDIUM, _MYOCARDIUM, label).astype(np.uint8)
    size = rng.uniform(*wish.size_percent_lv)
    territory = str(rng.choice(wish.territories))
    _require_room(wall, wish, size, territory)
    low, high = wish.transmurality_percent or _DEPTHS_DRAWN_PERCENT
    depth = rng.uniform(low, high) / 100
    with_core = bool(rng.random() < 0.5) if wish.no_reflow is None else wish.no_reflow
    core = rng.uniform(0.10, 0.30) if with_core else 0.0
    bed = segments_field(wall, wish.segments, rng) if wish.segments else bed_field(wall, territory, rng)
    seed, asked = int(rng.integers(2**32)), size
    for _ in range(_TRIES):
        lesion = _lesion(territory, asked / 100, depth, core)
        found = infarct_in_bed(wall, lesion, bed, wall.seen, np.random.default_rng(seed), (depth, depth))
        drawn = _painted(healthy, wall, found)
        reached = infarct_percent_lv(drawn)
        if abs(reached - size) <= _NEAR * size:
            place: Mapping[str, Any] = {"segments": list(wish.segments)} if wish.segments else {"territory": territory}
            return drawn, {
                **place,
                "infarct_percent_lv": round(reached, 3),
                "no_reflow": bool((drawn == _NO_REFLOW).any()),
            }
        asked = float(np.clip(asked * size / max(reached, 0.1), 0.5, 60.0))
    raise DataError(
        f"lesion of {size:.1f} %LV: the nearest that this wall could hold there was {reached:.1f} %LV. "
        "Fix: another size, or another place."
    )


def _lesion(territory: str, size: float, depth: float, core: float) -> Lesion:
    area = min(max(size / depth, BED_OVER_INFARCT * size), 0.95)
    return Lesion("acute_mi", territory, size, area, core * size, core > 0, "none", 0.0, 4.0, 50.0)


def _painted(healthy: np.ndarray, wall: WallOfLabel, found: Infarction) -> np.ndarray:
    """The lesion on the rings of a label map, and below the last one; everywhere in the wall alone."""
    drawn = healthy.copy()
    rows = np.rint(wall.ring_depths * (DEPTHS - 1)).astype(int)
    for s, row in zip(wall.rings, rows, strict=True):
        pixels = np.argwhere(healthy[..., s] == _MYOCARDIUM)
        centre = np.argwhere(healthy[..., s] == 1).mean(axis=0)
        away = pixels - centre
        angle = np.arctan2(away[:, 1], away[:, 0]) % (2 * np.pi)
        column = np.rint(angle / (2 * np.pi) * ANGLES).astype(int) % ANGLES
        through = _depth_in_wall(healthy[..., s], pixels, centre, column)
        low, high = found.infarct[:, row, column]
        inside = (through >= low) & (through <= high) & (high - low > 0.02)
        low, high = found.no_reflow[:, row, column]
        core = inside & (through >= low) & (through <= high) & (high - low > 0.02)
        drawn[pixels[inside, 0], pixels[inside, 1], s] = _INFARCT
        drawn[pixels[core, 0], pixels[core, 1], s] = _NO_REFLOW
    return drawn


def _depth_in_wall(plane: np.ndarray, pixels: np.ndarray, centre: np.ndarray, column: np.ndarray) -> np.ndarray:
    """0 at the endocardium to 1 at the epicardium along the ray of each pixel, by the wall's own pixels there."""
    radius = np.linalg.norm(pixels - centre, axis=1)
    inner, outer = np.full(ANGLES, np.inf), np.zeros(ANGLES)
    np.minimum.at(inner, column, radius - 0.5)
    np.maximum.at(outer, column, radius + 0.5)
    # a pixel is wider than a degree: its neighbours' rays see the same wall
    near = ndimage.minimum_filter1d(inner, _RAYS, mode="wrap")
    far = ndimage.maximum_filter1d(outer, _RAYS, mode="wrap")
    thickness = np.maximum(far[column] - near[column], 1e-6)
    return np.asarray((radius - near[column]) / thickness)


def _require_room(wall: WallOfLabel, wish: LesionWish, size: float, territory: str) -> None:
    if wish.segments:
        cells = np.isin(segment_map(wall), wish.segments)
        largest = 100 * _SEEN_OF_SEGMENTS * float((wall.seen * cells).sum() / wall.seen.sum())
        place = f"segments {', '.join(map(str, wish.segments))}"
    else:
        largest, place = LARGEST_BED_PERCENT[territory] / BED_OVER_INFARCT, f"the bed of the {territory}"
    if size > largest:
        raise DataError(
            f"lesion of {size:.1f} %LV: found wall of {largest:.1f} %LV in {place}, expected at least the lesion. "
            f"Fix: --lesion_percent_lv [{SIZES_PERCENT_LV[0]:g},{largest:.0f}], or another place."
        )


def _radii_mm(plane: np.ndarray, pixel_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inner and outer radius at every angle of the material grid, mm."""
    contours = lv_contours(plane, np.diag(pixel_mm))
    degrees = np.arange(len(contours.endo)) * 360.0 / len(contours.endo)
    wanted = np.degrees(ANGLE)
    inner, outer = (
        np.interp(wanted, degrees, np.linalg.norm(one, axis=1), period=360.0) for one in (contours.endo, contours.epi)
    )
    return inner, outer


def _two_numbers(key: str, value: object) -> tuple[float, float]:
    found: list[Any] = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
    if len(found) != 2 or not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in found):
        raise ConfigError(f"{key}: found {value!r}, expected a number or two, the smaller first. Fix: --{key} [5,15]")
    return float(found[0]), float(found[1])


def _require_range(key: str, found: tuple[float, float], allowed: tuple[float, float]) -> None:
    if not allowed[0] <= found[0] <= found[1] <= allowed[1]:
        raise ConfigError(
            f"{key}: found {list(found)}, expected two numbers from {allowed[0]:g} to {allowed[1]:g}, the smaller "
            f"first. Fix: --{key} [{allowed[0]:g},{allowed[1]:g}]"
        )
