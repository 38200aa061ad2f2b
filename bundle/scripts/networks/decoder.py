"""The decoder of one task, cross-fusion between two of them, and refinement at full resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.networks.nets.diffusion_model_unet import WrappedUpsample, get_mid_block, get_up_block
from torch import nn


class Decoder(nn.Module):
    """Middle block, up path and head of one task; features between levels are fused by the caller.

    Args:
        channels: of the encoder's levels, finest first.
        out_channels: of the output at full resolution.
        block_options: what MONAI's diffusion blocks are made with, see ``joint_unet``.
        num_res_blocks: residual blocks of a level of the encoder; the decoder has one more.
        make_attention: level to its attention module.
        stem_factor: how much finer the output is than the finest level.
    """

    def __init__(
        self,
        channels: Sequence[int],
        out_channels: int,
        block_options: dict[str, Any],
        num_res_blocks: int,
        make_attention: Callable[[int], nn.Module],
        stem_factor: int,
    ) -> None:
        super().__init__()
        self.mid = get_mid_block(**block_options, in_channels=channels[-1], with_conditioning=False)
        self.blocks, self.attentions, self.upsamples = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        previous = channels[-1]
        for level in reversed(range(len(channels))):
            self.blocks.append(
                get_up_block(
                    **block_options,
                    in_channels=channels[max(level - 1, 0)],
                    prev_output_channel=previous,
                    out_channels=channels[level],
                    num_res_blocks=num_res_blocks + 1,
                    add_upsample=False,
                    resblock_updown=False,
                    with_attn=False,
                    with_cross_attn=False,
                )
            )
            self.attentions.append(make_attention(level))
            self.upsamples.append(_upsample(channels[level]) if level else nn.Identity())
            previous = channels[level]
        self.head = nn.Sequential(
            nn.GroupNorm(block_options["norm_num_groups"], channels[0]),
            nn.SiLU(),
            nn.Conv2d(channels[0], out_channels * stem_factor**2, 3, padding=1),
            nn.PixelShuffle(stem_factor),
        )

    def start_at_zero(self) -> None:
        """Makes the head give 0 until it is trained, for an output that is added to another one."""
        for layer in self.head:
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.weight)
                _zero_bias(layer)


def _upsample(channels: int) -> nn.Module:
    convolution = nn.Conv2d(channels, channels, 3, padding=1)
    return WrappedUpsample(
        spatial_dims=2,
        mode="nontrainable",
        in_channels=channels,
        out_channels=channels,
        interp_mode="nearest",
        scale_factor=2.0,
        post_conv=convolution,
        align_corners=None,
    )


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
        back = [nn.Conv2d(channels, channels, 1) for _ in range(2)]
        for layer in back:
            nn.init.normal_(layer.weight, std=0.02)
            _zero_bias(layer)
        self.back = nn.ModuleList(back)

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


class Refinement(nn.Module):
    """Adds to a decoder's output what convolutions at full resolution find in it and in the image itself.

    Starts as the identity, so that weights trained without it can be trained on with it.

    Args:
        image_channels: of the conditions; out_channels: of the decoder's output; width: of the layers in between.
    """

    def __init__(self, image_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        first = nn.Conv2d(image_channels + out_channels, width, 3, padding=1)
        second = nn.Conv2d(width, width, 3, padding=1)
        last = nn.Conv2d(width, out_channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        _zero_bias(last)
        self.layers = nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), last)

    def forward(self, output: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
        """(B, out_channels, H, W), ``detail`` (B, image channels, H, W)."""
        return output + self.layers(torch.cat([output, detail], dim=1))


def _zero_bias(layer: nn.Conv2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
