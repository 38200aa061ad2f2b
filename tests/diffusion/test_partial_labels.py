"""Label maps that do not tell every class teach the sum of those they may be; a slice without LGE teaches its mask."""

import pytest
import torch
from scripts.conventions import ConfigError
from scripts.diffusion.adversarial import AdversarialLoss
from scripts.diffusion.inferers import tempered
from scripts.diffusion.loss import JointLoss
from scripts.diffusion.prepare_batch import TrainingBatch
from scripts.diffusion.process import JointProcess
from scripts.preprocessing.labels import class_groups
from torch import nn

CLASSES = 6
WEIGHTS = [1.0, 1.0, 1.5, 3.0, 3.0, 1.5]
WHOLE, CINE_SET, LGE_SET = (class_groups(table, CLASSES) for table in ("ours", "acdc", "emidec"))
BLOOD, MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA = range(1, 6)
# what a slice shows, one row each
ROW = torch.tensor([0, BLOOD, MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA])


def logits_of(label, sure=12.0):
    """(B, K, H, W), sure of ``label`` (B, 1, H, W)."""
    return nn.functional.one_hot(label[:, 0].long(), CLASSES).movedim(-1, 1).float() * sure


def case(groups, label=None, found=None, known=(True, True)):
    """Prediction of ``found`` and target of ``label``, one slice of 6 x 4 pixels."""
    label = ROW[None, None, :, None].expand(1, 1, CLASSES, 4) if label is None else label
    found = label if found is None else found
    process, lge = JointProcess(CLASSES), torch.full((1, 1, CLASSES, 4), 0.5)
    logits = logits_of(found)
    state = torch.cat([logits.softmax(1) * 2 - 1, lge * 2 - 1], dim=1)
    target = {"lge": lge, "label": label, "state": process.clean_state(lge, label)}
    target |= {"label_groups": torch.tensor([groups]), "known": torch.tensor([known])}
    return {"mask_logits": logits, "lge": lge * 2 - 1, "state": state}, target


def rows(*codes):
    """A label map whose rows show these codes."""
    return torch.tensor(codes)[None, None, :, None].expand(1, 1, CLASSES, 4)


@pytest.mark.parametrize("groups", [CINE_SET, LGE_SET])
def test_what_a_label_map_does_not_tell_apart_costs_nothing_either_way(groups):
    shown = torch.tensor(groups)[ROW][None, None, :, None].expand(1, 1, CLASSES, 4)
    prediction, target = case(groups, label=shown, found=rows(*ROW))
    loss = JointLoss(class_weights=WEIGHTS)
    assert float(loss(prediction, target)) < 1e-3
    prediction, target = case(groups, label=shown, found=shown)
    assert float(loss(prediction, target)) < 1e-3


def test_the_same_mistake_costs_where_the_label_map_tells():
    as_myocardium = rows(0, BLOOD, MYOCARDIUM, INFARCT, NO_REFLOW, MYOCARDIUM)
    loss = JointLoss(class_weights=WEIGHTS)
    told, untold = (float(loss(*case(one, label=as_myocardium, found=rows(*ROW)))) for one in (WHOLE, LGE_SET))
    assert told > 1.0 and untold < 1e-3
    # blood taken for wall is a mistake by every table
    wrong = rows(0, MYOCARDIUM, MYOCARDIUM, MYOCARDIUM, MYOCARDIUM, MYOCARDIUM)
    shown = rows(0, BLOOD, MYOCARDIUM, MYOCARDIUM, MYOCARDIUM, MYOCARDIUM)
    assert float(loss(*case(CINE_SET, label=shown, found=wrong))) > 0.5


def test_the_gradient_is_finite_and_leaves_alone_what_is_not_told():
    shown = rows(0, BLOOD, *[MYOCARDIUM] * 4)
    prediction, target = case(CINE_SET, label=shown, found=shown)
    even = torch.zeros(1, CLASSES, CLASSES, 4, requires_grad=True)
    prediction |= {"mask_logits": even, "state": torch.cat([even.softmax(1) * 2 - 1, prediction["lge"]], dim=1)}
    JointLoss(class_weights=WEIGHTS)(prediction, target).backward()
    wall = even.grad[:, [MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA]]
    assert even.grad.isfinite().all() and even.grad.abs().max() > 0
    assert torch.allclose(wall, wall[:, :1].expand_as(wall), atol=1e-7)
    assert (wall[..., 2:, :] < 0).all() and (wall[..., :2, :] > 0).all()


def test_a_batch_of_whole_label_maps_costs_what_it_costs_without_a_word_about_them():
    torch.manual_seed(0)
    prediction, target = case(WHOLE, found=rows(BLOOD, 0, INFARCT, INFARCT, OEDEMA, OEDEMA))
    plain = {key: value for key, value in target.items() if key not in ("label_groups", "known")}
    loss = JointLoss(class_weights=WEIGHTS)
    assert float(loss(prediction, target)) == pytest.approx(float(loss(prediction, plain)), rel=1e-5)


def test_an_lge_that_is_not_there_costs_nothing_in_the_answer_and_in_the_first_one():
    prediction, target = case(CINE_SET, known=(True, False))
    far = {**prediction, "lge": prediction["lge"] + 1.0}
    loss = JointLoss(class_weights=WEIGHTS)
    costs = [float(loss(one | {"first_answer": one}, target)) for one in (prediction, far)]
    assert costs[0] == pytest.approx(costs[1]) and "lge_mse" not in loss.terms and "first_lge_mse" not in loss.terms
    _, told = case(CINE_SET, known=(True, True))
    assert float(loss(far, told)) > float(loss(prediction, told)) + 1.0


def batch_of(*groups, known=None):
    count = len(groups)
    return {
        "lge": torch.rand(count, 1, 8, 8), "label": torch.randint(0, 3, (count, 1, 8, 8)),
        "image": torch.rand(count, 4, 8, 8),
        "available": torch.ones(count, 2), "vendor": torch.zeros(count, dtype=torch.int64),
        "label_groups": torch.tensor(groups), "known": torch.tensor(known or [(True, True)] * count),
    }  # fmt: skip


@pytest.mark.parametrize("shares", [None, {"mask": 0.4, "lge": 0.4}])
def test_a_slice_that_leaves_something_open_is_seen_at_full_noise(shares):
    process = JointProcess(CLASSES, full_noise_share=0.0, given_shares=shares)
    prepare = TrainingBatch(process)
    known = [(True, True)] * 5 + [(True, False)]
    batch = batch_of(WHOLE, WHOLE, WHOLE, LGE_SET, CINE_SET, WHOLE, known=known)
    for seed in range(20):
        prepare.seed(seed)
        _, targets, _, arguments = prepare(batch, torch.device("cpu"))
        times = arguments["timesteps"].reshape(6, -1)
        assert (times[4:] == process.num_train_timesteps - 1).all() and (times[:4] < 999).any()
        assert targets["known"][5].tolist() == [True, False] and targets["label_groups"].shape == (6, CLASSES)


def test_where_oedema_is_a_part_of_the_myocardium_every_noise_level_is_learnt():
    prepare = TrainingBatch(JointProcess(CLASSES, given_shares={"mask": 0.2, "lge": 0.2}, trained_steps=4))
    prepare.seed(0)
    _, targets, _, arguments = prepare(batch_of(*[LGE_SET] * 64), torch.device("cpu"))
    assert len(arguments["timesteps"].unique()) == 5  # four, and that of a part that is given
    assert "label_groups" in targets and "known" not in targets


def test_whole_label_maps_leave_draws_and_targets_as_they_are():
    prepare, batch = TrainingBatch(JointProcess(CLASSES)), batch_of(WHOLE, WHOLE, WHOLE)
    plain = {key: value for key, value in batch.items() if key not in ("label_groups", "known")}
    made = []
    for one in (batch, plain):
        prepare.seed(3)
        made.append(prepare(one, torch.device("cpu")))
    assert set(made[0][1]) == set(made[1][1]) and torch.equal(made[0][3]["state"], made[1][3]["state"])


@pytest.mark.parametrize("options", [{"prediction": "epsilon"}, {"prediction": "v_prediction", "mask": "scalar"}])
def test_a_process_that_can_leave_nothing_open_refuses_partial_labels(options):
    with pytest.raises(ConfigError, match="partial labels.*process::prediction"):
        TrainingBatch(JointProcess(4, **options))(batch_of((0, 1, 2, 2)), torch.device("cpu"))


def test_a_discriminator_refuses_partial_labels():
    with pytest.raises(ConfigError, match="partial labels.*discriminator"):
        AdversarialLoss(nn.Conv2d(1, 1, 1), class_weights=WEIGHTS)(*case(LGE_SET))


def test_a_loss_for_another_number_of_classes_is_refused():
    with pytest.raises(ConfigError, match="class_weights: found 4.*6"):
        JointLoss()(*case(WHOLE))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5, 3.0])
def test_an_infarct_is_as_large_whatever_is_told_apart_inside_it(temperature):
    torch.manual_seed(0)
    six = 3 * torch.randn(2, CLASSES, 16, 16)
    parts = six.log_softmax(1)
    sums = [parts[:, [0]], parts[:, [1]], parts[:, [2, 5]], parts[:, [3, 4]]]
    four = torch.cat([one.logsumexp(1, keepdim=True) for one in sums], dim=1)
    found, expected = tempered(six, temperature), (four / temperature).softmax(1)
    merged = torch.stack([found[:, 0], found[:, 1], found[:, 2] + found[:, 5], found[:, 3] + found[:, 4]], dim=1)
    assert torch.allclose(merged, expected, atol=1e-6)
    shares = six.softmax(1)
    assert torch.allclose(found[:, 4] / merged[:, 3], shares[:, 4] / (shares[:, 3] + shares[:, 4]), atol=1e-5)
    assert torch.equal(tempered(four, temperature), expected)


@pytest.mark.parametrize(
    ("tasks", "groups", "known", "full_noise"),
    [
        (["lge"], CINE_SET, (True, True), False),
        (["lge"], WHOLE, (True, False), True),
        (["mask"], WHOLE, (True, False), False),
        (["mask"], CINE_SET, (True, True), True),
    ],
)
def test_only_what_is_learnt_has_to_be_told(tasks, groups, known, full_noise):
    prepare = TrainingBatch(JointProcess(CLASSES, full_noise_share=0.0, tasks=tasks))
    prepare.seed(0)
    _, targets, _, arguments = prepare(batch_of(*[groups] * 8, known=[known] * 8), torch.device("cpu"))
    assert bool((arguments["timesteps"] == 999).all()) == full_noise
    assert ("label_groups" in targets) == (tasks == ["mask"] and groups is CINE_SET)


def test_a_network_that_reads_the_lge_refuses_a_subject_without_one():
    with pytest.raises(ConfigError, match="partial labels.*without LGE"):
        TrainingBatch(JointProcess(CLASSES), image_key="lge")(
            batch_of(WHOLE, known=[(True, False)]), torch.device("cpu")
        )


def test_one_number_for_six_classes_is_refused():
    with pytest.raises(ConfigError, match="mask: found scalar with 6 classes"):
        JointProcess(CLASSES, prediction="v_prediction", mask="scalar")


@pytest.mark.parametrize("count", [4, 6])
def test_the_loss_has_weights_for_either_number_of_classes(count):
    assert len(JointLoss(num_classes=count).class_weights) == count
