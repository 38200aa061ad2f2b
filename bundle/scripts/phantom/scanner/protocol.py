"""Scanner and settings of one subject's examination: vendor, field strength, timing, noise, what went wrong.

Ranges: SOURCES.md of the repository, Protocols and Artefacts. ``level`` scales what disturbs, 0 = none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...conventions import ConfigError
from ..heart.tissue import NO_REFLOW_EXTRA_T1_MS
from ..parameters import PhantomParameters
from .kspace import Sampling
from .texture import TextureStrength

# Vendor: cine TR, TE; STIR TE, echo train; LGE TR, TE (all ms but the train), chance of a phase-sensitive LGE.
_VENDORS = {
    "siemens": ((2.6, 3.6), (1.1, 1.6), (60.0, 100.0), (15, 33), (5.0, 9.0), (2.0, 4.0), 0.98),
    "philips": ((2.8, 3.4), (1.4, 1.7), (80.0, 100.0), (20, 30), (5.0, 7.0), (2.0, 3.5), 0.97),
    "ge": ((3.2, 3.9), (1.4, 1.7), (80.0, 100.0), (24, 32), (5.0, 8.0), (1.5, 3.5), 0.96),
    "uih": ((2.8, 3.6), (1.2, 1.6), (65.0, 90.0), (20, 30), (5.0, 8.0), (2.0, 3.5), 0.97),
}
_CINE_FLIP = {
    1.5: {"siemens": (50.0, 80.0), "uih": (50.0, 70.0)},
    3.0: {"siemens": (35.0, 60.0), "uih": (45.0, 55.0)},
}
_OTHER_FLIP = {1.5: (45.0, 60.0), 3.0: (40.0, 55.0)}
# Normal deviate and loss of the inferolateral wall's T2-STIR: marked in three of ten (9 of 31 not readable or read
# wrongly, Kellman07), hardly seen in the rest.
_POSTERIOR_LOSS = (-1.2, 0.5, 0.7, 2.2), (0.0, 0.04, 0.12, 0.35)
_STIR_TI = {1.5: (150.0, 180.0), 3.0: (190.0, 230.0)}
# Vendor, field strength and weight of the scanners of a site.
_SCANNERS = {
    "internal": (("siemens", 1.5, 4), ("philips", 1.5, 3), ("ge", 1.5, 3)),
    "external": (("uih", 3.0, 1),),
}
# Sites whose LGE is phase-sensitive throughout, as in patients' data sets (EMIDEC); elsewhere _VENDORS has the share.
_PSIR_SITES = ("internal",)
_SCANNERS["any"] = tuple((vendor, field_t, 1) for vendor in _VENDORS for field_t in (1.5, 3.0))


# Acquired pixel, mm, lowest and highest along read-out and phase encoding; taper of the reconstruction filter.
_CINE_SAMPLING = ((1.5, 1.8), (1.8, 2.3)), 0.6
_STIR_SAMPLING = ((1.6, 1.9), (2.0, 2.6)), 0.6
_LGE_SAMPLING = ((1.4, 1.6), (1.5, 1.8)), 1.0
# Cine beyond the usual: part of the scans with coarser pixels by up to so much, with a longer acquisition window (blur,
# mm), with shading as at 3 T without normalisation and in old data (brightest over darkest edge), with a bright end
# cut off by the scanner (times the level of LV blood).
_COARSER, _MOST_COARSER = 0.5, 0.35
_BLURRED, _CINE_BLUR_MM, _MOST_BLURRED_MM = 0.15, (0.0, 0.7), 1.5
_SHADED, _SHADING = 0.22, (2.6, 6.0)
_SATURATED, _SATURATION = 0.15, (1.2, 1.8)
_MOST_COILS = 4
# Standard deviation of texture relative to the mean (scanner/texture.py): blood, wall, and scale of the chest's table.
# Late enhancement and T2-STIR of the heart keep their contrast: blood is black there, or near its noise.
_CINE_TEXTURE = (0.05, 0.22), (0.02, 0.09), (0.6, 1.4)
_STIR_TEXTURE = (0.0, 0.0), (0.0, 0.0), (0.3, 0.8)
_LGE_TEXTURE = (0.0, 0.015), (0.0, 0.02), (0.2, 0.6)


@dataclass(frozen=True)
class Cine:
    """bSSFP. ``snr``: of LV blood. ``inflow``: brightening of fresh blood. ``off_resonance_hz``: scale of the field.
    ``saturation``: largest stored signal, times that of LV blood.
    """

    tr_ms: float
    te_ms: float
    flip_deg: float
    snr: float
    inflow: float
    off_resonance_hz: float
    jet: float
    sampling: Sampling
    saturation: float = float("inf")


@dataclass(frozen=True)
class Stir:
    """Dark-blood T2-STIR. ``snr``: of remote myocardium. ``washout`` of cavity blood, 1 = black.

    ``slow_flow``: chance per slice of a bright rim; ``posterior_loss``: largest loss of signal by motion, 0..1;
    ``suppression_failure``: chance per slice that blood stays grey; ``patchiness``: SD of unexplained signal change.
    """

    ti_ms: float
    tr_ms: float
    te_ms: float
    echo_train: int
    snr: float
    washout: float
    slow_flow: float
    posterior_loss: float
    suppression_failure: float
    patchiness: float
    sampling: Sampling


@dataclass(frozen=True)
class Lge:
    """Inversion-recovery gradient echo. ``snr``: of infarct. ``ti_error_ms`` about the null of remote myocardium and
    ``ti_drift_ms`` over the stack. ``kind``: psir or magnitude. ``no_reflow_extra_t1_ms``: T1 of
    no-reflow over remote after contrast. ``offset``: added to a
    stored psir, fraction of M0. ``dephasing``: what flow leaves of the signal of blood, chosen for the published CNR of
    infarct to blood (MCODE: 2.9-3.9); the ratio table alone would make them equally bright.
    """

    tr_ms: float
    te_ms: float
    flip_deg: float
    repeat_ms: float
    kind: str
    snr: float
    ti_error_ms: float
    ti_drift_ms: float
    blood_post_t1_ms: float
    no_reflow_extra_t1_ms: float
    offset: float
    dephasing: float
    sampling: Sampling


@dataclass(frozen=True)
class Protocol:
    """One subject's examination; tuples are cine, STIR, LGE.

    ``bias``: brightest over darkest edge. ``bias_direction_deg``: where the coil lies on an upright body, 0 = lateral,
    90 = down; ``coils``: direction and width (of half an image) of further ones. ``bias_along_axis``: change of log
    sensitivity of the cine from the middle of the stack to its end. ``ghost``: amplitude.
    """

    vendor: str
    field_strength_t: float
    cine: Cine
    stir: Stir
    lge: Lge
    bias: tuple[float, float, float]
    bias_direction_deg: float
    ghost: tuple[float, float, float]
    diastolic_fraction: tuple[float, float]
    level: float
    coils: tuple[tuple[float, float], ...] = ()
    bias_along_axis: float = 0.0
    texture: tuple[TextureStrength, TextureStrength, TextureStrength] = (TextureStrength(),) * 3


def draw_protocol(parameters: PhantomParameters, rr_ms: float, rng: np.random.Generator) -> Protocol:
    """A random scanner of the site and an examination on it."""
    level = parameters.level
    vendor, field_t = _scanner(parameters, rng)
    cine_tr, cine_te, stir_te, train, lge_tr, lge_te, psir = _VENDORS[vendor]
    flip = _CINE_FLIP[field_t].get(vendor, _OTHER_FLIP[field_t])
    quiet = 1.0 if level > 0 else 10.0
    rest = float(rng.uniform(0.70, 0.80))
    snr = quiet * float(rng.uniform(40.0, 80.0))
    inflow = 1.0 + min(level, 1.0) * float(rng.uniform(0.0, 0.22))
    off_resonance_hz = level * float(rng.uniform(20.0, 70.0)) * field_t / 1.5
    jet = level * float(rng.uniform(0.0, 0.45 if field_t > 2 else 0.25))
    sampling = _sampling(_CINE_SAMPLING, rng)
    tr_ms, te_ms, flip_deg = (float(rng.uniform(*limits)) for limits in (cine_tr, cine_te, flip))
    cine = Cine(tr_ms, te_ms, flip_deg, snr, inflow, off_resonance_hz, jet, sampling)
    only_psir = rng.random() < psir  # drawn for all, so that a site changes no other number
    kind = "psir" if only_psir or parameters.site in _PSIR_SITES else "magnitude"
    lge = _draw_lge(kind, (lge_tr, lge_te), rr_ms, level, quiet, rng)
    stir = _draw_stir((stir_te, train), field_t, rr_ms, level, quiet, rng)
    ghosting = rng.random(3) < np.array([0.15, 0.25, 0.25])
    protocol = Protocol(
        vendor,
        field_t,
        cine,
        stir,
        lge,
        _three(high**level for high in rng.uniform((1.1, 1.2, 1.1), (1.9, 2.3, 1.9))),
        float(rng.uniform(-120.0, -60.0)),
        _three(level * ghosting * rng.uniform(0.02, 0.06, 3)),
        (rest, rest + 0.03 * level * float(rng.normal())),
        level,
    )
    return _beyond_usual(protocol, rng) if level > 0 else _reference(protocol)


def _beyond_usual(protocol: Protocol, rng: np.random.Generator) -> Protocol:
    """The same examination with texture, several coils, and what only part of the scans have; none of it on clean."""
    some = min(protocol.level, 1.0)
    coarser, blurred, shaded, saturated = rng.random(4) < (_COARSER, _BLURRED, _SHADED, _SATURATED)
    stretch = 1.0 + some * coarser * rng.uniform(0.0, _MOST_COARSER, 2)
    blur_mm = some * float(rng.uniform(*_CINE_BLUR_MM) if not blurred else rng.uniform(0.7, _MOST_BLURRED_MM))
    first, second = (float(one) for one in np.array(protocol.cine.sampling.resolution_mm) * stretch)
    sampling = replace(protocol.cine.sampling, resolution_mm=(first, second), blur_mm=blur_mm)
    shading, saturation = float(rng.uniform(*_SHADING)) ** some, float(rng.uniform(*_SATURATION))
    others = rng.integers(0, _MOST_COILS)
    coils = tuple(zip(rng.uniform(-200.0, 60.0, others).tolist(), rng.uniform(0.5, 1.2, others).tolist(), strict=True))
    along = some * float(rng.normal(0.0, 0.22 if shaded else 0.08))
    strengths = [
        TextureStrength(*(some * float(rng.uniform(*limits)) for limits in table))
        for table in (_CINE_TEXTURE, _STIR_TEXTURE, _LGE_TEXTURE)
    ]
    return replace(
        protocol,
        cine=replace(protocol.cine, sampling=sampling, saturation=saturation if saturated else float("inf")),
        bias=(shading if shaded else protocol.bias[0], *protocol.bias[1:]),
        coils=coils,
        bias_along_axis=float(np.clip(along, -0.45, 0.45)),
        texture=(strengths[0], strengths[1], strengths[2]),
    )


def _scanner(parameters: PhantomParameters, rng: np.random.Generator) -> tuple[str, float]:
    fits = [
        scanner
        for scanner in _SCANNERS[parameters.site]
        if parameters.vendor in (None, scanner[0]) and parameters.field_strength_t in (None, scanner[1])
    ]
    if not fits:
        raise ConfigError(
            f"site {parameters.site}: found vendor {parameters.vendor} and field_strength_t "
            f"{parameters.field_strength_t}, which it does not have. Fix: leave one of them out, or --site any"
        )
    weight = np.array([scanner[2] for scanner in fits], dtype=float)
    return fits[int(rng.choice(len(fits), p=weight / weight.sum()))][:2]


def _draw_stir(
    vendor: tuple[tuple, tuple], field_t: float, rr_ms: float, level: float, quiet: float, rng: np.random.Generator
) -> Stir:
    te, (shortest, longest) = vendor
    return Stir(
        ti_ms=float(rng.uniform(*_STIR_TI[field_t])),
        # TR' of the dark-blood sequence: two RR intervals less the wait for the STIR pulse and the echo train.
        tr_ms=float(np.clip(2 * rr_ms - 400.0, 1200.0, 1900.0)),
        te_ms=float(rng.uniform(*te)),
        echo_train=int(rng.integers(shortest, longest, endpoint=True)),
        snr=quiet * float(rng.uniform(11.0, 24.0)),
        washout=1.0 - min(level, 1.0) * float(rng.uniform(0.02, 0.09)),
        slow_flow=0.16 * level,
        posterior_loss=level * float(np.interp(rng.normal(), *_POSTERIOR_LOSS)),
        suppression_failure=0.05 * level,
        patchiness=0.02 * level,
        sampling=_sampling(_STIR_SAMPLING, rng, decay=0.35, blur_mm=0.5),
    )


def _draw_lge(
    kind: str, vendor: tuple[tuple, tuple], rr_ms: float, level: float, quiet: float, rng: np.random.Generator
) -> Lge:
    tr, te = (float(rng.uniform(*limits)) for limits in vendor)
    return Lge(
        tr_ms=tr,
        te_ms=te,
        flip_deg=float(rng.uniform(20.0, 25.0)),
        repeat_ms=rr_ms * (2.0 if rr_ms < 1000 else 1.0),
        kind=kind,
        snr=quiet * float(rng.uniform(26.0, 37.0)),
        # Readers of magnitude images choose a TI a little long, so that healthy muscle does not turn bright again.
        ti_error_ms=level * float(rng.normal(2.4 if kind == "psir" else 6.0, 4.2)),
        ti_drift_ms=level * float(rng.uniform(0.0, 10.0)),
        blood_post_t1_ms=float(rng.uniform(330.0, 440.0)),
        no_reflow_extra_t1_ms=float(rng.uniform(*NO_REFLOW_EXTRA_T1_MS)),
        offset=float(rng.uniform(0.105, 0.135)),
        dephasing=1.0 - min(level, 1.0) * float(rng.uniform(0.0, 0.08)),
        sampling=_sampling(_LGE_SAMPLING, rng, blur_mm=float(rng.uniform(0.5, 1.0))),
    )


def _sampling(limits: tuple, rng: np.random.Generator, decay: float = 0.0, blur_mm: float = 0.0) -> Sampling:
    along, taper = limits
    first, second = (float(rng.uniform(*one)) for one in along)
    return Sampling((first, second), taper, decay, blur_mm)


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _reference(protocol: Protocol) -> Protocol:
    """The settings of the ratio table (SOURCES.md of the repository, Signal ratios), for the clean phantom."""
    high = protocol.field_strength_t > 2
    cine = Cine(3.0, 1.5, 45.0 if high else 65.0, protocol.cine.snr, 1.0, 0.0, 0.0, protocol.cine.sampling)
    stir = Stir(
        210.0 if high else 170.0, 1700.0, 75.0, 20, protocol.stir.snr, 1.0, 0.0, 0.0, 0.0, 0.0, protocol.stir.sampling
    )
    old = protocol.lge
    lge = Lge(
        old.tr_ms,
        old.te_ms,
        old.flip_deg,
        1700.0,
        old.kind,
        old.snr,
        0.0,
        0.0,
        350.0,
        old.no_reflow_extra_t1_ms,
        old.offset,
        1.0,
        old.sampling,
    )
    return Protocol(
        protocol.vendor, protocol.field_strength_t, cine, stir, lge, (1.0, 1.0, 1.0), 0.0, (0.0, 0.0, 0.0),
        (protocol.diastolic_fraction[0],) * 2, 0.0,
    )  # fmt: skip
