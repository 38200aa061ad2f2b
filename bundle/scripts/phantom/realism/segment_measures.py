"""Motion and T2-STIR of one subject, segment by segment and sector by sector."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ...conventions import NotMeasurable
from .label_measures import BLOOD, INFARCT_CODES, MYOCARDIUM, OEDEMA, WALL_CODES

_SECTORS = 12
_SMALLEST_SECTOR, _SMALLEST_REGION = 8, 80  # pixels


def stir_sectors(t2_stir: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Sectors of 30 degrees of every slice, (n, 3): T2-STIR over the slice's remote median, infarct and lesion share.

    T2-STIR is smoothed by one pixel, as a reader's eye does. A lesion is infarct, no-reflow or oedema.

    Args:
        t2_stir, label: (X, Y, S), one grid.
    Raises:
        NotMeasurable: no slice shows enough wall, blood and remote myocardium.
    """
    found = []
    for index in range(label.shape[2]):
        codes = label[..., index]
        wall, remote = np.isin(codes, WALL_CODES), codes == MYOCARDIUM
        if min(wall.sum(), (codes == BLOOD).sum()) < _SMALLEST_REGION or remote.sum() < _SMALLEST_REGION:
            continue
        smooth = gaussian_filter(t2_stir[..., index].astype(np.float32), 1.0)
        level = float(np.median(smooth[remote]))
        if level > 0:
            found += _sectors_of(smooth / level, codes, wall)
    if not found:
        raise NotMeasurable("no slice shows enough wall, blood and remote myocardium")
    return np.array(found)


def _sectors_of(ratio: np.ndarray, codes: np.ndarray, wall: np.ndarray) -> list[tuple[float, float, float]]:
    from_centre = np.argwhere(wall) - np.argwhere(codes == BLOOD).mean(axis=0)
    sector = ((np.arctan2(from_centre[:, 1], from_centre[:, 0]) / (2 * np.pi)) % 1.0 * _SECTORS).astype(int) % _SECTORS
    values, tissue = ratio[wall], codes[wall]
    found = []
    for number in range(_SECTORS):
        inside = sector == number
        if inside.sum() >= _SMALLEST_SECTOR:
            infarct = float(np.isin(tissue[inside], INFARCT_CODES).mean())
            lesion = float(np.isin(tissue[inside], (*INFARCT_CODES, OEDEMA)).mean())
            found.append((float(values[inside].mean()), infarct, lesion))
    return found


def segment_motion(meta: dict) -> np.ndarray:
    """Recorded segments, (n, 3): radial thickening, circumferential strain, infarct, percent.

    Raises:
        NotMeasurable: meta.json records none.
    """
    segments = (meta.get("truth") or {}).get("segments") or {}
    keys = ("radial_thickening_percent", "circumferential_strain_percent", "infarct_percent")
    if not segments:
        raise NotMeasurable("meta.json records no motion of segments")
    return np.array([[float(one[key]) for key in keys] for one in segments.values()])
