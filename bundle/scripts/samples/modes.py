"""What each mode takes from a subject's folder, what it gives the network, and what it says of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..conventions import (
    AVAILABLE,
    DISCLAIMER,
    IMAGE,
    IMAGE_CHANNELS,
    LABEL,
    LABEL_MAP,
    LABEL_NAMES,
    LGE,
    MASK,
    MOTION_CHANNELS,
    SEQUENCES,
    SUBJECT,
    ConfigError,
    DataError,
)
from ..training.domain_randomisation.heart_slice import likely_right_ventricle
from ..volumes.nifti_writing import says_synthetic
from .lesion import LesionWish, draw_lesion, wall_of_label
from .sampler import Sample, Sampler

PAIRED, GIVEN_MASK, GIVEN_LGE, LESION = MODES = ("paired", "given_mask", "given_lge", "lesion")
# What a mode needs, and what it reads beside.
_NEEDS = {
    PAIRED: ("cine", "t2_stir"),
    GIVEN_MASK: ("cine", "t2_stir", LABEL),
    GIVEN_LGE: ("cine", LGE),
    LESION: ("cine", "t2_stir"),
}
_READS = {PAIRED: (), GIVEN_MASK: (LABEL,), GIVEN_LGE: (LGE,), LESION: (LABEL,)}
# What the network sees beside a given label map: all images, or one phase of the cine.
EVERYTHING, ANATOMY = EVIDENCE = ("all", "anatomy")
_LV_BLOOD, _RV = LABEL_NAMES.index("lv_blood_pool"), LABEL_NAMES.index("rv_blood_pool")
# Direction of the RV on the screen where nothing shows it, degrees, 180 = left; and those that it can have.
_USUAL_SEPTUM_DEGREES, _LEFT_DEGREES = 175.0, (110.0, 250.0)
# How many slices have to show it in the cine, and how alike: length of the mean of their unit vectors.
_FEWEST_SLICES, _AGREEMENT = 3, 0.9


def known_mode(mode: object) -> str:
    """``mode``, one of MODES; ConfigError otherwise."""
    if mode not in MODES:
        raise ConfigError(f"mode: found {mode!r}, expected one of {', '.join(MODES)}. Fix: --mode {PAIRED}")
    return str(mode)


def entry_for(mode: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A datalist entry with the files that a mode reads.

    Raises:
        DataError: the subject cannot be used, or lacks a file that the mode needs.
    """
    if "problem" in entry:
        raise DataError(str(entry["problem"]))
    needed = _NEEDS[mode]
    for key in needed:
        if key not in entry:
            reason = entry.get("reference_problems", {}).get(key, f"no {key}").splitlines()[0]
            raise DataError(
                f"{entry[SUBJECT]}: {reason}; mode {mode} expects {', '.join(needed)}. Fix: add it, or leave the "
                "subject out."
            )
    if mode == GIVEN_LGE and says_synthetic(entry[LGE]):
        raise DataError(
            f"{entry[SUBJECT]}: its LGE is synthetic itself, expected an acquired one. Fix: leave the subject out."
        )
    left_out = {LGE, LABEL} - set(_READS[mode])
    return {key: value for key, value in entry.items() if key not in left_out}


def known_evidence(evidence: object, mode: str) -> str:
    """``evidence``, one of EVIDENCE; None: what goes with the mode. ConfigError otherwise."""
    if evidence is None:
        return ANATOMY if mode == LESION else EVERYTHING
    if evidence not in EVIDENCE:
        raise ConfigError(f"evidence: found {evidence!r}, expected {' or '.join(EVIDENCE)}, or null.")
    if evidence == ANATOMY and mode not in (GIVEN_MASK, LESION):
        raise ConfigError(f"evidence: found {ANATOMY} with mode {mode}, which has no label map given. Fix: null")
    return str(evidence)


def disclaimer_of(mode: str) -> str:
    """Of records of a mode: the LGE of "given_lge" is the subject's own, and only its label map was made."""
    return LABEL_MAP.disclaimer if mode == GIVEN_LGE else DISCLAIMER


def anatomy_alone(item: Mapping[str, Any]) -> dict[str, Any]:
    """A subject of which the network sees one phase of the cine: nothing that speaks for or against an infarct."""
    image, available, slices = (item[key].clone() for key in (IMAGE, AVAILABLE, "available_slices"))
    t2_stir = SEQUENCES.index("t2_stir")
    image[[IMAGE_CHANNELS.index("t2_stir"), *MOTION_CHANNELS]] = 0
    available[t2_stir], slices[t2_stir] = 0, 0
    return {**item, IMAGE: image, AVAILABLE: available, "available_slices": slices}


def draw(
    mode: str,
    sampler: Sampler,
    item: Mapping[str, Any],
    name: str,
    wish: LesionWish,
    rng: np.random.Generator,
    evidence: str = EVERYTHING,
) -> tuple[Sample, dict[str, Any]]:
    """A sample, and what is worth noting of how it came about.

    Args:
        item: of the subject, on the files of ``entry_for``. name: of the sample. rng: of the lesion.
        evidence: what the network sees beside a label map that is given.
    """
    beside = anatomy_alone(item) if evidence == ANATOMY else item
    if mode == GIVEN_MASK:
        # the codes stay those of the file, also where the crop does not reach
        return replace(sampler.draw(beside, name, {MASK: item[LABEL]}), label=item["label_codes"].numpy()), {}
    if mode == GIVEN_LGE:
        return sampler.draw(item, name, {LGE: item[LGE]}), {}
    if mode == PAIRED:
        return sampler.draw(item, name), {}
    own = LABEL in item
    label = item[LABEL][0].numpy() if own else sampler.draw(item, name).label_crop
    degrees, source = septum_degrees(item, label)
    affine = sampler.crop_affine(item)
    drawn, said = draw_lesion(label, affine, wall_of_label(label, affine, degrees), wish, rng)
    said |= {"septum": source, "wall": "given" if own else "found"}
    shown = np.minimum(drawn, sampler.num_classes - 1)  # a network of four classes has no-reflow in its infarct
    return sampler.draw(beside, name, {MASK: torch.from_numpy(shown)[None]}), {"lesion": said}


def shown_slices(mode: str, item: Mapping[str, Any]) -> slice:
    """Slices of the cine that a sample is of: those that the given label map or LGE covers.

    Raises:
        DataError: they leave a gap.
    """
    count = int(item["cine_shape"][2])
    key = {GIVEN_MASK: "label_slices", LESION: "label_slices", GIVEN_LGE: "reference_slices"}.get(mode, "")
    covered = np.flatnonzero(item[key].numpy()) if key in item else np.arange(count)
    if not len(covered) or covered[-1] - covered[0] + 1 != len(covered):
        raise DataError(
            f"{item[SUBJECT]}: what is given covers slices {(covered + 1).tolist()} of {count}, expected slices "
            "without a gap: one in between would be learnt as background. Fix: draw it there too, or leave the "
            "subject out."
        )
    return slice(int(covered[0]), int(covered[-1]) + 1)


def septum_degrees(item: Mapping[str, Any], label: np.ndarray) -> tuple[float, str]:
    """Direction of the RV seen from the LV, 0 = right and 90 = down on the crop; and where it was taken from.

    The label map's own RV goes first, then one that the cine shows alike in most slices, to the left on the screen as
    hearts have it; else it is assumed.

    Args:
        item: of the subject. label: (I, J, S), network classes.
    """
    codes = item.get("label_codes")
    if codes is not None and (found := _towards(codes.numpy() == _RV, codes.numpy() == _LV_BLOOD)):
        # from the pixels of the cine to those of the crop
        back = np.linalg.inv(item["crop_to_cine"][0].numpy()[:2, :2])
        return _degrees(np.median([back @ one for one in found], axis=0)), "label map"
    cine = item[IMAGE].numpy()[IMAGE_CHANNELS.index("cine")]
    likely = np.stack([likely_right_ventricle(cine[..., s], label[..., s]) for s in range(label.shape[-1])], axis=-1)
    found = _towards(likely, label == _LV_BLOOD)
    if len(found) >= _FEWEST_SLICES:
        agreement, degrees = float(np.linalg.norm(np.mean(found, axis=0))), _degrees(np.mean(found, axis=0))
        if agreement >= _AGREEMENT and _LEFT_DEGREES[0] <= degrees <= _LEFT_DEGREES[1]:
            return degrees, "cine"
    return _USUAL_SEPTUM_DEGREES, "assumed"


def _towards(ventricle: np.ndarray, blood: np.ndarray) -> list[np.ndarray]:
    """Unit vectors from the middle of ``blood`` to that of ``ventricle``, of every slice that has both."""
    found = []
    for s in range(blood.shape[-1]):
        if ventricle[..., s].any() and blood[..., s].any():
            away = np.argwhere(ventricle[..., s]).mean(axis=0) - np.argwhere(blood[..., s]).mean(axis=0)
            found.append(away / max(float(np.linalg.norm(away)), 1e-6))
    return found


def _degrees(direction: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(direction[1], direction[0])) % 360)
