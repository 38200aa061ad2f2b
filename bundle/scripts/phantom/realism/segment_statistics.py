"""What motion and T2-STIR tell of an infarct, over the segments of a cohort."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import mannwhitneyu, spearmanr

from ...conventions import NotMeasurable, counted
from .subject_measures import GLOBAL_STRAIN, Measures
from .targets import FEWEST_SUBJECTS, Realised, healthy, infarcted

INFARCT_SEGMENT_PERCENT = 25.0
LESION_SECTOR = 0.5
KEPT_SPECIFICITY = 0.8
_FEWEST = 20


def thickening_auc(cohort: Sequence[Measures]) -> Realised:
    """AUC of low radial thickening for segments with more than a quarter infarct."""
    ill, well = _thickening(cohort)
    detail = f"thickening {ill.mean():.0f} +- {ill.std():.0f} %, others {well.mean():.0f} +- {well.std():.0f} %"
    return Realised(auc(-ill, -well), ill.size + well.size, detail)


def thickening_sensitivity(cohort: Sequence[Measures]) -> Realised:
    """Percent of infarct segments below the threshold that keeps KEPT_SPECIFICITY of the others."""
    ill, well = _thickening(cohort)
    threshold = np.quantile(well, 1.0 - KEPT_SPECIFICITY)
    return Realised(100.0 * float((ill < threshold).mean()), ill.size, f"thickening below {threshold:.0f} %")


def thickening_heterogeneity(cohort: Sequence[Measures]) -> Realised:
    """SD of thickening between the segments of one healthy heart, percent of its mean; mean over hearts."""
    found = [one.motion[:, 0].std() / one.motion[:, 0].mean() for one in healthy(cohort) if one.motion.size]
    if len(found) < FEWEST_SUBJECTS:
        raise NotMeasurable(f"{len(found)} healthy subjects with recorded segments, {FEWEST_SUBJECTS} are needed")
    return Realised(100.0 * float(np.mean(found)), len(found))


def strain_against_size(cohort: Sequence[Measures]) -> Realised:
    """Spearman's rho between global circumferential shortening and infarct size, over infarcted subjects."""
    known = [one.values for one in infarcted(cohort) if GLOBAL_STRAIN in one.values]
    pairs = [(-values[GLOBAL_STRAIN], values["infarct"]) for values in known]
    if len(pairs) < FEWEST_SUBJECTS:
        raise NotMeasurable(f"{len(pairs)} infarcted subjects with recorded strain, {FEWEST_SUBJECTS} are needed")
    shortening, size = np.array(pairs).T
    return Realised(float(spearmanr(shortening, size).statistic), len(pairs), f"mean {shortening.mean():.1f} %")


def lesion_visible(cohort: Sequence[Measures]) -> Realised:
    """AUC of T2-STIR for sectors that are mostly infarct or oedema against sectors without."""
    sectors = _all([one.sectors for one in cohort])
    return _separated(sectors, sectors[:, 2] > LESION_SECTOR, sectors[:, 2] == 0)


def infarct_in_lesion_visible(cohort: Sequence[Measures]) -> Realised:
    """AUC of T2-STIR for sectors with more than a quarter infarct against sectors that are mostly oedema alone."""
    sectors = _all([one.sectors for one in cohort])
    lesion, infarct = sectors[:, 2] > LESION_SECTOR, sectors[:, 1]
    return _separated(sectors, lesion & (infarct > INFARCT_SEGMENT_PERCENT / 100), lesion & (infarct == 0))


def auc(ill: np.ndarray, well: np.ndarray) -> float:
    """Chance that a value of ``ill`` is above one of ``well``, ties count half (Mann and Whitney)."""
    return float(mannwhitneyu(ill, well).statistic / (len(ill) * len(well)))


def _separated(sectors: np.ndarray, ill: np.ndarray, well: np.ndarray) -> Realised:
    if min(ill.sum(), well.sum()) < _FEWEST:
        raise NotMeasurable(f"{int(ill.sum())} against {int(well.sum())} sectors, {_FEWEST} of each are needed")
    return Realised(auc(sectors[ill, 0], sectors[well, 0]), int(ill.sum() + well.sum()), "sectors of 30 degrees")


def _thickening(cohort: Sequence[Measures]) -> tuple[np.ndarray, np.ndarray]:
    segments = _all([one.motion for one in cohort])
    ill = segments[:, 2] > INFARCT_SEGMENT_PERCENT
    if min(ill.sum(), (~ill).sum()) < _FEWEST:
        raise NotMeasurable(f"{int(ill.sum())} infarct segments and {int((~ill).sum())} others, {_FEWEST} are needed")
    return segments[ill, 0], segments[~ill, 0]


def _all(arrays: Iterable[np.ndarray]) -> np.ndarray:
    found = [array for array in arrays if array.size]
    if len(found) < FEWEST_SUBJECTS:
        raise NotMeasurable(f"{counted(len(found), 'subject')} have such segments, {FEWEST_SUBJECTS} are needed")
    return np.concatenate(found)
