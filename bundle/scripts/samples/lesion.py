"""An infarct of a wanted size and place, drawn into the LV wall of a label map by the phantom's wavefront rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ..clinical.contours import lv_contours
from ..clinical.short_axis import lv_centre, short_axis_frame
from ..clinical.transmurality import mean_transmurality_percent, wall_chords
from ..clinical.volumes import infarct_percent_lv
from ..conventions import ALL_CLASSES, ConfigError, DataError, NotMeasurable, flag
from ..phantom.heart.grid import ANGLE, ANGLES, DEPTHS
from ..phantom.heart.lesion_sizes import Lesion
from ..phantom.heart.pathology import Infarction, infarct_in_bed
from ..phantom.heart.shape import wall_volume
from ..phantom.heart.territory import SEGMENTS_OF, bed_field, segment_map, segments_field
from ..phantom.parameters import BED_OVER_INFARCT, LARGEST_BED_PERCENT, TERRITORIES

_MYOCARDIUM, _INFARCT, _NO_REFLOW = (ALL_CLASSES.index(name) for name in ("myocardium", "infarct", "no_reflow"))
# AHA segments that lie in rings; the cap, 17, has none.
RING_SEGMENTS = 16
# Where the first and the last ring of a stack lie, parts of the LV's length: a ring is no mitral plane and no apex.
_FIRST_RING, _LAST_RING = 0.08, 0.9
# Sizes that can be asked for, percent of the LV wall, and how near the drawn one has to come, share of it.
SIZES_PERCENT_LV = (1.0, 40.0)
_NEAR, _TRIES = 0.15, 8
# Share of a lesion that has to lie in the wanted segments or territory; an interval of depth that is no infarct.
_IN_PLACE, _THIN = 0.5, 0.02
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
        if any(not isinstance(one, int) or not 1 <= one <= RING_SEGMENTS for one in self.segments):
            raise ConfigError(
                f"lesion_segments: found {list(self.segments)}, expected AHA segments 1 to {RING_SEGMENTS}."
            )


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
    if territory and segments:
        raise ConfigError("lesion_territory: found with lesion_segments, expected one of them. Fix: leave one out.")
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
    label: np.ndarray, affine: np.ndarray, wall: WallOfLabel, wish: LesionWish, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """A label map whose only lesion is the one asked for, and what was drawn.

    An infarct, no-reflow or oedema that ``label`` has becomes myocardium first. Shape: the wavefront from the
    endocardium, lateral edges by the artery's bed (phantom.heart.pathology; Reimer and Jennings 1977, 1979).

    Args:
        label: (I, J, S), network classes. affine: (4, 4), voxel to RAS mm. wall: of that label map.
    Returns:
        uint8 (I, J, S), classes 0-4; place, size (percent of the LV wall), mean transmurality and no-reflow it has.
    Raises:
        DataError: the wanted place cannot hold the size, or no drawing came near it.
    """
    healthy = np.where(label >= _MYOCARDIUM, _MYOCARDIUM, label).astype(np.uint8)
    size, territory = rng.uniform(*wish.size_percent_lv), str(rng.choice(wish.territories))
    low, high = wish.transmurality_percent or _DEPTHS_DRAWN_PERCENT
    depth = rng.uniform(max(low, 100 * size / _room_percent_lv(wall, wish, size, territory, high)), high) / 100
    with_core = bool(rng.random() < 0.5) if wish.no_reflow is None else wish.no_reflow
    core = rng.uniform(0.10, 0.30) if with_core else 0.0
    asked = size
    for _ in range(_TRIES):
        bed = segments_field(wall, wish.segments, rng) if wish.segments else bed_field(wall, territory, rng)
        lesion, seed = _lesion(territory, asked / 100, depth, core), int(rng.integers(2**32))
        found = infarct_in_bed(wall, lesion, bed, wall.seen, np.random.default_rng(seed), (depth, depth))
        drawn = _painted(healthy, wall, found)
        reached, inside = infarct_percent_lv(drawn), _share_in_place(drawn, wall, _segments(wish, territory))
        if abs(reached - size) <= _NEAR * size and inside >= _IN_PLACE:
            place: Mapping[str, Any] = {"segments": list(wish.segments)} if wish.segments else {"territory": territory}
            return drawn, {**place, **_measured(drawn, affine)}
        asked = float(np.clip(asked * size / max(reached, 0.1), 0.5, 60.0))
    raise DataError(
        f"lesion of {size:.1f} %LV: the last of {_TRIES} drawings had {reached:.1f} %LV, {100 * inside:.0f} % of it in "
        "its place. Fix: another size, another place, or a deeper one."
    )


def _measured(drawn: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """Size, mean transmurality and no-reflow of a drawn lesion."""
    found: dict[str, Any] = {"infarct_percent_lv": round(infarct_percent_lv(drawn), 3)}
    try:
        depth = mean_transmurality_percent(wall_chords(drawn, affine), infarcted_only=True)
        found["transmurality_percent"] = round(depth, 1)
    except NotMeasurable as reason:
        found["transmurality_percent"] = {"not_measurable": str(reason)}
    return found | {"no_reflow": bool((drawn == _NO_REFLOW).any())}


def _segments(wish: LesionWish, territory: str) -> tuple[int, ...]:
    return wish.segments or SEGMENTS_OF[territory]


def _lesion(territory: str, size: float, depth: float, core: float) -> Lesion:
    area = min(max(size / depth, BED_OVER_INFARCT * size), 0.95)
    return Lesion("acute_mi", territory, size, area, core * size, core > 0, "none", 0.0, 4.0, 50.0)


def _painted(healthy: np.ndarray, wall: WallOfLabel, found: Infarction) -> np.ndarray:
    """The lesion on the rings of a label map, in their wall alone."""
    drawn = healthy.copy()
    for s, row, pixels, column in _wall_pixels(healthy, wall, (_MYOCARDIUM,)):
        through = _depth_in_wall(healthy[..., s], pixels, column)
        low, high = found.infarct[:, row, column]
        inside = (through >= low) & (through <= high) & (high - low > _THIN)
        low, high = found.no_reflow[:, row, column]
        core = inside & (through >= low) & (through <= high) & (high - low > _THIN)
        drawn[pixels[inside, 0], pixels[inside, 1], s] = _INFARCT
        drawn[pixels[core, 0], pixels[core, 1], s] = _NO_REFLOW
    return drawn


def _share_in_place(drawn: np.ndarray, wall: WallOfLabel, segments: Sequence[int]) -> float:
    """Part of a lesion that lies in AHA segments, 0..1; their borders are those of the material grid."""
    cells, inside, whole = np.isin(segment_map(wall), segments), 0, 0
    for _, row, pixels, column in _wall_pixels(drawn, wall, (_INFARCT, _NO_REFLOW)):
        inside, whole = inside + int(cells[row, column].sum()), whole + len(pixels)
    return inside / whole if whole else 0.0


def _wall_pixels(
    label: np.ndarray, wall: WallOfLabel, classes: Sequence[int]
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Per ring: slice, row of the material grid, pixels (n, 2) of these classes, and the column of each."""
    rows = np.rint(wall.ring_depths * (DEPTHS - 1)).astype(int)
    for s, row in zip(wall.rings, rows, strict=True):
        pixels = np.argwhere(np.isin(label[..., s], classes))
        away = pixels - lv_centre(label[..., s])
        angle = np.arctan2(away[:, 1], away[:, 0]) % (2 * np.pi)
        yield s, int(row), pixels, np.rint(angle / (2 * np.pi) * ANGLES).astype(int) % ANGLES


def _depth_in_wall(plane: np.ndarray, pixels: np.ndarray, column: np.ndarray) -> np.ndarray:
    """0 at the endocardium to 1 at the epicardium along the ray of each pixel, by the wall's own pixels there."""
    radius = np.linalg.norm(pixels - lv_centre(plane), axis=1)
    inner, outer = np.full(ANGLES, np.inf), np.zeros(ANGLES)
    np.minimum.at(inner, column, radius - 0.5)
    np.maximum.at(outer, column, radius + 0.5)
    # a pixel is wider than a degree: its neighbours' rays see the same wall
    near = ndimage.minimum_filter1d(inner, _RAYS, mode="wrap")
    far = ndimage.maximum_filter1d(outer, _RAYS, mode="wrap")
    thickness = np.maximum(far[column] - near[column], 1e-6)
    return np.asarray((radius - near[column]) / thickness)


def _room_percent_lv(wall: WallOfLabel, wish: LesionWish, size: float, territory: str, deepest_percent: float) -> float:
    """The area that a lesion may cover in the wanted place, percent of the LV wall.

    Raises:
        DataError: it does not hold the size at ``deepest_percent`` of the wall's thickness.
    """
    if wish.segments:
        cells = np.isin(segment_map(wall), wish.segments)
        room = 100 * _SEEN_OF_SEGMENTS * float((wall.seen * cells).sum() / wall.seen.sum())
        place = f"segments {', '.join(map(str, wish.segments))}"
    else:
        room, place = LARGEST_BED_PERCENT[territory] / BED_OVER_INFARCT, f"the bed of the {territory}"
    largest = room * deepest_percent / 100
    if size > largest:
        held = f"Fix: --lesion_percent_lv [{SIZES_PERCENT_LV[0]:g},{largest:.0f}], or another place"
        raise DataError(
            f"lesion of {size:.1f} %LV: found room for {largest:.1f} %LV in {place} at a depth of {deepest_percent:g} "
            f"%, expected at least the lesion. {held if largest >= SIZES_PERCENT_LV[0] else 'Fix: another place'}."
        )
    return room


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
