"""Geometry: turned, mirrored, scaled, stretched, bent and shifted; images, LGE and label alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from ...conventions import NETWORK_CLASSES
from .fields import new_seed, smooth_noise
from .heart_slice import Anatomy, HeartSlice
from .recipe import Range, Recipe

ROTATIONS = ("any", "quarter_turns")
_ELASTIC_CELLS = (4, 6, 9)
_SMALL_TURN_DEG = 15.0
_FEWEST_CLASSES = len(NETWORK_CLASSES)
# SD in pixels; a magnified label map has no steps then, and a line of one pixel stays
_SMOOTHING = 0.5


@dataclass(frozen=True)
class Geometry:
    """One interpolation of all images.

    Attributes:
        magnification: above 1 the heart grows.
        rotation_deg: about the middle of the crop.
        mirrored: exchanges left and right.
        stretch, stretch_axis_deg: factor along one direction.
        shift_pixels: (2,).
        elastic_sd_pixels, elastic_seed: SD of the displacement on each grid of _ELASTIC_CELLS.
        empty_border: 0 beyond the crop as outside a field of view; else its mirror image, unless that shows the heart.
        rv_bulge, lv_bulge: swelling (above 0) or shrinking about the centre of the ventricle's blood.
        rv_bulge_pixels, lv_bulge_pixels: its width, SD of a Gaussian.
    """

    magnification: float
    rotation_deg: float
    mirrored: bool
    stretch: float
    stretch_axis_deg: float
    shift_pixels: tuple[float, ...]
    elastic_sd_pixels: tuple[float, ...]
    elastic_seed: int
    empty_border: bool
    rv_bulge: float = 0.0
    rv_bulge_pixels: float = 14.0
    lv_bulge: float = 0.0
    lv_bulge_pixels: float = 10.0

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> Geometry:
        """Drawn from the ranges of ``recipe``."""
        small = rng.random() < recipe.small_change_prob
        elastic = rng.random() < recipe.elastic_prob
        return cls(
            magnification=math.exp(rng.uniform(*np.log(recipe.magnification))) if small else 1.0,
            rotation_deg=_rotation_deg(rng, recipe.rotation, small),
            mirrored=bool(rng.random() < recipe.mirror_prob),
            stretch=math.exp(rng.normal(0, recipe.stretch_sd)),
            stretch_axis_deg=rng.uniform(0, 180),
            shift_pixels=tuple(rng.uniform(-recipe.shift, recipe.shift, 2).tolist()) if small else (0.0, 0.0),
            elastic_sd_pixels=tuple(float(rng.uniform(0, sd)) if elastic else 0.0 for sd in recipe.elastic_sd),
            elastic_seed=new_seed(rng),
            empty_border=bool(rng.random() < recipe.empty_border_prob),
            rv_bulge=_maybe(rng, recipe.rv_bulge_prob, recipe.rv_bulge),
            rv_bulge_pixels=rng.uniform(*recipe.rv_bulge_width),
            lv_bulge=_maybe(rng, recipe.lv_bulge_prob, recipe.lv_bulge),
            lv_bulge_pixels=rng.uniform(*recipe.lv_bulge_width),
        )

    def apply(self, slice_: HeartSlice, size: int | None = None) -> HeartSlice:
        """The moved slice, cut to the middle ``size`` x ``size`` pixels; a donor moves along."""
        places = self._places(slice_, size)
        (cine, t2, lge, anatomy), (donor, view) = _moved(slice_, places), (slice_.donor, _inside(places, slice_))
        if donor is not None:
            arrays = _moved(donor, places)
            donor = HeartSlice(*arrays, _inside(places, donor))
        if not view.all():
            repeated = ((anatomy.label > 0) | anatomy.given_right_ventricle) & ~view
            anatomy = Anatomy(anatomy.label * view, anatomy.given_right_ventricle & view)
            if self.empty_border or repeated.any():
                cine, t2, lge = cine * view, t2 * view, lge * view
            else:
                view = np.ones_like(view)
        return replace(slice_, cine=cine, t2=t2, lge=lge, anatomy=anatomy, view=view, donor=donor)

    def _places(self, slice_: HeartSlice, size: int | None) -> np.ndarray:
        """(2, h, w): the pixel of the slice that each pixel of the result shows."""
        shape = slice_.t2.shape
        out = shape if size is None else (min(size, shape[0]), min(size, shape[1]))
        grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in out), indexing="ij"))
        grid = grid - np.reshape(self.shift_pixels, (2, 1, 1))
        middle = np.reshape([(n - 1) / 2 for n in shape], (2, 1, 1))
        places = np.tensordot(self._matrix(), grid, axes=1) + middle
        if any(self.elastic_sd_pixels):
            rng = np.random.default_rng(self.elastic_seed)
            for cells, sd in zip(_ELASTIC_CELLS, self.elastic_sd_pixels, strict=True):
                places = places + sd * np.stack([smooth_noise(rng, cells, out) for _ in range(2)])
        ventricle, blood = slice_.anatomy.given_right_ventricle, slice_.anatomy.blood
        places = _bulged(places, ventricle, self.rv_bulge, self.rv_bulge_pixels)
        return _bulged(places, blood, self.lv_bulge, self.lv_bulge_pixels)

    def _matrix(self) -> np.ndarray:
        """(2, 2): step in the result -> step in the slice."""
        turn, along = _turn(self.rotation_deg), _turn(self.stretch_axis_deg)
        stretch = along @ np.diag([1 / self.stretch, 1.0]) @ along.T
        mirror = np.diag([1.0, -1.0 if self.mirrored else 1.0])
        return np.asarray(mirror @ turn @ stretch / self.magnification)


def _rotation_deg(rng: np.random.Generator, rotation: str, small: bool) -> float:
    if rotation == "any":
        return rng.uniform(0, 360)
    quarter = 90.0 * rng.integers(1, 4) if rng.random() < 0.5 else 0.0
    return float(quarter + (rng.uniform(-_SMALL_TURN_DEG, _SMALL_TURN_DEG) if small else 0.0))


def _maybe(rng: np.random.Generator, prob: float, limits: Range) -> float:
    """A number of the range with a probability, else 0."""
    return rng.uniform(*limits) if rng.random() < prob else 0.0


def _turn(degrees: float) -> np.ndarray:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, -sin], [sin, cos]])


def _bulged(places: np.ndarray, mask: np.ndarray, amount: float, width: float) -> np.ndarray:
    """Places pulled towards the centre of ``mask``, which swells what is there."""
    if not amount or not mask.any():
        return places
    centre = np.reshape([at.mean() for at in np.nonzero(mask)], (2, 1, 1))
    away = places - centre
    return np.asarray(places - amount * away * np.exp(-(away**2).sum(axis=0) / (2 * width**2)))


def _inside(places: np.ndarray, slice_: HeartSlice) -> np.ndarray:
    """Bool (h, w): places in the slice."""
    limits = np.reshape([n - 0.5 for n in slice_.t2.shape], (2, 1, 1))
    return np.asarray(((places >= -0.5) & (places <= limits)).all(axis=0))


def _moved(slice_: HeartSlice, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, Anatomy]:
    """cine, T2-STIR, LGE and anatomy at ``places``, linear, mirrored at the edges; classes by the largest share."""
    anatomy = slice_.anatomy
    classes = range(1, max(_FEWEST_CLASSES, int(anatomy.label.max()) + 1))
    masks = np.asarray([anatomy.label == c for c in classes] + [anatomy.given_right_ventricle], np.float32)
    shares = ndimage.gaussian_filter(masks, (0, _SMOOTHING, _SMOOTHING), truncate=3)
    planes = np.concatenate([slice_.cine, [slice_.t2, slice_.lge], shares]).astype(np.float32)
    scale = np.reshape([2 / (n - 1) for n in slice_.t2.shape], (2, 1, 1))
    grid = torch.from_numpy(np.ascontiguousarray((places * scale - 1)[::-1].transpose(1, 2, 0), np.float32))
    sampled = functional.grid_sample(
        torch.from_numpy(planes)[None], grid[None], padding_mode="reflection", align_corners=True
    )[0].numpy()
    cine, (t2, lge), shown = sampled[:3], sampled[3:5], sampled[5:-1]
    label = np.argmax(np.concatenate([1 - shown.sum(axis=0, keepdims=True), shown]), axis=0).astype(np.uint8)
    return cine, t2, lge, Anatomy(label, (sampled[-1] > 0.5) & (label == 0))
