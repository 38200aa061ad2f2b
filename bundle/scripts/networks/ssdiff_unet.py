"""SSDiffUNet: one shared encoder, a synthesis decoder and a segmentation decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from monai.networks.nets.diffusion_model_unet import (
    DiffusionUnetDownsample,
    get_down_block,
    get_timestep_embedding,
)
from torch import nn

from ..conventions import ConfigError
from .attention import FeatureDisentangledAttention
from .condition_encoder import ConditionEncoder, Conditions
from .decoder import CrossFusion, Decoder, Refinement


class SSDiffUNet(nn.Module):
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
        super().__init__()
        channels = list(channels)
        owners = [[i] for i in range(image_channels)] if sequence_channels is None else sequence_channels
        self.num_sequences = len(owners)
        self.owner = [next(s for s, own in enumerate(owners) if c in own) for c in range(image_channels)]
        if len(attention_levels) != len(channels):
            raise ConfigError(f"attention_levels has {len(attention_levels)} entries for {len(channels)} channels.")
        self.image_channels, self.num_classes, self.state_channels = image_channels, num_classes, num_classes + 1
        self.num_res_blocks, self.stem_factor, self.time_channels = num_res_blocks, stem_factor, channels[0]
        self.size_divisor = stem_factor * 2 ** (len(channels) - 1)
        temb_channels = channels[0] * 4
        self.block_options = _block_options(temb_channels, norm_num_groups, num_head_channels)
        options = (token_channels, self.num_sequences, num_head_channels, norm_num_groups)
        attention_at = partial(_attention_at, channels, attention_levels, options)

        self.time_embed = nn.Sequential(
            nn.Linear(channels[0], temb_channels), nn.SiLU(), nn.Linear(temb_channels, temb_channels)
        )
        self.vendor_embedding = nn.Embedding(num_vendors, temb_channels)
        self.availability_embedding = nn.Linear(self.num_sequences, temb_channels)
        self.condition_encoder = ConditionEncoder(
            channels, owners, token_channels, stem_factor, norm_num_groups, map_levels, one_token
        )
        self._add_encoder(channels, attention_at)
        sizes = (num_res_blocks, attention_at, stem_factor)
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

    def _add_encoder(self, channels: list[int], attention_at: Callable[[int], nn.Module]) -> None:
        factor = self.stem_factor
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(factor), nn.Conv2d(self.state_channels * factor**2, channels[0], 3, padding=1)
        )
        self.down_blocks, self.down_attentions, self.downsamples = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(channels):
            self.down_blocks.append(
                get_down_block(
                    **self.block_options,
                    in_channels=channels[max(level - 1, 0)],
                    out_channels=width,
                    num_res_blocks=self.num_res_blocks,
                    add_downsample=False,
                    resblock_updown=False,
                    with_attn=False,
                    with_cross_attn=False,
                )
            )
            self.down_attentions.append(attention_at(level))
            last = level == len(channels) - 1
            self.downsamples.append(nn.Identity() if last else DiffusionUnetDownsample(2, width, use_conv=True))

    def attention_modules(self) -> list[FeatureDisentangledAttention]:
        """All feature-disentangled attentions, in the order of ``Conditions.keys``."""
        candidates = [*self.down_attentions, *self.segmentation.attentions, *self.synthesis.attentions]
        return [m for m in candidates if isinstance(m, FeatureDisentangledAttention)]

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
        features, tokens = self.condition_encoder(image, available)
        embedding = self.vendor_embedding(vendor) + self.availability_embedding(available)
        pairs = [module.project_tokens(tokens) for module in self.attention_modules()]
        detail = image * available[:, self.owner, None, None]
        return Conditions(embedding, available, detail, features, [k for k, _ in pairs], [v for _, v in pairs])

    def denoise(self, state: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """One pass of the denoiser.

        Args:
            state: noisy joint state (B, num_classes + 1, H, W): mask channels, then LGE.
            timesteps: (B,), 0 (clean) .. num_train_timesteps - 1 (noise).
            conditions: what ``encode`` returned for the same slices.
        Returns:
            (B, num_classes + 1, H, W): mask channels (logits when the process predicts the clean state), then LGE.
        """
        waves = get_timestep_embedding(timesteps, self.time_channels).to(state.dtype)
        temb = self.time_embed(waves) + conditions.embedding
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
        if state is None:
            state = image.new_zeros(image.shape[0], self.state_channels, *image.shape[2:])
        if timesteps is None:
            timesteps = torch.full((image.shape[0],), 999, device=image.device)
        return self.denoise(state, timesteps, conditions)

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


def _attention_at(
    channels: Sequence[int], attention_levels: Sequence[bool], options: tuple[int, int, int, int], level: int
) -> nn.Module:
    """Feature-disentangled attention at a level, or nothing where ``attention_levels`` is false.

    Args:
        options: channels of the tokens, sequences, channels per head, groups of the normalisation.
    """
    return FeatureDisentangledAttention(channels[level], *options) if attention_levels[level] else nn.Identity()


def _block_options(temb_channels: int, norm_num_groups: int, num_head_channels: int) -> dict:
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
