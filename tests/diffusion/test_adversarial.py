"""The loss of the pix2pix baseline: generator and discriminator learn from one call, each for itself."""

import pytest
import torch
from monai.networks.nets import PatchDiscriminator
from scripts.diffusion.adversarial import AdversarialLoss
from scripts.diffusion.process import JointProcess

WEIGHTS, CLASSES = {"lge_l1": 1.0, "mask_ce": 1.0}, [1.0] * 4


def loss_of():
    torch.manual_seed(0)
    return AdversarialLoss(PatchDiscriminator(2, 8, 7, num_layers_d=2), WEIGHTS, CLASSES, adversarial_weight=0.1)


def pair():
    generator = torch.Generator().manual_seed(0)
    lge, label = torch.rand(2, 1, 32, 32, generator=generator), torch.randint(0, 4, (2, 1, 32, 32), generator=generator)
    state = JointProcess().clean_state(lge, label)
    target = {"lge": lge, "label": label, "state": state, "image": torch.rand(2, 2, 32, 32, generator=generator)}
    logits = (torch.randn(2, 4, 32, 32, generator=generator)).requires_grad_()
    picture = torch.randn(2, 1, 32, 32, generator=generator).requires_grad_()
    return target, {"mask_logits": logits, "lge": picture, "state": state}


def test_the_generator_gets_a_gradient_and_the_discriminator_only_its_own_step():
    loss, (target, prediction) = loss_of(), pair()
    before = [p.clone() for p in loss.discriminator.parameters()]
    loss(prediction, target).backward()
    assert prediction["lge"].grad.any() and prediction["mask_logits"].grad.any()
    assert any(not torch.equal(a, b) for a, b in zip(before, loss.discriminator.parameters(), strict=True))
    assert all(p.requires_grad for p in loss.discriminator.parameters())
    assert set(loss.terms) == {"lge_l1", "mask_ce", "discriminator", "adversarial"}


def test_the_discriminator_learns_to_tell_the_pictures_apart():
    loss, (target, prediction) = loss_of(), pair()
    first = None
    for _ in range(30):
        loss(prediction, target)
        first = loss.terms["discriminator"] if first is None else first
    assert loss.terms["discriminator"] < 0.7 * first


def test_without_gradients_nothing_is_learnt():
    loss, (target, prediction) = loss_of(), pair()
    before = [p.clone() for p in loss.discriminator.parameters()]
    with torch.no_grad():
        loss(prediction, target)
    assert all(torch.equal(a, b) for a, b in zip(before, loss.discriminator.parameters(), strict=True))
    assert "discriminator" not in loss.terms


def test_the_adversarial_term_is_weighted():
    (target, prediction), loss = pair(), loss_of()
    with torch.no_grad():
        total = float(loss(prediction, target))
    plain = sum(loss.terms[name] for name in WEIGHTS)
    assert total == pytest.approx(plain + 0.1 * loss.terms["adversarial"], rel=1e-5)


def test_a_first_answer_is_weighted_as_without_the_discriminator():
    target, prediction = pair()
    first = {"first_answer": {name: value.detach() * 0.5 for name, value in prediction.items()}}

    def total(weight):
        torch.manual_seed(0)
        discriminator = PatchDiscriminator(2, 8, 7, num_layers_d=2)
        loss = AdversarialLoss(discriminator, WEIGHTS, CLASSES, adversarial_weight=0.1, first_answer=weight)
        with torch.no_grad():
            return float(loss(prediction | first, target))

    assert total(2.0) - total(0.0) == pytest.approx(2 * (total(1.0) - total(0.0)), rel=1e-4)
    assert total(1.0) > total(0.0)
