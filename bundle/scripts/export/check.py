"""Comparison of an exported network with PyTorch: how far apart the answers are, and what is accepted.

Why the mask has no limit on its largest difference: at a few voxels between two classes rounding is amplified. With
the shipped weights PyTorch differs there from itself by up to 5e-4 when only the memory layout is changed, so a limit
of 1e-4 on the maximum would depend on the random input. The largest difference is recorded all the same, beside that
of PyTorch from itself in float64.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from ..diffusion.inferers import EncodingNetwork, SubjectSampler
from ..networks.joint_unet import JointUNet

# Virtual LGE, 0..1: no voxel may differ by more. Mask probabilities, 0..1: at most this share of the values.
TOLERANCE, MASK_SHARE = 1e-4, 1e-3
_BATCHES = (1, 3)

Answers = dict[str, tuple[torch.Tensor, torch.Tensor]]


class ExportCheck:
    """Differences from one network on random images, in one step and in a sampled subject of two slices.

    Args:
        network: the PyTorch network, in eval mode.
        inferer: samples the subject; its process reads one step.
        crop_size: of the images; one step is also compared on images of half the size.
    """

    def __init__(self, network: JointUNet, inferer: SubjectSampler, crop_size: Sequence[int]) -> None:
        self.network, self.inferer, self.crop_size = network, inferer, tuple(crop_size)
        self._reference = self._answers(network, torch.float32)

    def differences(self, other: EncodingNetwork) -> dict[str, dict[str, float]]:
        """Of another network: largest in mask and LGE (0..1), share of the mask beyond TOLERANCE."""
        return _differences(self._answers(other, torch.float32), self._reference)

    def rounding(self) -> dict[str, dict[str, float]]:
        """The same of PyTorch itself: float32 against float64."""
        exact = copy.deepcopy(self.network).double()
        return _differences(self._answers(exact, torch.float64), self._reference)

    def _answers(self, network: EncodingNetwork, dtype: torch.dtype) -> Answers:
        return {"one_step": self._one_step(network, dtype), "sampled": self._sampled(network, dtype)}

    @torch.no_grad()
    def _one_step(self, network: EncodingNetwork, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean states of batches of several sizes and timesteps: all mask values, all LGE values, 0..1."""
        generator, process, divisor = torch.Generator().manual_seed(0), self.inferer.process, self.network.size_divisor
        masks, images = [], []
        for i, batch in enumerate(_BATCHES):
            size = [n // divisor // (1 + i) * divisor for n in self.crop_size]
            image = (torch.rand(batch, self.network.image_channels, *size, generator=generator) * 2 - 1).to(dtype)
            state = torch.randn(batch, process.state_channels, *size, generator=generator).to(dtype)
            timesteps = torch.randint(process.num_train_timesteps, (batch,), generator=generator)
            conditions = network.encode(image, None, None)
            output = network.denoise(process.network_input(state, timesteps), timesteps, conditions)
            clean = (process.read_output(output, state, timesteps).state + 1) / 2
            masks.append(clean[:, :-1].flatten())
            images.append(clean[:, -1:].flatten())
        return torch.cat(masks), torch.cat(images)

    def _sampled(self, network: EncodingNetwork, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, self.network.image_channels, *self.crop_size, 2, generator=generator).to(dtype)
        found = self.inferer(image, network, subject=["export"])
        found = found.unflatten(1, (-1, self.inferer.process.num_classes + 1))
        return found[:, :, :-1].flatten(), found[:, :, -1:].flatten()


def excess(differences: dict[str, dict[str, float]]) -> list[str]:
    """What is not accepted, in words; nothing when all is. A value that is not a number is not accepted either."""
    limits = {"virtual_lge": TOLERANCE, "mask_beyond_tolerance": MASK_SHARE}
    return [
        f"{where} {name} {one[name]:.2g} (at most {limit:g})"
        for where, one in differences.items()
        for name, limit in limits.items()
        if not one[name] <= limit
    ]


def _differences(found: Answers, wanted: Answers) -> dict[str, dict[str, float]]:
    result = {}
    for where, answers in found.items():
        mask, picture = ((a - b).abs() for a, b in zip(answers, wanted[where], strict=True))
        result[where] = {
            "virtual_lge": float(picture.max()),
            "mask": float(mask.max()),
            "mask_beyond_tolerance": float((~(mask <= TOLERANCE)).float().mean()),
        }
    return result
