"""Owns the last layers at full resolution: what a decoder that works at half of it missed."""

from __future__ import annotations

import torch
from torch import nn


class Refinement(nn.Module):
    """Adds to a decoder's output what convolutions at full resolution find in it and in the image itself.

    Starts as the identity, so that weights trained without it can be trained on with it.

    Args:
        image_channels: of the conditions; out_channels: of the decoder's output; width: of the layers in between.
    """

    def __init__(self, image_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(image_channels + out_channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, out_channels, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, output: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
        """(B, out_channels, H, W), ``detail`` (B, image channels, H, W)."""
        return output + self.layers(torch.cat([output, detail], dim=1))
