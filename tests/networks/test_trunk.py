"""TrunkUNet: a first answer that the denoiser only adds to, and a variant that trains and samples."""

import pytest
import torch
from helpers.bundle_run import BUNDLE
from monai.bundle import ConfigParser
from monai.engines import SupervisedTrainer
from scripts.conventions import ConfigError
from scripts.networks.attention import FeatureDisentangledAttention
from scripts.networks.trunk import TrunkUNet

SMALL = {
    "trunk_channels": (16, 16, 32, 32),
    "trunk_attention_levels": (False, False, True, True),
    "channels": (16, 32),
    "attention_levels": (False, True),
    "num_head_channels": 16,
    "token_channels": 24,
}


def small_network(trained=True, **options):
    """A tiny network; trained: layers that start at zero are moved off it."""
    torch.manual_seed(0)
    network = TrunkUNet(**SMALL | options)
    with torch.no_grad():
        for parameter in network.parameters():
            if trained and not parameter.any():
                parameter.normal_(std=0.05)
    return network.eval()


def inputs(batch=2, size=32):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 4, size, size, generator=generator) * 2 - 1
    return image, torch.randn(batch, 5, size, size, generator=generator), torch.tensor([900] * batch)


def first_answer(network, image, available=None, vendor=None):
    with torch.no_grad():
        (answer,) = network.encode(image, available, vendor).first_answer
    return answer


def test_default_network_has_at_most_six_million_parameters_most_of_them_in_the_trunk():
    network = TrunkUNet().eval()
    total, trunk = (sum(p.numel() for p in part.parameters()) for part in (network, network.condition_encoder))
    assert total <= 6_000_000 and trunk > total / 2
    image, state, timesteps = inputs(1, 96)
    with torch.no_grad():
        assert network(image, state, timesteps).shape == (1, 5, 96, 96)


def test_an_untrained_denoiser_leaves_the_first_answer_as_it_is_at_any_state_and_time():
    network, (image, state, timesteps) = small_network(trained=False), inputs()
    answer = first_answer(network, image)
    assert answer.any()
    assert torch.equal(network(image, state, timesteps), answer)
    assert torch.equal(network(image, -state, timesteps - 500), answer)


def test_a_trained_denoiser_adds_what_the_state_and_the_time_tell():
    network, (image, state, timesteps) = small_network(), inputs()
    once = network(image, state, timesteps)
    assert torch.equal(first_answer(network, image), first_answer(network, image))
    assert not torch.allclose(once, first_answer(network, image), atol=1e-4)
    assert not torch.allclose(once, network(image, -state, timesteps), atol=1e-4)
    assert not torch.allclose(once, network(image, state, timesteps - 500), atol=1e-4)


def test_the_first_answer_follows_the_output_where_it_is_asked_for():
    network, (image, state, timesteps) = small_network(), inputs()
    both = network(image, state, timesteps, with_first_answer=True)
    assert torch.equal(both[:, :5], network(image, state, timesteps))
    assert torch.equal(both[:, 5:], first_answer(network, image))


@pytest.mark.parametrize(("missing", "own"), [(0, [0, 2, 3]), (1, [1])], ids=["cine", "T2-STIR"])
def test_the_first_answer_depends_on_which_sequences_are_there_and_not_on_pixels_of_a_missing_one(missing, own):
    network, (image, _, _) = small_network(), inputs()
    available, other = torch.ones(2, 2), image.clone()
    available[:, missing], other[:, own] = 0, -1
    hidden = first_answer(network, image, available)
    assert torch.equal(hidden, first_answer(network, other, available))
    assert not torch.allclose(hidden, first_answer(network, image), atol=1e-4)
    # what stands in for it is learned, and not black tissue
    assert not torch.allclose(hidden, first_answer(network, other), atol=1e-4)


def test_the_first_answer_depends_on_the_vendor():
    network, (image, _, _) = small_network(), inputs()
    unknown, known = (first_answer(network, image, vendor=torch.tensor([v, v])) for v in (0, 3))
    assert not torch.allclose(unknown, known, atol=1e-4)


def test_first_answers_are_picked_and_joined_with_the_other_conditions():
    network, (image, _, _) = small_network(), inputs()
    with torch.no_grad():
        conditions = network.encode(image)
    joined = conditions.concatenate([conditions, conditions]).select(torch.tensor([3, 0]))
    assert torch.equal(joined.first_answer[0], first_answer(network, image)[[1, 0]])


def test_the_denoiser_sees_the_trunk_s_features_at_every_level_it_has():
    network, (image, state, timesteps) = small_network(), inputs()
    with torch.no_grad():
        conditions = network.encode(image)
        found = network.denoise(state, timesteps, conditions)
        for level in range(2):
            features = [f + 0.1 * (i == level) for i, f in enumerate(conditions.features)]
            changed = network.denoise(state, timesteps, conditions._replace(features=features))
            assert not torch.allclose(found, changed, atol=1e-5)


def test_a_trunk_of_few_levels_gives_features_to_the_finest_levels_only():
    network = small_network(trunk_channels=(16, 16), trunk_attention_levels=(False, True))
    assert len(network.encode(inputs()[0]).features) == 1
    assert network(*inputs()).shape == (2, 5, 32, 32)


def test_attention_of_trunk_and_denoiser_follow_their_keys():
    def attentions(network):
        return sum(isinstance(m, FeatureDisentangledAttention) for m in network.modules())

    assert attentions(small_network()) == 2 + 3
    off = {"trunk_attention_levels": (False,) * 4, "attention_levels": (False, False)}
    assert attentions(small_network(**off)) == 0
    assert small_network(**off)(*inputs()).shape == (2, 5, 32, 32)


def test_every_parameter_of_trunk_and_denoiser_gets_a_gradient():
    network, (image, state, timesteps) = small_network().train(), inputs(3)
    # each sequence must be missing once for its replacement vectors to be used, and both there for the gates
    available = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    network(image, state, timesteps, available, torch.tensor([0, 1, 2])).square().mean().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_denoiser_s_error_teaches_the_trunk_beyond_the_first_answer():
    network, (image, state, timesteps) = small_network().train(), inputs()
    conditions = network.encode(image)
    cut = conditions._replace(first_answer=[conditions.first_answer[0].detach()])
    network.denoise(state, timesteps, cut).square().mean().backward()
    assert all(block.resnets[0].conv1.conv.weight.grad.any() for block in network.condition_encoder.down_blocks)


def test_cross_fusion_lets_the_segmentation_loss_teach_the_synthesis_decoder():
    def gradient(network):
        network(*inputs())[:, :4].square().mean().backward()
        gradients = [p.grad for p in network.synthesis.blocks.parameters() if p.grad is not None]
        return float(sum(g.abs().sum() for g in gradients))

    assert gradient(small_network()) > 0
    assert gradient(small_network(cross_fusion=False)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk_attention_levels": (True,)}, "trunk_attention_levels has 1 entries for 4 trunk_channels"),
        ({"attention_levels": (True,)}, "attention_levels has 1 entries for 2 channels"),
        ({"num_head_channels": 24}, "num_head_channels 24 does not divide the 32 channels"),
        ({"stem_factor": 3}, "stem_factor: found 3, expected a power of 2"),
        ({"stem_factor": 0}, "stem_factor: found 0, expected a power of 2"),
        ({"noise_levels": 3}, "noise_levels: found 3, expected 1, or 2"),
    ],
)
def test_impossible_settings_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        TrunkUNet(**SMALL | options)


def test_an_image_must_divide_by_the_coarsest_level_of_either_part():
    for options, divisor in (({}, 8), ({"channels": (16, 16, 32), "attention_levels": (False,) * 3}, 8)):
        network = small_network(**options)
        assert network.size_divisor == divisor
        with pytest.raises(ConfigError, match=f"image is 36x32, expected multiples of {divisor}"):
            network.encode(torch.zeros(1, 4, 36, 32))
    assert small_network(stem_factor=4, channels=(16, 16, 32), attention_levels=(False,) * 3).size_divisor == 16


def test_one_timestep_for_both_is_the_same_as_two_equal_ones_and_unequal_ones_are_told_apart():
    network, (image, state, timesteps) = small_network(), inputs()
    with torch.no_grad():
        conditions = network.encode(image)
        one = network.denoise(state, timesteps, conditions)
        assert torch.equal(one, network.denoise(state, timesteps[:, None].repeat(1, 2), conditions))
        others = [network.denoise(state, torch.tensor([pair] * 2), conditions) for pair in ((-1, 900), (900, -1))]
    assert not torch.equal(one, others[0]) and not torch.equal(*others)


def test_two_timesteps_want_a_network_of_two_noise_levels():
    network, (image, state, timesteps) = small_network(noise_levels=1), inputs()
    network(image, state, timesteps)
    with pytest.raises(ConfigError, match="given_shares: .* Fix: .*network_def::noise_levels 2"):
        network(image, state, timesteps[:, None].repeat(1, 2))


@pytest.mark.slow
def test_it_trains_on_both_answers_and_samples_with_and_without_noise():
    parser = ConfigParser()
    parser.read_config([BUNDLE / "configs/train.json"])
    parser.update({f"network_def::{key}": value for key, value in SMALL.items()} | {"device": "cpu", "amp": False})
    parts = ("network", "loss", "train::prepare_batch", "train::inferer")
    network, loss, prepare_batch, inferer = (parser.get_parsed_content(name) for name in parts)
    generator = torch.Generator().manual_seed(0)
    batch = {key: torch.rand(4, n, 32, 32, generator=generator) for key, n in (("image", 4), ("lge", 1))}
    batch["label"] = torch.randint(0, 4, (4, 1, 32, 32), generator=generator)
    batch |= {"available": torch.ones(4, 2), "vendor": torch.zeros(4, dtype=torch.long)}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch, batch],
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), lr=1e-3),
        loss_function=loss,
        prepare_batch=prepare_batch,
        inferer=inferer,
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trainer.run()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert any("condition_encoder" in n for n in changed) and any("synthesis" in n for n in changed)
    assert {"lge_mse", "mask_dice", "first_lge_mse", "first_mask_dice"} <= set(loss.terms)

    volume, sampled = torch.rand(1, 4, 32, 32, 3, generator=generator), {}
    for steps in (0, 2):
        parser["steps"] = steps
        parser.parse(reset=True)
        sampled[steps] = parser.get_parsed_content("validate::inferer")(volume, network.eval())
        assert sampled[steps].shape == (1, 7, 32, 32, 3) and 0 <= sampled[steps].min() <= sampled[steps].max() <= 1
    assert not torch.equal(sampled[0], sampled[2])
