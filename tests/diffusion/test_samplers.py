"""What every sampler keeps; samplers against a distribution whose best denoiser is known, and against diffusers'."""

import inspect

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from scripts.conventions import ConfigError
from scripts.diffusion.process import SPACINGS, JointProcess
from scripts.diffusion.samplers import SAMPLERS, get_sampler, timestep_pairs

MEAN, SPREAD = 0.4, 0.3


def gaussian_denoiser(process: JointProcess):
    """Posterior mean of a clean value drawn from N(MEAN, SPREAD^2), given its noisy state."""

    def denoise(state: torch.Tensor, t: int) -> torch.Tensor:
        signal, noise = float(process.signal_table[t]), float(process.noise_table[t])
        gain = signal * SPREAD**2 / (signal**2 * SPREAD**2 + noise**2)
        return MEAN + gain * (state - signal * MEAN)

    return denoise


def draw(sampler: str, pairs, process: JointProcess) -> torch.Tensor:
    state = torch.randn(1, 1, 150, 150, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    generators = [torch.Generator().manual_seed(1)]
    return get_sampler(sampler)(gaussian_denoiser(process), state, pairs, process, generators)


@pytest.mark.parametrize(
    ("sampler", "steps", "spacing", "tolerance"),
    [
        ("dpmpp_2m", 8, "logsnr", 0.01),
        ("dpmpp_2m", 20, "logsnr", 0.01),
        ("dpmpp_2m", 50, "time", 0.01),
        ("ddim", 250, "time", 0.01),
        ("ddpm", 500, "time", 0.01),
    ],
)
def test_each_sampler_reproduces_mean_and_spread_of_a_gaussian(sampler, steps, spacing, tolerance):
    process = JointProcess()
    sample = draw(sampler, timestep_pairs(steps, process, spacing), process)
    assert abs(sample.mean() - MEAN) < 0.005
    assert abs(sample.std() - SPREAD) < tolerance


@pytest.mark.parametrize("name", SAMPLERS)
class TestEverySampler:
    """Shared by all samplers: a new one is tested once it stands in SAMPLERS."""

    process = JointProcess()
    pairs = timestep_pairs(5, process)

    def sample(self, name, seeds=(0,), denoise=None, pairs=None):
        """One state (5, 4, 4) per seed, drawn from it alone."""
        state = torch.cat([torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        generators = [torch.Generator().manual_seed(100 + seed) for seed in seeds]
        denoise = denoise or gaussian_denoiser(self.process)
        return get_sampler(name)(denoise, state, pairs or self.pairs, self.process, generators)

    def test_takes_the_arguments_of_the_others(self, name):
        assert [*inspect.signature(SAMPLERS[name]).parameters] == ["denoise", "state", "pairs", "process", "generators"]

    def test_the_same_seed_gives_the_same_sample_and_another_seed_another(self, name):
        assert torch.equal(self.sample(name), self.sample(name))
        assert not torch.allclose(self.sample(name), self.sample(name, seeds=[1]), atol=1e-2)

    def test_a_slice_does_not_depend_on_its_batch_or_its_place_in_it(self, name):
        alone = torch.cat([self.sample(name, seeds=[seed]) for seed in (3, 4, 5)])
        assert torch.equal(self.sample(name, seeds=[3, 4, 5]), alone)
        assert torch.equal(self.sample(name, seeds=[5, 4, 3]), alone.flip(0))

    @pytest.mark.parametrize("steps", [1, 2, 7])
    @pytest.mark.parametrize("spacing", SPACINGS)
    def test_ends_at_the_clean_state_the_denoiser_is_sure_of(self, name, steps, spacing):
        clean = torch.linspace(-1, 1, 80).reshape(1, 5, 4, 4)
        found = self.sample(name, denoise=lambda state, t: clean, pairs=timestep_pairs(steps, self.process, spacing))
        assert torch.allclose(found, clean, atol=1e-6)

    def test_one_step_returns_what_the_denoiser_says_of_the_noise(self, name):
        denoise = gaussian_denoiser(self.process)
        noise = torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(self.sample(name, pairs=[(999, -1)]), denoise(noise, 999), atol=1e-6)

    def test_asks_the_denoiser_once_a_step_and_leaves_its_states_as_they_were(self, name):
        asked, denoise = [], gaussian_denoiser(self.process)

        def watched(state, t):
            asked.append((t, state, state.clone()))
            return denoise(state, t)

        found = self.sample(name, seeds=[0, 1], denoise=watched)
        assert [t for t, *_ in asked] == [t for t, _ in self.pairs]
        assert all(torch.equal(state, before) and state.dtype == found.dtype for _, state, before in asked)
        assert found.shape == (2, 5, 4, 4) and found.isfinite().all()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_pairs_are_a_chain_from_pure_noise_to_clean(steps, spacing):
    pairs = timestep_pairs(steps, JointProcess(), spacing)
    assert len(pairs) == steps
    assert pairs[0][0] == 999
    assert pairs[-1][1] == -1
    assert all(t > s for t, s in pairs)
    assert [s for _, s in pairs[:-1]] == [t for t, _ in pairs[1:]]


def diffusers_sample(scheduler, timesteps: list[int], process: JointProcess) -> torch.Tensor:
    scheduler.set_timesteps(timesteps=timesteps)
    state = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    generator = torch.Generator().manual_seed(1)
    for t in scheduler.timesteps:
        clean = gaussian_denoiser(process)(state, int(t))
        options = {"generator": generator} if isinstance(scheduler, DDPMScheduler) else {}
        state = scheduler.step(clean, t, state, **options).prev_sample
    return state


@pytest.mark.parametrize(
    ("sampler", "scheduler", "options"),
    [
        ("ddpm", DDPMScheduler, {"clip_sample": False}),
        ("ddim", DPMSolverMultistepScheduler, {"solver_order": 1, "final_sigmas_type": "zero"}),
        (
            "dpmpp_2m",
            DPMSolverMultistepScheduler,
            {"solver_order": 2, "final_sigmas_type": "zero", "euler_at_final": True},
        ),
    ],
)
def test_samplers_agree_with_diffusers_on_the_same_steps(sampler, scheduler, options):
    process = JointProcess(schedule="linear_beta")
    betas = np.linspace(1e-4, 2e-2, 1000)
    pairs = timestep_pairs(10, process, "logsnr")
    theirs = diffusers_sample(
        scheduler(1000, trained_betas=betas, prediction_type="sample", **options), [t for t, _ in pairs], process
    )
    state = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    ours = get_sampler(sampler)(gaussian_denoiser(process), state, pairs, process, [torch.Generator().manual_seed(1)])
    # the fresh noise of DDPM comes from different generators calls, so compare its statistics there
    if sampler == "ddpm":
        assert abs(ours.mean() - theirs.mean()) < 0.05
        assert abs(ours.std() - theirs.std()) < 0.05
    else:
        assert torch.allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("step", [0, 4, 8])
def test_the_fresh_noise_of_a_ddpm_step_has_diffusers_variance(step):
    process = JointProcess(schedule="linear_beta")
    pairs = timestep_pairs(10, process, "logsnr")
    scheduler = DDPMScheduler(1000, trained_betas=np.linspace(1e-4, 2e-2, 1000), prediction_type="sample")
    scheduler.set_timesteps(timesteps=[t for t, _ in pairs])
    zeros = torch.zeros(1, 1, 300, 300, dtype=torch.float64)
    t, generator = pairs[step][0], torch.Generator().manual_seed(0)
    theirs = scheduler.step(zeros, t, zeros, generator=generator).prev_sample
    ours = get_sampler("ddpm")(lambda state, t: zeros, zeros, [pairs[step]], process, [generator])
    assert float(ours.var()) == pytest.approx(float(theirs.var()), rel=0.02)


def test_impossible_settings_are_refused_by_name():
    process = JointProcess()
    with pytest.raises(ConfigError, match="sampler: found 'euler'"):
        get_sampler("euler")
    for steps in (0, -1, 1001, 2.5, "4", None):
        with pytest.raises(ConfigError, match=f"steps: found {steps}"):
            timestep_pairs(steps, process)
    with pytest.raises(ConfigError, match="spacing: found 'karras'"):
        timestep_pairs(4, process, "karras")
    with pytest.raises(ConfigError, match="steps: 900"):
        timestep_pairs(900, process, "logsnr")


def test_steps_at_levels_that_were_not_trained_are_refused_with_those_that_were():
    process = JointProcess(trained_steps=4)
    for steps in (1, 2, 4):
        timestep_pairs(steps, process)
    with pytest.raises(ConfigError, match="steps: 3 .*999(?s:.*)Fix: --steps 4 --spacing logsnr"):
        timestep_pairs(3, process)
    with pytest.raises(ConfigError, match="spacing 'time'"):
        timestep_pairs(4, process, "time")
