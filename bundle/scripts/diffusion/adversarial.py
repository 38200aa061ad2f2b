"""Adversarial loss of the pix2pix baseline: a discriminator on conditions, LGE and mask, trained beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.losses import PatchAdversarialLoss
from torch import nn

from ..conventions import IMAGE, LABEL_GROUPS, LGE, NETWORK_CLASSES, ConfigError
from .loss import JointLoss
from .process import ASKED


class AdversarialLoss(JointLoss):
    """JointLoss plus least-squares adversarial term; every call in training also moves the discriminator one step.

    One process only: the discriminator of several would drift apart. Source: Isola et al., CVPR 2017 (conditional
    GAN, PatchGAN); Mao et al., ICCV 2017 (least squares).

    Args:
        discriminator: PatchGAN, input channels: sequences, then mask classes, then LGE.
        weights, class_weights, first_answer, num_classes: as JointLoss.
        adversarial_weight: of the generator's term.
        learning_rate: of the discriminator, Adam with momentum 0.5.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        weights: Mapping[str, float] | None = None,
        class_weights: Sequence[float] | None = None,
        adversarial_weight: float = 0.05,
        learning_rate: float = 2e-4,
        first_answer: float = 1.0,
        num_classes: int = len(NETWORK_CLASSES),
    ) -> None:
        super().__init__(weights, class_weights, first_answer, num_classes)
        self.discriminator, self.adversarial_weight = discriminator, float(adversarial_weight)
        self.adversarial = PatchAdversarialLoss(criterion="least_squares")
        self.optimizer = torch.optim.Adam(discriminator.parameters(), lr=learning_rate, betas=(0.5, 0.999))

    def forward(self, prediction: Mapping[str, Any], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Loss of the generator, scalar; ``target`` also holds "image" (B, sequences, H, W) in 0..1."""
        if LABEL_GROUPS in target:
            raise ConfigError(
                "partial labels: found with an adversarial loss, whose discriminator wants whole label maps. "
                "Fix: another loss, data sets that mark every class, or --num_classes 4."
            )
        total = super().forward(prediction, target)
        image = target[IMAGE] * 2 - 1
        found = torch.cat([image, self._looked_for(prediction, target)], dim=1)
        if torch.is_grad_enabled():
            self.terms["discriminator"] = self._step(found.detach(), torch.cat([image, target["state"]], dim=1))
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(False)
        fooled = self.adversarial(self.discriminator(found)[-1], target_is_real=True, for_discriminator=False)
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(True)
        self.terms["adversarial"] = float(fooled.detach())
        return total + self.adversarial_weight * fooled

    def _looked_for(self, prediction: Mapping[str, Any], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """State of the prediction, (B, K + 1, H, W); a part that was given is the true one, and costs nothing."""
        mask, lge = prediction["mask_logits"].softmax(1) * 2 - 1, prediction[LGE]
        if ASKED in target:
            asked = target[ASKED][:, :, None, None, None]
            mask = torch.where(asked[:, 0], mask, target["state"][:, :-1])
            lge = torch.where(asked[:, 1], lge, target["state"][:, -1:])
        return torch.cat([mask, lge], dim=1)

    def _step(self, found: torch.Tensor, real: torch.Tensor) -> float:
        self.optimizer.zero_grad()
        loss = 0.5 * (
            self.adversarial(self.discriminator(found)[-1], target_is_real=False, for_discriminator=True)
            + self.adversarial(self.discriminator(real)[-1], target_is_real=True, for_discriminator=True)
        )
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
