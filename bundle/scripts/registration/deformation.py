"""B-spline deformation of one slice onto another, by ITK; which slices are bent is registration.py.

ITK's Python package reads its classes from disk when the first of them is used: 19 s of processor time and 0.9 GB of
memory for these, once per process. It is therefore imported where a slice is bent and nowhere else; a job with
``deformable`` false never loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import itk

_BINS = 32
# Control cells along each side, steps of the optimiser; the deformation fades out around the mask over this length.
_MESH, _STEPS, _FADE_MM = 5, 30, 3
# LBFGS-B: when it stops before its steps are used up, and how many steps it remembers.
_GRADIENT_TOLERANCE, _VALUE_FACTOR, _REMEMBERED, _EVALUATIONS = 1e-5, 1e7, 5, 2000


def bend(fixed: np.ndarray, moving: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, float]:
    """B-spline deformation by Mattes' mutual information (ITK), all pixels of the mask, hence the same every time.

    Args:
        fixed, moving: (N, N), 1 mm pixels, already brought together by shift and turn; mask: (N, N) bool.
    Returns:
        (2, N, N) mm, what fixed shows at p moving shows at p + field, faded out around the mask; and the gain, nats.
    """
    import itk

    image = itk.Image[itk.F, 2]
    images = [itk.image_from_array(np.ascontiguousarray(one, np.float32)) for one in (fixed, moving)]
    spline = itk.BSplineTransform[itk.D, 2, 3].New()
    grid = itk.BSplineTransformInitializer[type(spline), image].New(Transform=spline, Image=images[0])
    grid.SetTransformDomainMeshSize([_MESH, _MESH])
    grid.InitializeTransform()
    metric = itk.MattesMutualInformationImageToImageMetricv4[image, image].New(
        FixedImage=images[0], MovingImage=images[1], MovingTransform=spline, NumberOfHistogramBins=_BINS
    )
    # One thread adds up in one order.
    metric.SetMaximumNumberOfWorkUnits(1)
    region = itk.ImageMaskSpatialObject[2].New(Image=itk.image_from_array(mask.astype(np.uint8)))
    region.Update()
    metric.SetFixedImageMask(region)
    metric.Initialize()
    before, optimiser = metric.GetValue(), _optimiser(spline.GetNumberOfParameters())
    method = itk.ImageRegistrationMethodv4[image, image].New(
        FixedImage=images[0], MovingImage=images[1], Metric=metric, Optimizer=optimiser, InitialTransform=spline
    )
    method.InPlaceOn()
    method.SetNumberOfWorkUnits(1)
    method.SetNumberOfLevels(1)
    method.SetShrinkFactorsPerLevel([1])
    method.SetSmoothingSigmasPerLevel([0.0])
    method.Update()
    fade = ndimage.gaussian_filter(ndimage.binary_dilation(mask, iterations=3 * _FADE_MM).astype(float), _FADE_MM)
    return _displacements(spline, fixed.shape) * fade, before - optimiser.GetValue()


def _optimiser(parameters: int) -> itk.LBFGSBOptimizerv4:
    """LBFGS-B without bounds; Byrd, Lu, Nocedal and Zhu, SIAM J Sci Comput 1995;16:1190."""
    import itk

    optimiser = itk.LBFGSBOptimizerv4.New(
        GradientConvergenceTolerance=_GRADIENT_TOLERANCE,
        CostFunctionConvergenceFactor=_VALUE_FACTOR,
        MaximumNumberOfCorrections=_REMEMBERED,
        MaximumNumberOfFunctionEvaluations=_EVALUATIONS,
        NumberOfIterations=_STEPS,
    )
    unbounded, limits = itk.Array[itk.SL](parameters), itk.Array[itk.D](parameters)
    unbounded.Fill(0)
    limits.Fill(0.0)
    optimiser.SetBoundSelection(unbounded)
    optimiser.SetLowerBound(limits)
    optimiser.SetUpperBound(limits)
    return optimiser


def _displacements(spline: itk.BSplineTransform, shape: tuple[int, int]) -> np.ndarray:
    """(2, *shape) mm, float64: where the spline takes each pixel. ITK counts axes from the last one on."""
    points = np.indices(shape, dtype=float)[::-1].reshape(2, -1).T
    moved = np.array([tuple(spline.TransformPoint(point)) for point in points.tolist()])
    return (moved - points).T[::-1].reshape(2, *shape)
