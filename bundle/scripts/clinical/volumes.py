"""Volumes, masses and infarct size of the structures in a label map."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..conventions import MYOCARDIAL_DENSITY_G_PER_ML, STRUCTURES, NotMeasurable

# Of conventions.STRUCTURES. Only muscle has a mass. A lesion without its no-reflow can only be told where the label map
# marks no-reflow: see require_no_reflow_marked.
REPORTED_STRUCTURES = ("lv_blood_pool", "lv_myocardium", "viable_myocardium", "infarct")
STRUCTURES_WITH_MASS = tuple(name for name in STRUCTURES if name != "lv_blood_pool")
LESIONS = ("infarct", "infarct_without_no_reflow", "no_reflow")
_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


def structure_mask(label: np.ndarray, structure: str) -> np.ndarray:
    """Voxels of one of STRUCTURES in a label map of disk codes, bool, same shape."""
    return np.isin(label, STRUCTURES[structure])


def voxel_volume_ml(affine: np.ndarray) -> float:
    """Volume of one voxel, |det| of the voxel-to-mm matrix (4, 4), in ml; slice gaps are part of the spacing.

    Raises:
        NotMeasurable: the affine is singular or not finite.
    """
    volume_mm3 = abs(float(np.linalg.det(np.asarray(affine, dtype=np.float64)[:3, :3])))
    if not np.isfinite(volume_mm3) or volume_mm3 <= 0.0:
        raise NotMeasurable(f"the voxel size is not known: the affine's determinant is {volume_mm3}, expected > 0")
    return volume_mm3 / 1000.0


def structure_volume_ml(label: np.ndarray, affine: np.ndarray, structure: str) -> float:
    """Volume of one of STRUCTURES, ml. A lesion of 0 ml is a real result once there is myocardium to look at.

    Args:
        label: (X, Y, S), disk codes.
        affine: (4, 4), voxel to mm.
    Raises:
        NotMeasurable: the structure was not found; LV myocardium and lesions: as require_wall, require_infarct_at_wall.
    """
    if structure in ("lv_myocardium", *LESIONS):
        require_wall(label)
        require_infarct_at_wall(label)
    elif not structure_mask(label, structure).any():
        raise NotMeasurable(f"no {structure} was found in any slice")
    return int(structure_mask(label, structure).sum()) * voxel_volume_ml(affine)


def structure_mass_g(label: np.ndarray, affine: np.ndarray, structure: str) -> float:
    """Mass of one of STRUCTURES_WITH_MASS, g: volume times conventions.MYOCARDIAL_DENSITY_G_PER_ML.

    Raises:
        NotMeasurable: as structure_volume_ml; or the structure is not muscle.
    """
    if structure not in STRUCTURES_WITH_MASS:
        raise NotMeasurable(f"{structure} is not muscle: it has a volume, no myocardial mass")
    return structure_volume_ml(label, affine, structure) * MYOCARDIAL_DENSITY_G_PER_ML


def require_wall(label: np.ndarray) -> None:
    """Raises NotMeasurable when a label map (X, Y, S) shows no viable myocardium: infarct alone is no wall."""
    if not structure_mask(label, "viable_myocardium").any():
        raise NotMeasurable(
            "no viable LV myocardium was found in any slice, so there is no wall to relate an infarct to"
        )


def require_infarct_at_wall(label: np.ndarray) -> None:
    """Raises NotMeasurable when all infarct of a label map (X, Y, S) lies apart from LV wall and LV blood.

    Apart: it touches neither viable myocardium nor LV blood, in its own slices and the next ones.
    """
    infarct = structure_mask(label, "infarct")
    if not infarct.any():
        return
    heart = structure_mask(label, "viable_myocardium") | structure_mask(label, "lv_blood_pool")
    if not (infarct & ndimage.binary_dilation(heart, structure=_NEIGHBOURS)).any():
        raise NotMeasurable("all infarct of the label map lies outside the LV myocardium")


def infarct_percent_lv(label: np.ndarray, structure: str = "infarct") -> float:
    """Infarct size, 100 V(infarct incl. MVO) / V(LV myocardium incl. infarct), 0..100.

    Every voxel called infarct counts, wherever it lies. Reports call require_infarct_at_wall first; an evaluation does
    not, since that would reward an infarct invented outside the wall.

    Args:
        structure: another lesion of STRUCTURES in place of the infarct; the wall it is related to stays the whole wall.
    Source: SCMR task force on post-processing, Schulz-Menger et al., JCMR 2020;22:19.
    Raises:
        NotMeasurable: no LV myocardium was found; infarct alone does not count as a wall.
    """
    require_wall(label)
    return 100.0 * float(structure_mask(label, structure).sum()) / float(structure_mask(label, "lv_myocardium").sum())


def require_no_reflow_marked(label: np.ndarray, always_marked: bool = False) -> None:
    """Raises NotMeasurable unless the label map tells no-reflow from infarct.

    Args:
        label: (X, Y, S), disk codes.
        always_marked: whoever made the label map marks no-reflow where there is any, so that none is a finding.
    """
    if always_marked or structure_mask(label, "no_reflow").any() or not structure_mask(label, "infarct").any():
        return
    raise NotMeasurable("the label map marks no no-reflow: it may count it as infarct, as the network's classes do")


def slices_with(label: np.ndarray, structure: str) -> list[int]:
    """Indices along the last axis of ``label`` (X, Y, S) whose slice holds the structure."""
    return [int(s) for s in np.flatnonzero(structure_mask(label, structure).any(axis=(0, 1)))]
