"""Owns the decoder of one task: middle block, up path and head; what two decoders exchange is fusion.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai.networks.nets.diffusion_model_unet import WrappedUpsample, get_mid_block, get_up_block
from torch import nn

if TYPE_CHECKING:
    from .ssdiff_unet import SSDiffUNet


class Decoder(nn.Module):
    """Middle block, up path and head of one task; fusion between levels is the owner's business."""

    def __init__(self, model: SSDiffUNet, channels: list[int], out_channels: int) -> None:
        super().__init__()
        self.mid = get_mid_block(
            **model.block_options, in_channels=channels[-1], with_conditioning=False, num_head_channels=model.head
        )
        self.blocks, self.attentions, self.upsamples = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        previous = channels[-1]
        for level in reversed(range(len(channels))):
            self.blocks.append(
                get_up_block(
                    **model.block_options,
                    in_channels=channels[max(level - 1, 0)],
                    prev_output_channel=previous,
                    out_channels=channels[level],
                    num_res_blocks=model.num_res_blocks + 1,
                    add_upsample=False,
                    resblock_updown=False,
                    with_attn=False,
                    with_cross_attn=False,
                    num_head_channels=model.head,
                )
            )
            self.attentions.append(model.make_attention(level))
            self.upsamples.append(_upsample(channels[level]) if level else nn.Identity())
            previous = channels[level]
        factor = model.stem_factor
        self.head = nn.Sequential(
            nn.GroupNorm(model.block_options["norm_num_groups"], channels[0]),
            nn.SiLU(),
            nn.Conv2d(channels[0], out_channels * factor**2, 3, padding=1),
            nn.PixelShuffle(factor),
        )


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
