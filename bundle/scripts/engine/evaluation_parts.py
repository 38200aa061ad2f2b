"""Owns the parts of an evaluation beside the table of subjects: segments, calibration, distance of picture sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.metrics.fid import get_fid_score
from torch import nn

from ..conventions import NotMeasurable
from .atomic import remove, write_bytes
from .evaluation_report import SubjectPair, structure
from .subject_table import group_facts, write_table

SEGMENTS, BULLSEYE, CALIBRATION = "segments.csv", "bullseye.png", "calibration.png"


class SegmentTable:
    """AHA segments of every subject whose reference shows an RV: segments.csv, bullseye.png, "segments".

    Args:
        measure: label, reference, affine, native label, native affine to rows; raises NotMeasurable.
        summarise: rows with their subject, and groups by subject, to a dict for JSON. draw: rows to the bytes of a PNG.
        subjects: entries of the datalist, for the groups. size_group: reference (X, Y, S) to its group by infarct size.
    """

    needs, section = "mask", "segments"

    def __init__(
        self,
        measure: Callable,
        summarise: Callable[..., dict],
        draw: Callable[..., bytes],
        subjects: Sequence[Mapping] = (),
        size_group: Callable[[np.ndarray], str] | None = None,
    ) -> None:
        self.measure, self.summarise, self.draw, self.size_group = measure, summarise, draw, size_group
        self.groups = {str(entry["subject"]): group_facts(entry) for entry in subjects}
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows: list[dict] = []
        self.missing: dict[str, str] = {}

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's segments, or the reason why it has none."""
        try:
            rows = self.measure(
                pair.label[0].numpy(), pair.reference[0].numpy(), pair.affine, pair.native_label, pair.native_affine
            )
        except NotMeasurable as reason:
            self.missing[pair.subject] = str(reason)
            return
        self.rows += [{"subject": pair.subject} | row for row in rows]
        if self.size_group is not None:
            self.groups.setdefault(pair.subject, {})["reference_size"] = self.size_group(pair.reference[0].numpy())

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes table and picture."""
        write_table(folder / SEGMENTS, self.rows)
        if self.rows:
            write_bytes(folder / BULLSEYE, self.draw(self.rows))
        else:
            remove(folder / BULLSEYE)
        return {"segments": self.summarise(self.rows, self.groups) | {"not_measurable_subjects": self.missing}}


class Calibration:
    """Infarct probability against truth in the LV wall, and doubt against error: calibration.png, "calibration".

    The wall is what either map calls wall. Doubt is the SD of the infarct size over the samples.

    Args:
        count: probability and presence (N,) to counts. error: counts to a number. area: doubt and risk to a number.
        draw: counts, doubt, risk to the bytes of a PNG. size: label map (X, Y, S) to %LV, raises NotMeasurable.
    """

    needs, section = "mask", "calibration"

    def __init__(self, count: Callable, error: Callable, area: Callable, draw: Callable, size: Callable) -> None:
        self.count, self.error, self.area, self.draw, self.size = count, error, area, draw, size
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.counts: list[np.ndarray] = []
        self.doubt: list[float] = []
        self.missing: dict[str, str] = {}
        self.risk: list[float] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds one subject."""
        if not pair.wall.any():
            self.missing[pair.subject] = "the reference has no LV myocardium"
            return
        wall = (structure(pair.label, "lv_myocardium") | pair.wall)[0]
        present = structure(pair.reference, "infarct")[0]
        self.counts.append(self.count(pair.infarct_probability[wall].numpy(), present[wall].numpy()))
        if pair.sample_labels is None:
            return
        try:
            sizes = [self.size(one.numpy()) for one in pair.sample_labels]
            error = abs(self.size(pair.label[0].numpy()) - self.size(pair.reference[0].numpy()))
        except NotMeasurable as reason:
            self.missing[pair.subject] = str(reason)
            return
        self.doubt.append(float(np.std(sizes, ddof=1)))
        self.risk.append(error)

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the picture."""
        counts = np.sum(self.counts, axis=0) if self.counts else self.count(np.empty(0), np.empty(0))
        doubt, risk = np.array(self.doubt), np.array(self.risk)
        write_bytes(folder / CALIBRATION, self.draw(counts, doubt, risk))
        found: dict[str, Any] = {
            "expected_calibration_error": _or_reason(self.error, counts),
            "area_under_risk_coverage_percent_lv": _or_reason(self.area, doubt, risk),
        }
        if doubt.size:
            found["mean_sd_of_infarct_size_percent_lv"] = {"value": float(doubt.mean()), "subjects": int(doubt.size)}
            found["mean_error_of_infarct_size_percent_lv"] = {"value": float(risk.mean()), "subjects": int(risk.size)}
        return {"calibration": found | {"not_measurable_subjects": self.missing}}


class FrechetDistance:
    """Distance of the virtual from the acquired LGE slices in the feature space of a network: "frechet_distance".

    Args:
        features: pictures (S, 1, H, W), 0..1, to (S, F). name: of the feature space, for the report.
    Source: Heusel et al., NeurIPS 2017; the distance is MONAI's.
    """

    needs, section = "lge", "frechet_distance"

    def __init__(self, features: Callable[[torch.Tensor], torch.Tensor], name: str) -> None:
        self.features, self.name = features, name
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.found: list[torch.Tensor] = []
        self.real: list[torch.Tensor] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds the features of a subject's slices."""
        for kept, volume in ((self.found, pair.lge), (self.real, pair.reference_lge)):
            kept.append(self.features(volume.movedim(-1, 0)).double())

    def write(self, folder: Path) -> dict[str, Any]:
        """The distance; it needs more slices than features to mean anything."""
        found, real = (torch.cat(one) if one else torch.zeros(0, 1) for one in (self.found, self.real))
        slices, width = real.shape
        entry: dict[str, Any] = {"features": self.name, "slices": slices, "width": width}
        if slices <= width:
            reason = f"{slices} slices for {width} features: a covariance needs more slices than features"
            return {"frechet_distance": entry | {"not_measurable": reason}}
        return {"frechet_distance": entry | {"value": float(get_fid_score(found, real))}}


def _or_reason(measure: Callable[..., float], *values: np.ndarray) -> dict:
    try:
        return {"value": round(float(measure(*values)), 4)}
    except NotMeasurable as reason:
        return {"not_measurable": str(reason)}


class NetworkFeatures:
    """Mean over the pixels of what one layer of a network of ours gives.

    Args:
        network: takes (B, 1, H, W) in -1..1. layer: its dotted name.
    """

    def __init__(self, network: nn.Module, layer: str) -> None:
        self.network, self.layer = network, layer
        self._kept: list[torch.Tensor] = []

    @torch.no_grad()
    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(S, 1, H, W), 0..1, to (S, F)."""
        handle = self.network.get_submodule(self.layer).register_forward_hook(self._keep)
        try:
            self.network.eval()(pictures.float() * 2 - 1)
        finally:
            handle.remove()
        return self._kept.pop().mean(dim=(2, 3))

    def _keep(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        self._kept = [output]


class ScriptedFeatures:
    """Features of a network given as a TorchScript file, such as RadImageNet or torchvision weights exported by a site.

    Args:
        path: TorchScript module, (S, 3, H, W) in 0..1 to (S, F) or (S, F, h, w).
    """

    def __init__(self, path: str) -> None:
        self.path, self.network = path, None

    @torch.no_grad()
    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(S, 1, H, W), 0..1, to (S, F)."""
        if self.network is None:
            self.network = torch.jit.load(self.path, map_location="cpu").eval()
        found = self.network(pictures.float().expand(-1, 3, -1, -1))
        return found.mean(dim=(2, 3)) if found.ndim == 4 else found
