"""Encoder of cine and T2-STIR, run once per slice: feature maps per level and tokens per sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.networks.blocks import Convolution
from torch import nn

from .attention import positional_encoding


class Conditions(NamedTuple):
    """Everything the denoiser needs to know about one batch of slices, computed once and reused at every step.

    embedding: vendor and availability, (B, temb_channels).
    available: (B, num_sequences), 1 where the sequence was acquired.
    detail: the image itself, 0 where a sequence is not available, (B, image channels, H, W).
    features: one map per level, added where the denoiser enters it, (B, entry_channels[level], h, w).
    keys, values: one pair per attention module, (B, num_sequences, heads, N, head_channels).
    first_answer: mask logits, then LGE in -1..1, of a network that answers before any noise, (B, num_classes + 1, H,
        W); empty for a network that does not.
    """

    embedding: torch.Tensor
    available: torch.Tensor
    detail: torch.Tensor
    features: list[torch.Tensor]
    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    first_answer: list[torch.Tensor]

    def select(self, index: torch.Tensor) -> Conditions:
        """Conditions of the slices in ``index`` (N,), in that order; a slice may come several times."""
        groups = ([x[index] for x in group] for group in self[3:])
        return Conditions(self.embedding[index], self.available[index], self.detail[index], *groups)

    @staticmethod
    def concatenate(parts: Sequence[Conditions]) -> Conditions:
        """One batch of several."""
        embedding, available, detail = (torch.cat(one) for one in zip(*(p[:3] for p in parts), strict=True))
        groups = ([torch.cat(xs) for xs in zip(*g, strict=True)] for g in zip(*(p[3:] for p in parts), strict=True))
        return Conditions(embedding, available, detail, *groups)


class ConditionEncoder(nn.Module):
    """One small convolutional encoder per sequence; sequences meet only in the 1x1 merge of each level.

    A sequence that is not available is replaced by a learned vector at every level, not by black tissue.

    Args:
        channels: width per level of the network that is given the maps; the encoder of one sequence is half as wide.
        sequence_channels: per sequence the channels of the image that belong to it.
        token_channels: channels of the tokens at the coarsest level.
        stem_factor: space-to-depth factor of the first layer.
        norm_num_groups: groups of the group normalisation.
        map_levels: how many levels give feature maps; None: all.
        one_token: the mean over the image as the only token of a sequence, as published.
    """

    def __init__(
        self,
        channels: Sequence[int],
        sequence_channels: Sequence[Sequence[int]],
        token_channels: int,
        stem_factor: int,
        norm_num_groups: int,
        map_levels: int | None = None,
        one_token: bool = False,
    ) -> None:
        super().__init__()
        self.one_token = one_token
        self.sequence_channels = [list(one) for one in sequence_channels]
        num_sequences = len(self.sequence_channels)
        widths = [*(c // 2 for c in channels[:-1]), token_channels]
        entry_channels = [channels[0], *channels[:-1]]
        self.unshuffle = nn.PixelUnshuffle(stem_factor)
        self.levels = nn.ModuleList()
        for own in self.sequence_channels:
            layers, width_in = nn.ModuleList(), len(own) * stem_factor**2
            for level, width in enumerate(widths):
                layers.append(
                    nn.Sequential(
                        _convolution(width_in, width, 1 if level == 0 else 2, norm_num_groups),
                        _convolution(width, width, 1, norm_num_groups),
                    )
                )
                width_in = width
            self.levels.append(layers)
        self.missing = nn.ParameterList(nn.Parameter(torch.randn(num_sequences, w) * 0.1) for w in widths)
        self.merge = nn.ModuleList(
            nn.Conv2d(num_sequences * w, c, 1) for w, c in list(zip(widths, entry_channels, strict=True))[:map_levels]
        )

    def forward(self, image: torch.Tensor, available: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Feature maps per level and tokens.

        Args:
            image: (B, image channels, H, W), -1..1.
            available: (B, num_sequences), 1 or 0.
        Returns:
            merged maps (B, entry_channels[level], h, w) of the first levels, and tokens (B, num_sequences, N,
            token_channels) with position.
        """
        hidden = [self.unshuffle(image[:, own]) for own in self.sequence_channels]
        merged = []
        for level in range(len(self.missing)):
            every = zip(self.levels, hidden, strict=True)
            hidden = [layers[level](h) for layers, h in every]  # type: ignore[index]  # each is a ModuleList
            shown = []
            for s, h in enumerate(hidden):
                mask = available[:, s, None, None, None]
                shown.append(h * mask + self.missing[level][s, :, None, None] * (1 - mask))
            if level < len(self.merge):
                merged.append(self.merge[level](torch.cat(shown, dim=1)))
        if self.one_token:
            return merged, torch.stack([h.mean(dim=(2, 3)) for h in shown], dim=1)[:, :, None]
        height, width = shown[0].shape[-2:]
        position = positional_encoding(height, width, shown[0].shape[1], image.device)
        tokens = torch.stack([h.flatten(2).transpose(1, 2) for h in shown], dim=1) + position
        return merged, tokens


def _convolution(in_channels: int, out_channels: int, strides: int, groups: int) -> nn.Module:
    norm = ("group", {"num_groups": min(groups, out_channels // 2), "num_channels": out_channels})
    return Convolution(2, in_channels, out_channels, strides=strides, kernel_size=3, act="swish", norm=norm)
