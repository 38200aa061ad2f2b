"""SSDiffUNet: shapes, conditioning that matters, gates, fusion between the tasks."""

import json

import pytest
import torch
from helpers.bundle_run import BUNDLE
from scripts.conventions import ConfigError
from scripts.networks.attention import FeatureDisentangledAttention, positional_encoding
from scripts.networks.ssdiff_unet import SSDiffUNet

SMALL = {
    "image_channels": 2,
    "sequence_channels": None,
    "channels": (16, 32),
    "attention_levels": (False, True),
    "num_head_channels": 16,
    "norm_num_groups": 8,
    "token_channels": 24,
}


def small_network(seed: int = 0, **options) -> SSDiffUNet:
    """A tiny network whose zero-initialised layers are moved off zero, as after some training."""
    torch.manual_seed(seed)
    network = SSDiffUNet(**{**SMALL, **options})
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return network.eval()


def inputs(batch: int = 2, size: int = 32):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 2, size, size, generator=generator) * 2 - 1
    state = torch.randn(batch, 5, size, size, generator=generator)
    return image, state, torch.tensor([900] * batch)


def test_default_network_has_at_most_six_million_parameters_and_keeps_the_image_size():
    network = SSDiffUNet().eval()
    assert sum(p.numel() for p in network.parameters()) <= 6_000_000
    image, state, timesteps = inputs(1, 128)
    image = torch.cat([image, image], dim=1)
    with torch.no_grad():
        assert network(image, state, timesteps).shape == (1, 5, 128, 128)


@pytest.mark.parametrize(("channels", "levels"), [((16,), (True,)), ((16, 32, 32), (True, False, True))])
def test_levels_follow_the_config(channels, levels):
    network = small_network(channels=channels, attention_levels=levels)
    image, state, timesteps = inputs()
    assert network(image, state, timesteps).shape == (2, 5, 32, 32)
    assert len(network.fusions) == len(channels)
    assert len(network.attention_modules()) == 3 * sum(levels)


def test_end_diastole_and_end_systole_belong_to_the_cine():
    network = small_network(image_channels=4, sequence_channels=[[0, 2, 3], [1]])
    image, state, timesteps = inputs()
    image = torch.cat([image, image.flip(0)], dim=1)
    moved = image.clone()
    moved[:, 3] = -1
    assert not torch.equal(network(image, state, timesteps), network(moved, state, timesteps))
    hidden = torch.tensor([[0.0, 1.0]] * 2)
    assert torch.equal(network(image, state, timesteps, hidden), network(moved, state, timesteps, hidden))


def test_the_published_form_has_one_token_per_sequence_and_conditions_at_the_input_only():
    network = small_network(num_classes=1, map_levels=1, one_token=True)
    image, _, timesteps = inputs()
    conditions = network.encode(image)
    assert len(conditions.features) == 1 and {key.shape[3] for key in conditions.keys} == {1}
    assert network(image, torch.randn(2, 2, 32, 32), timesteps).shape == (2, 2, 32, 32)


def test_image_alone_gives_the_estimate_from_the_mean_of_noise():
    network, (image, _, _) = small_network(), inputs()
    expected = network(image, torch.zeros(2, 5, 32, 32), torch.tensor([999, 999]))
    assert torch.equal(network(image), expected)


def test_gradient_reaches_every_parameter():
    network = small_network().train()
    image, state, timesteps = inputs()
    available = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    # both sequences must be missing once for their replacement vectors to be used
    available[1, 0] = 0.0
    network(image, state, timesteps, available, torch.tensor([0, 1])).square().mean().backward()
    untouched = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []


def test_swapping_t2_between_two_slices_changes_the_output():
    network, (image, state, timesteps) = small_network(), inputs()
    state[1] = state[0]
    swapped = image.clone()
    swapped[:, 1] = image[:, 1].flip(0)
    assert (network(image, state, timesteps) - network(swapped, state, timesteps)).abs().max() > 1e-4


def test_attention_alone_carries_position_of_the_sequences():
    """With the feature maps of the conditions cut off, moving T2 tissue still changes the output where it moved."""
    network, (image, state, timesteps) = small_network(), inputs(1)
    conditions = network.encode(image)
    other = network.encode(image.roll(8, dims=-1))
    moved = conditions._replace(keys=other.keys, values=other.values)
    difference = network.denoise(state, timesteps, conditions) - network.denoise(state, timesteps, moved)
    assert difference.abs().max() > 1e-5
    assert difference.abs().amax(dim=(0, 1)).std() > 0


def test_gate_weights_differ_by_position_and_sum_to_one_over_available_sequences():
    attention = FeatureDisentangledAttention(32, 24, 2, num_head_channels=16, norm_num_groups=8)
    features = torch.randn(2, 64, 32, generator=torch.Generator().manual_seed(0))
    weights = attention.gate_weights(features, torch.ones(2, 2))
    assert weights.shape == (2, 2, 64, 2)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 2, 64), atol=1e-4)
    assert weights[..., 0].std(dim=-1).min() > 1e-3
    with torch.no_grad():
        attention.gate.bias[1::2] = 30.0  # the gate leans wholly to the second sequence, which is then missing
    only_cine = attention.gate_weights(features, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert (only_cine[..., 1] == 0).all()
    assert torch.allclose(only_cine[..., 0], torch.ones(2, 2, 64), atol=1e-4)


def test_positional_encoding_tells_all_positions_of_the_grid_apart():
    code = positional_encoding(16, 16, 32, torch.device("cpu"))
    assert (torch.cdist(code, code) + torch.eye(256) * 9).min() > 0.1


def test_vendor_changes_the_output_and_zero_is_the_default():
    network, (image, state, timesteps) = small_network(), inputs()
    unknown = network(image, state, timesteps)
    assert torch.equal(unknown, network(image, state, timesteps, vendor=torch.tensor([0, 0])))
    assert (unknown - network(image, state, timesteps, vendor=torch.tensor([3, 3]))).abs().max() > 1e-4


def synthesis_gradient_of_segmentation_loss(network: SSDiffUNet) -> float:
    image, state, timesteps = inputs()
    network(image, state, timesteps)[:, :4].square().mean().backward()
    gradients = [p.grad for p in network.synthesis.blocks.parameters() if p.grad is not None]
    return float(sum(g.abs().sum() for g in gradients))


def test_cross_fusion_lets_the_segmentation_loss_teach_the_synthesis_decoder():
    assert synthesis_gradient_of_segmentation_loss(small_network()) > 0
    assert synthesis_gradient_of_segmentation_loss(small_network(cross_fusion=False)) == 0


@pytest.mark.slow
def test_refinement_starts_as_the_identity_and_loads_weights_that_lack_it():
    torch.manual_seed(0)
    plain, (image, state, timesteps) = SSDiffUNet(**SMALL).eval(), inputs()
    refined = SSDiffUNet(**SMALL, refine_channels=8).eval()
    missing, unexpected = refined.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("refine_") for name in missing)
    assert torch.equal(plain(image, state, timesteps), refined(image, state, timesteps))


def test_refinement_sees_single_pixels_of_the_image_but_not_of_a_hidden_sequence():
    network, (image, state, timesteps) = small_network(refine_channels=8), inputs()
    changed = image.clone()
    changed[:, 1, 10, 10] += 1
    moved = (network(image, state, timesteps) - network(changed, state, timesteps)).abs()
    assert moved[:, :4, 10, 10].max() > 1e-4 and moved[:, 4, 10, 10].max() > 1e-4
    hidden = torch.tensor([[1.0, 0.0]] * 2)
    assert torch.equal(network(image, state, timesteps, hidden), network(changed, state, timesteps, hidden))


@pytest.mark.slow
def test_the_large_variant_has_the_published_width_and_runs():
    options = json.loads((BUNDLE / "configs/variants/network_large.json").read_text())["network_def"]
    options = {key: value for key, value in options.items() if key not in ("_target_", "num_classes")}
    assert options["channels"] == [128 * m for m in (1, 1, 2, 2, 4, 4)]
    with torch.device("meta"):
        large = SSDiffUNet(**options)
        assert sum(p.numel() for p in large.parameters()) > 100_000_000
        out = large(torch.zeros(1, 4, 128, 128), torch.zeros(1, 5, 128, 128), torch.zeros(1))
    assert out.shape == (1, 5, 128, 128)


def test_attention_levels_must_match_channels():
    with pytest.raises(ConfigError, match="attention_levels.* 1 .* 2 "):
        SSDiffUNet(**{**SMALL, "attention_levels": (True,)})
