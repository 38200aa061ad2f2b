"""Scales of the input: shown larger or smaller about the middle, answers brought back to their place and averaged."""

import pytest
import torch
from scripts.conventions import ConfigError
from scripts.diffusion.scales import averaged, known_scales, shown_at, taken_back


def disc(size=64, radius=10.0):
    rows, columns = torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 2, indexing="ij")
    return ((rows - 5).hypot(columns) < radius).float()[None, None]


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize("scale", [0.625, 0.75, 1.25, 1.6])
def test_a_disc_grows_by_the_scale_and_comes_back_where_it_was(scale, size):
    image = disc(size)
    shown = shown_at(image, scale)
    assert shown.shape == image.shape
    assert shown.sum() / image.sum() == pytest.approx(scale**2, rel=0.06)
    back = taken_back(shown, scale)
    middles = [torch.nonzero(one[0, 0] > 0.5).float().mean(0) for one in (image, back)]
    assert torch.allclose(*middles, atol=0.15) and (back - image).abs().mean() < 0.02


def test_scale_1_alone_leaves_the_answer_as_it_is():
    answer = torch.rand(2, 5, 32, 32)
    assert shown_at(answer, 1.0) is answer and averaged([answer], [1.0]) is answer


def test_probabilities_are_averaged_where_a_scale_shows_the_place_and_the_lge_is_taken_from_one():
    whole, near = torch.full((1, 3, 32, 32), 0.5), torch.full((1, 3, 32, 32), 0.1)
    near[:, 1] = 0.9
    whole[:, 2], near[:, 2] = 0.3, 0.7
    found = averaged([near, whole], [1.5, 1.0])
    assert torch.allclose(found[0, :2, 16, 16], torch.tensor([0.3, 0.7]), atol=1e-5)
    assert torch.allclose(found[0, :2, 0, 0], torch.tensor([0.5, 0.5]), atol=1e-5)
    assert torch.allclose(found[:, :2].sum(1), torch.ones(1, 32, 32), atol=1e-5)
    assert torch.equal(found[:, 2], whole[:, 2])


@pytest.mark.parametrize("scales", [[], 1.0, "1", [1.2], [0.4, 1], [1, 2.5], [1, 1.0], [1, "x"], [True]])
def test_impossible_scales_are_refused_with_the_range(scales):
    with pytest.raises(
        ConfigError, match=r"expected a list of different numbers from 0.5 to 2.0, one of them at most 1"
    ):
        known_scales(scales)
