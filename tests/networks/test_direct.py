"""Networks without diffusion answer to the calls of SSDiffUNet, and only to the conditions."""

import pytest
import torch
from monai.networks.nets import BasicUNet
from scripts.conventions import ConfigError
from scripts.networks.direct import DirectNetwork, TwoStageNetwork


def backbone(channels):
    return BasicUNet(2, channels, 8, features=(8, 8, 8, 8, 8, 8))


def network_of(**options):
    torch.manual_seed(0)
    return DirectNetwork(backbone(6), 8, **options).eval()


def inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 4, 32, 32, generator=generator) * 2 - 1


def test_the_answer_depends_on_the_conditions_and_not_on_state_or_time():
    network, image = network_of(), inputs()
    once = network(image, torch.zeros(2, 5, 32, 32), torch.tensor([0, 0]))
    assert once.shape == (2, 5, 32, 32)
    assert torch.equal(once, network(image, torch.randn(2, 5, 32, 32), torch.tensor([999, 9])))
    assert not torch.equal(once, network(image.flip(0)))
    conditions = network.encode(image)
    assert torch.equal(network.denoise(torch.zeros(1), torch.zeros(1), conditions), once)
    both = conditions.concatenate([conditions, conditions]).select(torch.tensor([3]))
    assert torch.equal(both.features[0], once[1:])


def test_a_hidden_sequence_does_not_show_through():
    network, image = network_of(), inputs()
    other = image.clone()
    other[:, [0, 2, 3]] = 0.3
    hidden = torch.tensor([[0.0, 1.0]] * 2)
    assert torch.equal(network(image, available=hidden), network(other, available=hidden))
    assert not torch.equal(network(image), network(other))


@pytest.mark.parametrize(("tasks", "silent"), [(("mask",), slice(4, 5)), (("lge",), slice(0, 4))])
def test_a_task_that_is_not_wanted_gives_zeros(tasks, silent):
    answer = network_of(tasks=tasks)(inputs())
    assert not answer[:, silent].any() and answer.any()


def test_the_second_stage_sees_the_first_one_s_picture_and_sends_no_gradient_back():
    torch.manual_seed(0)
    network = TwoStageNetwork(backbone(6), backbone(1), 8)
    network(inputs())[:, :4].square().mean().backward()
    assert all(p.grad is None or not p.grad.any() for p in network.body.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.second.parameters())


def test_wrong_tasks_and_channels_are_refused():
    with pytest.raises(ConfigError, match="tasks: found"):
        network_of(tasks=("depth",))
    with pytest.raises(ConfigError, match="3 channels, expected 4"):
        network_of()(inputs()[:, :3])
