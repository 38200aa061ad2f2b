"""What a slice's label map cannot tell apart is compared as a sum: training with label maps of several data sets."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ..conventions import LABEL, LABEL_GROUPS, NETWORK_CLASSES
from .process import FIRST_ANSWER

# Logit of a class that a label map never shows: no probability, and a gradient that stays finite.
_NEVER = -1e4


def says_all(groups: torch.Tensor) -> torch.Tensor:
    """Which slices have a label map that tells every class, (B,), bool, from groups (B, K)."""
    return (groups == torch.arange(groups.shape[1], device=groups.device)).all(dim=1)


def says_the_papers(groups: torch.Tensor) -> torch.Tensor:
    """Which slices have a label map that tells at least the four classes of the paper, (B,), bool."""
    return says_all(groups[:, : len(NETWORK_CLASSES)])


def merged(
    prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Prediction and target in the classes that each slice's label map shows.

    The probability of such a class is the sum of those it may be; a class that is never shown has none, in the
    prediction as in the target (marginal loss: Shi et al., Medical Image Analysis 2021;70:101979; Fidon et al., MICCAI
    2021).

    Args:
        prediction: "mask_logits" (B, K, H, W), "state" (B, K + 1, H, W) in -1..1; others stay.
        target: "label_groups" (B, K), "label" (B, 1, H, W) codes, "state" (B, K + 1, H, W); others stay.
    """
    groups = target[LABEL_GROUPS]
    # (B, shown as, class)
    sums = (groups[:, None, :] == torch.arange(groups.shape[1], device=groups.device)[None, :, None]).float()
    label = target[LABEL].flatten(1).long()
    shown = torch.gather(groups, 1, label).reshape(target[LABEL].shape)
    found = {name: one for name, one in prediction.items() if name != FIRST_ANSWER}
    found["mask_logits"] = _summed_logits(prediction["mask_logits"], sums)
    found["state"] = _summed_state(prediction["state"], sums)
    return found, {**target, LABEL: shown.to(target[LABEL].dtype), "state": _summed_state(target["state"], sums)}


def _summed_logits(logits: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
    """Logarithm of the summed probabilities, (B, K, H, W)."""
    parts = logits.log_softmax(dim=1)[:, None]
    return torch.where(sums[..., None, None] > 0, parts, torch.full_like(parts, _NEVER)).logsumexp(dim=2)


def _summed_state(state: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
    mask = (state[:, :-1] + 1) / 2
    return torch.cat([torch.einsum("bgk,bkhw->bghw", sums.to(mask), mask) * 2 - 1, state[:, -1:]], dim=1)
