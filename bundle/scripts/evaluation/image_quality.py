"""Similarity of a virtual and an acquired LGE of one subject, in the crop and inside the LV wall."""

from __future__ import annotations

from typing import cast

import torch
from monai.metrics.regression import MultiScaleSSIMMetric, compute_ssim_and_cs
from torch.nn import functional

from ..conventions import NotMeasurable

DATA_RANGE = 1.0  # both images are 0..1 by the same rule, whatever they show
_KERNEL, _SIGMA = 11, 1.5
_MARGIN = _KERNEL // 2
# The five default scales need 176 pixels; three fit a crop of 96.
_MS_KERNEL, _MS_WEIGHTS = 7, (0.3, 0.4, 0.3)
CROP, MYOCARDIUM = REGIONS = ("crop", "myocardium")


def image_quality(lge: torch.Tensor, reference: torch.Tensor, wall: torch.Tensor) -> tuple[dict, list[str]]:
    """mae, mse, psnr_db, ssim and ms_ssim of each of REGIONS; and why some are missing.

    Args:
        lge, reference: (1, H, W, S), 0..1, at a fixed range.
        wall: LV wall of the reference label map, (1, H, W, S), bool.
    Source: SSIM, Wang et al., IEEE TIP 2004;13:600; within the wall: the mean of the map over its pixels. MS-SSIM,
        Wang et al., Asilomar 2003; within the wall: of each scale's map, weighted by the wall's share of a pixel.
    """
    row: dict[str, float] = {}
    missing: list[str] = []
    if not (torch.isfinite(lge).all() and torch.isfinite(reference).all()):
        return row, ["image quality: an image has values that are not finite"]
    for region in REGIONS:
        mask = wall if region == MYOCARDIUM else torch.ones_like(wall)
        if not mask.any():
            missing.append(f"image quality in the {region}: the reference has no LV myocardium")
            continue
        difference = (lge - reference)[mask].double()
        mse = float(difference.square().mean())
        row[f"mae_{region}"], row[f"mse_{region}"] = float(difference.abs().mean()), mse
        if mse > 0:
            row[f"psnr_{region}_db"] = float(-10 * torch.log10(torch.tensor(mse / DATA_RANGE**2)))
        else:
            missing.append(f"psnr_{region}_db: both images are the same")
    try:
        similarity, inner = _ssim_map(lge, reference, wall)
        row["ssim_crop"] = float(similarity.mean())
        if inner.any():
            row["ssim_myocardium"] = float(similarity[inner].mean())
        elif wall.any():
            missing.append("ssim_myocardium: the wall lies at the border of the crop, where no window fits")
        metric = MultiScaleSSIMMetric(2, DATA_RANGE, kernel_size=_MS_KERNEL, weights=_MS_WEIGHTS)
        row["ms_ssim_crop"] = float(cast(torch.Tensor, metric(_as_batch(lge), _as_batch(reference))).mean())
        if wall.any():
            row["ms_ssim_myocardium"] = _ms_ssim_within(lge, reference, wall)
    except (NotMeasurable, ValueError) as reason:
        missing.append(f"ssim: {' '.join(str(reason).split())}")
    return row, missing


def _ssim_map(lge: torch.Tensor, reference: torch.Tensor, wall: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SSIM of each pixel whose window fits the image, and which of them are wall, (S, 1, h, w) both."""
    if min(lge.shape[1:3]) <= _KERNEL:
        raise NotMeasurable(f"a crop of {tuple(lge.shape[1:3])} pixels, the window needs more than {_KERNEL}")
    similarity, _ = compute_ssim_and_cs(
        _as_batch(lge), _as_batch(reference), 2, (_KERNEL,) * 2, (_SIGMA,) * 2, DATA_RANGE
    )
    inner = _as_batch(wall.float())[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].bool()
    return similarity, inner


def _ms_ssim_within(lge: torch.Tensor, reference: torch.Tensor, wall: torch.Tensor) -> float:
    """MS-SSIM inside the wall, the mean over the slices that show it away from the border of the crop."""
    found, true, share = (_as_batch(one.float()) for one in (lge, reference, wall))
    margin, product = _MS_KERNEL // 2, torch.ones(len(share))
    shown = torch.ones(len(share), dtype=torch.bool)
    for scale, weight in enumerate(_MS_WEIGHTS):
        similarity, contrast = compute_ssim_and_cs(found, true, 2, (_MS_KERNEL,) * 2, (_SIGMA,) * 2, DATA_RANGE)
        seen = similarity if scale == len(_MS_WEIGHTS) - 1 else contrast
        inner = share[..., margin:-margin, margin:-margin]
        area = inner.sum(dim=(1, 2, 3))
        shown &= area > 0
        mean = (seen * inner).sum(dim=(1, 2, 3)) / area.clamp(min=1e-6)
        product = product * mean.clamp(min=0.0) ** weight
        found, true, share = (functional.avg_pool2d(one, 2) for one in (found, true, share))
    if not shown.any():
        raise NotMeasurable("the wall lies at the border of the crop, where no window of MS-SSIM fits")
    return float(product[shown].mean())


def _as_batch(volume: torch.Tensor) -> torch.Tensor:
    return volume.movedim(-1, 0).float()
