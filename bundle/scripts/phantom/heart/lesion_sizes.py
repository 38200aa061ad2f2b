"""Size of a subject's lesion: condition, artery, infarct, area at risk, no-reflow, ejection fraction.

Published marginals and their joint structure: SOURCES.md of the repository, Infarct cohort; keys as there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..parameters import BED_OVER_INFARCT, INFARCTED, LARGEST_BED_PERCENT, TERRITORIES, PhantomParameters

# Share of the cohort: patients with acute infarction, and hard negatives that a real clinic sends too
# (SOURCES.md of the repository, Shape of the infarct).
_CONDITION_SHARE = {
    "acute_mi": 0.69,
    "healthy": 0.18,
    "stunning": 0.02,
    "old_scar": 0.03,
    "takotsubo": 0.015,
    "dilated": 0.02,
    "hypertrophic": 0.02,
    "rv_overload": 0.01,
    "bundle_branch_block": 0.01,
    "hibernating": 0.005,
}
# Ejection fraction, percent: mean and SD of those without infarct; area of poor motion or oedema, part of the wall.
_EJECTION = {
    "stunning": (50.0, 6.0),
    "takotsubo": (42.0, 7.0),
    "dilated": (29.0, 8.0),
    "hypertrophic": (68.0, 6.0),
    "rv_overload": (56.0, 7.0),
    "bundle_branch_block": (42.0, 9.0),
    "hibernating": (43.0, 8.0),
}
_AREA = {"stunning": (0.15, 0.40), "takotsubo": (0.35, 0.60), "hibernating": (0.15, 0.45)}
_IN_A_BED = ("stunning", "hibernating")
_TRACKING_SHARE = 0.25  # of acute infarcts: oedema that follows the infarct instead of the bed (KimT2)
# Part of the T2-STIR signal that a haemorrhage takes from the core of the infarct: a dark middle in a bright border.
_DARKENING = (0.20, 0.65)


@dataclass(frozen=True)
class Lesion:
    """Fractions of the LV wall, 0..1. ``oedema_regime``: "wide" (the bed), "tracking" (the infarct) or "none".

    ``acute_severity``: how far T2 of the infarct and its bed is raised, 1 as in the reference table. ``days``: after
    reperfusion. ``darkening``: part of the T2-STIR signal that the haemorrhage takes from the core of the infarct.
    """

    condition: str
    territory: str
    infarct: float
    area_at_risk: float
    no_reflow: float
    haemorrhage: bool
    oedema_regime: str
    acute_severity: float
    days: float
    ejection_fraction_percent: float
    darkening: float = 0.0


def draw_lesion(parameters: PhantomParameters, sex: str, rng: np.random.Generator) -> Lesion:
    """A subject's lesion from the cohort's distribution; keys that the user fixed are taken as given."""
    condition = parameters.condition or _draw_condition(parameters, rng)
    if condition in INFARCTED:
        return _draw_infarction(condition, parameters, rng)
    mean, sd = _EJECTION.get(condition, (61.0 if sex == "female" else 58.0, 5.0))
    ejection = rng.normal(mean, sd)
    area = float(rng.uniform(*_AREA[condition])) if condition in _AREA else 0.0
    severity = float(np.clip(rng.normal(0.85, 0.3), 0.3, 1.5)) if condition == "takotsubo" else 0.0
    return Lesion(
        condition,
        str(rng.choice(TERRITORIES)) if condition in _IN_A_BED else "none",
        0.0,
        area,
        0.0,
        False,
        "wide" if condition == "takotsubo" else "none",
        _severity(severity, parameters, condition == "takotsubo"),
        float(rng.uniform(1.0, 7.0)),
        _ejection(parameters, ejection),
    )


def _draw_condition(parameters: PhantomParameters, rng: np.random.Generator) -> str:
    draw = str(rng.choice(list(_CONDITION_SHARE), p=list(_CONDITION_SHARE.values())))
    wants_infarct = parameters.infarct_percent_lv is not None or parameters.territory is not None
    return "acute_mi" if wants_infarct and draw not in INFARCTED else draw


def _draw_infarction(condition: str, parameters: PhantomParameters, rng: np.random.Generator) -> Lesion:
    """Infarct size from its published quartiles, area at risk through the salvage index, both within the bed."""
    size = _truncated(lambda: rng.beta(1.22, 4.9), 0.012, 0.50)
    if parameters.infarct_percent_lv is not None:
        size = parameters.infarct_percent_lv / 100.0
    territory = parameters.territory or _draw_territory(size, rng)
    area = _area_at_risk(size, territory, rng)
    no_reflow = _draw_no_reflow(size, rng) if condition == "acute_mi" else 0.0
    haemorrhage = bool(no_reflow > 0.004 and rng.random() < 0.70)
    days = float(rng.uniform(0.3, 7.0))
    tracking = rng.random() < _TRACKING_SHARE
    severity = rng.normal(0.96 if days > 1.5 else 0.78, 0.28)
    # Deoxygenated blood takes T2 away: 13 of 37 infarcts were not readable for it (TIRM).
    darkening = float(rng.uniform(*_DARKENING)) * min(parameters.level, 1.25) if haemorrhage else 0.0
    ejection = 60.4 - 0.40 * 100.0 * size + rng.normal(0.0, 5.6)
    ejection += -1.2 if haemorrhage else 0.6
    return Lesion(
        condition,
        territory,
        size,
        area,
        no_reflow,
        haemorrhage,
        "none" if condition == "old_scar" else ("tracking" if tracking else "wide"),
        _severity(severity, parameters, condition == "acute_mi"),
        days if condition == "acute_mi" else float(rng.uniform(120.0, 900.0)),
        _ejection(parameters, ejection),
        darkening,
    )


def _severity(drawn: float, parameters: PhantomParameters, acute: bool) -> float:
    """Scatter of the T2 rise about the reference table grows with difficulty; clean has exactly the table."""
    if not acute:
        return 0.0
    return float(np.clip(1.0 + (drawn - 1.0) * min(parameters.level, 1.25), -0.7, 1.6))


def _ejection(parameters: PhantomParameters, drawn: float) -> float:
    fixed = parameters.ejection_fraction_percent
    return float(np.clip(drawn, 15.0, 74.0)) if fixed is None else float(fixed)


def _draw_territory(size: float, rng: np.random.Generator) -> str:
    """LAD 45 %, RCA 40 %, LCX 15 % overall; the larger the infarct, the likelier the LAD (19 vs 12 %LV, ant355)."""
    lad = float(np.interp(size, (0.0, 0.12, 0.25, 0.38, 0.46), (0.31, 0.34, 0.45, 0.68, 1.0)))
    return str(rng.choice(TERRITORIES, p=[lad, (1 - lad) * 0.727, (1 - lad) * 0.273]))


def _area_at_risk(size: float, territory: str, rng: np.random.Generator) -> float:
    """IS / (1 - salvage), salvage index redrawn until the bed of the artery holds it; at least 14 % of the wall."""
    largest = max(LARGEST_BED_PERCENT[territory] / 100.0, 1.1 * size)
    for _ in range(40):
        area = max(size / (1.0 - rng.beta(2.6, 2.0)), 0.14)
        if BED_OVER_INFARCT * size <= area <= largest:
            return float(area)
    return float(min(largest, max(1.3 * size, 0.14)))


def _draw_no_reflow(size: float, rng: np.random.Generator) -> float:
    """P = 0.16 at 6 %LV, 0.55 at 14, 0.88 from 30 on; extent median about 1.6 %LV where present (0.47 over all)."""
    if rng.random() > np.interp(size, (0.06, 0.14, 0.30), (0.16, 0.55, 0.88)):
        return 0.0
    return float(np.clip(0.0155 * np.exp(rng.normal(0.0, 0.75)) * np.sqrt(size / 0.2), 0.004, 0.4 * size))


def _truncated(draw: Callable[[], float], low: float, high: float) -> float:
    while not low <= (value := float(draw())) <= high:
        pass
    return value
