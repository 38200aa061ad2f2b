"""Results in which no infarct can be measured, whatever the label map shows."""

from __future__ import annotations

from typing import Any

# What a result says about the infarct, and about the wall without it.
_NUMBERS = ("infarct_percent_lv", "infarct_percent_lv_without_no_reflow", "transmurality", "aha17")
_IF_THERE = (
    "infarct_percent_lv_samples",
    "infarct_percent_lv_interval",
    "infarct_percent_lv_on_reference_slices",
    "area_at_risk_percent_lv",
    "salvage_index",
    "no_reflow_percent_of_infarct",
)
_STRUCTURES = ("infarct", "viable_myocardium")


def without_infarct(result: dict[str, Any], reason: str) -> dict[str, Any]:
    """A result of assessment.assess_subject whose infarct numbers say ``reason``.

    Size, mass, volume, transmurality, segments and presence (slices with infarct); wall and blood pool stay.
    """
    missing = {"not_measurable": reason}
    numbers = [*_NUMBERS, *(key for key in _IF_THERE if key in result)]
    structures = {
        name: {key: dict(missing) for key in one} if name in _STRUCTURES else one
        for name, one in result["structures"].items()
    }
    slices = {**result["slices"], "with_infarct": dict(missing)}
    return {**result, **{key: dict(missing) for key in numbers}, "structures": structures, "slices": slices}
