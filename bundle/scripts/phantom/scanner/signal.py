"""MR signal equations, coil bias and noise, as pure functions.

Signals are fractions of the equilibrium magnetisation M0 of water; times in ms, angles in degrees; inputs broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


def bssfp_signal(
    t1_ms: ArrayLike, t2_ms: ArrayLike, pd: ArrayLike, tr_ms: float, te_ms: float, flip_deg: float
) -> np.ndarray:
    """Steady state of balanced SSFP on resonance, >= 0.

    S = PD sin(a) (1 - E1) exp(-TE/T2) / [1 - (E1 - E2) cos(a) - E1 E2], E1 = exp(-TR/T1), E2 = exp(-TR/T2).
    Source: Freeman-Hill; the form of Scheffler and Lehnhardt, Eur Radiol 2003;13:2409.
    """
    e1, e2 = np.exp(-tr_ms / np.asarray(t1_ms)), np.exp(-tr_ms / np.asarray(t2_ms))
    angle = np.deg2rad(flip_deg)
    steady = np.sin(angle) * (1 - e1) / (1 - (e1 - e2) * np.cos(angle) - e1 * e2)
    return np.asarray(pd) * steady * np.exp(-te_ms / np.asarray(t2_ms))


def bssfp_off_resonance(
    t1_ms: float, t2_ms: float, tr_ms: float, flip_deg: float, off_resonance_hz: ArrayLike
) -> np.ndarray:
    """Signal of balanced SSFP off resonance over that on resonance, float32, >= 0: dark bands near 1 / (2 TR).

    |Mxy| ~ |1 - E2 exp(-i theta)| / (C cos(theta) + D), theta = 2 pi df TR + pi (alternating pulses),
    C = E2 (E1 - 1)(1 + cos a), D = 1 - E1 cos a - (E1 - cos a) E2^2.
    Source: Freeman and Hill (SOURCES.md of the repository, Signal equations).
    """
    e1, e2 = np.exp(-tr_ms / t1_ms), np.exp(-tr_ms / t2_ms)
    c = e2 * (e1 - 1) * (1 + np.cos(np.deg2rad(flip_deg)))
    cosine = np.cos(np.deg2rad(flip_deg))
    d = 1 - e1 * cosine - (e1 - cosine) * e2**2

    def magnitude(theta: np.ndarray) -> np.ndarray:
        return np.abs(1 - e2 * np.exp(-1j * theta)) / (c * np.cos(theta) + d)

    theta = 2 * np.pi * np.asarray(off_resonance_hz, dtype=np.float64) * tr_ms / 1000.0 + np.pi
    return (magnitude(theta) / magnitude(np.asarray(np.pi))).astype(np.float32)


def triple_ir_tse_signal(
    t1_ms: ArrayLike,
    t2_ms: ArrayLike,
    pd: ArrayLike,
    ti_ms: float,
    tr_ms: float,
    te_ms: float,
    washout: ArrayLike = 0.0,
) -> np.ndarray:
    """Dark-blood STIR turbo spin echo, magnitude.

    S = PD |1 - 2 exp(-TI/T1) + exp(-TR'/T1)| exp(-TE/T2). The pair of dark-blood inversions leaves tissue in the slice
    untouched; blood that is washed out of the slice (fraction ``washout``) was inverted once and sits at its null.

    Args:
        ti_ms: fat inversion time. tr_ms: TR', from the end of the echo train to the next STIR pulse. te_ms: effective.
        washout: 0 for tissue and stagnant blood, 1 for blood that is fully replaced.
    Source: Simonetti, Radiology 1996;199:49.
    """
    t1 = np.asarray(t1_ms)
    longitudinal = np.abs(1 - 2 * np.exp(-ti_ms / t1) + np.exp(-tr_ms / t1))
    return np.asarray(pd) * longitudinal * np.exp(-te_ms / np.asarray(t2_ms)) * (1 - np.asarray(washout))


def null_inversion_time_ms(t1_ms: float, inversion_repeat_ms: float) -> float:
    """Inversion time that nulls a tissue: T1 [ln 2 - ln(1 + exp(-TRinv/T1))], for a full inversion."""
    return float(t1_ms * (np.log(2.0) - np.log1p(np.exp(-inversion_repeat_ms / t1_ms))))


@dataclass(frozen=True)
class InversionRecovery:
    """Timing of an inversion-recovery gradient echo; ``repeat_ms`` from inversion to inversion, 1 or 2 RR."""

    ti_ms: float
    repeat_ms: float
    te_ms: float = 0.0
    flip_deg: float = 90.0
    efficiency: float = 1.0


def inversion_recovery_gre_signal(
    t1_ms: ArrayLike, t2_star_ms: ArrayLike, pd: ArrayLike, timing: InversionRecovery, phase_sensitive: bool = True
) -> np.ndarray:
    """Inversion-recovery gradient echo of late enhancement: signed (PSIR) or magnitude.

    S = PD (1 - 2 k exp(-TI/T1) + exp(-TRinv/T1)) sin(a) exp(-TE/T2*), k the inversion efficiency.
    Source: Kellman, MRM 2002;47:372.
    """
    t1 = np.asarray(t1_ms)
    recovery = 1 - 2 * timing.efficiency * np.exp(-timing.ti_ms / t1) + np.exp(-timing.repeat_ms / t1)
    decay = np.exp(-timing.te_ms / np.asarray(t2_star_ms))
    signal = np.asarray(pd) * recovery * np.sin(np.deg2rad(timing.flip_deg)) * decay
    return signal if phase_sensitive else np.abs(signal)


def coil_bias(shape: tuple[int, int], strength: float, direction_deg: float) -> np.ndarray:
    """Smooth receive sensitivity (x, y), float32, geometric mean near 1: ``strength`` = brightest over darkest edge.

    ``direction_deg``: where the coil lies, 0 = +x, 90 = +y (down), -90 = anterior chest wall.
    """
    x = np.linspace(-1.0, 1.0, shape[0], dtype=np.float32)[:, None]
    y = np.linspace(-1.0, 1.0, shape[1], dtype=np.float32)[None, :]
    angle = np.deg2rad(direction_deg)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    return np.exp(0.5 * np.log(strength) * (along - 0.3 * (across**2 - 0.33))).astype(np.float32)


def coil_array_bias(
    shape: tuple[int, int], strength: float, direction_deg: float, others: Sequence[tuple[float, float]]
) -> np.ndarray:
    """As coil_bias, with further coils: the sensitivities add, each falls with the distance from its own coil.

    Args:
        others: direction in degrees and width, in half images, of each further coil.
    """
    if not others:
        return coil_bias(shape, strength, direction_deg)
    x = np.linspace(-1.0, 1.0, shape[0], dtype=np.float32)[:, None]
    y = np.linspace(-1.0, 1.0, shape[1], dtype=np.float32)[None, :]
    total = np.zeros(shape, dtype=np.float32)
    for degrees, width in ((direction_deg, 1.0), *others):
        angle = np.deg2rad(degrees)
        u, v = x - np.float32(1.25 * np.cos(angle)), y - np.float32(1.25 * np.sin(angle))
        total += 1.0 / (1.0 + (u**2 + v**2) / np.float32(width**2))
    logarithm = np.log(total)
    spread = max(float(np.ptp(logarithm)), 1e-6)
    return np.exp((logarithm - logarithm.mean()) * np.float32(np.log(strength) / spread)).astype(np.float32)


def magnitude(signal: np.ndarray, sigma: float | np.floating, real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Magnitude of ``signal`` with complex noise of standard deviation ``sigma`` per channel (Rician), float32.

    Args:
        real, imaginary: noise of standard deviation 1, shape of ``signal``.
    """
    return np.hypot(signal + np.float32(sigma) * real, np.float32(sigma) * imaginary)
