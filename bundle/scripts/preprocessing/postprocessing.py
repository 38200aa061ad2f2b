"""From the network's samples to results: probabilities, label map, their place on the cine grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Transform
from monai.utils import convert_to_numpy

from .. import conventions
from ..conventions import (
    ALL_CLASSES,
    CLASSES,
    EVERY,
    LABEL,
    LGE,
    NETWORK_CLASSES,
    PAPER,
    PREDICTION,
    SEQUENCES,
    SUBJECT,
    TO_NETWORK_CLASS,
    ConfigError,
    DataError,
)
from ..volumes.resampling import resample_planes
from .one_heart import OneHeart

NO_REFLOW, OEDEMA = ALL_CLASSES.index("no_reflow"), ALL_CLASSES.index("oedema")
_MYOCARDIUM, _INFARCT = NETWORK_CLASSES.index("myocardium"), NETWORK_CLASSES.index("infarct")
# Probabilities of a network of six classes, as it gave them.
_ALL = "all_probabilities"


class SplitPrediction(Transform):
    """Splits ``pred`` (samples * (K + 1), H, W, S) into named crops, averaged over the samples.

    Adds probabilities (4, H, W, S), virtual_lge (1, H, W, S), label_crop (1, H, W, S) and, with several samples,
    uncertainty (1, H, W, S): standard deviation of the virtual LGE over the samples, and sample_labels
    (samples, H, W, S). Of six classes the probabilities are the sums of those that are one of the paper's four, so that
    an infarct is as large whatever is told apart inside it; all_probabilities (6, H, W, S) keeps them.

    Args:
        num_classes: of the network, 4 or 6.
    Raises:
        ConfigError: neither; or a prediction of another number of classes.
    """

    def __init__(self, num_classes: int = len(NETWORK_CLASSES)) -> None:
        self.num_classes = len(conventions.network_classes(num_classes))

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with the crops added."""
        item = dict(data)
        if "failure" in item:
            return item
        prediction = item[PREDICTION]
        if len(prediction) % (self.num_classes + 1):
            raise ConfigError(
                f"num_classes: found {self.num_classes}, but the prediction has {len(prediction)} channels, expected a "
                f"multiple of {self.num_classes + 1}. Fix: the --num_classes of the network."
            )
        samples = prediction.reshape(-1, self.num_classes + 1, *prediction.shape[1:])
        if self.num_classes > len(NETWORK_CLASSES):
            item[_ALL] = samples[:, :-1].mean(0)
            samples = torch.cat([merged_classes(samples[:, :-1]), samples[:, -1:]], dim=1)
        item["probabilities"] = samples[:, :-1].mean(0)
        item["virtual_lge"] = samples[:, -1:].mean(0)
        item["label_crop"] = item["probabilities"].argmax(0, keepdim=True).to(torch.uint8)
        if len(samples) > 1:
            item["uncertainty"] = samples[:, -1:].std(0)
            item["sample_labels"] = samples[:, :-1].argmax(1).to(torch.uint8)
        return item


def merged_classes(probabilities: torch.Tensor) -> torch.Tensor:
    """Probabilities (N, 6, ...) of every class -> (N, 4, ...): sums, as conventions.TO_NETWORK_CLASS merges codes."""
    parts = [
        sum(probabilities[:, code] for code in range(probabilities.shape[1]) if TO_NETWORK_CLASS[code] == merged)
        for merged in range(len(NETWORK_CLASSES))
    ]
    return torch.stack(parts, dim=1)  # type: ignore[arg-type]  # no sum is empty


def told_apart(label: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """A label map of four classes with no-reflow in its infarct and oedema in its myocardium, uint8, same shape.

    Args:
        label: (X, Y, S), the paper's classes.
        probabilities: (6, X, Y, S), of every class, on the same grid.
    """
    found = np.array(label, dtype=np.uint8)
    for part, whole in ((NO_REFLOW, _INFARCT), (OEDEMA, _MYOCARDIUM)):
        found[(label == whole) & (probabilities[part] > probabilities[whole])] = part
    return found


class MeasuringRules(Transform):
    """Adds what a site lets be measured to a subject's item: ``static_cine_allowed``.

    Args:
        allow_static_cine: measure the infarct although the cine shows no motion; the result then asks for a review.
    """

    def __init__(self, allow_static_cine: bool | str = False) -> None:
        self.allow_static_cine = conventions.flag(allow_static_cine, "allow_static_cine")

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with the rule added."""
        return {**data, "static_cine_allowed": str(self.allow_static_cine)}


class PairWithReference(Transform):
    """Puts prediction and reference side by side for metrics, on the slices that LGE and label both cover.

    Adds lge_pred, lge_ref, label_pred, label_ref, infarct_ref, each (1, H, W, covered slices). Without a label
    label_ref is empty: a reference without a wall, against which nothing is measurable. infarct_ref is what an infarct
    is compared with: label_ref, or such an empty one where the label table has no infarct class.
    """

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with the pairs added.

        Raises:
            DataError: no slice has both references.
        """
        item = dict(data)
        covered = torch.nonzero(item["reference_slices"])[:, 0]
        if not len(covered):
            raise DataError(
                f"{item[SUBJECT]}: no slice has both LGE and label. Fix: leave the subject out of this split, or check "
                "it with configs/check_dataset.json."
            )
        if item.get(LABEL) is None:
            item[LABEL] = torch.zeros_like(item["label_crop"])
        item[LABEL] = _papers_classes(item[LABEL])
        pairs = {"lge_pred": "virtual_lge", "lge_ref": LGE, "label_pred": "label_crop", "label_ref": LABEL}
        item |= {name: item[source][..., covered] for name, source in pairs.items()}
        marked = bool(item.get("label_marks_infarct", True))
        return item | {"infarct_ref": item["label_ref"] if marked else torch.zeros_like(item["label_ref"])}


def _papers_classes(label: torch.Tensor) -> torch.Tensor:
    """A label map of a network's classes, four or six, in the paper's four; same shape and type."""
    table = torch.tensor([TO_NETWORK_CLASS[code] for code in range(len(ALL_CLASSES))], device=label.device)
    return table.to(label.dtype)[label.long()]


def prediction_beside_reference(one_heart: bool | str = True, num_classes: int = len(NETWORK_CLASSES)) -> Compose:
    """What validation and evaluation do with a prediction: named crops, one LV, then pairs with the reference."""
    return Compose([SplitPrediction(num_classes), OneHeart(one_heart), PairWithReference()])


class ToCineGrid(Transform):
    """Brings the crops of SplitPrediction to the cine grid, (X, Y, S) arrays; a failed subject passes unchanged.

    Adds virtual_lge (X, Y, S), label_map (X, Y, S); lge_on_cine and label_on_cine when the references are there;
    with several samples infarct_probability, uncertainty (X, Y, S) and sample_infarct_percent (samples,), nan where a
    sample has no viable wall.

    Args:
        classes: "paper", label_map has the paper's four classes; "all", no-reflow and oedema have codes of their own,
            and label_classes of the item says so. Oedema stays myocardium in slices without T2-STIR.
        num_classes: of the network, 4 or 6.
        unmarked_classes: those that no label map marked when the weights were trained.
    Raises:
        ConfigError: ``classes`` is neither, or "all" with a network of four, or weights that learnt no more.
    """

    def __init__(
        self, classes: str = PAPER, num_classes: int = len(NETWORK_CLASSES), unmarked_classes: Sequence[str] = ()
    ) -> None:
        if classes not in CLASSES:
            raise ConfigError(f"classes: found {classes!r}, expected {PAPER} or {EVERY}. Fix: --classes {PAPER}")
        if classes == EVERY and num_classes == len(NETWORK_CLASSES):
            raise ConfigError(
                f"classes: found {EVERY} with a network of {num_classes} classes, which tells neither no-reflow nor "
                f"oedema. Fix: --classes {PAPER}, or weights of a network of six with --num_classes 6."
            )
        if classes == EVERY and unmarked_classes:
            raise ConfigError(
                f"classes: found {EVERY} with weights whose last training had no {' or '.join(unmarked_classes)} "
                f"marked, by the record beside them. Fix: --classes {PAPER}"
            )
        self.classes = classes

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with the arrays on the cine grid."""
        item = dict(data)
        if "failure" in item:
            return item
        maps, shape = item["crop_to_cine"], item["cine_shape"]
        item["label_map"] = probabilities_to_label(item["probabilities"], maps, shape)
        if self.classes == EVERY:
            probabilities = image_to_cine_grid(item[_ALL], maps, shape)
            if "available_slices" in item:
                shown = np.asarray(convert_to_numpy(item["available_slices"]))[SEQUENCES.index("t2_stir")] > 0
                probabilities[OEDEMA] *= shown
            item["label_map"] = told_apart(item["label_map"], probabilities)
        item["label_classes"] = self.classes
        for source, name in (("virtual_lge", "virtual_lge"), ("lge", "lge_on_cine"), ("uncertainty", "uncertainty")):
            if source in item:
                item[name] = image_to_cine_grid(item[source], maps, shape)[0]
        # the reference as it is in its file, also where the crop does not reach
        if "label_native" in item:
            item["label_on_cine"] = item["label_native"]
        if "sample_labels" in item:
            infarct = item["probabilities"][_INFARCT : _INFARCT + 1]
            item["infarct_probability"] = image_to_cine_grid(infarct, maps, shape)[0]
            item["sample_infarct_percent"] = infarct_percent_per_sample(item["sample_labels"])
        return item


def infarct_percent_per_sample(labels: torch.Tensor) -> torch.Tensor:
    """Infarct in % of the LV myocardium of each sample, (samples,), from network classes (samples, H, W, S).

    The measure of clinical.volumes.infarct_percent_lv: nan where no viable wall is left to relate the infarct to.
    """
    flat = labels.reshape(len(labels), -1)
    infarct, viable = ((flat == code).sum(1).double() for code in (_INFARCT, _MYOCARDIUM))
    return torch.where(viable > 0, 100 * infarct / (infarct + viable), torch.nan)


def image_to_cine_grid(
    crop: np.ndarray, crop_to_cine: np.ndarray, cine_shape: Sequence[int] | torch.Tensor
) -> np.ndarray:
    """Crops back on the cine grid, linear in plane.

    Args:
        crop: (C, I, J, S) numpy or torch, any range.
        crop_to_cine: (S, 3, 3), crop pixel (i, j, 1) -> cine voxel (x, y, 1), from the subject-level item.
        cine_shape: (X, Y, S).
    Returns:
        float32 (C, X, Y, S) numpy; 0 outside the crop.
    Raises:
        ValueError: the slice counts disagree.
    """
    crop, (x, y, count) = convert_to_numpy(crop), (int(n) for n in cine_shape)
    cine_to_crop = np.linalg.inv(np.asarray(convert_to_numpy(crop_to_cine), dtype=float))
    if not crop.shape[-1] == count == len(cine_to_crop):
        raise ValueError(f"crop has {crop.shape[-1]} slices, crop_to_cine {len(cine_to_crop)}, cine_shape {count}")
    slices = np.arange(count)
    return np.stack([resample_planes(channel, cine_to_crop, slices, (x, y))[0] for channel in crop])


def probabilities_to_label(
    probabilities: np.ndarray, crop_to_cine: np.ndarray, cine_shape: Sequence[int] | torch.Tensor
) -> np.ndarray:
    """Class probabilities (K, I, J, S) of the crop -> uint8 (X, Y, S) on the cine grid.

    The probabilities are interpolated, then the largest wins, so that class borders stay smooth; outside the crop 0.
    """
    return image_to_cine_grid(probabilities, crop_to_cine, cine_shape).argmax(axis=0).astype(np.uint8)
