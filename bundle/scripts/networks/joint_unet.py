"""Joint denoiser of mask and LGE under given conditions: one shared encoder, one decoder per task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from monai.networks.nets.diffusion_model_unet import (
    DiffusionUnetDownsample,
    get_down_block,
    get_timestep_embedding,
)
from torch import nn

from ..conventions import ConfigError
from .attention import FeatureDisentangledAttention
from .condition_encoder import Conditions
from .decoder import CrossFusion, Decoder, Refinement


class JointUNet(nn.Module):
    """What SSDiffUNet and TrunkUNet share: everything but the part that reads the images.

    Args:
        condition_encoder: makes the part that reads the images; what it finds is asked for by ``encoded``.
        image_channels, num_classes, channels, num_res_blocks, attention_levels, num_head_channels, norm_num_groups,
            token_channels, stem_factor, num_vendors, cross_fusion, refine_channels: as SSDiffUNet's.
        sequence_channels: per sequence the channels of the image that belong to it.
        noise_levels: 1, mask and LGE are always equally noisy; 2, each has a timestep of its own.
    Raises:
        ConfigError: ``attention_levels`` and ``channels`` differ in length, heads do not divide a level's channels, or
            another number of noise levels.
    """

    def __init__(
        self,
        condition_encoder: Callable[[], nn.Module],
        image_channels: int,
        num_classes: int,
        channels: Sequence[int],
        num_res_blocks: int,
        attention_levels: Sequence[bool],
        num_head_channels: int,
        norm_num_groups: int,
        token_channels: int,
        stem_factor: int,
        num_vendors: int,
        cross_fusion: bool,
        sequence_channels: Sequence[Sequence[int]],
        refine_channels: int,
        noise_levels: int = 1,
    ) -> None:
        super().__init__()
        if noise_levels not in (1, 2):
            raise ConfigError(f"noise_levels: found {noise_levels}, expected 1, or 2: mask and LGE have one each.")
        channels, self.noise_levels = list(channels), noise_levels
        self.num_sequences = len(sequence_channels)
        self.owner = [next(s for s, own in enumerate(sequence_channels) if c in own) for c in range(image_channels)]
        if len(attention_levels) != len(channels):
            raise ConfigError(f"attention_levels has {len(attention_levels)} entries for {len(channels)} channels.")
        self.image_channels, self.num_classes, self.state_channels = image_channels, num_classes, num_classes + 1
        self.num_res_blocks, self.stem_factor, self.time_channels = num_res_blocks, stem_factor, channels[0]
        self.size_divisor = stem_factor * 2 ** (len(channels) - 1)
        temb_channels = embedding_channels(channels)
        self.block_options = block_options(temb_channels, norm_num_groups, num_head_channels)
        options = (token_channels, self.num_sequences, num_head_channels, norm_num_groups)
        make_attention = partial(attention_at, channels, attention_levels, options)

        self.time_embed = _perceptron(noise_levels * channels[0], temb_channels)
        self.vendor_embedding = nn.Embedding(num_vendors, temb_channels)
        self.availability_embedding = nn.Linear(self.num_sequences, temb_channels)
        self.condition_encoder = condition_encoder()
        self.stem = stem(self.state_channels, channels[0], stem_factor)
        self.down_blocks, self.down_attentions, self.downsamples = encoder_levels(
            channels, self.block_options, num_res_blocks, make_attention
        )
        sizes = (num_res_blocks, make_attention, stem_factor)
        self.segmentation = Decoder(channels, num_classes, self.block_options, *sizes)
        self.synthesis = Decoder(channels, 1, self.block_options, *sizes)
        self._add_refinement(refine_channels)
        self.fusions = nn.ModuleList(
            CrossFusion(width, temb_channels, norm_num_groups) if cross_fusion else nn.Identity()
            for width in reversed(channels)
        )

    def _add_refinement(self, width: int) -> None:
        self.refine_segmentation, self.refine_synthesis = (
            Refinement(self.image_channels, count, width) if width else nn.Identity() for count in (self.num_classes, 1)
        )

    def attention_modules(self) -> list[FeatureDisentangledAttention]:
        """All feature-disentangled attentions of the denoiser, in the order of ``Conditions.keys``."""
        candidates = [*self.down_attentions, *self.segmentation.attentions, *self.synthesis.attentions]
        return [m for m in candidates if isinstance(m, FeatureDisentangledAttention)]

    def encoded(
        self, image: torch.Tensor, available: torch.Tensor, embedding: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
        """What the condition encoder finds in the images: feature maps, tokens and first answer of ``Conditions``.

        Args:
            image: (B, image_channels, H, W), -1..1. available: (B, sequences), 1 or 0.
            embedding: of vendor and availability, (B, temb_channels).
        """
        raise NotImplementedError

    def encode(
        self, image: torch.Tensor, available: torch.Tensor | None = None, vendor: torch.Tensor | None = None
    ) -> Conditions:
        """Encodes the conditions, once per slice.

        Args:
            image: (B, image_channels, H, W), -1..1, H and W multiples of ``size_divisor``.
            available: (B, sequences), 1 or 0; None = all available.
            vendor: (B,), int64; None = unknown.
        Raises:
            ConfigError: wrong channel count or a size that is no multiple of ``size_divisor``.
        """
        batch, channels, height, width = image.shape
        if channels != self.image_channels:
            raise ConfigError(f"image has {channels} channels, expected {self.image_channels}.")
        if height % self.size_divisor or width % self.size_divisor:
            raise ConfigError(f"image is {height}x{width}, expected multiples of {self.size_divisor}.")
        if available is None:
            available = image.new_ones(batch, self.num_sequences)
        if vendor is None:
            vendor = torch.zeros(batch, dtype=torch.long, device=image.device)
        available = available.to(image.dtype)
        embedding = self.vendor_embedding(vendor) + self.availability_embedding(available)
        features, tokens, first = self.encoded(image, available, embedding)
        pairs = [module.project_tokens(tokens) for module in self.attention_modules()]
        detail = image * available[:, self.owner, None, None]
        return Conditions(embedding, available, detail, features, [k for k, _ in pairs], [v for _, v in pairs], first)

    def denoise(self, state: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """One pass of the denoiser.

        Args:
            state: noisy joint state (B, num_classes + 1, H, W): mask channels, then LGE.
            timesteps: (B,), 0 (clean) .. num_train_timesteps - 1 (noise); with 2 noise levels also (B, 2), of mask and
                LGE, -1 where that one is given.
            conditions: what ``encode`` returned for the same slices.
        Returns:
            (B, num_classes + 1, H, W): mask channels (logits when the process predicts the clean state), then LGE.
        Raises:
            ConfigError: two timesteps for a network of one noise level.
        """
        temb = self.time_embed(self._waves(timesteps).to(state.dtype)) + conditions.embedding
        attend = _Attender(conditions)
        hidden = self.stem(state) + conditions.features[0]
        skips = [hidden]
        for level, block in enumerate(self.down_blocks):
            if level:
                hidden = self.downsamples[level - 1](hidden)
                hidden = hidden + conditions.features[level] if level < len(conditions.features) else hidden
                skips.append(hidden)
            hidden, states = block(hidden, temb)
            hidden = attend(self.down_attentions[level], hidden)
            skips.extend([*states[:-1], hidden])
        segmentation = self.segmentation.mid(hidden, temb)
        synthesis = self.synthesis.mid(hidden, temb)
        synthesis_attend = _Attender(conditions, len(conditions.keys) - self._attentions_per_decoder())
        for i, fusion in enumerate(self.fusions):
            count = self.num_res_blocks + 1
            skips, level_skips = skips[:-count], skips[-count:]
            segmentation = self.segmentation.blocks[i](segmentation, level_skips, temb)
            synthesis = self.synthesis.blocks[i](synthesis, level_skips, temb)
            segmentation = attend(self.segmentation.attentions[i], segmentation)
            synthesis = synthesis_attend(self.synthesis.attentions[i], synthesis)
            if isinstance(fusion, CrossFusion):
                synthesis, segmentation = fusion(synthesis, segmentation, temb)
            segmentation = self.segmentation.upsamples[i](segmentation)
            synthesis = self.synthesis.upsamples[i](synthesis)
        mask, lge = self.segmentation.head(segmentation), self.synthesis.head(synthesis)
        if isinstance(self.refine_segmentation, Refinement):
            mask = self.refine_segmentation(mask, conditions.detail)
            lge = self.refine_synthesis(lge, conditions.detail)
        return torch.cat([mask, lge], dim=1)

    def forward(
        self,
        image: torch.Tensor,
        state: torch.Tensor | None = None,
        timesteps: torch.Tensor | None = None,
        available: torch.Tensor | None = None,
        vendor: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Encodes and denoises once; (B, image_channels, H, W) -> (B, num_classes + 1, H, W).

        Without ``state`` and ``timesteps`` it starts from the mean of pure noise (zeros, t = 999), the network's
        best single guess; sampling is the inferer's work.
        """
        conditions = self.encode(image, available, vendor)
        return self.denoise(*self.from_noise(image, state, timesteps), conditions)

    def from_noise(
        self, image: torch.Tensor, state: torch.Tensor | None, timesteps: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``state`` and ``timesteps`` as given; where there is none, the mean of pure noise and its timestep."""
        if state is None:
            state = image.new_zeros(image.shape[0], self.state_channels, *image.shape[2:])
        if timesteps is None:
            timesteps = torch.full((image.shape[0],), 999, device=image.device)
        return state, timesteps

    def _waves(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Sine waves of one or two timesteps, (B, noise_levels * time_channels)."""
        if timesteps.ndim == 1:
            return get_timestep_embedding(timesteps, self.time_channels).repeat(1, self.noise_levels)
        if timesteps.shape[1] != self.noise_levels:
            raise ConfigError(
                "process::given_shares: mask and LGE have timesteps of their own, but the network has one noise level. "
                'Fix: TrunkUNet with network_def::noise_levels 2, or --process::given_shares "{}".'
            )
        waves = [get_timestep_embedding(one, self.time_channels) for one in timesteps.unbind(1)]
        return torch.cat(waves, dim=1)

    def _attentions_per_decoder(self) -> int:
        return sum(isinstance(m, FeatureDisentangledAttention) for m in self.synthesis.attentions)


class _Attender:
    """Hands the cached keys and values to the attention modules in the order they were projected."""

    def __init__(self, conditions: Conditions, start: int = 0) -> None:
        self.conditions, self.next = conditions, start

    def __call__(self, module: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
        if not isinstance(module, FeatureDisentangledAttention):
            return hidden
        keys, values = self.conditions.keys[self.next], self.conditions.values[self.next]
        self.next += 1
        return module(hidden, keys, values, self.conditions.available)


def _perceptron(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_channels, channels), nn.SiLU(), nn.Linear(channels, channels))


def stem(in_channels: int, out_channels: int, factor: int) -> nn.Sequential:
    """Space-to-depth and a convolution: (B, in_channels, H, W) -> (B, out_channels, H / factor, W / factor)."""
    return nn.Sequential(nn.PixelUnshuffle(factor), nn.Conv2d(in_channels * factor**2, out_channels, 3, padding=1))


def encoder_levels(
    channels: Sequence[int],
    options: dict[str, Any],
    num_res_blocks: int,
    make_attention: Callable[[int], nn.Module],
) -> tuple[nn.ModuleList, nn.ModuleList, nn.ModuleList]:
    """Per level a block, its attention and the way to the next level, which nothing follows at the last one.

    Args:
        channels: of the levels, finest first. options: ``block_options``. make_attention: level to its attention.
    """
    blocks, attentions, downsamples = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
    for level, width in enumerate(channels):
        blocks.append(
            get_down_block(
                **options,
                in_channels=channels[max(level - 1, 0)],
                out_channels=width,
                num_res_blocks=num_res_blocks,
                add_downsample=False,
                resblock_updown=False,
                with_attn=False,
                with_cross_attn=False,
            )
        )
        attentions.append(make_attention(level))
        last = level == len(channels) - 1
        downsamples.append(nn.Identity() if last else DiffusionUnetDownsample(2, width, use_conv=True))
    return blocks, attentions, downsamples


def attention_at(
    channels: Sequence[int], attention_levels: Sequence[bool], options: tuple[int, int, int, int], level: int
) -> nn.Module:
    """Feature-disentangled attention at a level, or nothing where ``attention_levels`` is false.

    Args:
        options: channels of the tokens, sequences, channels per head, groups of the normalisation.
    """
    return FeatureDisentangledAttention(channels[level], *options) if attention_levels[level] else nn.Identity()


def embedding_channels(channels: Sequence[int]) -> int:
    """Channels of the embedding of time, vendor and availability in a denoiser of these widths."""
    return channels[0] * 4


def block_options(temb_channels: int, norm_num_groups: int, num_head_channels: int) -> dict[str, Any]:
    """What all blocks of MONAI's DiffusionModelUNet are made with."""
    return {
        "spatial_dims": 2,
        "num_head_channels": num_head_channels,
        "temb_channels": temb_channels,
        "norm_num_groups": norm_num_groups,
        "norm_eps": 1e-6,
        "transformer_num_layers": 1,
        "cross_attention_dim": None,
        "use_flash_attention": True,
    }


def sequence_owners(sequence_channels: Sequence[Sequence[int]] | None, image_channels: int) -> Sequence[Sequence[int]]:
    """Channels of the image per sequence; None: one each."""
    return [[i] for i in range(image_channels)] if sequence_channels is None else sequence_channels
