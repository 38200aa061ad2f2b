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


@pytest.mark.parametrize(("tasks", "silent"), [(("mask",), slice(4, 5)), (("lge",), slice(0, 4))])
def test_a_task_that_is_not_wanted_gives_zeros(tasks, silent):
    answer = network_of(tasks=tasks)(inputs())
    assert not answer[:, silent].any() and answer.any()


def test_the_second_stage_sees_the_first_one_s_image_and_sends_no_gradient_back():
    torch.manual_seed(0)
    network = TwoStageNetwork(backbone(6), backbone(1), 8)
    network(inputs())[:, :4].square().mean().backward()
    assert all(p.grad is None or not p.grad.any() for p in network.body.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.second.parameters())


def test_a_task_that_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="depth"):
        network_of(tasks=("depth",))
