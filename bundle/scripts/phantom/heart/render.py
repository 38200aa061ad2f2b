"""Tissue of each pixel of the heart at one moment: shares, integrated over the slice thickness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import tissue
from .anatomy import Anatomy
from .motion import Motion
from .pathology import Pathology
from .shape import ANGLE, ANGLES, DEPTHS

LAYERS = 4  # samples through the slice thickness
_RV_DESCENT = 1.35  # of the mitral descent
_RV_ABOVE_BASE_MM = 40.0  # outflow tract of the RV, closed off above the tricuspid plane
_RV_LABEL_MM = 9.0  # above the plane of its valves: from there on readers call it atrium or pulmonary trunk
_FIBROUS_MM = 1.8  # walls of atria and vessels, and of the outflow tract where no muscle is
_GROOVE_MM = 6.0  # fat rounds off the corners between the ventricles over this distance
_OUTSIDE_MM = -9.0  # radius of what is not there
_SMALLEST_INFARCT_SHARE = 0.25  # of a wall pixel, from which on it can be infarct
_RV_CODE = 6
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
        # Pixel positions from the axes of both ventricles, x (samples, X, 1) and y (samples, 1, Y).
        self._lv_at = _from_centre(x, y, centre)
        self._r, self._ray = _polar(*self._lv_at)
        shape = anatomy.shape
        rows = np.clip(self._depth, 0.0, shape.length_mm)
        offset = np.interp(rows, shape.depth_mm, shape.rv_offset_mm)[:, None]
        self._rv_at = _from_centre(x, y, centre + offset * [np.cos(shape.rv_angle), np.sin(shape.rv_angle)])
        self._rv_r, self._rv_ray = _polar(*self._rv_at)

    def fractions(
        self, contraction: float, layer_weights: np.ndarray | None = None, rv_muscles: bool = True
    ) -> np.ndarray:
        """Share of each heart tissue, (tissue.HEART_COUNT, S, X, Y) of the box, float32, 0..1; what is missing to 1
        in sum (entry AIR) is left to the surroundings. ``layer_weights``: (S, layers), None counts all alike.
        ``rv_muscles``: trabeculae of the RV as RV_WALL; without them the RV is blood up to its wall, as in contours.
        """
        inside = np.zeros((tissue.HEART_COUNT, *self._r.shape), dtype=np.float32)
        rest = np.ones_like(self._r)
        beyond = self._paint_left_ventricle(inside, rest, contraction)
        self._paint_base(inside, rest, contraction)
        self._paint_right_ventricle(inside, rest, contraction, beyond, rv_muscles)
        inside[tissue.AIR] = rest
        layers = inside.reshape(tissue.HEART_COUNT, self._count, self._layers, -1)
        mean = layers.mean(axis=2) if layer_weights is None else np.einsum("tslp,sl->tsp", layers, layer_weights)
        return mean.reshape(tissue.HEART_COUNT, self._count, *self.shape)

    def label(self, contraction: float) -> np.ndarray:
        """Label codes, (S, X, Y) of the box, uint8.

        A slice cut by the mitral plane is what most of its thickness is: in the ventricle the wall is labelled where it
        is, above it, where less than half of the ring is muscle, there is no LV.
        """
        descent = self.motion.mapse_mm * contraction
        below = (self._depth >= descent).reshape(self._count, self._layers)
        ventricle = below.mean(axis=1) >= 0.5
        weights = np.where(ventricle[:, None], below, ~below).astype(np.float32)
        weights /= weights.sum(axis=1, keepdims=True)
        label = label_from_fractions(self.fractions(contraction, weights, rv_muscles=False))
        label[~ventricle] = np.where(label[~ventricle] == _RV_CODE, _RV_CODE, 0)
        return label

    def _rows(self, contraction: float, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row below, weight of the row above and end-diastolic depth in mm, per sample depth."""
        shape = self.anatomy.shape
        material = self.motion.material_depth_mm(shape, self._depth, contraction * factor)
        position = np.clip(material / shape.length_mm, 0.0, 1.0) * (DEPTHS - 1)
        low = np.minimum(position.astype(int), DEPTHS - 2)
        return low, (position - low).astype(np.float32), material

    def _paint_left_ventricle(self, inside: np.ndarray, rest: np.ndarray, contraction: float) -> np.ndarray:
        """Fills cavity and wall, takes them from ``rest``; returns mm to the outside of the LV, (samples, P)."""
        shape, ill = self.anatomy.shape, self.pathology
        endo, epi = self.motion.surfaces_mm(shape, contraction)
        low, weight, material = self._rows(contraction)
        turn = self.motion.twist(shape, low / (DEPTHS - 1) * shape.length_mm, contraction)
        columns = (np.arange(ANGLES)[None, :] - turn[:, None]) % ANGLES
        below = (material >= 0.0) & (material < shape.length_mm)
        ring = shape.ring(material)[np.arange(len(material))[:, None], columns].astype(np.float32)

        def rows(field: np.ndarray) -> np.ndarray:
            """A material field around every sample depth, (samples, ANGLES), float32."""
            row = field[low] * (1 - weight[:, None]) + field[low + 1] * weight[:, None]
            return np.take_along_axis(row, columns, axis=1).astype(np.float32)

        def within(radius: np.ndarray) -> np.ndarray:
            return self._step(np.take(radius, self._ray) - self._r)

        shown = below | (ring > 0).any(axis=1)
        inner, wall = shape.bowed(rows(endo), contraction), rows(epi - endo)
        inner[~shown] = _OUTSIDE_MM
        beyond = np.take(inner + ring * wall, self._ray) - self._r
        heart = self._step(beyond)
        cavity = np.minimum(within(inner), heart)
        rest -= heart
        rest[~below] += cavity[~below]
        muscle = heart - cavity
        cavity[~below] = 0.0
        self._paint_cavity(inside, cavity, inner, rows, (low + weight, columns[:, 0]))
        self._paint_outflow_wall(inside, rest, inner, ring * wall, below)
        if ill.infarct[1].any():
            first, last, core_in, core_out = (
                within(inner + rows(part) * wall) for part in (*ill.infarct, *ill.no_reflow)
            )
            necrotic = np.clip(last - np.maximum(first, cavity), 0.0, muscle)
            core = np.clip(core_out - core_in, 0.0, necrotic)
            inside[tissue.NO_REFLOW], inside[tissue.INFARCT] = core, necrotic - core
            muscle = muscle - necrotic
        if ill.at_risk.any():
            inside[tissue.OEDEMA] = muscle * np.take(rows(ill.at_risk), self._ray)
            muscle = muscle - inside[tissue.OEDEMA]
        inside[tissue.MYOCARDIUM] = muscle
        return beyond + np.take(rows(shape.fat_mm), self._ray)

    def _paint_cavity(
        self,
        inside: np.ndarray,
        cavity: np.ndarray,
        inner: np.ndarray,
        rows: Callable[[np.ndarray], np.ndarray],
        material: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Blood between trabeculae, papillary muscles and false tendons.

        ``inner`` (samples, ANGLES): radius of the cavity, mm. ``rows``: a material field at every sample depth.
        ``material``: row (a fraction) and column at angle 0 of every sample.
        """
        shape, ill = self.anatomy.shape, self.pathology
        reach = inner - np.minimum(rows(shape.ridge_mm), 0.5 * np.maximum(inner, 0.0))
        blood = np.minimum(self._step(np.take(reach, self._ray) - self._r), cavity)
        u, turned = material[0] / (DEPTHS - 1), material[1]
        blood *= 1.0 - self._strands(shape.lv_strands, u, inner, turned, self._lv_at)
        inside[tissue.PAPILLARY] = cavity - blood
        if ill.stagnant.any():
            slow = rows(ill.stagnant * self.anatomy.slow_flow_mm)
            lumen = np.minimum(self._step(np.take(reach - slow, self._ray) - self._r), blood)
            inside[tissue.SLOW_BLOOD] = blood - lumen
            blood = lumen
        inside[tissue.LV_BLOOD] = blood

    def _paint_outflow_wall(
        self, inside: np.ndarray, rest: np.ndarray, inner: np.ndarray, wall: np.ndarray, below: np.ndarray
    ) -> None:
        """A thin wall without muscle around the cavity where the ring is open, taken from ``rest``."""
        some = np.flatnonzero(below & (wall < _FIBROUS_MM).any(axis=1))
        if not some.size:
            return
        radius = np.where(wall[some] < _FIBROUS_MM, inner[some] + _FIBROUS_MM, _OUTSIDE_MM).astype(np.float32)
        ray = self._ray[some] - ANGLES * (some - np.arange(some.size))[:, None]
        thin = np.minimum(self._step(np.take(radius, ray) - self._r[some]), rest[some])
        inside[tissue.RV_WALL][some] += thin
        rest[some] -= thin

    def _strands(
        self, strands: np.ndarray, u: np.ndarray, reach: np.ndarray, turned: np.ndarray,
        at: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        """Share of muscle that crosses a cavity, (samples, P).

        ``strands`` (n, muscles.STRAND). ``u`` (samples,): part of the ventricle's length. ``reach`` (samples, ANGLES):
        radius of the cavity, mm. ``turned`` (samples,): material column that lies at angle 0.
        ``at``: pixel positions from the ventricle's axis, mm.
        """
        found = np.zeros((len(u), *self.shape), dtype=np.float32)
        for first, first_part, second, second_part, thick, start, stop in strands:
            there = np.clip(np.minimum(u - start, stop - u) / 0.05, 0.0, 1.0)
            shown = np.flatnonzero((there > 0) & (reach.max(axis=1) > 0))
            if not shown.size:
                continue
            ends = [_end(angle, part, reach[shown], turned[shown])
                    for angle, part in ((first, first_part), (second, second_part))]  # fmt: skip
            radius = (thick * np.sqrt(there[shown])).astype(np.float32)
            _draw_capsules(found, shown, at, ends, radius, self.anatomy.pixel_mm)
        return found.reshape(len(u), -1)

    def _paint_base(self, inside: np.ndarray, rest: np.ndarray, contraction: float) -> None:
        """Above the mitral plane: atria, aortic root and pulmonary trunk; blood in thin walls, fat between them."""
        descent = self.motion.mapse_mm * contraction
        above = np.flatnonzero(self._depth < descent)
        if not above.size:
            return
        shape = self.anatomy.shape
        base = float(shape.epi_mm[0].mean())
        height = descent - self._depth[above]
        u, v = (one[above] for one in self._lv_at)

        def oval(vessel: np.ndarray) -> np.ndarray:
            """Distance from a vessel's centre, mm, longer across than along it, (samples, P)."""
            along, angle, _, _, _, stretch, lean = vessel
            direction = shape.septum_angle + angle
            x = u - np.float32(along * base * np.cos(direction))
            y = v - np.float32(along * base * np.sin(direction))
            c, s = np.float32(np.cos(shape.septum_angle + lean)), np.float32(np.sin(shape.septum_angle + lean))
            wide = np.float32(np.sqrt(stretch))
            return np.hypot((c * x + s * y) / wide, (c * y - s * x) * wide).reshape(above.size, -1)

        for vessel in self.anatomy.base_vessels:
            size, start, closes = vessel[2:5]
            closing = np.sqrt(np.clip(1.0 - (height / closes) ** 2, 0.0, 1.0))
            radius = np.where(height >= start, size * base * closing, _OUTSIDE_MM).astype(np.float32)[:, None]
            beyond, left = radius - oval(vessel), rest[above]
            outer = np.minimum(self._step(beyond), left)
            inner = np.minimum(self._step(beyond - np.float32(_FIBROUS_MM)), outer)
            inside[tissue.ARTERY][above] += inner
            inside[tissue.RV_WALL][above] += outer - inner
            rest[above] = left - outer
        radius = (base * np.clip(1.0 - height / 50.0, 0.0, 1.0)).astype(np.float32)[:, None]
        around = np.minimum(self._step(radius - self._r[above]), rest[above]) * np.float32(shape.fat_share**0.5)
        inside[tissue.FAT][above] += around
        rest[above] -= around

    def _paint_right_ventricle(
        self, inside: np.ndarray, rest: np.ndarray, contraction: float, lv_beyond: np.ndarray, muscles: bool
    ) -> None:
        shape = self.anatomy.shape
        low, weight, _ = self._rows(contraction, _RV_DESCENT)
        above = self.motion.mapse_mm * _RV_DESCENT * contraction - self._depth
        closing = np.sqrt(np.clip(1.0 - (np.maximum(above, 0.0) / _RV_ABOVE_BASE_MM) ** 2, 0.0, 1.0))[:, None]
        squeeze = (1.0 - self.motion.rv_shortening * contraction) * closing
        radius = shape.rv_radius_mm[low] * (1 - weight[:, None]) + shape.rv_radius_mm[low + 1] * weight[:, None]
        radius = (radius * squeeze).astype(np.float32)
        radius[radius <= 4.0] = _OUTSIDE_MM
        fat = shape.fat_mm[low].astype(np.float32)
        wall = np.float32(shape.rv_wall_mm)
        beyond = np.take(radius, self._rv_ray) - self._rv_r
        outer = np.minimum(self._step(beyond), rest)
        blood = inner = np.minimum(self._step(beyond - wall), outer)
        if muscles:
            reach = radius - wall - np.minimum(shape.rv_ridge_mm[low], 0.45 * np.maximum(radius - wall, 0.0))
            blood = np.minimum(self._step(np.take(reach.astype(np.float32), self._rv_ray) - self._rv_r), inner)
            u = (low + weight) / (DEPTHS - 1)
            unturned = np.zeros(len(low), dtype=int)
            blood = blood * (1.0 - self._strands(shape.rv_strands, u, radius - wall, unturned, self._rv_at))
        called = above <= _RV_LABEL_MM
        inside[tissue.RV_BLOOD][called] = blood[called]
        inside[tissue.ARTERY][~called] += blood[~called]
        inside[tissue.RV_WALL] += outer - blood
        rest -= outer
        rv_beyond = beyond + np.take(fat, self._rv_ray)
        corner = np.maximum(_GROOVE_MM - np.abs(rv_beyond - lv_beyond), 0.0)
        corner *= corner * np.float32(0.25 / _GROOVE_MM)
        around = np.minimum(self._step(np.maximum(rv_beyond, lv_beyond) + corner), rest) * np.float32(shape.fat_share)
        inside[tissue.FAT] += around
        rest -= around

    def _step(self, distance: np.ndarray) -> np.ndarray:
        """Share of a pixel inside a surface ``distance`` mm beyond its centre, 0..1: a ramp one pixel wide."""
        return np.clip(distance * np.float32(1.0 / self.anatomy.pixel_mm) + np.float32(0.5), 0.0, 1.0)


def _from_centre(x: np.ndarray, y: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions, mm, from a centre (samples, 2): x (samples, X, 1) and y (samples, 1, Y), float32."""
    along, across = (x[None] - centre[:, :1]).astype(np.float32), (y[None] - centre[:, 1:]).astype(np.float32)
    return along[:, :, None], across[:, None, :]


def _polar(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius, and the place of the pixel's ray in a flattened (samples, ANGLES) field; both (samples, P)."""
    count = len(u)
    ray = np.rint(np.arctan2(v, u) * _TO_RAY).astype(np.int64).reshape(count, -1) % ANGLES
    return np.hypot(u, v).reshape(count, -1), ray + ANGLES * np.arange(count)[:, None]


def _end(angle: float, part: float, reach: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """A point at a material angle and a part of the cavity's radius, mm from its axis, (2, samples), float32."""
    column = (int(np.rint(angle / (2 * np.pi) * ANGLES)) - turned) % ANGLES
    radius = part * reach[np.arange(len(column)), column]
    return np.stack([radius * np.cos(ANGLE[column]), radius * np.sin(ANGLE[column])]).astype(np.float32)


def _draw_capsules(
    found: np.ndarray,
    shown: np.ndarray,
    at: tuple[np.ndarray, np.ndarray],
    ends: list[np.ndarray],
    radius: np.ndarray,
    pixel_mm: float,
) -> None:
    """Adds to ``found`` (samples, X, Y) the share of pixels within ``radius`` of the lines between two ``ends``.

    Only the pixels around the lines are looked at. ``shown``: rising samples, of which ``ends`` and ``radius`` are.
    """
    (ax, ay), (bx, by) = ends
    margin = float(radius.max()) + pixel_mm
    x, y = at[0][shown, :, 0], at[1][shown, 0, :]
    windows = []
    for axis, low, high in ((x, np.minimum(ax, bx), np.maximum(ax, bx)), (y, np.minimum(ay, by), np.maximum(ay, by))):
        near = np.flatnonzero(((axis > low[:, None] - margin) & (axis < high[:, None] + margin)).any(axis=0))
        if not near.size:
            return
        windows.append(slice(int(near[0]), int(near[-1]) + 1))
    u = x[:, windows[0], None] - ax[:, None, None]
    v = y[:, None, windows[1]] - ay[:, None, None]
    dx, dy = (bx - ax)[:, None, None], (by - ay)[:, None, None]
    part = np.clip((u * dx + v * dy) / np.maximum(dx * dx + dy * dy, np.float32(1e-6)), 0.0, 1.0)
    distance = np.hypot(u - part * dx, v - part * dy)
    share = np.clip((radius[:, None, None] - distance) * np.float32(1.0 / pixel_mm) + np.float32(0.5), 0.0, 1.0)
    # A strand thinner than a pixel fills no more of it than its own width.
    share *= np.minimum(radius * np.float32(2.0 / pixel_mm), 1.0)[:, None, None]
    across, down = windows
    found[shown, across, down] = np.maximum(found[shown, across, down], share)


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
