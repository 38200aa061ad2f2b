"""Whether a label map, read by a table, can be a heart: LV blood inside the wall, RV beside it, infarct in the wall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..conventions import LABEL_NAMES, STRUCTURES

_RV = LABEL_NAMES.index("rv_blood_pool")
_FOUR, _EIGHT = (ndimage.generate_binary_structure(2, n)[..., None] for n in (1, 2))
_PIECES_IN_SLICE = np.zeros((3, 3, 3), dtype=bool)
_PIECES_IN_SLICE[..., 1] = True
_AROUND = np.ones((3, 3, 3), dtype=bool)
# Each limit lies between what correct label maps show and what those read by another data set's table do.
_LEAST_ENCLOSED = 0.5  # of the border of the LV blood pool that is wall; a closed ring has 1, an RV beside it 0.4
_MOST_RV_BESIDE_WALL = 0.6  # of the border of the RV that is wall: only the septum is
_MOST_RV_AT_BLOOD = 0.1  # of the border of the LV blood pool that is RV: the septum lies between
_LARGE = 0.15  # of the viable wall: a structure of its own rather than a stray piece
_LARGE_HOLE = 0.1  # of the viable wall
_MOST = 0.5  # of the infarct, or of what the wall encloses
_MOST_AROUND = 0.6  # of the circle around the cavity: an RV lies on one side
_WIDEST_SCAR = 1.1  # times the wall elsewhere: a scar beyond a rim of viable wall takes a part of its width
_SECTORS = 36
_TOUCHING = 0.1  # of a piece's border that lies on LV blood


def implausible(codes: np.ndarray, pixel_mm: Sequence[float] = (1.0, 1.0)) -> str:
    """Why a label map cannot be a heart, in words; "" where it can, or where it shows too little to say.

    Everything is judged over the whole stack, so that a slice at the valves or at the tip counts for little.

    Args:
        codes: (X, Y, S), codes of conventions.LABEL_NAMES, slices on the last axis.
        pixel_mm: size of a pixel in the slice.
    """
    if not np.isin(codes, STRUCTURES["viable_myocardium"]).any():
        return ""
    heart = _Heart(_cropped(codes), pixel_mm)
    return heart.blood_outside() or heart.rv_inside() or heart.infarct_is_cavity() or heart.infarct_outside()


class _Heart:
    """The structures of one label map, and what each finding needs of them."""

    def __init__(self, codes: np.ndarray, pixel_mm: Sequence[float]) -> None:
        self.codes, self.pixel_mm = codes, tuple(float(one) for one in pixel_mm)
        self.wall, self.viable, self.infarct = (
            np.isin(codes, STRUCTURES[name]) for name in ("lv_myocardium", "viable_myocardium", "infarct")
        )
        # papillary muscles may be left out of the label: holes of the blood pool
        self.blood = _filled(np.isin(codes, STRUCTURES["lv_blood_pool"]))
        self.rv = codes == _RV
        self.enclosed = self._enclosed_blood()

    def _enclosed_blood(self) -> float:
        """Share of the border of the LV blood pool that is wall, 0..1, in slices with both; nan without any."""
        both = self.blood.any(axis=(0, 1)) & self.wall.any(axis=(0, 1))
        return _share(_border(self.blood[..., both], _FOUR), self.wall[..., both])

    def blood_outside(self) -> str:
        """The LV blood pool lies beside the wall, as an RV does."""
        if not self.enclosed < _LEAST_ENCLOSED:
            return ""
        return (
            f"{100 * self.enclosed:.0f} % of the border of the LV blood pool is wall, expected more than "
            f"{100 * _LEAST_ENCLOSED:.0f} %"
        )

    def rv_inside(self) -> str:
        """The RV lies where the LV blood pool belongs, or where an infarct does."""
        beside = _share(_border(self.rv, _FOUR), self.wall)
        known = self.enclosed if np.isfinite(self.enclosed) else 0.0
        if beside > max(_MOST_RV_BESIDE_WALL, known):
            return (
                f"{100 * beside:.0f} % of the border of the RV is wall of the LV, expected less than "
                f"{100 * _MOST_RV_BESIDE_WALL:.0f} %: only the septum"
            )
        at_blood = _share(_border(self.blood, _FOUR), self.rv)
        if at_blood > _MOST_RV_AT_BLOOD:
            return f"{100 * at_blood:.0f} % of the border of the LV blood pool is RV, expected wall between them"
        return ""

    def infarct_is_cavity(self) -> str:
        """The infarct fills what the wall encloses, and there is no LV blood."""
        if self.blood.any() or not self.infarct.any():
            return ""
        holes = _filled(self.viable) & ~self.viable
        pieces, count = ndimage.label(holes, structure=_PIECES_IN_SLICE)
        if not count or holes.sum() < _LARGE_HOLE * self.viable.sum():
            return ""
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        infarcted = np.bincount(pieces[self.infarct], minlength=count + 1)[1:]
        share = sizes[infarcted > 0.8 * sizes].sum() / sizes.sum()
        if share < _MOST:
            return ""
        return f"the infarct fills {100 * share:.0f} % of what the wall encloses, and there is no LV blood pool"

    def infarct_outside(self) -> str:
        """The infarct is a structure of its own: beyond a closed wall and wider than it, or far from the heart."""
        smallest = _LARGE * self.viable.sum()
        if self.infarct.sum() < smallest:
            return ""
        apart = self._apart()
        if apart.sum() >= max(smallest, _MOST * self.infarct.sum()):
            return f"{_percent(apart, self.infarct)} of the infarct touches neither wall nor LV blood pool"
        beyond, judged = self._beyond_the_wall()
        if beyond.sum() < max(smallest, _MOST * judged.sum()):
            return ""
        around, wider = self._against_the_wall_elsewhere(beyond)
        if around > _MOST_AROUND or not wider > _WIDEST_SCAR:
            return ""
        return (
            f"{_percent(beyond, self.infarct)} of the infarct lies outside the ring of the LV wall, in pieces "
            f"{wider:.1f} times as wide as the wall"
        )

    def _apart(self) -> np.ndarray:
        """Pieces of infarct that touch neither viable wall nor LV blood, in their slices and the next ones."""
        pieces, _ = ndimage.label(self.infarct, structure=_AROUND)
        near = ndimage.binary_dilation(self.viable | self.blood, structure=_AROUND)
        return self.infarct & ~np.isin(pieces, np.unique(pieces[near & self.infarct]))

    def _beyond_the_wall(self) -> tuple[np.ndarray, np.ndarray]:
        """Infarct outside the closed wall that hardly touches blood, and all infarct, in slices with blood and wall."""
        inner = _filled(self.viable | self.blood)
        blood = self.blood if self.blood.any() else inner & (self.codes == 0)
        judged = self.infarct & (blood.any(axis=(0, 1)) & self.viable.any(axis=(0, 1)))
        pieces, count = ndimage.label(judged & ~inner, structure=_PIECES_IN_SLICE)
        beyond = np.zeros(judged.shape, dtype=bool)
        for number, (x, y, s) in enumerate(ndimage.find_objects(pieces), start=1):
            near = slice(x.start - 1, x.stop + 1), slice(y.start - 1, y.stop + 1), s
            piece = pieces[near] == number
            if _share(_border(piece, _EIGHT), blood[near]) < _TOUCHING:
                beyond[near] |= piece
        return beyond, judged

    def _against_the_wall_elsewhere(self, beyond: np.ndarray) -> tuple[float, float]:
        """Part of the circle around the cavity that ``beyond`` takes, 0..1, and its width over that of the other wall.

        Widths are compared as mean distances to the outside, a quarter of the width of a band; nan without other wall.
        """
        around: list[float] = []
        own: list[np.ndarray] = []
        wall: list[np.ndarray] = []
        for s in np.flatnonzero(beyond.any(axis=(0, 1))):
            piece, viable = beyond[..., s], self.viable[..., s]
            centre = np.argwhere(viable | self.blood[..., s]).mean(axis=0)
            x, y = np.indices(piece.shape) - centre[:, None, None]
            sector = np.floor((np.arctan2(y, x) / np.pi + 1) / 2 * _SECTORS) % _SECTORS
            taken = np.unique(sector[piece])
            around.append(taken.size / _SECTORS)
            own.append(self._depth_mm(piece)[piece])
            wall.append(self._depth_mm(viable)[viable & ~np.isin(sector, taken)])
        elsewhere = np.concatenate(wall)
        wider = float(np.concatenate(own).mean() / elsewhere.mean()) if elsewhere.size else float("nan")
        return float(np.mean(around)), wider

    def _depth_mm(self, mask: np.ndarray) -> np.ndarray:
        """Distance to the outside in the slice."""
        return ndimage.distance_transform_edt(mask, sampling=self.pixel_mm)


def _cropped(codes: np.ndarray) -> np.ndarray:
    """The part with labels and a rim of background in the slice, so that nothing touches the edge."""
    (x0, x1), (y0, y1) = (np.flatnonzero(codes.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2)))
    return np.pad(codes[x0 : x1 + 1, y0 : y1 + 1], ((1, 1), (1, 1), (0, 0)))


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask with its holes, slice by slice."""
    return ndimage.binary_fill_holes(mask, structure=_FOUR)


def _border(mask: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Pixels of the slice just outside the mask."""
    return ndimage.binary_dilation(mask, structure=structure) & ~mask


def _share(border: np.ndarray, tissue: np.ndarray) -> float:
    """Part of ``border`` that is ``tissue``, 0..1; nan without a border."""
    count = int(border.sum())
    return int((border & tissue).sum()) / count if count else float("nan")


def _percent(part: np.ndarray, whole: np.ndarray) -> str:
    return f"{100 * part.sum() / whole.sum():.0f} %"
