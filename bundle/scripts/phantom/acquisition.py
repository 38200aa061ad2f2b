"""Owns the three examinations: protocol per vendor, and the cine, T2-STIR and LGE pictures made from class maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from . import signal, tissue
from .anatomy import MATRIX, Anatomy, contraction_at
from .pathology import Pathology
from .render import BOX, HeartRenderer, downsample, label_from_codes

# cine TR, TE; STIR TE; LGE TE, all ms, lower and upper; protocols of the four vendors as used in practice.
_PROTOCOLS = {
    "siemens": ((2.6, 3.4), (1.1, 1.5), (60.0, 90.0), (2.0, 4.0)),
    "philips": ((2.8, 3.4), (1.4, 1.7), (75.0, 95.0), (2.0, 3.5)),
    "ge": ((3.2, 3.9), (1.4, 1.7), (75.0, 95.0), (1.5, 3.5)),
    "uih": ((2.8, 3.6), (1.2, 1.6), (65.0, 90.0), (2.0, 3.5)),
}
_CINE_FLIP = {1.5: (50.0, 75.0), 3.0: (38.0, 55.0)}
_STIR_TI = {1.5: (155.0, 180.0), 3.0: (195.0, 225.0)}
# Stored grey levels per unit of signal, so that noise spans a few levels and files stay small.
CINE_BLOOD_LEVEL, STIR_MYOCARDIUM_LEVEL, LGE_LEVEL_PER_M0 = 350.0, 160.0, 2400.0
LGE_ZERO = 0.05
ACQUIRED_BLUR_PIXELS = 0.55


@dataclass(frozen=True)
class Protocol:
    """How one subject is scanned. Times in ms; SNR of LV blood (cine), remote myocardium (STIR), infarct (LGE)."""

    vendor: str
    field_strength_t: float
    cine_tr_ms: float
    cine_te_ms: float
    cine_flip_deg: float
    cine_snr: float
    blood_inflow: float
    stir_ti_ms: float
    stir_tr_ms: float
    stir_te_ms: float
    stir_snr: float
    stir_blood_washout: float
    lge_te_ms: float
    lge_snr: float
    lge_repeat_ms: float
    lge_ti_error_ms: float
    lge_ti_drift_ms: float
    blood_post_t1_ms: float
    diastolic_fraction: float
    bias: tuple[float, float, float]
    bias_direction_deg: float
    stir_shift_mm: tuple[float, float]


def draw_protocol(anatomy: Anatomy, rng: np.random.Generator) -> Protocol:
    """A random scanner and examination; SNR: cine blood 40-80, STIR myocardium 12-25, LGE infarct 15-30."""
    vendor = str(rng.choice(sorted(_PROTOCOLS), p=[0.2, 0.25, 0.35, 0.2]))
    tr, te, stir_te, lge_te = (float(rng.uniform(*limits)) for limits in _PROTOCOLS[vendor])
    field = float(rng.choice([1.5, 3.0], p=[0.6, 0.4]))
    # TR' of the dark-blood sequence: two RR intervals less the wait for the STIR pulse and the echo train.
    stir_tr = float(np.clip(2 * anatomy.rr_ms - 400.0, 1200.0, 1900.0))
    shift = rng.normal(0.0, 0.5, size=2)
    return Protocol(
        vendor=vendor,
        field_strength_t=field,
        cine_tr_ms=tr,
        cine_te_ms=te,
        cine_flip_deg=float(rng.uniform(*_CINE_FLIP[field])),
        cine_snr=float(rng.uniform(40.0, 80.0)),
        blood_inflow=float(rng.uniform(1.0, 1.2)),
        stir_ti_ms=float(rng.uniform(*_STIR_TI[field])),
        stir_tr_ms=stir_tr,
        stir_te_ms=stir_te,
        stir_snr=float(rng.uniform(12.0, 25.0)),
        stir_blood_washout=float(rng.uniform(0.93, 0.99)),
        lge_te_ms=lge_te,
        lge_snr=float(rng.uniform(15.0, 30.0)),
        lge_repeat_ms=anatomy.rr_ms * (2.0 if anatomy.rr_ms < 1000 else 1.0) + 100.0,
        lge_ti_error_ms=float(rng.normal(0.0, 7.0)),
        lge_ti_drift_ms=float(rng.uniform(0.0, 15.0)),
        blood_post_t1_ms=float(rng.uniform(320.0, 430.0)),
        diastolic_fraction=float(rng.uniform(0.70, 0.80)),
        bias=(float(rng.uniform(1.2, 2.0)), float(rng.uniform(1.3, 2.2)), float(rng.uniform(1.0, 1.2))),
        bias_direction_deg=float(rng.uniform(-120.0, -60.0)),
        stir_shift_mm=(float(shift[0]), float(shift[1])),
    )


def _column(tissues: dict[int, tissue.Tissue], name: str) -> np.ndarray:
    return np.array([getattr(tissues[code], name) for code in range(tissue.TISSUE_COUNT)])


def cine_levels(tissues: dict[int, tissue.Tissue], protocol: Protocol) -> np.ndarray:
    """Signal per tissue code, (TISSUE_COUNT,). Fat is negative: at TE = TR/2 bSSFP has it opposed to water."""
    levels = signal.bssfp_signal(
        _column(tissues, "t1_ms"),
        _column(tissues, "t2_ms"),
        _column(tissues, "pd"),
        protocol.cine_tr_ms,
        protocol.cine_te_ms,
        protocol.cine_flip_deg,
    )
    levels[list(tissue.BLOOD_CODES)] *= protocol.blood_inflow
    levels[tissue.LUNG] *= 0.35  # T2* near 1 ms defeats the balanced echo
    levels[tissue.FAT] *= -1.0
    return levels


def stir_levels(tissues: dict[int, tissue.Tissue], protocol: Protocol) -> np.ndarray:
    """Dark-blood STIR signal per tissue code, (TISSUE_COUNT,); slow blood keeps half of its stagnant signal."""
    washout = np.zeros(tissue.TISSUE_COUNT)
    washout[list(tissue.BLOOD_CODES)] = protocol.stir_blood_washout
    washout[tissue.SLOW_BLOOD] = 0.55
    washout[tissue.LUNG] = 0.4
    return signal.triple_ir_tse_signal(
        _column(tissues, "t1_ms"),
        _column(tissues, "t2_ms"),
        _column(tissues, "pd"),
        protocol.stir_ti_ms,
        protocol.stir_tr_ms,
        protocol.stir_te_ms,
        washout,
    )


def lge_levels(tissues: dict[int, tissue.Tissue], protocol: Protocol, ti_error_ms: float) -> np.ndarray:
    """Signed PSIR signal per tissue code, (TISSUE_COUNT,), at the null of remote myocardium plus an error."""
    native, ecv = _column(tissues, "t1_ms"), _column(tissues, "ecv")
    post = tissue.post_contrast_t1_ms(native, ecv, native[tissue.LV_BLOOD], protocol.blood_post_t1_ms)
    null = signal.null_inversion_time_ms(post[tissue.MYOCARDIUM], protocol.lge_repeat_ms)
    timing = signal.InversionRecovery(null + ti_error_ms, protocol.lge_repeat_ms, protocol.lge_te_ms)
    return signal.inversion_recovery_gre_signal(post, _column(tissues, "t2_star_ms"), _column(tissues, "pd"), timing)


class Examination:
    """One subject on the scanner: anatomy, pathology, surroundings and protocol in, stored pictures out."""

    def __init__(
        self,
        anatomy: Anatomy,
        pathology: Pathology,
        surroundings: np.ndarray,
        protocol: Protocol,
        tissues: dict[int, tissue.Tissue],
    ) -> None:
        self.anatomy, self.protocol, self.tissues = anatomy, protocol, tissues
        self._surroundings = surroundings
        self._heart = HeartRenderer(anatomy, pathology, surroundings)
        self._heart_in_stir = HeartRenderer(anatomy, pathology, surroundings, protocol.stir_shift_mm)
        self._diastole = contraction_at(protocol.diastolic_fraction)

    def cine(self, phases: int, rng: np.random.Generator) -> np.ndarray:
        """Cine, (X, Y, S, phase), int16, phase k at k / phases of the RR interval."""
        levels = cine_levels(self.tissues, self.protocol)
        scale = CINE_BLOOD_LEVEL / levels[tissue.LV_BLOOD]
        levels = np.tile(levels * scale, (self.anatomy.slices, 1))
        flow = 1.0 + 0.04 * gaussian_filter(rng.standard_normal((MATRIX, MATRIX)), 5.0) * 18.0
        bias = signal.coil_bias((MATRIX, MATRIX), self.protocol.bias[0], self.protocol.bias_direction_deg)
        bias = bias * np.clip(flow, 0.85, 1.15).astype(np.float32)
        resting = self._background_picture(levels)
        frames = []
        for phase in range(phases):
            codes = self._heart.class_map(contraction_at(phase / phases))
            picture = np.abs(self._paste(resting, self._heart, codes, levels)) * bias
            frames.append(signal.rician(picture, CINE_BLOOD_LEVEL / self.protocol.cine_snr, rng))
        return _stored(np.stack(frames, axis=-1))

    def t2_stir(self, rng: np.random.Generator) -> np.ndarray:
        """T2-STIR, (X, Y, S), int16, mid-diastole, with the breath-hold shift of the protocol."""
        levels = stir_levels(self.tissues, self.protocol)
        scale = STIR_MYOCARDIUM_LEVEL / levels[tissue.MYOCARDIUM]
        levels = np.tile(levels * scale, (self.anatomy.slices, 1))
        codes = self._heart_in_stir.class_map(self._diastole)
        picture = self._paste(self._background_picture(levels), self._heart_in_stir, codes, levels)
        bias = signal.coil_bias((MATRIX, MATRIX), self.protocol.bias[1], self.protocol.bias_direction_deg)
        return _stored(signal.rician(picture * bias, STIR_MYOCARDIUM_LEVEL / self.protocol.stir_snr, rng))

    def lge(self, rng: np.random.Generator) -> np.ndarray:
        """PSIR late enhancement, (X, Y, S), int16, mid-diastole; stored shifted by LGE_ZERO, negative rest cut at 0."""
        drift = np.linspace(-0.5, 0.5, self.anatomy.slices) * self.protocol.lge_ti_drift_ms
        levels = np.stack([lge_levels(self.tissues, self.protocol, self.protocol.lge_ti_error_ms + d) for d in drift])
        sigma = abs(float(levels[:, tissue.INFARCT].mean())) / self.protocol.lge_snr
        codes = self._heart.class_map(self._diastole)
        picture = self._paste(self._background_picture(levels), self._heart, codes, levels)
        bias = signal.coil_bias((MATRIX, MATRIX), self.protocol.bias[2], self.protocol.bias_direction_deg)
        noisy = signal.gaussian_noise(picture * bias, sigma, rng)
        return _stored((noisy + np.float32(LGE_ZERO)) * np.float32(LGE_LEVEL_PER_M0))

    def label(self) -> np.ndarray:
        """Label codes on the grid and at the phase of the LGE, (X, Y, S), uint8."""
        full = np.zeros((self.anatomy.slices, MATRIX, MATRIX), dtype=np.uint8)
        x, y = self._heart.corner
        full[:, x : x + BOX, y : y + BOX] = label_from_codes(self._heart.class_map(self._diastole))
        return np.ascontiguousarray(np.moveaxis(full, 0, -1))

    def _background_picture(self, levels: np.ndarray) -> np.ndarray:
        table = levels.astype(np.float32)
        return np.stack(
            [
                gaussian_filter(downsample(table[index][codes]), ACQUIRED_BLUR_PIXELS)
                for index, codes in enumerate(self._surroundings)
            ]
        )

    def _paste(self, background: np.ndarray, heart: HeartRenderer, codes: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """The background with the heart's box in it, (S, X, Y), float32; 2 pixels of its rim go to the blur."""
        table, picture = levels.astype(np.float32), background.copy()
        x, y = heart.corner + 2
        for index, level in enumerate(codes):
            box = gaussian_filter(downsample(table[index][level]), ACQUIRED_BLUR_PIXELS)
            picture[index, x : x + BOX - 4, y : y + BOX - 4] = box[2:-2, 2:-2]
        return picture


def _stored(picture: np.ndarray) -> np.ndarray:
    """(S, X, Y[, phase]) to (X, Y, S[, phase]), int16, 0..4095."""
    return np.ascontiguousarray(np.moveaxis(np.clip(np.rint(picture), 0, 4095), 0, 2).astype(np.int16))
