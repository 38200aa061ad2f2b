"""The examination: cine, T2-STIR and LGE images of one heart on one scanner, and the label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..heart import tissue
from ..heart.anatomy import Anatomy
from ..heart.motion import Motion, contraction_at
from ..heart.pathology import Pathology
from ..heart.render import HeartRenderer
from ..heart.thorax import CODES, Thorax
from ..smooth_fields import smooth_noise
from . import artefacts, signal
from .kspace import Sampling, acquired, ghost, scan_noise
from .protocol import Protocol
from .texture import ChestTexture, HeartTexture

# Stored grey levels per unit of signal, so that noise spans a few levels and files stay small.
CINE_BLOOD_LEVEL, STIR_MYOCARDIUM_LEVEL, LGE_LEVEL_PER_M0 = 350.0, 160.0, 2400.0
_STATES = 11  # heart states between end-diastole and end-systole; the phases between them are interpolated
_PASTE_MARGIN = 4
States = list[tuple[float, np.ndarray]]  # contraction and image


def _column(tissues: dict[int, tissue.Tissue], name: str) -> np.ndarray:
    return np.array([getattr(tissues[code], name) for code in range(tissue.TISSUE_COUNT)], dtype=np.float64)


def cine_levels(tissues: dict[int, tissue.Tissue], protocol: Protocol) -> np.ndarray:
    """bSSFP signal per tissue code, (TISSUE_COUNT,), fraction of M0; fat below 0: it opposes water at TE = TR / 2."""
    cine = protocol.cine
    t1_ms, t2_ms, pd = (_column(tissues, name) for name in ("t1_ms", "t2_ms", "pd"))
    levels = signal.bssfp_signal(t1_ms, t2_ms, pd, cine.tr_ms, cine.te_ms, cine.flip_deg)
    levels[list(tissue.BLOOD_CODES)] *= cine.inflow
    levels[tissue.LUNG] *= 0.25  # T2* of lung is below 1 ms
    levels[tissue.FAT] *= -1.0
    return levels


def stir_levels(tissues: dict[int, tissue.Tissue], protocol: Protocol, washout: float) -> np.ndarray:
    """Triple inversion signal per tissue code, (TISSUE_COUNT,); slow blood as the rest of the blood pool."""
    stir = protocol.stir
    moving = np.zeros(tissue.TISSUE_COUNT)
    moving[list(tissue.BLOOD_CODES)] = washout
    t1_ms, t2_ms, pd = (_column(tissues, name) for name in ("t1_ms", "t2_ms", "pd"))
    levels = signal.triple_ir_tse_signal(t1_ms, t2_ms, pd, stir.ti_ms, stir.tr_ms, stir.te_ms, moving)
    levels[tissue.LUNG] *= 0.3
    return levels


def lge_levels(tissues: dict[int, tissue.Tissue], protocol: Protocol, ti_error_ms: float) -> np.ndarray:
    """Signed inversion-recovery signal per tissue code, (TISSUE_COUNT,), at remote myocardium's null plus an error."""
    lge = protocol.lge
    post = post_contrast_t1_ms(tissues, protocol)
    null = signal.null_inversion_time_ms(post[tissue.MYOCARDIUM], lge.repeat_ms)
    timing = signal.InversionRecovery(null + ti_error_ms, lge.repeat_ms, lge.te_ms)
    levels = signal.inversion_recovery_gre_signal(post, _column(tissues, "t2_star_ms"), _column(tissues, "pd"), timing)
    levels[list(tissue.BLOOD_CODES)] *= lge.dephasing
    return levels


def post_contrast_t1_ms(tissues: dict[int, tissue.Tissue], protocol: Protocol) -> np.ndarray:
    """T1 after contrast per tissue code, ms; no-reflow a little above remote, where it is dark in magnitude, too."""
    native, ecv = _column(tissues, "t1_ms"), _column(tissues, "ecv")
    post = tissue.post_contrast_t1_ms(native, ecv, native[tissue.LV_BLOOD], protocol.lge.blood_post_t1_ms)
    post[tissue.NO_REFLOW] = post[tissue.MYOCARDIUM] + protocol.lge.no_reflow_extra_t1_ms
    return post


class Examination:
    """One subject on the scanner: anatomy, lesion, motion and protocol in, stored images out.

    Args:
        shifts_mm: per sequence (S, 3), as artefacts.breath_hold_shifts gives them.
        cine_fractions: moments of the stored cine phases, 0..1 of the RR interval.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        pathology: Pathology,
        motion: Motion,
        protocol: Protocol,
        tissues: dict[int, tissue.Tissue],
        shifts_mm: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> None:
        self.anatomy, self.protocol, self.tissues = anatomy, protocol, tissues
        self._darkening = pathology.darkening
        self._thorax = Thorax(anatomy, rng)
        self._grain = ChestTexture((anatomy.slices, *anatomy.matrix), anatomy.pixel_mm, rng)
        self._hearts = {key: HeartRenderer(anatomy, pathology, motion, shift) for key, shift in shifts_mm.items()}
        self.box = anatomy.heart_box()
        lge_fraction, stir_fraction = protocol.diastolic_fraction
        self._lge_contraction = contraction_at(lge_fraction)
        self._lge_shares = self._hearts["lge"].fractions(self._lge_contraction)
        self._stir_contraction = contraction_at(stir_fraction)

    @property
    def turn_deg(self) -> float:
        """Rotation of the body on the screen, degrees, clockwise."""
        return float(np.rad2deg(self._thorax.turn))

    def cine(self, fractions: Sequence[float], rng: np.random.Generator) -> np.ndarray:
        """Cine, (X, Y, S, phase), int16; ``fractions``: moments of the phases, 0..1 of the RR interval."""
        protocol = self.protocol
        levels = cine_levels(self.tissues, protocol)
        levels = levels * (CINE_BLOOD_LEVEL / levels[tissue.LV_BLOOD])
        raw = self.surroundings(levels, protocol.texture[0].chest)
        gain = self._bias(0) * self._banding(rng)
        if protocol.level > 0:
            gain = gain * (1.0 + 0.03 * protocol.level * smooth_noise(self.anatomy.matrix, 30.0, rng))
        resting = acquired(raw, protocol.cine.sampling, self.anatomy.pixel_mm) * gain
        jet = protocol.cine.jet * artefacts.jet_map(self.anatomy, self.box, rng)
        flow = self._heart_texture(0, rng)
        states, lost = self._states(raw, levels, jet, [contraction_at(f) for f in fractions], flow)
        added = self._ghosts(states[0][1], protocol.ghost[0])
        inner = self._inner_box()
        cut = (slice(None), slice(_PASTE_MARGIN, -_PASTE_MARGIN), slice(_PASTE_MARGIN, -_PASTE_MARGIN))
        sigma = np.float32(CINE_BLOOD_LEVEL / protocol.cine.snr)
        highest = min(protocol.cine.saturation * CINE_BLOOD_LEVEL, 4095.0)
        noise = scan_noise(resting.shape, protocol.cine.sampling, self.anatomy.pixel_mm, rng)
        frames = np.empty((*self.anatomy.matrix, self.anatomy.slices, len(fractions)), dtype=np.int16, order="F")
        for phase, fraction in enumerate(fractions):
            image = resting + added if protocol.ghost[0] else resting.copy()
            heart = between(states, contraction_at(fraction))
            if protocol.cine.jet:
                heart = heart - artefacts.jet_at(fraction) * between(lost, contraction_at(fraction))
            image[inner] = (heart * gain[..., self.box[0], self.box[1]])[cut]
            # The other channel: the last phase's noise half an image away, which no pixel sees twice.
            other = np.roll(noise, [side // 2 for side in self.anatomy.matrix], axis=(1, 2))
            noise = scan_noise(image.shape, protocol.cine.sampling, self.anatomy.pixel_mm, rng)
            frames[..., phase] = _stored(np.minimum(signal.magnitude(image, sigma, noise, other), highest))
        return frames

    def t2_stir(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """T2-STIR, (X, Y, S), int16, and whether each slice can be used for diagnosis, bool (S,)."""
        protocol, slices = self.protocol, self.anatomy.slices
        failed = rng.random(slices) < protocol.stir.suppression_failure
        slow = artefacts.slow_flow_slices(self.anatomy, protocol.stir.slow_flow, rng)
        washout = np.where(failed, rng.uniform(0.45, 0.8, slices), protocol.stir.washout)
        levels = np.stack([stir_levels(self.tissues, protocol, one) for one in washout])
        standing = stir_levels(self.tissues, protocol, 0.0)[tissue.LV_BLOOD] * rng.uniform(0.35, 0.8, slices)
        levels[slow, tissue.SLOW_BLOOD] = np.maximum(standing, levels[:, tissue.SLOW_BLOOD])[slow]
        levels = levels * (STIR_MYOCARDIUM_LEVEL / levels[0, tissue.MYOCARDIUM])
        raw = self.surroundings(levels, protocol.texture[1].chest)
        shares = self._hearts["t2_stir"].fractions(self._stir_contraction)
        grain = self._heart_texture(1, rng).factors(self._stir_contraction)
        heart = self.heart(raw, levels, shares, grain)
        if self._darkening:
            infarct = shares[tissue.INFARCT] + shares[tissue.NO_REFLOW]
            heart = heart * artefacts.haemorrhage_loss(infarct, self.anatomy.pixel_mm, self._darkening)
        raw[(slice(None), *self.box)] = heart
        image = np.abs(acquired(raw, protocol.stir.sampling, self.anatomy.pixel_mm))
        if protocol.stir.posterior_loss:
            loss = artefacts.posterior_loss(self.anatomy, protocol.stir.posterior_loss, rng)
            image = image * loss
        if protocol.stir.patchiness:
            patches = [smooth_noise(self.anatomy.matrix, 14.0, rng) for _ in range(slices)]
            image = image * np.exp(np.float32(protocol.stir.patchiness) * np.stack(patches))
        image = image + self._ghosts(image[(slice(None), *self.box)], protocol.ghost[1])
        sigma = STIR_MYOCARDIUM_LEVEL / protocol.stir.snr
        noisy = self._magnitude(image * self._bias(1), sigma, protocol.stir.sampling, rng)
        return _stored(noisy), ~failed & ~(slow & (rng.random(slices) < 0.5))

    def lge(self, rng: np.random.Generator, kind: str | None = None, at: float | None = None) -> np.ndarray:
        """LGE, (X, Y, S), int16: ``kind`` psir (stored from an offset on, what is darker is cut at 0) or magnitude.

        ``at``: contraction of another phase, in the breath-holds of the cine; None: as the LGE is acquired.
        """
        protocol, lge = self.protocol, self.protocol.lge
        contraction = self._lge_contraction if at is None else at
        shares = self._lge_shares if at is None else self._hearts["cine"].fractions(contraction)
        drift = np.linspace(-0.5, 0.5, self.anatomy.slices) * lge.ti_drift_ms
        levels = np.stack([lge_levels(self.tissues, protocol, lge.ti_error_ms + one) for one in drift])
        sigma = abs(float(levels[:, tissue.INFARCT].mean())) / lge.snr
        raw = self.surroundings(levels, protocol.texture[2].chest)
        grain = self._heart_texture(2, rng).factors(self._lge_contraction)
        raw[(slice(None), *self.box)] = self.heart(raw, levels, shares, grain)
        image = acquired(raw, lge.sampling, self.anatomy.pixel_mm)
        image = image + self._ghosts(image[(slice(None), *self.box)], protocol.ghost[2])
        image = image * self._bias(2)
        if (kind or lge.kind) == "magnitude":
            stored = self._magnitude(image, sigma, protocol.lge.sampling, rng)
        else:
            noise = scan_noise(image.shape, lge.sampling, self.anatomy.pixel_mm, rng)
            stored = image + np.float32(sigma) * noise + np.float32(lge.offset)
        return _stored(stored * np.float32(LGE_LEVEL_PER_M0))

    def label(self) -> np.ndarray:
        """Label codes on the grid, at the phase and breath-hold of the LGE, (X, Y, S), uint8."""
        return self._label("lge", self._lge_contraction)

    def references_at(self, moment: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """LGE and label, (X, Y, S), as if drawn on the cine: at ``moment`` of the RR interval, in its breath-holds."""
        contraction = contraction_at(moment)
        return self.lge(rng, at=contraction), self._label("cine", contraction)

    def _label(self, sequence: str, contraction: float) -> np.ndarray:
        full = np.zeros((self.anatomy.slices, *self.anatomy.matrix), dtype=np.uint8)
        full[(slice(None), *self.box)] = self._hearts[sequence].label(contraction)
        return np.ascontiguousarray(np.moveaxis(full, 0, -1))

    def surroundings(self, levels: np.ndarray, grain: float = 0.0) -> np.ndarray:
        """Chest without the heart, before the scanner's resolution, (S, X, Y); ``levels``: (T,) or (S, T); ``grain``:
        strength of its texture."""
        return _mixed(levels, CODES, self._thorax.shares, self._grain.factors(grain))

    def heart(
        self, raw: np.ndarray, levels: np.ndarray, shares: np.ndarray, factors: Mapping[int, np.ndarray] | None = None
    ) -> np.ndarray:
        """The heart's box before the scanner's resolution, (S, X, Y), over the chest ``raw``; ``factors``: texture."""
        codes = range(1, tissue.HEART_COUNT)
        return _mixed(levels, codes, shares[1:], factors or {}) + shares[tissue.AIR] * raw[(slice(None), *self.box)]

    def _heart_texture(self, sequence: int, rng: np.random.Generator) -> HeartTexture:
        sides = (part.stop - part.start for part in self.box)
        shape = (self.anatomy.slices, *sides)
        return HeartTexture(shape, self.anatomy.pixel_mm, self.protocol.texture[sequence], rng)

    def _states(
        self, raw: np.ndarray, levels: np.ndarray, jet: np.ndarray, wanted: list[float], flow: HeartTexture
    ) -> tuple[States, States]:
        """Contraction and acquired image of the box, in rising order: each phase's own, or a row of _STATES.

        The second list is what the blood in the jets would lose at full strength.
        """
        grid = sorted(set(wanted)) if len(set(wanted)) <= _STATES else np.linspace(0.0, 1.0, _STATES).tolist()
        sampling, pixel_mm = self.protocol.cine.sampling, self.anatomy.pixel_mm
        images, lost = [], []
        for contraction in grid:
            shares = self._hearts["cine"].fractions(contraction)
            image = self.heart(raw, levels, shares, flow.factors(contraction))
            images.append((contraction, acquired(image, sampling, pixel_mm)))
            if self.protocol.cine.jet:
                blood = np.float32(levels[tissue.LV_BLOOD]) * shares[tissue.LV_BLOOD] * jet
                lost.append((contraction, acquired(blood, sampling, pixel_mm)))
        return images, lost

    def _inner_box(self) -> tuple[slice, slice, slice]:
        x, y = (slice(part.start + _PASTE_MARGIN, part.stop - _PASTE_MARGIN) for part in self.box)
        return slice(None), x, y

    def _ghosts(self, heart: np.ndarray, amplitude: float) -> np.ndarray | float:
        if not amplitude:
            return 0.0
        alone = np.zeros((self.anatomy.slices, *self.anatomy.matrix), dtype=np.float32)
        alone[self._inner_box()] = heart[:, _PASTE_MARGIN:-_PASTE_MARGIN, _PASTE_MARGIN:-_PASTE_MARGIN]
        return ghost(alone, amplitude)

    def _magnitude(self, image: np.ndarray, sigma: float, sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
        noise = (scan_noise(image.shape, sampling, self.anatomy.pixel_mm, rng) for _ in range(2))
        return signal.magnitude(image, sigma, *noise)

    def _bias(self, sequence: int) -> np.ndarray:
        """Sensitivity of the coils, (S, X, Y): they lie on the body and turn with it; 1 in the mean over the heart."""
        protocol, turn = self.protocol, self.turn_deg
        coils = [(direction + turn, width) for direction, width in protocol.coils]
        strength, main = protocol.bias[sequence], protocol.bias_direction_deg + turn
        plane = signal.coil_array_bias(self.anatomy.matrix, strength, main, coils)
        along = protocol.bias_along_axis if sequence == 0 else 0.0
        stack = np.exp(along * np.linspace(-1.0, 1.0, self.anatomy.slices, dtype=np.float32))
        found = stack[:, None, None] * plane
        return found / found[(slice(None), *self.box)].mean()

    def _banding(self, rng: np.random.Generator) -> np.ndarray | float:
        cine = self.protocol.cine
        if not cine.off_resonance_hz:
            return 1.0
        blood = self.tissues[tissue.LV_BLOOD]
        field = artefacts.off_resonance_hz(self.anatomy, self.protocol, rng)
        return signal.bssfp_off_resonance(blood.t1_ms, blood.t2_ms, cine.tr_ms, cine.flip_deg, field)


def between(states: States, contraction: float) -> np.ndarray:
    """The image at a contraction, linear between the nearest states."""
    values = [value for value, _ in states]
    high = min(int(np.searchsorted(values, contraction)), len(states) - 1)
    low = max(high - 1, 0)
    if values[high] == contraction or high == low:
        return states[high][1]
    weight = np.float32((contraction - values[low]) / (values[high] - values[low]))
    return states[low][1] * (1 - weight) + states[high][1] * weight


def _mixed(
    levels: np.ndarray, codes: Sequence[int], shares: np.ndarray, factors: Mapping[int, np.ndarray] | None = None
) -> np.ndarray:
    """Sum over tissues of level x share x factor, (S, X, Y), float32; ``levels``: (T,) or (S, T). In fixed order: same
    bits."""
    found = np.zeros(shares.shape[1:], dtype=np.float32)
    for code, share in zip(codes, shares, strict=True):
        level = np.asarray(levels[..., code], dtype=np.float32)
        if level.any():
            part = (level[:, None, None] if level.ndim else level) * share
            if factors and code in factors:
                part *= factors[code]
            found += part
    return found


def _stored(image: np.ndarray) -> np.ndarray:
    """(S, X, Y) to (X, Y, S), int16, 0..4095."""
    return np.moveaxis(np.clip(np.rint(image), 0, 4095).astype(np.int16), 0, -1)
