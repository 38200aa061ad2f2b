"""Tissue of each pixel of the heart at one moment: shares, integrated over the slice thickness."""

from __future__ import annotations

import numpy as np

from . import tissue
from .anatomy import Anatomy
from .motion import Motion
from .pathology import Pathology
from .shape import ANGLE, ANGLES, DEPTHS, RV_WALL_MM

LAYERS = 4  # samples through the slice thickness
_RV_DESCENT = 1.35  # of the mitral descent
_RV_ABOVE_BASE_MM = 45.0  # outflow tract and right atrium, closed off above the tricuspid plane
_SMALLEST_INFARCT_SHARE = 0.25  # of a wall pixel, from which on it can be infarct
_TO_RAY = np.float32(ANGLES / (2 * np.pi))


class HeartRenderer:
    """Paints one heart into a box of pixels; what does not move is computed once.

    Args:
        shift_mm: (S, 3) displacement of the heart per slice by its breath-hold: x, y of the image, along the axis.
        depth_mm: (S,) slice positions; None takes the stack's. ``thickness_mm``: of the slices.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        pathology: Pathology,
        motion: Motion,
        shift_mm: np.ndarray | None = None,
        depth_mm: np.ndarray | None = None,
        thickness_mm: float | None = None,
        layers: int = LAYERS,
    ) -> None:
        self.anatomy, self.pathology, self.motion = anatomy, pathology, motion
        depth = anatomy.depth_mm if depth_mm is None else np.asarray(depth_mm)
        shift = np.zeros((len(depth), 3)) if shift_mm is None else np.asarray(shift_mm)
        thickness = anatomy.slice_thickness_mm if thickness_mm is None else thickness_mm
        within = ((np.arange(layers) + 0.5) / layers - 0.5) * thickness
        # Sample depths in the heart: a heart moved along the axis by +1 mm shows what lies 1 mm nearer the base.
        self._depth = (depth[:, None] + within[None, :] - shift[:, 2:]).ravel()
        self._count, self._layers = len(depth), layers
        centre = anatomy.axis_at(self._depth) + np.repeat(shift[:, :2], layers, axis=0)
        self.box = anatomy.heart_box()
        x, y = (anatomy.pixel_positions_mm(side)[part] for side, part in zip((0, 1), self.box, strict=True))
        self.shape = (len(x), len(y))
        px, py = (a.ravel().astype(np.float32) for a in np.meshgrid(x, y, indexing="ij"))
        self._u = px[None] - centre[:, :1].astype(np.float32)
        self._v = py[None] - centre[:, 1:].astype(np.float32)
        self._r, self._ray = _polar(self._u, self._v)
        shape = anatomy.shape
        rows = np.clip(self._depth, 0.0, shape.length_mm)
        offset = np.interp(rows, shape.depth_mm, shape.rv_offset_mm).astype(np.float32)[:, None]
        c, s = np.float32(np.cos(shape.rv_angle)), np.float32(np.sin(shape.rv_angle))
        self._rv_r, self._rv_ray = _polar(self._u - offset * c, self._v - offset * s)

    def fractions(self, contraction: float, layer_weights: np.ndarray | None = None) -> np.ndarray:
        """Share of each heart tissue, (tissue.HEART_COUNT, S, X, Y) of the box, float32, 0..1; what is missing to 1
        in sum (entry AIR) is left to the surroundings. ``layer_weights``: (S, layers), None counts all alike.
        """
        inside = np.zeros((tissue.HEART_COUNT, *self._r.shape), dtype=np.float32)
        rest = np.ones_like(self._r)
        fat = self._paint_left_ventricle(inside, rest, contraction)
        self._paint_base(inside, rest, contraction)
        self._paint_right_ventricle(inside, rest, contraction, fat)
        inside[tissue.AIR] = rest
        layers = inside.reshape(tissue.HEART_COUNT, self._count, self._layers, -1)
        mean = layers.mean(axis=2) if layer_weights is None else np.einsum("tslp,sl->tsp", layers, layer_weights)
        return mean.reshape(tissue.HEART_COUNT, self._count, *self.shape)

    def label(self, contraction: float) -> np.ndarray:
        """Label codes, (S, X, Y) of the box, uint8.

        A slice cut by the mitral plane is what most of its thickness is, ventricle or atrium: no torn rings.
        """
        descent = self.motion.mapse_mm * contraction
        below = (self._depth >= descent).reshape(self._count, self._layers)
        ventricle = below.mean(axis=1) >= 0.5
        weights = np.where(ventricle[:, None], below, ~below).astype(np.float32)
        return label_from_fractions(self.fractions(contraction, weights / weights.sum(axis=1, keepdims=True)))

    def _rows(self, contraction: float, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row below, weight of the row above and whether the sample lies in the ventricle, per sample depth."""
        shape = self.anatomy.shape
        material = self.motion.material_depth_mm(shape, self._depth, contraction * factor)
        position = np.clip(material / shape.length_mm, 0.0, 1.0) * (DEPTHS - 1)
        low = np.minimum(position.astype(int), DEPTHS - 2)
        return low, (position - low).astype(np.float32), (material >= 0.0) & (material < shape.length_mm)

    def _paint_left_ventricle(self, inside: np.ndarray, rest: np.ndarray, contraction: float) -> np.ndarray:
        """Fills cavity and wall, takes them from ``rest``; returns the fat around the LV, (samples, P)."""
        shape, ill = self.anatomy.shape, self.pathology
        endo, epi = self.motion.surfaces_mm(shape, contraction)
        low, weight, present = self._rows(contraction)
        turn = self.motion.twist(shape, low / (DEPTHS - 1) * shape.length_mm, contraction)
        columns = (np.arange(ANGLES)[None, :] - turn[:, None]) % ANGLES

        def on_ray(field: np.ndarray) -> np.ndarray:
            """A material field at every pixel, (samples, P)."""
            row = field[low] * (1 - weight[:, None]) + field[low + 1] * weight[:, None]
            return np.take(np.take_along_axis(row, columns, axis=1).astype(np.float32), self._ray)

        def within(radius: np.ndarray) -> np.ndarray:
            return self._step(radius - self._r) * present[:, None]

        wall = epi - endo
        heart = within(on_ray(epi))
        cavity = np.minimum(within(on_ray(endo)), heart)
        blood = np.minimum(within(on_ray(endo - shape.ridge_mm)), cavity)
        blood = blood - self._papillary(blood, low, columns, endo)
        slow = ill.stagnant * self.anatomy.slow_flow_mm
        lumen = np.minimum(within(on_ray(endo - shape.ridge_mm - slow)), blood)
        inside[tissue.LV_BLOOD], inside[tissue.SLOW_BLOOD] = lumen, blood - lumen
        inside[tissue.PAPILLARY] = cavity - blood
        muscle = heart - cavity
        if ill.infarct[1].any():
            inner, outer, core_in, core_out = (
                within(on_ray(endo + part * wall)) for part in (*ill.infarct, *ill.no_reflow)
            )
            necrotic = np.clip(outer - np.maximum(inner, cavity), 0.0, muscle)
            core = np.clip(core_out - core_in, 0.0, necrotic)
            inside[tissue.NO_REFLOW], inside[tissue.INFARCT] = core, necrotic - core
            muscle = muscle - necrotic
        if ill.at_risk.any():
            inside[tissue.OEDEMA] = muscle * on_ray(ill.at_risk)
            muscle = muscle - inside[tissue.OEDEMA]
        inside[tissue.MYOCARDIUM] = muscle
        rest -= heart
        return np.maximum(within(on_ray(epi + shape.fat_mm)) - heart, 0.0)

    def _papillary(self, blood: np.ndarray, low: np.ndarray, columns: np.ndarray, endo: np.ndarray) -> np.ndarray:
        """Two muscles in the cavity from a quarter to three quarters of its length, (samples, P)."""
        u = low / (DEPTHS - 1)
        present = np.clip(np.minimum(u - 0.27, 0.76 - u) / 0.1, 0.0, 1.0)
        shown = np.flatnonzero(present > 0)
        found = np.zeros_like(blood)
        for angle, size in self.anatomy.shape.papillary:
            ray = int(np.rint(angle / (2 * np.pi) * ANGLES)) % ANGLES
            reach = endo[low[shown], ray]
            turn = ANGLE[(ray - columns[shown, 0]) % ANGLES]
            x = (0.78 * reach * np.cos(turn)).astype(np.float32)[:, None]
            y = (0.78 * reach * np.sin(turn)).astype(np.float32)[:, None]
            radius = (size * np.sqrt(np.maximum(reach, 8.0) * 20.0) * present[shown]).astype(np.float32)[:, None]
            distance = np.hypot(self._u[shown] - x, self._v[shown] - y)
            found[shown] += self._step(radius - distance)
        return np.minimum(found, blood)

    def _paint_base(self, inside: np.ndarray, rest: np.ndarray, contraction: float) -> None:
        """Above the mitral plane: left atrium behind, aortic root towards the septum; blood in a thin wall."""
        descent = self.motion.mapse_mm * contraction
        above = np.flatnonzero(self._depth < descent)
        if not above.size:
            return
        shape = self.anatomy.shape
        base = float(shape.epi_mm[0].mean())
        closing = np.sqrt(np.clip(1.0 - ((descent - self._depth[above]) / 42.0) ** 2, 0.0, 1.0)).astype(np.float32)
        for along, across, size in self.anatomy.base_vessels:
            direction = shape.septum_angle + across
            x, y = along * base * np.cos(direction), along * base * np.sin(direction)
            distance = np.hypot(self._u[above] - np.float32(x), self._v[above] - np.float32(y))
            radius = (size * base * closing)[:, None]
            left = rest[above]
            outer = np.minimum(self._step(radius - distance), left)
            inner = np.minimum(self._step(radius - 1.8 - distance), outer)
            inside[tissue.ARTERY][above] += inner
            inside[tissue.RV_WALL][above] += outer - inner
            rest[above] = left - outer

    def _paint_right_ventricle(
        self, inside: np.ndarray, rest: np.ndarray, contraction: float, lv_fat: np.ndarray
    ) -> None:
        shape = self.anatomy.shape
        low, weight, _ = self._rows(contraction, _RV_DESCENT)
        above = self.motion.mapse_mm * _RV_DESCENT * contraction - self._depth
        closing = np.sqrt(np.clip(1.0 - (np.maximum(above, 0.0) / _RV_ABOVE_BASE_MM) ** 2, 0.0, 1.0))[:, None]
        squeeze = (1.0 - self.motion.rv_shortening * contraction) * closing
        radius = shape.rv_radius_mm[low] * (1 - weight[:, None]) + shape.rv_radius_mm[low + 1] * weight[:, None]
        radius = (radius * squeeze).astype(np.float32)
        shown = radius > 4.0
        fat = shape.fat_mm[low].astype(np.float32)
        ridge = np.minimum(shape.rv_ridge_mm[low], 0.3 * radius).astype(np.float32)

        def within(reach: np.ndarray) -> np.ndarray:
            reach = np.where(shown, reach, -9.0).astype(np.float32)
            return self._step(np.take(reach, self._rv_ray) - self._rv_r)

        outer = np.minimum(within(radius), rest)
        inner = np.minimum(within(radius - np.float32(RV_WALL_MM)), outer)
        blood = np.minimum(within(radius - np.float32(RV_WALL_MM) - ridge), inner)
        inside[tissue.RV_BLOOD] = blood
        inside[tissue.RV_WALL] += outer - blood
        rest -= outer
        around = np.minimum(np.maximum(within(radius + fat), lv_fat), rest)
        inside[tissue.FAT] = around
        rest -= around

    def _step(self, distance: np.ndarray) -> np.ndarray:
        """Share of a pixel inside a surface ``distance`` mm beyond its centre, 0..1: a ramp one pixel wide."""
        return np.clip(distance * np.float32(1.0 / self.anatomy.pixel_mm) + np.float32(0.5), 0.0, 1.0)


def _polar(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius, and the place of the pixel's ray in a flattened (samples, ANGLES) field."""
    ray = np.rint(np.arctan2(v, u) * _TO_RAY).astype(np.int64) % ANGLES
    return np.hypot(u, v), ray + ANGLES * np.arange(len(ray))[:, None]


def label_from_fractions(fractions: np.ndarray) -> np.ndarray:
    """Label codes of conventions.LABEL_NAMES, (S, X, Y), uint8.

    A pixel goes to the structure that fills most of it (background, LV blood with papillary muscles, LV wall, RV), and
    within the wall to the tissue that fills most of the wall's part. Rims thinner than a pixel would so be lost to the
    infarct beside them: the limit between infarct and viable wall is moved slice by slice until its area is right.
    """
    wall_codes = (tissue.MYOCARDIUM, tissue.INFARCT, tissue.NO_REFLOW, tissue.OEDEMA)
    groups = [
        fractions[[tissue.AIR, tissue.RV_WALL, tissue.FAT, tissue.ARTERY]].sum(axis=0),
        fractions[[tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.PAPILLARY]].sum(axis=0),
        fractions[list(wall_codes)].sum(axis=0),
        fractions[tissue.RV_BLOOD],
    ]
    structure = np.argmax(groups, axis=0)
    necrotic = fractions[tissue.INFARCT] + fractions[tissue.NO_REFLOW]
    viable = fractions[tissue.MYOCARDIUM] + fractions[tissue.OEDEMA]
    dead = np.where(fractions[tissue.NO_REFLOW] > fractions[tissue.INFARCT], 4, 3)
    alive = np.where(fractions[tissue.OEDEMA] > fractions[tissue.MYOCARDIUM], 5, 2)
    wall = np.where(_infarcted(necrotic, viable, structure == 2), dead, alive)
    return np.select([structure == 1, structure == 2, structure == 3], [1, wall, 6], 0).astype(np.uint8)


def _infarcted(necrotic: np.ndarray, viable: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Pixels of the wall (S, X, Y) that count as infarct: per slice as many as the shares of all its pixels sum up to,
    the most infarcted first and of equal ones the first; none below _SMALLEST_INFARCT_SHARE of its wall."""
    # Rounded, so that the last bit of a sum decides no order.
    share = np.round(np.where(wall, necrotic / np.maximum(necrotic + viable, 1e-6), 0.0), 4)
    chosen = np.zeros(wall.shape, dtype=bool)
    for level in np.flatnonzero((share >= _SMALLEST_INFARCT_SHARE).any(axis=(1, 2))):
        wanted = int(np.rint(necrotic[level].sum(dtype=np.float64)))
        first = np.argsort(-share[level].ravel(), kind="stable")[:wanted]
        chosen[level].flat[first] = True
    return chosen & (share >= _SMALLEST_INFARCT_SHARE)
