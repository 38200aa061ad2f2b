"""Networks without diffusion, for comparison: from the conditions to mask and LGE in one pass or two stages.

They answer to the same two calls as SSDiffUNet (``encode``, ``denoise``), so that training, sampling with one step and
evaluation are those of the bundle; the noisy state is not looked at. The functions give the networks of the results.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from monai.networks.nets import BasicUNet, DynUNet
from torch import nn

from ..conventions import LGE, MASK, TASKS, ConfigError, known_tasks
from .condition_encoder import Conditions

SEQUENCE_CHANNELS = ((0, 2, 3), (1,))  # of conventions.IMAGE_CHANNELS: cine with its motion, T2-STIR


class _Heads(nn.Module):
    """A backbone of MONAI and one small head per task; a task that is not wanted gives zeros."""

    def __init__(self, backbone: nn.Module, features: int, num_classes: int, tasks: Sequence[str]) -> None:
        super().__init__()
        self.backbone, self.widths = backbone, {MASK: num_classes, LGE: 1}
        self.heads = nn.ModuleDict({task: _head(features, self.widths[task]) for task in TASKS if task in tasks})

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.backbone(image)
        shape = features.shape
        parts = [
            self.heads[task](features) if task in self.heads else features.new_zeros(shape[0], width, *shape[2:])
            for task, width in self.widths.items()
        ]
        return torch.cat(parts, dim=1)


class DirectNetwork(nn.Module):
    """Regression of mask logits and LGE from cine and T2-STIR in one pass.

    Each sequence enters with a map that says whether it was acquired. Use it with ``steps`` 1.

    Args:
        backbone: a 2-D network of MONAI, (B, image channels + sequences, H, W) to (B, features, H, W).
        features: channels the backbone gives.
        sequence_channels: per sequence the channels of the image that belong to it.
        num_classes: mask channels, background included.
        tasks: "mask", "lge" or both; the other one's output is zero and never trained.
    Raises:
        ConfigError: no task, or one that is not known.
    """

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        sequence_channels: Sequence[Sequence[int]] = SEQUENCE_CHANNELS,
        num_classes: int = 4,
        tasks: Sequence[str] = TASKS,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.sequence_channels = [list(one) for one in sequence_channels]
        self.body = _Heads(backbone, features, num_classes, known_tasks(tasks))

    def encode(
        self, image: torch.Tensor, available: torch.Tensor | None = None, vendor: torch.Tensor | None = None
    ) -> Conditions:
        """Everything, once per slice: the answer is kept as the only feature map. Shapes as SSDiffUNet's.

        Raises:
            ConfigError: wrong channel count.
        """
        answer = self.answer(_with_availability(image, available, self.sequence_channels))
        return Conditions(answer.mean(dim=(2, 3)), answer.new_ones(len(answer), 1), image[:, :0], [answer], [], [], [])

    def answer(self, image: torch.Tensor) -> torch.Tensor:
        """(B, image channels + sequences, H, W) to (B, num_classes + 1, H, W): logits, then LGE in -1..1."""
        return self.body(image)

    def denoise(self, state: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """What ``encode`` found; the same at every ``state`` and timestep."""
        return conditions.features[0]

    def forward(
        self,
        image: torch.Tensor,
        state: torch.Tensor | None = None,
        timesteps: torch.Tensor | None = None,
        available: torch.Tensor | None = None,
        vendor: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, image channels, H, W) to (B, num_classes + 1, H, W)."""
        return self.encode(image, available, vendor).features[0]


class TwoStageNetwork(DirectNetwork):
    """First a virtual LGE from cine and T2-STIR, then a segmentation of that LGE alone.

    The second stage sees the first one's output without a gradient to it, in training too, so that it learns on what
    it will be given. Use it with ``steps`` 1.

    Args:
        synthesis, segmentation: backbones; the second one has one input channel.
        features: channels both backbones give.
    """

    def __init__(
        self,
        synthesis: nn.Module,
        segmentation: nn.Module,
        features: int,
        sequence_channels: Sequence[Sequence[int]] = SEQUENCE_CHANNELS,
        num_classes: int = 4,
    ) -> None:
        super().__init__(synthesis, features, sequence_channels, num_classes, (LGE,))
        self.second = _Heads(segmentation, features, num_classes, (MASK,))

    def answer(self, image: torch.Tensor) -> torch.Tensor:
        """As DirectNetwork's."""
        lge = self.body(image)[:, -1:]
        return torch.cat([self.second(lge.detach().clamp(-1, 1))[:, :-1], lge], dim=1)


def unet_two_heads(features: Sequence[int] = (28, 56, 112, 208, 384, 28), num_classes: int = 4) -> DirectNetwork:
    """A deterministic U-Net with a head per task; also the generator of pix2pix. ``features``: as BasicUNet's."""
    backbone = BasicUNet(2, _inputs(SEQUENCE_CHANNELS), features[-1], features)
    return DirectNetwork(backbone, features[-1], num_classes=num_classes)


def two_stage_unets(features: Sequence[int] = (28, 56, 96, 160, 256, 28), num_classes: int = 4) -> TwoStageNetwork:
    """A U-Net from cine and T2-STIR to a virtual LGE, and one that segments it. ``features``: as BasicUNet's."""
    synthesis, segmentation = (
        BasicUNet(2, channels, features[-1], features) for channels in (_inputs(SEQUENCE_CHANNELS), 1)
    )
    return TwoStageNetwork(synthesis, segmentation, features[-1], num_classes=num_classes)


def segmenter(
    sequence_channels: Sequence[Sequence[int]] = SEQUENCE_CHANNELS,
    filters: Sequence[int] = (32, 64, 128, 224, 320),
    num_classes: int = 4,
) -> DirectNetwork:
    """A strong segmentation network, the DynUNet of nnU-Net with residual blocks; it gives no LGE.

    Args:
        sequence_channels, num_classes: as DirectNetwork's. filters: channels per level.
    """
    levels, width = len(filters), filters[0]
    backbone = DynUNet(
        spatial_dims=2,
        in_channels=_inputs(sequence_channels),
        out_channels=width,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(filters),
        norm_name="instance",
        res_block=True,
    )
    return DirectNetwork(backbone, width, sequence_channels, num_classes, tasks=(MASK,))


def lge_segmenter() -> DirectNetwork:
    """``segmenter`` of an LGE, (B, 1, H, W) in -1..1: the ceiling, and the reader of an evaluation."""
    return segmenter(sequence_channels=((0,),))


def _inputs(sequence_channels: Sequence[Sequence[int]]) -> int:
    """Channels a backbone gets: those of the image and one availability map per sequence."""
    return sum(map(len, sequence_channels)) + len(sequence_channels)


def _with_availability(
    image: torch.Tensor, available: torch.Tensor | None, owners: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Hides what was not acquired, appends one map per sequence, 1 where it was: (B, channels + sequences, H, W)."""
    wanted = sum(len(one) for one in owners)
    if image.shape[1] != wanted:
        raise ConfigError(f"image has {image.shape[1]} channels, expected {wanted}.")
    shown = image.new_ones(len(image), len(owners)) if available is None else available.to(image.dtype)
    maps = shown[:, :, None, None].expand(-1, -1, *image.shape[2:])
    hidden = image.clone()
    for sequence, own in enumerate(owners):
        hidden[:, own] = image[:, own] * maps[:, sequence : sequence + 1]
    return torch.cat([hidden, maps], dim=1)


def _head(features: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        Convolution(2, features, features, kernel_size=3, act="leakyrelu", norm="instance"),
        nn.Conv2d(features, out_channels, 1),
    )
