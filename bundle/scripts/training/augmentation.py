"""Random changes of training slices, made of MONAI transforms."""

from __future__ import annotations

from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandRotate90d,
    RandSpatialCropd,
)

from .. import conventions


def training_augmentation(
    rotate90_prob: float = 0.5,
    affine_prob: float = 0.5,
    rotate_rad: float = 0.26,
    scale: float = 0.1,
    shift_pixels: float = 8.0,
    intensity_prob: float = 0.5,
    crop_pixels: int | None = None,
) -> Compose:
    """Random changes of one 2-D training item (image, lge, label).

    No mirror images: the right ventricle's side tells the network which wall is which. Quarter turns as in the paper,
    small turns, scalings and shifts for planning and localisation differences; gamma and noise on the conditions only,
    since the LGE is the target. ``crop_pixels``: side of a random square cut out at the end, None = none; convolutions
    and relative positions do not mind, and a step at 96 of 128 pixels takes half the time.
    """
    keys = (conventions.IMAGE, conventions.LGE, conventions.LABEL)
    crop = (
        []
        if crop_pixels is None
        else [RandSpatialCropd(keys, (crop_pixels,) * 2, random_size=False, allow_missing_keys=True)]
    )
    return Compose(
        [
            RandRotate90d(keys, prob=rotate90_prob, max_k=3, allow_missing_keys=True),
            RandAffined(
                keys,
                prob=affine_prob,
                rotate_range=rotate_rad,
                scale_range=scale,
                translate_range=shift_pixels,
                mode=("bilinear", "bilinear", "nearest"),
                padding_mode="zeros",
                allow_missing_keys=True,
            ),
            RandAdjustContrastd(conventions.IMAGE, prob=intensity_prob, gamma=(0.7, 1.5)),
            RandGaussianNoised(conventions.IMAGE, prob=intensity_prob / 2, std=0.02),
            *crop,
        ]
    )
