"""A drawn short-axis slice as a training item: discs for the ventricles, an infarct, a bright and a black area."""

import numpy as np
import torch

SIZE = 80
BLOOD, WALL, INFARCT = 1, 2, 3
# Levels of cine, T2-STIR and LGE: LV blood, wall, infarct, RV blood, tissue around, lung.
LEVELS = {
    "cine": (0.8, 0.3, 0.33, 0.75, 0.45, 0.02),
    "t2_stir": (0.15, 0.5, 0.7, 0.2, 0.4, 0.03),
    "lge": (0.6, 0.1, 0.9, 0.62, 0.4, 0.02),
}


def _discs(shift: float = 0.0, shrink: float = 0.0):
    """LV blood, wall, infarct, RV blood, lung as bool arrays; ``shift`` moves all to the right."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    columns = columns - shift
    radius = np.hypot(rows, columns)
    blood, heart = radius < 10 - shrink, radius < 16 - shrink / 2
    infarct = heart & ~blood & (columns > 0) & (np.abs(rows) < columns)
    ventricle = (np.hypot(rows, columns + 20) < 12) & ~heart
    return blood, heart & ~blood, infarct, ventricle, columns > 24


def _image(levels, discs):
    blood, wall, infarct, ventricle, lung = discs
    image = np.full(blood.shape, levels[4], np.float32)
    for mask, level in zip((lung, ventricle, blood, wall, infarct), [levels[n] for n in (5, 3, 0, 1, 2)], strict=True):
        image[mask] = level
    return image


def heart_item(shift: float = 0.0, motion: bool = True, t2: bool = True, heart: bool = True):
    """image (4, 80, 80), lge, label, right_ventricle (1, 80, 80); end-systole has a smaller cavity."""
    discs = _discs(shift)
    cine, t2_stir, lge = (_image(levels, discs) for levels in LEVELS.values())
    systole = _image(LEVELS["cine"], _discs(shift, shrink=4.0))
    label = np.zeros((SIZE, SIZE), np.float32)
    for mask, value in zip(discs[:3], (BLOOD, WALL, INFARCT), strict=True):
        label[mask] = value
    nothing = np.zeros_like(cine)
    channels = [cine, t2_stir if t2 else nothing, cine if motion else nothing, systole if motion else nothing]
    return {
        "image": torch.from_numpy(np.stack(channels)),
        "lge": torch.from_numpy(lge)[None],
        "label": torch.from_numpy(label * heart)[None],
        "right_ventricle": torch.from_numpy((discs[3] & heart).astype(np.float32))[None],
    }
