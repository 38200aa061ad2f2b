"""Feature-disentangled attention: features query each sequence's tokens separately, a gate mixes the answers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..conventions import ConfigError


def positional_encoding(height: int, width: int, channels: int, device: torch.device) -> torch.Tensor:
    """Sinusoidal code of relative position in the field of view, (height * width, channels).

    Coordinates run over -1..1 whatever the grid, so that queries and tokens of different resolution agree.
    Source: Vaswani et al., 2017, in two dimensions.
    """
    quarter = channels // 4
    frequency = torch.exp(torch.arange(quarter, device=device) * (-math.log(64.0) / max(quarter - 1, 1))) * 32.0
    axes = []
    for size in (height, width):
        centre = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) / size * 2 - 1
        axes.append(centre[:, None] * frequency[None])
    x = axes[0][:, None].expand(height, width, quarter)
    y = axes[1][None].expand(height, width, quarter)
    code = torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=-1).reshape(height * width, 4 * quarter)
    return F.pad(code, (0, channels - 4 * quarter))


class FeatureDisentangledAttention(nn.Module):
    """Cross-attention with keys and values per sequence and a learned gate per position and head.

    Every sequence (cine, T2-STIR) keeps its own key and value projection, so that its cues stay separate until the
    gate, a softmax over the sequences predicted from the query feature, mixes the answers. A sequence that is not
    available gets weight 0. Keys and values depend on the conditions only: ``project_tokens`` runs once per slice.
    Source: Qi et al., IEEE JBHI 2026 (feature-disentangled attention), with spatial tokens instead of one per sequence.

    Args:
        channels: channels of the image features.
        token_channels: channels of the sequence tokens.
        num_sequences: number of sequences.
        num_head_channels: channels per attention head; must divide ``channels``.
        norm_num_groups: groups of the group normalisation; must divide ``channels``.
    Raises:
        ConfigError: ``num_head_channels`` does not divide ``channels``.
    """

    def __init__(
        self, channels: int, token_channels: int, num_sequences: int, num_head_channels: int, norm_num_groups: int
    ) -> None:
        super().__init__()
        if channels % num_head_channels:
            raise ConfigError(f"num_head_channels {num_head_channels} does not divide the {channels} channels.")
        self.num_heads = channels // num_head_channels
        self.channels = channels
        self.norm = nn.GroupNorm(norm_num_groups, channels)
        self.to_query = nn.Linear(channels, channels)
        self.to_key = nn.ModuleList(nn.Linear(token_channels, channels) for _ in range(num_sequences))
        self.to_value = nn.ModuleList(nn.Linear(token_channels, channels) for _ in range(num_sequences))
        self.gate = nn.Linear(channels, self.num_heads * num_sequences)
        self.to_out = nn.Linear(channels, channels)
        nn.init.normal_(self.to_out.weight, std=0.02 / math.sqrt(channels))
        nn.init.zeros_(self.to_out.bias)

    def _split_heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def project_tokens(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of every sequence, each (B, num_sequences, heads, N, head_channels).

        Args:
            tokens: (B, num_sequences, N, token_channels), positional code already added.
        """
        keys = [self._split_heads(layer(tokens[:, s])) for s, layer in enumerate(self.to_key)]
        values = [self._split_heads(layer(tokens[:, s])) for s, layer in enumerate(self.to_value)]
        return torch.stack(keys, dim=1), torch.stack(values, dim=1)

    def gate_weights(self, features: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        """Weights of the sequences, (B, heads, N, num_sequences); they sum to 1 over the available sequences.

        Args:
            features: query features, (B, N, channels).
            available: 1 where the sequence was acquired, (B, num_sequences).
        """
        logits = self._split_heads(self.gate(features))
        hidden = (available <= 0)[:, None, None]
        # masked before the softmax: a gate that leans to a missing sequence must still give the others its full weight
        weights = logits.masked_fill(hidden, -1e4).softmax(dim=-1)
        return weights.masked_fill(hidden, 0.0)

    def forward(
        self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, available: torch.Tensor
    ) -> torch.Tensor:
        """Adds what the sequences answer at every position to ``x``, (B, channels, H, W) in and out."""
        height, width = x.shape[-2:]
        features = self.norm(x).flatten(2).transpose(1, 2)
        position = positional_encoding(height, width, self.channels, x.device)
        query = self._split_heads(self.to_query(features + position))
        weights = self.gate_weights(features, available)
        answer = torch.zeros_like(query)
        for s in range(len(self.to_key)):
            answer = answer + weights[..., s : s + 1] * F.scaled_dot_product_attention(query, keys[:, s], values[:, s])
        out = self.to_out(answer.transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).reshape(x.shape)
