"""TrunkUNet: a U-Net at full resolution answers once per slice, a light joint denoiser adds to its answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from monai.networks.blocks import UpSample
from monai.networks.nets.diffusion_model_unet import get_mid_block, get_up_block
from torch import nn

from ..conventions import ConfigError
from .attention import FeatureDisentangledAttention
from .condition_encoder import ConditionEncoder, Conditions
from .joint_unet import (
    JointUNet,
    attention_at,
    block_options,
    embedding_channels,
    encoder_levels,
    sequence_owners,
    stem,
)


class TrunkMaps(NamedTuple):
    """What the trunk finds in a batch of slices.

    levels: features of its decoder, finest first, (B, channels[level], H / 2^level, W / 2^level).
    tokens: of every sequence, (B, num_sequences, N, token_channels), with position.
    answer: mask logits, then LGE in -1..1, (B, out_channels, H, W).
    """

    levels: list[torch.Tensor]
    tokens: torch.Tensor
    answer: torch.Tensor


class Trunk(nn.Module):
    """U-Net of the conditions alone, at full resolution; vendor and availability stand where its blocks expect time.

    Every sequence has its own convolutions, whose maps join the U-Net at each level; what is not available is replaced
    there by a learned vector. One residual block per level and direction: most of its time goes to the finest levels.

    Args:
        sequences: the convolutions of each sequence, with ``stem_factor`` 1 and the levels of the trunk.
        channels: width per level, finest first.
        attention_levels: levels with feature-disentangled attention to the sequences' tokens.
        options: what MONAI's diffusion blocks are made with, see ``joint_unet``.
        attention_options: of the attention, see ``joint_unet.attention_at``.
        out_channels: of the answer.
    Raises:
        ConfigError: ``attention_levels`` and ``channels`` differ in length, or heads do not divide a level's channels.
    """

    def __init__(
        self,
        sequences: ConditionEncoder,
        channels: Sequence[int],
        attention_levels: Sequence[bool],
        options: dict[str, Any],
        attention_options: tuple[int, int, int, int],
        out_channels: int,
    ) -> None:
        super().__init__()
        if len(attention_levels) != len(channels):
            raise ConfigError(
                f"trunk_attention_levels has {len(attention_levels)} entries for {len(channels)} trunk_channels."
            )
        self.sequences = sequences
        make_attention = partial(attention_at, channels, attention_levels, attention_options)
        self.down_blocks, self.attentions, self.downsamples = encoder_levels(channels, options, 1, make_attention)
        self.mid = get_mid_block(**options, in_channels=channels[-1], with_conditioning=False)
        self.upsamples, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(channels) - 1)):
            self.upsamples.append(_upsample(channels[level + 1], channels[level]))
            self.up_blocks.append(_up_block(channels[level], options))
        self.head = nn.Sequential(
            nn.GroupNorm(options["norm_num_groups"], channels[0]),
            nn.SiLU(),
            nn.Conv2d(channels[0], out_channels, 3, padding=1),
        )

    def forward(self, image: torch.Tensor, available: torch.Tensor, embedding: torch.Tensor) -> TrunkMaps:
        """Runs once per slice.

        Args:
            image: (B, image channels, H, W), -1..1. available: (B, num_sequences), 1 or 0.
            embedding: of vendor and availability, (B, temb_channels).
        """
        maps, tokens = self.sequences(image, available)
        hidden, skips = maps[0], []
        for level, block in enumerate(self.down_blocks):
            if level:
                hidden = self.downsamples[level - 1](hidden) + maps[level]
            hidden, _ = block(hidden, embedding)
            attention = self.attentions[level]
            if isinstance(attention, FeatureDisentangledAttention):
                hidden = attention(hidden, *attention.project_tokens(tokens), available)
            skips.append(hidden)
        hidden = self.mid(skips.pop(), embedding)
        levels = [hidden]
        for upsample, block in zip(self.upsamples, self.up_blocks, strict=True):
            hidden = block(upsample(hidden), [skips.pop()], embedding)
            levels.append(hidden)
        return TrunkMaps(levels[::-1], tokens, self.head(hidden))


class TrunkUNet(JointUNet):
    """A trunk reads cine and T2-STIR once per slice and gives a first answer; a light denoiser adds to it at each step.

    The denoiser is that of SSDiffUNet, narrower. Its stem sees the noisy state, the trunk's features and the first
    answer; its coarser levels see the trunk's features of their resolution. Its output is added to the first answer and
    starts at 0, so that an untrained denoiser leaves the first answer as it is. The process has to predict the clean
    state (``JointProcess`` with prediction "sample").

    Args:
        trunk_channels: width per level of the trunk, full resolution first.
        trunk_attention_levels: its levels with feature-disentangled attention.
        channels, num_res_blocks, attention_levels, stem_factor, cross_fusion, refine_channels: of the denoiser, as
            SSDiffUNet's; ``stem_factor`` is a power of 2.
        image_channels, num_classes, num_head_channels, norm_num_groups, token_channels, num_vendors,
            sequence_channels: as SSDiffUNet's, for both parts.
        noise_levels: 2, mask and LGE have timesteps of their own, so that one can be given; 1, they share one.
    Raises:
        ConfigError: levels of attention and widths differ in length, heads do not divide a level's channels, or
            ``stem_factor`` is no power of 2; another number of noise levels.
    """

    gives_first_answer = True

    def __init__(
        self,
        image_channels: int = 4,
        num_classes: int = 4,
        trunk_channels: Sequence[int] = (16, 48, 96, 128, 192),
        trunk_attention_levels: Sequence[bool] = (False, False, False, False, True),
        channels: Sequence[int] = (16, 32, 64),
        num_res_blocks: int = 1,
        attention_levels: Sequence[bool] = (False, False, True),
        num_head_channels: int = 32,
        norm_num_groups: int = 8,
        token_channels: int = 96,
        stem_factor: int = 2,
        num_vendors: int = 5,
        cross_fusion: bool = True,
        sequence_channels: Sequence[Sequence[int]] | None = ((0, 2, 3), (1,)),
        refine_channels: int = 0,
        noise_levels: int = 2,
    ) -> None:
        if stem_factor < 1 or stem_factor & (stem_factor - 1):
            raise ConfigError(f"stem_factor: found {stem_factor}, expected a power of 2. Fix: 1, 2 or 4.")
        owners = sequence_owners(sequence_channels, image_channels)

        def trunk() -> Trunk:
            options = block_options(embedding_channels(channels), norm_num_groups, num_head_channels)
            attention = (token_channels, len(owners), num_head_channels, norm_num_groups)
            sequences = ConditionEncoder(trunk_channels, owners, token_channels, 1, norm_num_groups)
            return Trunk(sequences, trunk_channels, trunk_attention_levels, options, attention, num_classes + 1)

        super().__init__(
            condition_encoder=trunk,
            image_channels=image_channels,
            num_classes=num_classes,
            channels=channels,
            num_res_blocks=num_res_blocks,
            attention_levels=attention_levels,
            num_head_channels=num_head_channels,
            norm_num_groups=norm_num_groups,
            token_channels=token_channels,
            stem_factor=stem_factor,
            num_vendors=num_vendors,
            cross_fusion=cross_fusion,
            sequence_channels=owners,
            refine_channels=refine_channels,
            noise_levels=noise_levels,
        )
        self.size_divisor = max(self.size_divisor, 2 ** (len(trunk_channels) - 1))
        self._add_entries(trunk_channels, channels)
        self.segmentation.start_at_zero()
        self.synthesis.start_at_zero()

    def _add_entries(self, trunk_channels: Sequence[int], channels: Sequence[int]) -> None:
        """Ways from the trunk into the denoiser, one per level for which the trunk has features."""
        self.first_level = self.stem_factor.bit_length() - 1  # the trunk's level at the denoiser's finest resolution
        coarser = zip(trunk_channels[self.first_level + 1 :], channels, strict=False)
        self.entries = nn.ModuleList(
            [
                stem(trunk_channels[0] + self.state_channels, channels[0], self.stem_factor),
                *(nn.Conv2d(width_in, width, 1) for width_in, width in list(coarser)[: len(channels) - 1]),
            ]
        )

    def encoded(
        self, image: torch.Tensor, available: torch.Tensor, embedding: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
        """As JointUNet's; the part of the stem that sees the trunk is worked out here, once for all steps."""
        levels, tokens, answer = self.condition_encoder(image, available, embedding)
        as_state = torch.cat([answer[:, :-1].softmax(1) * 2 - 1, answer[:, -1:]], dim=1)
        seen = [torch.cat([levels[0], as_state], dim=1), *levels[self.first_level + 1 :]]
        features = [entry(one) for entry, one in zip(self.entries, seen, strict=False)]
        return features, tokens, [answer]

    def denoise(self, state: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """One pass of the denoiser, added to the first answer; shapes and meaning as JointUNet's."""
        return conditions.first_answer[0] + super().denoise(state, timesteps, conditions)

    def forward(
        self,
        image: torch.Tensor,
        state: torch.Tensor | None = None,
        timesteps: torch.Tensor | None = None,
        available: torch.Tensor | None = None,
        vendor: torch.Tensor | None = None,
        with_first_answer: bool = False,
    ) -> torch.Tensor:
        """As JointUNet's; on demand the first answer follows in as many channels again, for the loss."""
        conditions = self.encode(image, available, vendor)
        output = self.denoise(*self.from_noise(image, state, timesteps), conditions)
        return torch.cat([output, *conditions.first_answer], dim=1) if with_first_answer else output


def _upsample(in_channels: int, out_channels: int) -> nn.Module:
    """Twice the size; the width changes before, where it costs a quarter."""
    return UpSample(2, in_channels, out_channels, mode="nontrainable", interp_mode="nearest", align_corners=None)


def _up_block(channels: int, options: dict[str, Any]) -> nn.Module:
    return get_up_block(
        **options,
        in_channels=channels,
        prev_output_channel=channels,
        out_channels=channels,
        num_res_blocks=1,
        add_upsample=False,
        resblock_updown=False,
        with_attn=False,
        with_cross_attn=False,
    )
