"""What each mode takes from a subject's folder, what it gives the network, and what it says of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..conventions import ALL_CLASSES, IMAGE, IMAGE_CHANNELS, LABEL, LGE, MASK, SUBJECT, ConfigError, DataError
from ..training.domain_randomisation.heart_slice import likely_right_ventricle
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
_LV_BLOOD = ALL_CLASSES.index("lv_blood_pool")
# Direction of the RV on the screen where no image shows it, degrees, 180 = left.
_USUAL_SEPTUM_DEGREES = 175.0


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
    left_out = {LGE, LABEL} - set(_READS[mode])
    return {key: value for key, value in entry.items() if key not in left_out}


def require_images(mode: str, item: Mapping[str, Any]) -> None:
    """Raises DataError where a file that the mode needs was unusable."""
    for key in (LABEL, LGE):
        if key in _NEEDS[mode] and key not in item:
            raise DataError(f"{item[SUBJECT]}: {key} not usable ({item.get('warnings', '')}). Fix: correct the file.")


def draw(
    mode: str, sampler: Sampler, item: Mapping[str, Any], name: str, wish: LesionWish, rng: np.random.Generator
) -> tuple[Sample, dict[str, Any]]:
    """A sample, and what is worth noting of how it came about.

    Args:
        item: of the subject, on the files of ``entry_for``. name: of the sample. rng: of the lesion.
    """
    require_images(mode, item)
    if mode == GIVEN_MASK:
        # what was drawn by hand stays as it is in its file, also where the crop does not reach
        return replace(sampler.draw(item, name, {MASK: item[LABEL]}), label=item["label_codes"].numpy()), {}
    if mode == GIVEN_LGE:
        return sampler.draw(item, name, {LGE: item[LGE]}), {}
    if mode == PAIRED:
        return sampler.draw(item, name), {}
    own = LABEL in item
    label = item[LABEL][0].numpy() if own else sampler.draw(item, name).label_crop
    degrees, seen = septum_degrees(item[IMAGE].numpy(), label)
    wall = wall_of_label(label, sampler.crop_affine(item), degrees)
    drawn, said = draw_lesion(label, wall, wish, rng)
    about = {
        "lesion": said | {"septum": "seen in the cine" if seen else "assumed", "wall": "given" if own else "found"}
    }
    return sampler.draw(item, name, {MASK: torch.from_numpy(drawn)[None]}), about


def septum_degrees(image: np.ndarray, label: np.ndarray) -> tuple[float, bool]:
    """Direction of the RV seen from the LV, 0 = right and 90 = down on the crop, and whether the cine shows it.

    Args:
        image: (channels, I, J, S), as conventions.IMAGE_CHANNELS. label: (I, J, S), network classes.
    """
    towards = []
    for s in range(label.shape[-1]):
        blood = label[..., s] == _LV_BLOOD
        ventricle = likely_right_ventricle(image[IMAGE_CHANNELS.index("cine"), ..., s], label[..., s])
        if blood.any() and ventricle.any():
            away = np.argwhere(ventricle).mean(axis=0) - np.argwhere(blood).mean(axis=0)
            towards.append(away / max(float(np.linalg.norm(away)), 1e-6))
    if not towards:
        return _USUAL_SEPTUM_DEGREES, False
    x, y = np.median(towards, axis=0)
    return float(np.degrees(np.arctan2(y, x)) % 360), True
