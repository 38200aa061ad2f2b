"""Training loss on the predicted clean state: a weighted sum of named terms for mask and LGE."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import nn

from ..conventions import KNOWN, LABEL, LABEL_GROUPS, LGE, NETWORK_CLASSES, ConfigError
from .partial_labels import merged
from .process import ASKED, FIRST_ANSWER

TERMS = ("lge_mse", "lge_l1", "mask_mse", "mask_dice", "mask_ce", "noise_mse", "noise_l1")
# Which parts a term is about: columns of a batch's "asked", mask and LGE.
_PART_OF_TERM = {name: [0] if name.startswith("mask") else [1] if name.startswith("lge") else [0, 1] for name in TERMS}
# What the shipped weights were trained with.
WEIGHTS = {"lge_mse": 1.0, "lge_l1": 0.5, "mask_mse": 0.5, "mask_dice": 0.5, "mask_ce": 0.5}
# Of four classes, and of six.
CLASS_WEIGHTS = (1.0, 1.0, 1.5, 3.0, 3.0, 1.5)


class JointLoss(nn.Module):
    """Sum of named terms; a weight of 0 skips its term.

    lge_mse, lge_l1: clean LGE (-1..1). mask_mse: clean mask channels (-1..1), the diffusion term of the mask.
    mask_dice: soft Dice over the batch; mask_ce: cross-entropy with class weights; both on the predicted clean mask.
    noise_mse, noise_l1: the noise, for a process that predicts it.

    Args:
        weights: weight per term of ``TERMS``; a term left out has weight 0. None: ``WEIGHTS``.
        class_weights: one per class, for mask_dice and mask_ce; None: the first ``num_classes`` of ``CLASS_WEIGHTS``.
        first_answer: weight of the same sum on the first answer of a network that gives one, whatever the noise.
        num_classes: of the network.
    Raises:
        ConfigError: a name that is not in ``TERMS``, no weight above 0, or ``first_answer`` below 0.
    """

    class_weights: torch.Tensor

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        class_weights: Sequence[float] | None = None,
        first_answer: float = 1.0,
        num_classes: int = len(NETWORK_CLASSES),
    ) -> None:
        super().__init__()
        class_weights = CLASS_WEIGHTS[:num_classes] if class_weights is None else class_weights
        number = isinstance(first_answer, (int, float)) and not isinstance(first_answer, bool)
        if not number or not 0 <= first_answer < math.inf:
            raise ConfigError(
                f"first_answer: found {first_answer!r}, expected a number of at least 0. Fix: --loss::first_answer 1.0"
            )
        self.first_answer = float(first_answer)
        weights = WEIGHTS if weights is None else weights
        unknown = sorted(set(weights) - set(TERMS))
        if unknown or not any(w > 0 for w in weights.values()):
            raise ConfigError(
                f"loss weights: found {dict(weights)}, expected names from {', '.join(TERMS)}, one above 0."
            )
        self.weights = {name: float(w) for name, w in weights.items() if w > 0}
        self.register_buffer("class_weights", torch.tensor(class_weights, dtype=torch.float32), persistent=False)
        self.dice = DiceLoss(softmax=True, to_onehot_y=True, batch=True, weight=list(class_weights))
        self.terms: dict[str, float] = {}

    def forward(self, prediction: Mapping[str, Any], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Weighted sum, scalar.

        Args:
            prediction: "mask_logits" (B, K, H, W), "lge" (B, 1, H, W) in -1..1, "state" (B, K + 1, H, W); of a network
                that gives one, "first_answer" with the same three.
            target: "lge" (B, 1, H, W) in 0..1, "label" (B, 1, H, W) codes, "state" the clean state; "asked" (B, 2),
                bool: where mask and LGE are looked for. A part that was given costs nothing; the first answer, which
                saw neither, is asked for both. Of label maps that do not tell all classes "label_groups" (B, K), and
                "known" (B, 2), bool: which of mask and LGE a slice has (``partial_labels``).
        Raises:
            ConfigError: another number of classes than of ``class_weights``.
        """
        self._check_classes(prediction["mask_logits"])
        self.terms = {}
        known, asked = target.get(KNOWN), target.get(ASKED)
        both = known if asked is None else asked if known is None else asked & known
        total = self._sum(prediction, target, "", both)
        if self.first_answer and FIRST_ANSWER in prediction:
            total = total + self.first_answer * self._sum(prediction[FIRST_ANSWER], target, "first_", known)
        return total

    def _check_classes(self, logits: torch.Tensor) -> None:
        if logits.shape[1] != len(self.class_weights):
            raise ConfigError(
                f"loss::class_weights: found {len(self.class_weights)} weights for a network of {logits.shape[1]} "
                "classes, expected one each. Fix: leave class_weights out, and give --num_classes."
            )

    def _sum(
        self,
        prediction: Mapping[str, torch.Tensor],
        target: Mapping[str, torch.Tensor],
        prefix: str,
        asked: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Weighted sum of one prediction; notes each term under its name with ``prefix``.

        ``asked``: (B, 2), bool, where mask and LGE count. A term is noted as it is over the slices that ask for it,
        and counts by their share of the batch.
        """
        if LABEL_GROUPS in target:
            prediction, target = merged(prediction, target)
        total = prediction["lge"].new_zeros(())
        for name, weight in self.weights.items():
            some, share = (prediction, target), 1.0
            if asked is not None:
                counts = asked[:, _PART_OF_TERM[name]].all(dim=1)
                some, share = (_slices(prediction, counts), _slices(target, counts)), float(counts.float().mean())
            if share == 0:
                total = total + 0.0 * (prediction["lge"].sum() + prediction["mask_logits"].sum())
                continue
            value = getattr(self, f"_{name}")(*some)
            self.terms[prefix + name] = float(value.detach())
            total = total + weight * share * value
        return total

    def _lge_mse(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return F.mse_loss(prediction["lge"], target[LGE] * 2 - 1)

    def _lge_l1(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return F.l1_loss(prediction["lge"], target[LGE] * 2 - 1)

    def _mask_mse(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return F.mse_loss(prediction["state"][:, :-1], target["state"][:, :-1])

    def _noise_mse(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return F.mse_loss(_noise(prediction), target["noise"])

    def _noise_l1(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return F.l1_loss(_noise(prediction), target["noise"])

    def _mask_dice(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self.dice(prediction["mask_logits"], target[LABEL])

    def _mask_ce(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        weight = self.class_weights.to(prediction["mask_logits"])
        return F.cross_entropy(prediction["mask_logits"], target[LABEL][:, 0].long(), weight=weight)


def _slices(fields: Mapping[str, Any], chosen: torch.Tensor) -> dict[str, torch.Tensor]:
    """The tensors of ``fields`` for the ``chosen`` slices, (B,), bool."""
    return {name: value[chosen] for name, value in fields.items() if isinstance(value, torch.Tensor)}


def _noise(prediction: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if "noise" not in prediction:
        raise ConfigError('loss weights: noise_mse and noise_l1 need process::prediction "epsilon".')
    return prediction["noise"]
