"""Owns cross-fusion between the synthesis and the segmentation decoder at one level."""

from __future__ import annotations

import torch
from torch import nn


class CrossFusion(nn.Module):
    """Exchanges what both decoders agree on: time-modulated projections, element-wise product, added back to each.

    Source: Qi et al., IEEE JBHI 2026 (cross-fusion); a 1x1 projection with time-dependent scale and shift replaces
    the residual block per branch, which costs nine times as much at the finest level.

    Args:
        channels: channels of both decoders at this level.
        temb_channels: channels of the time embedding.
        norm_num_groups: groups of the group normalisation; must divide ``channels``.
    """

    def __init__(self, channels: int, temb_channels: int, norm_num_groups: int) -> None:
        super().__init__()
        self.norm = nn.ModuleList(nn.GroupNorm(norm_num_groups, channels) for _ in range(2))
        self.project = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.modulate = nn.ModuleList(nn.Linear(temb_channels, 2 * channels) for _ in range(2))
        self.joint_norm = nn.GroupNorm(norm_num_groups, channels)
        self.back = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        for layer in self.back:
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(
        self, synthesis: torch.Tensor, segmentation: torch.Tensor, temb: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both features (B, channels, H, W) with the joint feature added; ``temb`` is (B, temb_channels)."""
        embedding = nn.functional.silu(temb)
        branches = []
        for i, feature in enumerate((synthesis, segmentation)):
            scale, shift = self.modulate[i](embedding)[:, :, None, None].chunk(2, dim=1)
            branches.append(self.project[i](self.norm[i](feature)) * (1 + scale) + shift)
        joint = self.joint_norm(branches[0] * branches[1])
        return synthesis + self.back[0](joint), segmentation + self.back[1](joint)
