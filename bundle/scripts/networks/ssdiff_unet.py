"""SSDiffUNet: one shared encoder, a synthesis decoder and a segmentation decoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from .condition_encoder import ConditionEncoder
from .joint_unet import JointUNet, sequence_owners


class SSDiffUNet(JointUNet):
    """Predicts the clean mask (logits) and the clean LGE from a noisy joint state, conditioned on cine and T2-STIR.

    Built from the blocks of MONAI's DiffusionModelUNet. The stem is a space-to-depth layer, so that everything
    inside runs at 1/``stem_factor`` of the resolution. Source: Qi et al., IEEE JBHI 2026.

    Args:
        image_channels: channels of the conditions.
        sequence_channels: which of them belong to each sequence, such as [[0, 2, 3], [1]]; None: one each.
        num_classes: mask channels of the state, background included; the LGE is one further channel.
        channels: width per level.
        num_res_blocks: residual blocks per level.
        attention_levels: levels with feature-disentangled attention (encoder and both decoders).
        num_head_channels: channels per attention head.
        norm_num_groups: groups of all group normalisations.
        token_channels: channels of the sequence tokens.
        stem_factor: space-to-depth factor (1 = none).
        num_vendors: size of the vendor table, 0 = unknown.
        cross_fusion: exchange between the decoders at every level.
        refine_channels: width of two convolutions at full resolution after each decoder, which also see the image
            itself; 0: none. Their last layer starts at 0, so that weights without them can be trained on.
        map_levels, one_token: of the condition encoder; 1 and True for the published form, one vector per sequence.
    Raises:
        ConfigError: ``attention_levels`` and ``channels`` differ in length, or heads do not divide a level's channels.
    """

    def __init__(
        self,
        image_channels: int = 4,
        num_classes: int = 4,
        channels: Sequence[int] = (32, 64, 128),
        num_res_blocks: int = 1,
        attention_levels: Sequence[bool] = (False, False, True),
        num_head_channels: int = 32,
        norm_num_groups: int = 8,
        token_channels: int = 96,
        stem_factor: int = 2,
        num_vendors: int = 5,
        cross_fusion: bool = True,
        sequence_channels: Sequence[Sequence[int]] | None = ((0, 2, 3), (1,)),
        map_levels: int | None = None,
        one_token: bool = False,
        refine_channels: int = 0,
    ) -> None:
        owners = sequence_owners(sequence_channels, image_channels)
        reader = (channels, owners, token_channels, stem_factor, norm_num_groups, map_levels, one_token)
        super().__init__(
            condition_encoder=partial(ConditionEncoder, *reader),
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
        )

    def encoded(
        self, image: torch.Tensor, available: torch.Tensor, embedding: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
        """As JointUNet's; there is no first answer."""
        features, tokens = self.condition_encoder(image, available)
        return features, tokens, []
