"""What an evaluation evaluated: weights, section, settings and versions, in evaluation.json and on its page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..reports.html import folded, table
from ..reports.methods import network_sentences
from ..runtime.provenance import PHANTOMS, provenance, public_config
from ..runtime.weights import SHIPPED

EVALUATED = "evaluated"


class Evaluated:
    """What an evaluation is of; ``record`` is the entry ``evaluated`` of its JSON.

    Args:
        weights: file of the network's. section: of the split. settings: resolved config keys worth recording.
    """

    def __init__(self, weights: str | Path, section: str, settings: Mapping[str, Any]) -> None:
        self.weights, self.section, self.settings = Path(weights), section, settings

    def record(self) -> dict[str, Any]:
        """Weights and whether they are the bundle's own, section, settings, versions.

        Raises:
            DataError: the weights are missing.
        """
        origin: dict[str, Any] = provenance(self.weights)
        shipped = origin["weights"]["sha256"] in SHIPPED
        found = {"section": self.section, "shipped_weights": shipped, "settings": public_config(self.settings)}
        return {EVALUATED: origin | found}


def evaluated_html(summary: Mapping[str, Any]) -> str:
    """Its part of a page: one sentence, and the settings, folded; "" where the summary has none."""
    found = summary.get(EVALUATED)
    if not isinstance(found, Mapping):
        return ""
    weights, settings = found["weights"], found["settings"]
    whose = "the weights that come with the bundle" if found["shipped_weights"] else f"weights {weights['file']}"
    trained = ", trained on digital phantoms only" if weights.get("trained_on") == PHANTOMS else ""
    text = (
        f"Evaluated: {whose}{trained} (SHA-256 {weights['sha256'][:12]}), section {found['section']}. "
        f"{network_sentences(settings)[0]}"
    )
    rows = [(escape(str(key)), escape(_plain(value))) for key, value in {**settings, **found["software"]}.items()]
    return f"<p>{escape(text)}</p>{folded('Settings and versions', table(rows))}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_plain(one)}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
