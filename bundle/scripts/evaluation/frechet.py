"""Frechet distance between virtual and acquired LGE slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.metrics.fid import get_fid_score
from torch import nn

from .pairs import SubjectPair


class FrechetDistance:
    """Distance of the virtual from the acquired LGE slices in the feature space of a network: "frechet_distance".

    Args:
        features: images (S, 1, H, W), 0..1, to (S, F). name: of the feature space, for the report.
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
