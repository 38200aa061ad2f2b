"""Tissue table: T1, T2, T2*, proton density and extracellular volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ...conventions import ConfigError

Number = TypeVar("Number", float, np.ndarray)

# Tissue codes of a rendered class map. 0..6 are the label codes of conventions.LABEL_NAMES; the rest are not labelled,
# except papillary muscle and slow blood, which clinical contours count as LV blood pool.
(
    AIR,
    LV_BLOOD,
    MYOCARDIUM,
    INFARCT,
    NO_REFLOW,
    OEDEMA,
    RV_BLOOD,
    RV_WALL,
    SLOW_BLOOD,
    PAPILLARY,
    FAT,
    ARTERY,
    MUSCLE,
    LIVER,
    LUNG,
    MARROW,
    SPLEEN,
) = range(17)
TISSUE_COUNT = 17
# What the heart is painted with comes first; the rest is background of the label.
HEART_COUNT = 12
TO_LABEL = np.array([0, 1, 2, 3, 4, 5, 6, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=np.uint8)
BLOOD_CODES = (LV_BLOOD, RV_BLOOD, ARTERY, SLOW_BLOOD)

HAEMATOCRIT = 0.42


@dataclass(frozen=True)
class Tissue:
    """Relaxation of one tissue at one field strength; times in ms, ``pd`` relative to water = 1.

    ``ecv`` is the volume fraction the contrast agent reaches; 0 keeps the native T1 (fat, air).
    """

    t1_ms: float
    t2_ms: float
    t2_star_ms: float
    pd: float
    ecv: float


def _table(rows: dict[int, tuple[float, float, float, float, float]]) -> dict[int, Tissue]:
    return {code: Tissue(*values) for code, values in rows.items()}


# Published ranges: SOURCES.md of the repository, Tissue values at 1.5 T, Tissue values at 3 T, T1 after contrast.
# Rows: T1, T2, T2*, PD, ECV. Cardiac rows, blood and fat: the reference set of the ratio table (native T1/T2/PD from
# Granitz 2019, Roy 2017, Ferreira 2012, Layland 2017, Sharma 2006, Baz de Bazelaire 2004). ECV: remote 0.27 (JCMR
# 2014;16:69: lambda 0.44 +- 0.06), oedema 0.33, acute infarct 0.55, no-reflow one tenth of the infarct's access.
# Muscle, liver, lung: Baz de Bazelaire 2004, Stanisz 2005 (through Fetal-XCMR), MRXCAT. RV blood: Stanisz, Li 1998.
_AT_1P5T = _table(
    {
        AIR: (1000, 50, 10, 0.0, 0.0),
        LV_BLOOD: (1550, 250, 199, 0.95, 1 - HAEMATOCRIT),
        MYOCARDIUM: (1000, 52, 35, 0.80, 0.27),
        INFARCT: (1150, 66, 36, 0.86, 0.55),
        NO_REFLOW: (1150, 58, 28, 0.84, 0.061),
        OEDEMA: (1115, 62, 36, 0.84, 0.33),
        RV_BLOOD: (1550, 181, 108, 0.95, 1 - HAEMATOCRIT),
        RV_WALL: (1000, 52, 35, 0.80, 0.27),
        PAPILLARY: (1000, 52, 35, 0.80, 0.27),
        FAT: (290, 80, 20, 0.90, 0.0),
        MUSCLE: (1000, 40, 28, 0.80, 0.16),
        LIVER: (560, 45, 27, 0.85, 0.29),
        LUNG: (1150, 50, 1.0, 0.15, 0.30),
        ARTERY: (1550, 250, 199, 0.95, 1 - HAEMATOCRIT),
        SLOW_BLOOD: (1550, 250, 199, 0.95, 1 - HAEMATOCRIT),
        MARROW: (400, 60, 15, 0.55, 0.10),
        SPLEEN: (1150, 75, 40, 0.85, 0.34),
    }
)
_AT_3T = _table(
    {
        AIR: (1000, 50, 10, 0.0, 0.0),
        LV_BLOOD: (1700, 180, 150, 0.95, 1 - HAEMATOCRIT),
        MYOCARDIUM: (1200, 46, 24, 0.80, 0.27),
        INFARCT: (1350, 60, 26, 0.86, 0.55),
        NO_REFLOW: (1300, 52, 18, 0.84, 0.061),
        OEDEMA: (1310, 56, 25, 0.84, 0.33),
        RV_BLOOD: (1640, 90, 60, 0.95, 1 - HAEMATOCRIT),
        RV_WALL: (1200, 46, 24, 0.80, 0.27),
        PAPILLARY: (1200, 46, 24, 0.80, 0.27),
        FAT: (375, 70, 15, 0.90, 0.0),
        MUSCLE: (1233, 37, 22, 0.80, 0.16),
        LIVER: (809, 34, 18, 0.85, 0.29),
        LUNG: (1300, 40, 0.6, 0.15, 0.30),
        ARTERY: (1700, 180, 150, 0.95, 1 - HAEMATOCRIT),
        SLOW_BLOOD: (1700, 180, 150, 0.95, 1 - HAEMATOCRIT),
        MARROW: (450, 50, 10, 0.55, 0.10),
        SPLEEN: (1330, 60, 25, 0.85, 0.34),
    }
)
TISSUES = {1.5: _AT_1P5T, 3.0: _AT_3T}

# Haemorrhage inside no-reflow shortens T1 and T2 (LSU dog study T2 x1.18 of remote at most; Carrick 2015 T1 997 ms).
HAEMORRHAGE = {1.5: Tissue(1000, 50, 17, 0.84, 0.061), 3.0: Tissue(1200, 44, 12, 0.84, 0.061)}

# Between-subject standard deviations, fractions: T1 2-4 %, T2 5-7 % (Roy 2017).
T1_SD, T2_SD, PD_SD = 0.025, 0.05, 0.015
# Fat: 240-290 ms at 1.5 T, 312-382 ms at 3 T; the table has the upper ends.
FAT_T1_SPREAD = 0.18
# Extracellular volume of infarct but for the clean phantom, which has the table's 0.55. Fitted to the infarct-to-blood
# CNR of 3-4 in patients (MCODE); at the upper end of the usual 0.45-0.65 of acute infarct and 0.51-0.68 of chronic
# cores (Bull6SD).
INFARCT_ECV = (0.60, 0.68)
NO_REFLOW_EXTRA_T1_MS = (15.0, 80.0)  # above remote after contrast: dark in magnitude images too


def tissues_at(field_strength_t: float) -> dict[int, Tissue]:
    """The reference table at 1.5 T or 3 T.

    Raises:
        ConfigError: another field strength.
    """
    if field_strength_t not in TISSUES:
        raise ConfigError(
            f"field_strength_t: found {field_strength_t}, allowed are {sorted(TISSUES)}. "
            "Fix: choose one of them; the phantom has no tissue values elsewhere."
        )
    return TISSUES[field_strength_t]


def post_contrast_t1_ms(
    native_t1_ms: Number, ecv: Number, blood_native_t1_ms: float, blood_post_t1_ms: float
) -> Number:
    """T1 after contrast, ms: R1post = R1pre + (R1 rise of blood) x ECV / (1 - haematocrit).

    Source: two-compartment fast exchange; haematocrit 0.42 and lambda as in Sharma, JMRI 2006;23:323.
    """
    blood_rise = 1.0 / blood_post_t1_ms - 1.0 / blood_native_t1_ms
    return 1.0 / (1.0 / native_t1_ms + blood_rise * ecv / (1.0 - HAEMATOCRIT))


@dataclass(frozen=True)
class Acuteness:
    """How acute the lesion is. ``severity``: T2 rise of infarct relative to the table; ``oedema_severity``: of the area
    at risk, small when oedema tracks the infarct. ``scatter``: 0 the table itself, 1 as between patients.
    """

    severity: float = 1.0
    oedema_severity: float = 1.0
    haemorrhage: bool = False
    scatter: float = 1.0


def subject_tissues(field_strength_t: float, acuteness: Acuteness, rng: np.random.Generator) -> dict[int, Tissue]:
    """One subject's tissues: the reference table with between-subject scatter.

    Remote tissues share one draw, so that RV wall and papillary muscle stay equal to the remote myocardium; infarct and
    oedema share most of theirs, so that their order in T2 holds.
    """
    table = dict(tissues_at(field_strength_t))
    for code, severity in ((INFARCT, acuteness.severity), (OEDEMA, acuteness.oedema_severity)):
        table[code] = _between(table[MYOCARDIUM], table[code], severity)
    if acuteness.haemorrhage:
        table[NO_REFLOW] = HAEMORRHAGE[field_strength_t]
    groups = (
        (MYOCARDIUM, RV_WALL, PAPILLARY),
        (INFARCT, OEDEMA, NO_REFLOW),
        (LV_BLOOD, ARTERY, SLOW_BLOOD),
        (RV_BLOOD,),
        (FAT,),
        (MUSCLE,),
        (LIVER,),
        (MARROW,),
        (SPLEEN,),
    )
    for group in groups:
        t1, t2, pd = 1.0 + acuteness.scatter * rng.standard_normal(3) * (T1_SD, T2_SD, PD_SD)
        for code in group:
            old = table[code]
            table[code] = replace(old, t1_ms=old.t1_ms * t1, t2_ms=old.t2_ms * t2, pd=old.pd * pd)
    fat = table[FAT]
    table[FAT] = replace(fat, t1_ms=fat.t1_ms * (1.0 - min(acuteness.scatter, 1.0) * rng.uniform(0.0, FAT_T1_SPREAD)))
    ecv = float(rng.uniform(*INFARCT_ECV))
    if acuteness.scatter > 0:
        table[INFARCT] = replace(table[INFARCT], ecv=ecv)
    return table


def _between(normal: Tissue, ill: Tissue, severity: float) -> Tissue:
    """Native values between normal muscle (0) and the table's lesion (1); the extracellular volume is the lesion's."""

    def mixed(name: str) -> float:
        a, b = getattr(normal, name), getattr(ill, name)
        return a + severity * (b - a)

    return Tissue(mixed("t1_ms"), mixed("t2_ms"), mixed("t2_star_ms"), mixed("pd"), ill.ecv)
