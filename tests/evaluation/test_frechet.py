"""Fréchet distance of two sets of slices in a feature space known by hand, and the feature spaces of networks."""

import pytest
import torch
from helpers.pairs import pair_of, squares
from scripts.evaluation.frechet import FrechetDistance, NetworkFeatures, ScriptedFeatures
from scripts.networks.direct import lge_segmenter


class MeanAndSpread:
    """Two features of an image."""

    name = "two"

    def __call__(self, images):
        return torch.stack([images.mean(dim=(1, 2, 3)), images.std(dim=(1, 2, 3))], dim=1)


class Pixels:
    """Fifty features of an image."""

    name = "fifty"

    def __call__(self, images):
        return images.flatten(1)[:, :50]


def test_equal_sets_of_images_are_at_distance_zero_and_darker_ones_are_not(tmp_path):
    same, darker = FrechetDistance(MeanAndSpread()), FrechetDistance(MeanAndSpread())
    for n in range(4):
        reference = torch.rand(1, 24, 24, 2, generator=torch.Generator().manual_seed(n)) * (1 + n) / 4
        same.collect(pair_of(squares(), squares(), lge=reference, reference_lge=reference))
        darker.collect(pair_of(squares(), squares(), lge=reference / 2, reference_lge=reference))
    entry = same.write(tmp_path)["frechet_distance"]
    assert entry["value"] == pytest.approx(0.0, abs=1e-4) and entry["features"] == "two"
    assert (entry["slices"], entry["width"]) == (8, 2)
    assert darker.write(tmp_path)["frechet_distance"]["value"] > 0.005


def test_too_few_slices_have_no_distance(tmp_path):
    part = FrechetDistance(Pixels())
    assert "0 slices" in part.write(tmp_path)["frechet_distance"]["not_measurable"]
    part.collect(pair_of(squares(), squares()))
    assert "2 slices for 50 features" in part.write(tmp_path)["frechet_distance"]["not_measurable"]


def test_features_are_the_means_of_a_layer(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 5, 3), torch.nn.ReLU(), torch.nn.Conv2d(5, 2, 3))
    images = torch.rand(3, 1, 16, 16)
    found = NetworkFeatures(network, "0")(images)
    torch.testing.assert_close(found, network[0](images * 2 - 1).mean(dim=(2, 3)))


def test_our_lge_network_gives_the_features_of_its_deepest_level_but_one():
    network = lge_segmenter()
    found = NetworkFeatures(network)(torch.rand(2, 1, 32, 32))
    assert found.shape == (2, network.body.backbone.filters[-2]) and torch.isfinite(found).all()


def test_a_scripted_network_sees_three_equal_channels(tmp_path):
    torch.jit.script(torch.nn.Conv2d(3, 6, 3)).save(str(tmp_path / "features.ts"))
    features = ScriptedFeatures(str(tmp_path / "features.ts"))
    assert features(torch.rand(3, 1, 16, 16)).shape == (3, 6) and features.name.endswith("features.ts")
