"""Area at risk, myocardial salvage and no-reflow of a label map that has codes of its own for oedema and no-reflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conventions import NotMeasurable
from .volumes import infarct_percent_lv, require_infarct_at_wall, structure_mask

# What a reader has to know beside each number.
CAVEATS = {
    "area_at_risk_percent_lv": "infarct and oedema; oedema is not stable over the days after an infarct, "
    "and its extent depends on treatment",
    "salvage_index": "1 - infarct / area at risk; moves with both, and is no clinical endpoint",
    "no_reflow_percent_of_infarct": "shrinks within days, and within minutes after contrast",
}


def area_at_risk_percent_lv(label: np.ndarray) -> float:
    """Infarct with no-reflow and oedema in percent of the LV myocardium, 0..100.

    Args:
        label: (X, Y, S), disk codes; oedema and no-reflow are marked where there are any.
    Raises:
        NotMeasurable: no LV myocardium, or all infarct lies apart from it.
    """
    require_infarct_at_wall(label)
    return infarct_percent_lv(label, "area_at_risk")


def salvage_index(infarct_percent: float, area_at_risk_percent: float) -> float:
    """Myocardial salvage index 1 - IS / AAR, 0..1 (Nordlund, PMC6610840).

    Raises:
        NotMeasurable: no infarct, or no oedema beside it (an old scar has no area at risk to salvage).
    """
    if infarct_percent <= 0:
        raise NotMeasurable("there is no infarct")
    if area_at_risk_percent <= infarct_percent:
        raise NotMeasurable("there is no oedema outside the infarct")
    return 1.0 - infarct_percent / area_at_risk_percent


def no_reflow_percent_of_infarct(label: np.ndarray) -> float:
    """No-reflow in percent of the infarct with it, 0..100; ``label`` as in area_at_risk_percent_lv.

    Raises:
        NotMeasurable: there is no infarct, or all of it lies apart from the LV.
    """
    require_infarct_at_wall(label)
    infarct = int(structure_mask(label, "infarct").sum())
    if not infarct:
        raise NotMeasurable("there is no infarct")
    return 100.0 * int(structure_mask(label, "no_reflow").sum()) / infarct


def with_caveat(name: str, number: dict[str, Any]) -> dict[str, Any]:
    """A number of a result with the caveat of CAVEATS; one that is not measurable stays as it is."""
    return {**number, "caveat": CAVEATS[name]} if "value" in number else number
