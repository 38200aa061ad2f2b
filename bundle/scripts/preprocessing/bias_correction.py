"""N4 correction of coil shading, through ITK.

ITK's classes take 14 s of processor time and 0.7 GB of memory to load, once per process. They are loaded with the first
correction and never without one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ..volumes.volume import Volume

# Every fourth pixel in-plane: the field is smooth, and N4's time goes with the number of pixels. Two fitting levels:
# with one the field is too stiff for a surface coil, with three or four it takes the heart's own contrast for shading.
_EVERY, _LEVELS, _ITERATIONS, _CONVERGENCE = 4, 2, 50, 1e-3
_FEWEST = 4  # N4's cubic spline needs as many pixels along each axis


def shading_field(image: np.ndarray) -> np.ndarray:
    """What a receive coil multiplies an image by, as N4 estimates it; geometric mean 1 over the body.

    Args:
        image: (X, Y, S), any linear scale, values at or below 0 are left out.
    Returns:
        (X, Y, S) float32, above 0; 1 everywhere where there is too little signal to tell.
    Source: Tustison et al., IEEE TMI 2010;29:1310 (N4ITK).
    """
    import itk

    small = np.asarray(image[::_EVERY, ::_EVERY], dtype=np.float32)
    if min(small.shape[:2]) < _FEWEST or not small.max() > 0:
        return np.ones(image.shape, np.float32)
    lacking = max(0, _FEWEST - small.shape[2])
    view = itk.image_from_array(np.ascontiguousarray(np.pad(small, ((0, 0), (0, 0), (0, lacking)), mode="edge").T))
    mask_type = itk.Image[itk.UC, 3]
    body = itk.OtsuThresholdImageFilter[type(view), mask_type].New(view, InsideValue=0, OutsideValue=1)
    body.Update()
    n4 = itk.N4BiasFieldCorrectionImageFilter.New(view, MaskImage=body.GetOutput())
    n4.SetNumberOfFittingLevels(_LEVELS)
    n4.SetMaximumNumberOfIterations([_ITERATIONS] * _LEVELS)
    n4.SetConvergenceThreshold(_CONVERGENCE)
    n4.Update()
    logarithm = itk.array_from_image(n4.ReconstructBiasField(n4.GetLogBiasFieldControlPointLattice()))
    logarithm = logarithm.T[..., : image.shape[2]]
    logarithm = logarithm - logarithm[itk.array_from_image(body.GetOutput()).T[..., : image.shape[2]] > 0].mean()
    steps = (1 / _EVERY, 1 / _EVERY, 1.0)
    return np.exp(ndimage.affine_transform(logarithm, steps, output_shape=image.shape, order=1, mode="nearest"))


def without_shading(volume: Volume, phase: int = 0) -> Volume:
    """A volume (X, Y, S) divided by its shading field; all phases of a cine (X, Y, S, P) by that of ``phase``."""
    if volume.array.ndim == 3:
        return replace(volume, array=volume.array / shading_field(volume.array))
    return replace(volume, array=volume.array / shading_field(volume.array[..., phase])[..., None])
