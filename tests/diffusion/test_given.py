"""A given mask is obeyed, a given LGE segmented, by a network that learnt a toy world."""

import json

import pytest
import torch
from monai.data import MetaTensor
from scripts.conventions import ConfigError, DataError
from scripts.diffusion.inferers import DenoisingInferer, SubjectSampler, slice_seed
from scripts.diffusion.loss import JointLoss
from scripts.diffusion.prepare_batch import TrainingBatch
from scripts.diffusion.process import JointProcess
from scripts.diffusion.samplers import draw_noise, timestep_pairs
from scripts.networks.ssdiff_unet import SSDiffUNet
from scripts.networks.trunk import TrunkUNet


def scene(batch, generator):
    """Discs anywhere, whose LGE has a brightness of its own; the images say nothing of either."""
    x, y = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    centre = 4 + 8 * torch.rand(batch, 2, 1, 1, generator=generator)
    label = (torch.hypot(x - centre[:, :1], y - centre[:, 1:]) < 3.5).float()
    bright = 0.3 + 0.5 * torch.rand(batch, 1, 1, 1, generator=generator)
    return label * 3, 0.1 + label * bright


@pytest.fixture(scope="module")
def joint():
    """A trunk network of two noise levels that has learnt ``scene``, and its process."""
    process = JointProcess(given_shares={"mask": 0.35, "lge": 0.35}, trained_steps=2)
    torch.manual_seed(0)
    options = {"trunk_channels": (8, 8), "trunk_attention_levels": (False, False), "channels": (16, 32)}
    options |= {"attention_levels": (False, False), "num_head_channels": 8, "stem_factor": 1}
    network = TrunkUNet(image_channels=2, sequence_channels=None, **options)
    optimizer, generator = torch.optim.AdamW(network.parameters(), lr=3e-3), torch.Generator().manual_seed(1)
    batch, inferer, loss = TrainingBatch(process, 0.0, 0.0, 0.0), DenoisingInferer(process), JointLoss()
    batch.seed(0)
    for _ in range(90):
        label, lge = scene(8, generator)
        images = torch.zeros(8, 4, 16, 16)
        data = {"image": images, "lge": lge, "label": label, "available": torch.ones(8, 2)}
        data |= {"vendor": torch.zeros(8, dtype=torch.long)}
        images, targets, _, arguments = batch(data, torch.device("cpu"))
        optimizer.zero_grad()
        loss(inferer(images[:, :2], network, **arguments), targets).backward()
        optimizer.step()
    return network.eval(), process


def draw(joint, given=None, seed=7, **options):
    network, process = joint
    sampler = SubjectSampler(process, steps=2, seed=seed, infarct_log_odds=0.0, **options)
    return sampler(torch.zeros(1, 2, 16, 16, 6), network, given=given)


def as_volume(slices):
    return slices.movedim(0, -1)[None]


def test_the_lge_of_a_given_mask_obeys_it(joint):
    label, _ = scene(6, torch.Generator().manual_seed(9))
    found = draw(joint, {"mask": as_volume(label)})
    assert torch.equal(found[:, :4].argmax(1), as_volume(label)[:, 0].long())  # comes back as it is
    lge, inside = found[0, 4], as_volume(label)[0, 0] > 0
    assert lge[inside].mean() > lge[~inside].mean() + 0.2
    other = draw(joint, {"mask": as_volume(label.flip(0))})[0, 4]
    assert (other - lge).abs().mean() > 0.02  # another mask, another image


def test_a_given_lge_is_segmented(joint):
    label, lge = scene(6, torch.Generator().manual_seed(9))
    found = draw(joint, {"lge": as_volume(lge)})
    assert torch.allclose(found[0, 4], as_volume(lge)[0, 0], atol=1e-6)
    mask, truth = found[0, :4].argmax(0) == 3, as_volume(label)[0, 0] == 3
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.85


def test_with_nothing_given_mask_and_lge_are_sampled_together(joint):
    network, process = joint
    found = draw(joint, mask_step="last")
    assert torch.equal(found, draw(joint, {}, mask_step="last"))
    # the loop by hand, for the first slice alone: both at one timestep, from the same noise
    images, seeds = torch.zeros(4, 2, 16, 16), [slice_seed(7, "", n, 0) for n in range(4)]
    state = draw_noise((5, 16, 16), [torch.Generator().manual_seed(seed) for seed in seeds])
    with torch.no_grad():
        conditions = network.encode(images * 2 - 1)
        for t, following in timestep_pairs(2, process):
            at = torch.full((4,), t)
            clean = process.read_output(network.denoise(process.network_input(state, at), at, conditions), state, at)
            noise = (state - process.signal_and_noise(at)[0] * clean.state) / process.signal_and_noise(at)[1]
            signal, spread = process.signal_and_noise(torch.full((4,), following))
            state = signal * clean.state + spread * noise
    by_hand = torch.cat([process.probabilities(state), ((state[:, 4:] + 1) / 2).clamp(0, 1)], dim=1)
    ddim = draw(joint, mask_step="last", sampler="ddim")
    torch.testing.assert_close(ddim[0].movedim(-1, 0)[:4], by_hand, atol=1e-5, rtol=0)
    lge, inside = found[0, 4], found[0, :4].argmax(0) == 3
    assert inside.any() and lge[inside].mean() > lge[~inside].mean() + 0.2  # the two belong together


def test_the_part_that_is_given_is_shown_clean_and_at_no_noise(joint, monkeypatch):
    network, _ = joint
    seen, denoise = [], network.denoise
    monkeypatch.setattr(network, "denoise", lambda *args: seen.append(args[:2]) or denoise(*args))
    label, _ = scene(6, torch.Generator().manual_seed(9))
    draw(joint, {"mask": as_volume(label)})
    assert all((at[:, 0] == -1).all() and (at[:, 1] >= 0).all() for _, at in seen)
    assert torch.equal(seen[0][0][:, 3:4] > 0, label[:4] == 3)
    seen.clear()
    draw(joint, {"lge": as_volume(label / 3)})
    assert all((at[:, 1] == -1).all() and (at[:, 0] == 999).all() for _, at in seen)  # one step: no other is seen


def test_a_given_metatensor_leaves_nothing_of_its_file_in_the_result_and_the_record_names_the_part(joint):
    network, process = joint
    label, _ = scene(6, torch.Generator().manual_seed(9))
    given = MetaTensor(as_volume(label) > 0, meta={"filename_or_obj": "truth.nii.gz"})
    sampler = SubjectSampler(process, steps=2, infarct_log_odds=0.0)
    found = sampler(torch.zeros(1, 2, 16, 16, 6), network, given={"mask": given})
    assert type(found) is torch.Tensor and json.loads(sampler.seeds("a", 6))["given"] == "mask"
    sampler(torch.zeros(1, 2, 16, 16, 6), network)
    assert "given" not in json.loads(sampler.seeds("a", 6))


def test_a_given_part_has_the_same_bytes_for_the_same_seed_and_others_for_another(joint):
    label, _ = scene(6, torch.Generator().manual_seed(9))
    given = {"mask": as_volume(label)}
    first = draw(joint, given, samples=2)
    assert torch.equal(first, draw(joint, given, samples=2)) and not torch.equal(
        first, draw(joint, given, 8, samples=2)
    )
    assert not torch.equal(first[:, 4], first[:, 9])  # two samples of one mask differ


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"mask": torch.zeros(1, 1, 16, 16, 6), "lge": torch.zeros(1, 1, 16, 16, 6)},
            ConfigError,
            "one of mask and lge",
        ),
        ({"label": torch.zeros(1, 1, 16, 16, 6)}, ConfigError, "given: found label"),
        ({"mask": [[0]]}, DataError, "given mask: found list, expected a tensor"),
        ({"mask": torch.zeros(1, 1, 16, 16, 5)}, DataError, "given mask: found shape .*5.*expected .*6"),
        ({"mask": torch.full((1, 1, 16, 16, 6), 4.0)}, DataError, "whole numbers from 0 to 3"),
        ({"mask": torch.full((1, 1, 16, 16, 6), 0.5)}, DataError, "whole numbers from 0 to 3"),
        ({"lge": torch.full((1, 1, 16, 16, 6), 300.0)}, DataError, "values from 0 to 1"),
        ({"lge": torch.full((1, 1, 16, 16, 6), float("nan"))}, DataError, "given lge"),
    ],
)
def test_what_cannot_be_given_is_refused(joint, given, error, message):
    with pytest.raises(error, match=message):
        draw(joint, given)


def test_a_given_part_wants_two_noise_levels_steps_one_scale_and_training_with_it(joint):
    network = SSDiffUNet(
        channels=(16, 32),
        attention_levels=(False, True),
        num_head_channels=16,
        image_channels=2,
        sequence_channels=None,
    )
    given, (trained, process) = {"mask": torch.zeros(1, 1, 16, 16, 6)}, joint
    with pytest.raises(ConfigError, match="one noise level, expected two"):
        SubjectSampler(process, steps=2)(torch.zeros(1, 2, 16, 16, 6), network, given=given)
    with pytest.raises(ConfigError, match="given_shares: found with a network of one noise level"):
        SubjectSampler(process, steps=2, network=network)
    for options in ({"steps": 0}, {"steps": 2, "test_time_scales": [0.75, 1.0]}):
        with pytest.raises(ConfigError, match="expected (at least )?1"):
            SubjectSampler(process, **options)(torch.zeros(1, 2, 16, 16, 6), trained, given=given)
    with pytest.raises(ConfigError, match="never learnt"):
        SubjectSampler(JointProcess(), steps=2)(torch.zeros(1, 2, 16, 16, 6), trained, given=given)
