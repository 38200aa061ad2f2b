"""Fréchet distance between the virtual and the acquired LGE slices: a part of the evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from monai.metrics.fid import get_fid_score
from torch import nn

from ..conventions import LGE
from .pairs import SubjectPair


class Features(Protocol):
    """A feature space: images (S, 1, H, W), 0..1, to (S, F). ``name``: for the report."""

    name: str

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features of the slices of one subject."""


class FrechetDistance:
    """Distance of the virtual from the acquired LGE slices in the feature space of a network: "frechet_distance".

    Args:
        features: the feature space.
    Source: Heusel et al., NeurIPS 2017; the distance is MONAI's.
    """

    needs, section = LGE, "frechet_distance"

    def __init__(self, features: Features) -> None:
        self.features = features
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.virtual: list[torch.Tensor] = []
        self.acquired: list[torch.Tensor] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds the features of a subject's slices."""
        for kept, volume in ((self.virtual, pair.lge), (self.acquired, pair.reference_lge)):
            kept.append(self.features(volume.movedim(-1, 0)).double())

    def write(self, folder: Path) -> dict[str, Any]:
        """The distance; it needs more slices than features to mean anything."""
        virtual, acquired = (torch.cat(one) if one else torch.zeros(0, 1) for one in (self.virtual, self.acquired))
        slices, width = acquired.shape
        entry: dict[str, Any] = {"features": self.features.name, "slices": slices, "width": width}
        if slices <= width:
            reason = f"{slices} slices for {width} features: a covariance needs more slices than features"
            return {self.section: entry | {"not_measurable": reason}}
        return {self.section: entry | {"value": float(get_fid_score(virtual, acquired))}}


class NetworkFeatures:
    """Mean over the pixels of what one layer of our LGE segmentation network gives.

    Args:
        network: takes (B, 1, H, W) in -1..1. layer: its dotted name, the deepest but one of direct.lge_segmenter.
    """

    name = "lge_segmentation.pt, deepest but one level"

    def __init__(self, network: nn.Module, layer: str = "body.backbone.downsamples.2") -> None:
        self.network, self.layer = network, layer
        self._kept: list[torch.Tensor] = []

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """(S, 1, H, W), 0..1, to (S, F)."""
        handle = self.network.get_submodule(self.layer).register_forward_hook(self._keep)
        try:
            self.network.eval()(images.float() * 2 - 1)
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
        self.name = path
        self._network: torch.jit.ScriptModule | None = None

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """(S, 1, H, W), 0..1, to (S, F)."""
        if self._network is None:
            self._network = torch.jit.load(self.name, map_location="cpu").eval()
        found = self._network(images.float().expand(-1, 3, -1, -1))
        return found.mean(dim=(2, 3)) if found.ndim == 4 else found
