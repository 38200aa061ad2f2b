"""The joint loss: zero for a perfect prediction, terms by name, classes by weight."""

import pytest
import torch
from scripts.conventions import ConfigError
from scripts.diffusion.loss import TERMS, JointLoss
from scripts.diffusion.process import JointProcess

WEIGHTS = [1.0, 1.0, 1.0, 4.0]


def target_and_prediction(sharpness: float = 40.0):
    generator = torch.Generator().manual_seed(0)
    lge, label = torch.rand(2, 1, 8, 8, generator=generator), torch.randint(0, 4, (2, 1, 8, 8), generator=generator)
    clean = JointProcess().clean_state(lge, label)
    noise = torch.randn(clean.shape, generator=generator)
    prediction = {"mask_logits": clean[:, :4] * sharpness, "lge": clean[:, 4:], "state": clean, "noise": noise}
    return {"lge": lge, "label": label, "state": clean, "noise": noise.clone()}, prediction


def test_a_perfect_prediction_costs_nothing_in_every_term():
    target, prediction = target_and_prediction()
    loss = JointLoss(dict.fromkeys(TERMS, 1.0), WEIGHTS)
    assert float(loss(prediction, target)) < 1e-3
    assert set(loss.terms) == set(TERMS)


@pytest.mark.parametrize("name", TERMS)
def test_each_term_is_weighted_by_its_name_and_reaches_the_gradient(name):
    target, prediction = target_and_prediction()
    worse = {k: (v * 0.5 + 0.1 * torch.ones_like(v)).requires_grad_() for k, v in prediction.items()}
    worse["mask_logits"] = (prediction["mask_logits"] * 0.01).requires_grad_()
    once, twice = JointLoss({name: 1.0}, WEIGHTS), JointLoss({name: 2.0}, WEIGHTS)
    value = once(worse, target)
    value.backward()
    assert float(value) > 1e-3
    assert float(twice(worse, target)) == pytest.approx(2 * float(value), rel=1e-5)
    assert any(v.grad is not None and v.grad.any() for v in worse.values())
    assert once.terms == {name: pytest.approx(float(value))}


def test_class_weights_make_a_missed_infarct_dearer_than_missed_background():
    target, prediction = target_and_prediction(2.0)
    loss = JointLoss({"mask_ce": 1.0}, WEIGHTS)

    def cost_of_missing(code: int) -> float:
        logits = prediction["mask_logits"].clone()
        logits[:, code][target["label"][:, 0] == code] = -10
        return float(loss({**prediction, "mask_logits": logits}, target))

    assert cost_of_missing(3) > 1.5 * cost_of_missing(0)


def test_a_noise_term_wants_a_process_that_predicts_noise():
    target, prediction = target_and_prediction()
    del prediction["noise"]
    with pytest.raises(ConfigError, match='need process::prediction "epsilon"'):
        JointLoss({"noise_mse": 1.0}, WEIGHTS)(prediction, target)


def constant(lge):
    """A prediction of one brightness, -1..1, and of no class in particular."""
    return {
        "mask_logits": torch.zeros(1, 4, 2, 2),
        "lge": torch.full((1, 1, 2, 2), lge),
        "state": torch.zeros(1, 5, 2, 2),
    }


def test_a_first_answer_costs_the_same_terms_times_its_weight():
    target = {"lge": torch.full((1, 1, 2, 2), 0.5), "label": torch.zeros(1, 1, 2, 2), "state": torch.zeros(1, 5, 2, 2)}
    both = constant(0.5) | {"first_answer": constant(1.0)}
    for weight, expected in ((0.0, 0.25), (1.0, 0.25 + 1.0), (2.0, 0.25 + 2 * 1.0)):
        loss = JointLoss({"lge_mse": 1.0}, WEIGHTS, first_answer=weight)
        assert float(loss(both, target)) == pytest.approx(expected)
        noted = {"lge_mse": 0.25} | ({"first_lge_mse": 1.0} if weight else {})
        assert loss.terms == pytest.approx(noted)
    loss = JointLoss({"lge_mse": 1.0}, WEIGHTS)
    assert float(loss(both, target)) == pytest.approx(1.25)
    assert float(loss(constant(0.5), target)) == pytest.approx(0.25) and set(loss.terms) == {"lge_mse"}


def test_the_first_answer_is_taught_whatever_became_of_it():
    target, prediction = target_and_prediction()
    first = {name: (value * 0.5).requires_grad_() for name, value in prediction.items()}
    JointLoss(None, WEIGHTS)(prediction | {"first_answer": first}, target).backward()
    assert first["lge"].grad.any() and first["mask_logits"].grad.any()


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "a", True])
def test_an_impossible_weight_of_the_first_answer_is_named(weight):
    with pytest.raises(ConfigError, match=f"first_answer: found {weight!r}, expected a number of at least 0. Fix:"):
        JointLoss(None, WEIGHTS, first_answer=weight)


@pytest.mark.parametrize("weights", [{"lge_mse": 1.0, "perceptual": 1.0}, {}, {"lge_mse": 0.0}])
def test_unknown_or_empty_weights_are_refused_with_the_names(weights):
    with pytest.raises(ConfigError, match="loss weights: found .* expected names from lge_mse, lge_l1"):
        JointLoss(weights, WEIGHTS)


def test_a_given_part_costs_nothing_and_the_first_answer_is_asked_for_both():
    target, prediction = target_and_prediction(1.0)
    wrong = {name: (value * 0.3).requires_grad_() for name, value in prediction.items()}
    first = {name: (value * 0.3).requires_grad_() for name, value in prediction.items()}
    asked = {"asked": torch.tensor([[False, True], [True, False]])}  # the mask is given, then the LGE
    JointLoss(None, WEIGHTS)(wrong | {"first_answer": first}, target | asked).backward()
    assert not wrong["mask_logits"].grad[0].any() and wrong["mask_logits"].grad[1].any()
    assert wrong["lge"].grad[0].any() and not wrong["lge"].grad[1].any()
    assert all(first[name].grad[i].any() for name in ("mask_logits", "lge") for i in (0, 1))


def test_a_term_counts_by_the_share_of_slices_that_ask_for_it():
    target = {"lge": torch.full((2, 1, 2, 2), 0.5), "label": torch.zeros(2, 1, 2, 2), "state": torch.zeros(2, 5, 2, 2)}
    pair = {name: torch.cat([value, value]) for name, value in constant(0.5).items()}
    loss = JointLoss({"lge_mse": 1.0}, WEIGHTS)
    for asked, expected in (([True, True], 0.25), ([True, False], 0.125), ([False, False], 0.0)):
        both = torch.tensor([[True, one] for one in asked])
        assert float(loss(pair, target | {"asked": both})) == pytest.approx(expected)
        assert loss.terms == pytest.approx({"lge_mse": 0.25} if any(asked) else {})  # as without given parts
    half = loss({n: v.clone().requires_grad_() for n, v in pair.items()}, target | {"asked": both})
    half.backward()  # a batch that asks for nothing still has a gradient, of 0
