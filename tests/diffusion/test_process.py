"""The joint process: exact noising, what an output means, draws that stay in range."""

import pytest
import torch
from scripts.conventions import ConfigError
from scripts.diffusion.process import GIVEN, JointProcess


def example(batch: int = 3, size: int = 8):
    generator = torch.Generator().manual_seed(0)
    lge = torch.rand(batch, 1, size, size, generator=generator)
    label = torch.randint(0, 4, (batch, 1, size, size), generator=generator)
    return lge, label


def test_clean_state_holds_one_channel_per_class_then_the_lge():
    lge, label = example()
    clean = JointProcess().clean_state(lge, label)
    assert clean.shape == (3, 5, 8, 8)
    assert set(clean[:, :4].unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(clean[:, :4].argmax(1), label[:, 0])
    assert torch.allclose(clean[:, 4:], lge * 2 - 1)


@pytest.mark.parametrize("schedule", ["cosine", "linear_beta", "scaled_linear_beta", "sigmoid_beta"])
def test_signal_and_noise_are_variance_preserving_in_float32_whatever_the_batch(schedule):
    process = JointProcess(schedule=schedule)
    first = process.signal_and_noise(torch.tensor([0, 500, 999]))
    process.add_noise(torch.zeros(1, 5, 4, 4).bfloat16(), torch.zeros(1, 5, 4, 4).bfloat16(), torch.tensor([10]))
    again = process.signal_and_noise(torch.tensor([0, 500, 999]))
    for a, b in zip(first, again, strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b)
    assert torch.allclose(first[0] ** 2 + first[1] ** 2, torch.ones(3, 1, 1, 1), atol=1e-6)
    assert first[1][0] < 0.2 < 0.98 < first[1][2]


def test_one_timestep_noises_mask_and_lge_together():
    process, (lge, label) = JointProcess(), example()
    clean, noise = process.clean_state(lge, label), torch.ones(3, 5, 8, 8)
    timesteps = torch.tensor([0, 400, 999])
    signal, spread = process.signal_and_noise(timesteps)
    assert torch.allclose(process.add_noise(clean, noise, timesteps), signal * clean + spread)


def test_v_prediction_recovers_the_clean_state_exactly():
    process, (lge, label) = JointProcess(prediction="v_prediction"), example()
    clean = process.clean_state(lge, label)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    timesteps = torch.tensor([5, 400, 900])
    signal, spread = process.signal_and_noise(timesteps)
    state = process.add_noise(clean, noise, timesteps)
    read = process.read_output(signal * noise - spread * clean, state, timesteps)
    assert torch.allclose(read.state, clean, atol=1e-4)
    assert torch.equal(read.mask_logits.argmax(1), label[:, 0])


@pytest.mark.parametrize("mask", ["one_hot", "scalar"])
def test_a_predicted_noise_gives_back_the_clean_state_and_its_classes(mask):
    process, (lge, label) = JointProcess(prediction="epsilon", mask=mask), example()
    clean = process.clean_state(lge, label)
    assert clean.shape[1] == process.state_channels == (5 if mask == "one_hot" else 2)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    timesteps = torch.tensor([5, 400, 900])
    read = process.read_output(noise, process.add_noise(clean, noise, timesteps), timesteps)
    assert torch.allclose(read.state, clean, atol=1e-3) and torch.equal(read.noise, noise)
    assert torch.equal(read.mask_logits.argmax(1), label[:, 0])
    assert torch.allclose(read.lge, lge * 2 - 1, atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"prediction": "epsilon", "mask": "scalar"}])
def test_probabilities_of_a_clean_state_are_those_of_its_label(options):
    process, (lge, label) = JointProcess(**options), example()
    found = process.probabilities(process.clean_state(lge, label))
    assert found.shape == (3, 4, 8, 8) and torch.allclose(found.sum(1), torch.ones(3, 8, 8), atol=1e-5)
    assert torch.equal(found.argmax(1), label[:, 0]) and found.max() > 0.99


def test_near_pure_noise_a_wrong_noise_leaves_the_clean_state_in_its_range():
    process = JointProcess(prediction="epsilon", mask="scalar")
    read = process.read_output(torch.zeros(1, 2, 4, 4), torch.full((1, 2, 4, 4), 3.0), torch.tensor([999]))
    assert read.state.abs().max() <= 1


def test_sample_prediction_reads_logits_and_keeps_the_mask_state_between_minus_one_and_one():
    process = JointProcess()
    output = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(2)) * 30
    read = process.read_output(output, torch.zeros_like(output), torch.tensor([0, 9]))
    assert torch.equal(read.lge, output[:, 4:])
    assert read.state[:, :4].abs().max() <= 1
    assert torch.allclose(((read.state[:, :4] + 1) / 2).sum(1), torch.ones(2, 4, 4), atol=1e-5)


def test_timesteps_are_stratified_reproducible_and_lean_to_noise_with_a_power_below_one():
    process = JointProcess(timestep_power=0.5, full_noise_share=0.0)
    draws = [process.draw_timesteps(64, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*draws)
    assert 0 <= draws[0].min() <= draws[0].max() <= 999
    assert draws[0].float().mean() > 600
    even = JointProcess(timestep_power=1.0, full_noise_share=0.0).draw_timesteps(10, torch.Generator().manual_seed(3))
    assert (even // 100).tolist() == list(range(10))


def test_a_share_of_the_draws_sees_nothing_but_the_conditions():
    process = JointProcess(full_noise_share=0.25, timestep_power=2.0)
    drawn = process.draw_timesteps(400, torch.Generator().manual_seed(3))
    assert (drawn == 999).sum() == pytest.approx(100, abs=2)
    others = drawn[drawn < 999].float()
    assert 0 <= others.min() < 5 and others.mean() == pytest.approx(333, abs=15)


def test_signal_scaling_hides_noise_where_there_is_no_signal_and_is_the_linear_estimate_between():
    plain, scaled = JointProcess(input_scaling="none"), JointProcess(input_scaling="signal")
    state = torch.randn(3, 5, 8, 8, generator=torch.Generator().manual_seed(2))
    timesteps = torch.tensor([999, 500, 0])
    assert torch.equal(plain.network_input(state, timesteps), state)
    shown = scaled.network_input(state, timesteps)
    assert shown[0].abs().max() < 1e-3 and torch.allclose(shown[2], state[2], atol=1e-3)
    # of unit-variance data the least-squares slope of clean on state is the signal scale
    clean = torch.randn(40000, generator=torch.Generator().manual_seed(3))[:, None, None, None]
    noise = torch.randn(40000, generator=torch.Generator().manual_seed(4))[:, None, None, None]
    middle = torch.full((40000,), 500)
    noisy = scaled.add_noise(clean, noise, middle)
    slope = (clean * noisy).sum() / noisy.square().sum()
    assert slope == pytest.approx(float(scaled.network_input(noisy, middle)[0] / noisy[0]), abs=0.02)


@pytest.mark.parametrize("scaling", ["none", "signal"])
@pytest.mark.parametrize(
    ("tasks", "hidden"), [(("mask",), slice(4, 5)), (("lge",), slice(0, 4)), (("mask", "lge"), [])]
)
def test_a_network_of_one_task_is_not_shown_the_truth_of_the_other(scaling, tasks, hidden):
    """In training its channels hold the truth, which sampling does not have."""
    one, both = JointProcess(input_scaling=scaling, tasks=tasks), JointProcess(input_scaling=scaling)
    state, timesteps = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(2)), torch.tensor([700, 10])
    wanted = both.network_input(state, timesteps).clone()
    wanted[:, hidden] = 0
    assert torch.equal(one.network_input(state, timesteps), wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ["depth"]}, "tasks: found \\['depth'\\], expected one or both of mask, lge"),
        ({"tasks": []}, "tasks: found"),
        ({"input_scaling": "edm"}, "input_scaling: found 'edm', expected one of none, signal"),
        ({"full_noise_share": 1.0}, "full_noise_share: found 1.0, expected a number from 0 to below 1"),
        ({"prediction": "score"}, "prediction: found 'score', expected one of sample, v_prediction, epsilon"),
        ({"mask": "scalar"}, "mask: found 'scalar' with prediction 'sample', expected one_hot"),
        ({"mask": "ordinal"}, "mask: found 'ordinal'"),
        ({"schedule": "linear"}, "schedule: found 'linear', expected one of .*cosine"),
        ({"given_shares": {"label": 0.1}}, "given_shares: found .*label.*, expected shares of mask and lge"),
        ({"given_shares": {"mask": -0.1}}, "given_shares: found .*-0.1"),
        ({"given_shares": {"mask": 0.6, "lge": 0.6}}, "given_shares: found .* together at most 1"),
        ({"given_shares": 0.3}, "given_shares: found 0.3"),
        ({"given_shares": {"mask": None}}, "given_shares: found .*None"),
        ({"given_shares": {"mask": True}}, "given_shares: found .*True"),
        ({"given_shares": {"lge": 0.1}, "prediction": "epsilon"}, "given_shares: found with prediction 'epsilon'"),
        ({"trained_steps": -1}, "trained_steps: found -1, expected a whole number from 0 .all. to 1000"),
        ({"trained_steps": True}, "trained_steps: found True"),
        ({"trained_steps": None}, "trained_steps: found None"),
    ],
)
def test_unknown_options_are_refused_with_the_choices(options, message):
    with pytest.raises(ConfigError, match=message):
        JointProcess(**options)


def test_mask_and_lge_are_noised_to_timesteps_of_their_own_and_a_given_one_not_at_all():
    process, (lge, label) = JointProcess(), example()
    clean, noise = process.clean_state(lge, label), torch.ones(3, 5, 8, 8)
    state = process.add_noise(clean, noise, torch.tensor([[GIVEN, 999], [400, 400], [10, GIVEN]]))
    assert torch.equal(state[0, :4], clean[0, :4]) and torch.equal(state[2, 4:], clean[2, 4:])
    assert torch.equal(state[1:2], process.add_noise(clean[1:2], noise[1:2], torch.tensor([400])))
    assert torch.equal(state[2:, :4], process.add_noise(clean[2:], noise[2:], torch.tensor([10]))[:, :4])
    shown = process.network_input(state, torch.tensor([[GIVEN, 999], [400, 400], [10, GIVEN]]))
    assert torch.equal(shown[0, :4], clean[0, :4]) and shown[0, 4:].abs().max() < 0.05


def test_a_share_of_the_draws_gives_one_part_and_looks_for_the_other():
    process, generator = JointProcess(given_shares={"mask": 0.2, "lge": 0.3}), torch.Generator().manual_seed(0)
    drawn = process.draw_timesteps(4000, generator)
    given = drawn == GIVEN
    assert given.float().mean(0).tolist() == pytest.approx([0.2, 0.3], abs=0.03)
    assert not given.all(dim=1).any()
    alone = JointProcess(given_shares={"mask": 0.5, "lge": 0.5}, tasks=["mask"])  # nothing to give where one is learnt
    assert alone.draw_timesteps(8, generator).shape == (8,)
    together = drawn[~given.any(dim=1)]
    assert torch.equal(together[:, 0], together[:, 1])
    for part in (0, 1):  # the one that is looked for is seen at every level, full noise included
        looked_for = drawn[given[:, 1 - part], part]
        assert (looked_for == 999).float().mean() > 0.4 and looked_for.unique().numel() > 100


def test_only_the_levels_that_are_sampled_are_trained_as_often_as_asked():
    process, generator = JointProcess(trained_steps=4, full_noise_share=0.4), torch.Generator().manual_seed(0)
    levels = process.sampling_timesteps(4)
    drawn = process.draw_timesteps(5000, generator)
    assert sorted(drawn.unique().tolist()) == sorted(levels)
    assert [float((drawn == one).float().mean()) for one in levels] == pytest.approx([0.4, 0.2, 0.2, 0.2], abs=0.01)
    evenly = JointProcess(trained_steps=4, full_noise_share=0.0).draw_timesteps(4000, generator)
    assert [float((evenly == one).float().mean()) for one in levels] == pytest.approx([0.25] * 4, abs=0.01)
    assert set(JointProcess(trained_steps=1).draw_timesteps(8, generator).tolist()) == {999}
