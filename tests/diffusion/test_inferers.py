"""The subject sampler: shapes, ranges, seeds that belong to the slice, conditions encoded once."""

import json

import pytest
import torch
from monai.data import MetaTensor
from scripts.conventions import ConfigError
from scripts.diffusion.inferers import DenoisingInferer, SubjectSampler, has_bfloat16, slice_seed
from scripts.diffusion.process import JointProcess
from scripts.export.record import sampling_constants
from scripts.networks.ssdiff_unet import SSDiffUNet
from scripts.networks.trunk import TrunkUNet


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    small = SSDiffUNet(
        channels=(16, 32),
        attention_levels=(False, True),
        num_head_channels=16,
        norm_num_groups=8,
        token_channels=24,
        image_channels=2,
        sequence_channels=None,
    )
    with torch.no_grad():
        for parameter in small.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return small.eval()


def volume(slices: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 2, 32, 32, slices, generator=torch.Generator().manual_seed(seed))


def sample(network, image, subject="s1", **options):
    plain = {"infarct_log_odds": 0.0, "mask_step": "last", "mask_temperature": 1.0}
    sampler = SubjectSampler(JointProcess(), **{"steps": 2} | plain | options)
    return sampler, sampler(image, network, torch.ones(1, 2), torch.zeros(1, dtype=torch.long), [subject])


@pytest.mark.parametrize("slices", [1, 5])
def test_samples_are_class_probabilities_then_lge_in_range(network, slices):
    _, out = sample(network, volume(slices), samples=2)
    assert out.shape == (1, 10, 32, 32, slices)
    groups = out.reshape(2, 5, 32, 32, slices)
    assert 0 <= out.min() <= out.max() <= 1
    assert torch.allclose(groups[:, :4].sum(1), torch.ones(2, 32, 32, slices), atol=1e-5)
    assert (groups[0] - groups[1]).abs().max() > 1e-3


def test_a_slice_s_bits_do_not_depend_on_the_slices_after_it_or_on_the_run_before(network):
    image = volume(7)
    sampler, first = sample(network, image)
    assert torch.equal(first, sampler(image, network, torch.ones(1, 2), None, ["s1"]))
    _, shorter = sample(network, image[..., :5])
    assert torch.equal(first[..., :5], shorter)


def test_subject_seed_and_slice_each_change_the_noise(network):
    image = volume(1).expand(-1, -1, -1, -1, 2)
    _, first = sample(network, image)
    assert not torch.equal(first[..., 0], first[..., 1])
    assert not torch.equal(first, sample(network, image, subject="s2")[1])
    assert not torch.equal(first, sample(network, image, seed=1)[1])
    assert len({slice_seed(s, n, i, k) for s in (0, 1) for n in "ab" for i in (0, 1) for k in (0, 1)}) == 16


def test_no_slices_in_no_slices_out(network):
    _, out = sample(network, volume(0))
    assert out.shape == (1, 5, 32, 32, 0)


def test_conditions_are_encoded_once_per_pass_and_reused_at_every_step(network, monkeypatch):
    calls = {"encode": 0, "denoise": 0}
    for name in calls:
        original = getattr(SSDiffUNet, name)

        def counted(self, *args, _name=name, _original=original, **kwargs):
            calls[_name] += 1
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(SSDiffUNet, name, counted)
    sampler = SubjectSampler(JointProcess(), steps=3, samples=2)
    sampler(volume(4), network, torch.ones(1, 2), None, ["s"])
    assert calls == {"encode": 1, "denoise": 2 * 3}
    assert sampler.seconds_network > 0


def test_missing_t2_is_sampled_from_cine_alone(network):
    image = volume(2)
    other = image.clone()
    other[:, 1] = 0.5
    available = torch.tensor([[1.0, 0.0]])
    results = [SubjectSampler(JointProcess(), steps=2)(x, network, available, None, ["s"]) for x in (image, other)]
    assert torch.equal(*results)


def test_t2_that_covers_some_slices_is_used_there_and_ignored_elsewhere(network):
    image, available = volume(4), torch.ones(1, 2, 4)
    available[:, 1, 2:] = 0
    other = image.clone()
    other[:, 1, ..., 2:] = 0.7
    first, second = (
        SubjectSampler(JointProcess(), steps=2)(x, network, available, None, ["s"]) for x in (image, other)
    )
    assert torch.equal(first, second)
    whole = SubjectSampler(JointProcess(), steps=2)(image, network, torch.ones(1, 2), None, ["s"])
    assert torch.allclose(first[..., :2], whole[..., :2], atol=1e-5)
    assert (first[..., 2:] - whole[..., 2:]).abs().max() > 1e-3


def test_the_report_s_seed_note_names_seed_and_rule():
    note = json.loads(SubjectSampler(JointProcess(), steps=8, seed=5).seeds("s1", 3))
    assert (note["seed"], note["steps"], note["sampler"], note["samples"]) == (5, 8, "dpmpp_2m", 1)
    assert note["first_slice"] == slice_seed(5, "s1", 0, 0)
    assert "sha256" in note["rule"]


def test_training_inferer_scales_images_and_stays_float32_under_amp(network):
    image, state = volume(1)[..., 0], torch.randn(1, 5, 32, 32, generator=torch.Generator().manual_seed(0))
    arguments = (state, torch.tensor([500]), torch.ones(1, 2), torch.zeros(1, dtype=torch.long))
    process = JointProcess(input_scaling="none")
    full = DenoisingInferer(process)(image, network, *arguments)
    assert torch.equal(full["lge"], network(image * 2 - 1, *arguments)[:, 4:])
    half = DenoisingInferer(process, amp=True)(image, network, *arguments)
    assert half["lge"].dtype == torch.float32
    assert not torch.equal(half["lge"], full["lge"])
    assert torch.allclose(half["lge"], full["lge"], atol=0.1)


@pytest.mark.parametrize(
    ("capabilities", "expected"), [({"avx512_bf16": True}, True), ({"avx512_f": True}, False), ({}, False)]
)
def test_amp_auto_asks_the_processor(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_bfloat16("cpu") is expected
    assert not has_bfloat16("mps")
    with pytest.raises(ConfigError, match="amp: found 'yes'"):
        DenoisingInferer(JointProcess(), amp="yes")


def test_impossible_sample_counts_are_refused():
    with pytest.raises(ConfigError, match="samples: found 0"):
        SubjectSampler(JointProcess(), samples=0)


def test_log_odds_of_infarct_shift_the_mask_and_are_recorded(network):
    plain, fewer, more = (sample(network, volume(2), infarct_log_odds=b)[1] for b in (0.0, -4.0, 4.0))
    infarct = [one[0, 3].mean() for one in (fewer, plain, more)]
    assert infarct[0] < infarct[1] < infarct[2]
    record = json.loads(SubjectSampler(JointProcess(), infarct_log_odds=-0.5).seeds("a", 1))
    assert record["infarct_log_odds"] == -0.5


def test_log_odds_want_a_network_that_gives_logits():
    with pytest.raises(ConfigError, match="infarct_log_odds: found 1.0 with prediction 'v_prediction'"):
        SubjectSampler(JointProcess(prediction="v_prediction"), infarct_log_odds=1.0)


def test_first_mask_is_the_networks_own_probability_and_leaves_the_picture_alone(network):
    image = volume(3)
    last, first, soft = (
        sample(network, image, mask_step=m, mask_temperature=t)[1] for m, t in (("last", 1), ("first", 1), ("first", 3))
    )
    assert torch.equal(last[:, 4], first[:, 4]) and torch.equal(first[:, 4], soft[:, 4])
    one_step = SubjectSampler(JointProcess(), steps=1, infarct_log_odds=0.0, mask_temperature=1.0)
    alone = one_step(image, network, torch.ones(1, 2), torch.zeros(1, dtype=torch.long), ["s1"])
    torch.testing.assert_close(first[:, :4], alone[:, :4])
    assert not torch.allclose(first[:, :4], last[:, :4])


def test_temperature_changes_how_sure_the_mask_is_but_not_its_label(network):
    sure, soft = (sample(network, volume(3), mask_step="first", mask_temperature=t)[1][0, :4] for t in (1.0, 3.0))
    assert torch.equal(sure.argmax(0), soft.argmax(0))
    assert soft.amax(0).mean() < sure.amax(0).mean()
    torch.testing.assert_close(soft.sum(0), torch.ones_like(soft.sum(0)))


def test_several_samples_keep_their_last_masks_so_that_they_differ(network):
    sampler, out = sample(network, volume(2), samples=2, mask_step="first", mask_temperature=3.0)
    assert torch.equal(out, sample(network, volume(2), samples=2)[1])
    assert not torch.equal(out[:, :4], out[:, 5:9])
    record = json.loads(sampler.seeds("a", 1))
    assert (record["mask_step"], record["mask_temperature"]) == ("last", 1.0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mask_step": "middle"}, "mask_step: found 'middle', expected one of first, last"),
        ({"mask_temperature": 0.0}, "mask_temperature: found 0.0, expected a number above 0"),
    ],
)
def test_impossible_readings_of_the_mask_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SubjectSampler(JointProcess(), **options)


def test_a_metatensor_says_in_its_meta_what_is_not_given_as_an_argument(network):
    image, available = volume(3), torch.tensor([[[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]])
    sampler, vendor = SubjectSampler(JointProcess(), steps=2), torch.tensor([2])
    wanted = sampler(image, network, available, vendor, ["s7"])
    told = MetaTensor(image[0], meta={"available": available, "vendor": vendor, "subject": ["s7"]})[None]
    found = sampler(told, network)
    assert type(found) is torch.Tensor and torch.equal(found, wanted)
    assert not torch.equal(wanted, sampler(image, network))
    assert torch.equal(sampler(told, network, None, None, ["s8"]), sampler(image, network, available, vendor, ["s8"]))


def test_scales_of_the_input_are_averaged_and_recorded(network):
    image = volume(3)
    sampler, plain = sample(network, image)
    assert json.loads(sampler.seeds("a", 1))["test_time_scales"] == [1.0]
    again, both = sample(network, image, test_time_scales=[0.75, 1.0])
    assert json.loads(again.seeds("a", 1))["test_time_scales"] == [0.75, 1.0]
    assert both.shape == plain.shape and not torch.equal(both[:, :4], plain[:, :4])
    assert torch.equal(both[:, 4], plain[:, 4])
    assert torch.allclose(both[:, :4].sum(1), torch.ones(1, 32, 32, 3), atol=1e-5)
    small = sample(network, image, test_time_scales=[0.75])[1]
    torch.testing.assert_close(both[:, :4], (small[:, :4] + plain[:, :4]) / 2, atol=1e-5, rtol=0)
    assert sample(network, volume(0), samples=2, test_time_scales=[0.75, 1.0])[1].shape == (1, 10, 32, 32, 0)
    with pytest.raises(ConfigError, match="test_time_scales"):
        SubjectSampler(JointProcess(), test_time_scales=[3.0])


@pytest.fixture(scope="module")
def trunk():
    """A network with a first answer whose denoiser is untrained: it adds nothing."""
    torch.manual_seed(0)
    return TrunkUNet(
        trunk_channels=(16, 16),
        trunk_attention_levels=(False, True),
        channels=(16, 16),
        attention_levels=(False, True),
        num_head_channels=16,
        token_channels=24,
        image_channels=2,
        sequence_channels=None,
    ).eval()


def test_without_steps_the_first_answer_is_the_result_and_no_seed_matters(trunk):
    image = volume(5)
    _, found = sample(trunk, image, steps=0)
    with torch.no_grad():
        (answer,) = trunk.encode(image[0].movedim(-1, 0) * 2 - 1).first_answer
    expected = torch.cat([answer[:, :4].softmax(1), ((answer[:, 4:] + 1) / 2).clamp(0, 1)], dim=1).movedim(0, -1)
    torch.testing.assert_close(found[0], expected)
    assert torch.equal(found, sample(trunk, image, steps=0, seed=1)[1])
    assert torch.equal(found, sample(trunk, image, steps=0, subject="s2")[1])


def test_steps_that_add_nothing_end_at_the_first_answer(trunk):
    image = volume(2)
    for sampler in ("dpmpp_2m", "ddim"):
        torch.testing.assert_close(
            sample(trunk, image, steps=3, sampler=sampler)[1], sample(trunk, image, steps=0)[1], atol=1e-5, rtol=0
        )


def test_log_odds_temperature_and_scales_apply_without_steps_too(trunk):
    image = volume(2)
    plain, fewer = (sample(trunk, image, steps=0, infarct_log_odds=b)[1] for b in (0.0, -4.0))
    assert fewer[0, 3].mean() < plain[0, 3].mean()
    soft = sample(trunk, image, steps=0, mask_step="first", mask_temperature=3.0)[1]
    assert soft[0, :4].amax(0).mean() < plain[0, :4].amax(0).mean()
    sampler, both = sample(trunk, image, steps=0, test_time_scales=[0.75, 1.0])
    assert not torch.equal(both[:, :4], plain[:, :4]) and torch.equal(both[:, 4], plain[:, 4])
    assert json.loads(sampler.seeds("a", 1))["steps"] == 0
    assert sample(trunk, volume(0), steps=0)[1].shape == (1, 5, 32, 32, 0)


def test_no_steps_are_refused_for_a_network_without_a_first_answer(network, trunk):
    message = "steps: found 0, expected a whole number from 1 to 1000: this network gives no first answer. Fix:"
    with pytest.raises(ConfigError, match=message):
        SubjectSampler(JointProcess(), steps=0, network=network)
    with pytest.raises(ConfigError, match=message):
        sample(network, volume(1), steps=0)
    SubjectSampler(JointProcess(), steps=0, network=trunk)


def test_a_first_answer_wants_a_process_that_predicts_the_clean_state(trunk):
    process = JointProcess(prediction="v_prediction")
    with pytest.raises(ConfigError, match="prediction"):
        SubjectSampler(process, steps=2, infarct_log_odds=0, network=trunk)


def test_the_record_of_an_export_without_steps_names_the_first_answer():
    steps = {number: sampling_constants(SubjectSampler(JointProcess(), steps=number)) for number in (0, 4)}
    assert steps[0]["timesteps"] == [] and "condition_first_answer_0" in steps[0]["passes"]
    assert len(steps[4]["timesteps"]) == 4 and "first_answer" not in steps[4]["passes"]


def test_no_steps_draw_no_noise_and_say_so():
    found = json.loads(SubjectSampler(JointProcess(), steps=0).seeds("a", 3))
    assert found["first_slice"] is None and "sha256" not in found["rule"]


@pytest.mark.parametrize("steps", [-1, 0.0, False, "0", 1001])
def test_other_impossible_steps_stay_impossible_with_a_first_answer(trunk, steps):
    with pytest.raises(ConfigError, match=f"steps: found {steps}, expected a whole number from 1 to 1000"):
        SubjectSampler(JointProcess(), steps=steps, network=trunk)


def test_several_samples_without_noise_are_refused():
    with pytest.raises(ConfigError, match="samples: found 4 with steps 0, expected 1: .* Fix: --samples 1"):
        SubjectSampler(JointProcess(), steps=0, samples=4)


def test_training_reads_the_first_answer_beside_the_prediction(network, trunk):
    image, state = volume(1)[..., 0], torch.randn(1, 5, 32, 32, generator=torch.Generator().manual_seed(0))
    arguments = (state, torch.tensor([500]), torch.ones(1, 2), torch.zeros(1, dtype=torch.long))
    found = DenoisingInferer(JointProcess())(image, trunk, *arguments)
    (answer,) = trunk.encode(image * 2 - 1).first_answer
    assert torch.equal(found["first_answer"]["lge"], answer[:, 4:])
    assert torch.equal(found["first_answer"]["mask_logits"], answer[:, :4])
    assert found["first_answer"]["state"].shape == found["state"].shape
    half = DenoisingInferer(JointProcess(), amp=True)(image, trunk, *arguments)
    assert half["first_answer"]["lge"].dtype == torch.float32
    assert set(DenoisingInferer(JointProcess())(image, network, *arguments)) == {"mask_logits", "lge", "state"}
    with pytest.raises(ConfigError, match="process::prediction: found 'v_prediction'.* expected 'sample'. Fix:"):
        DenoisingInferer(JointProcess(prediction="v_prediction"))(image, trunk, *arguments)
