"""Samplers against a distribution whose best denoiser is known, and against diffusers' schedulers."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from scripts.conventions import ConfigError
from scripts.diffusion.process import JointProcess
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
    state = torch.randn(1, 1, 300, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
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


@pytest.mark.parametrize("spacing", ["logsnr", "time"])
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_pairs_are_a_chain_from_pure_noise_to_clean(steps, spacing):
    pairs = timestep_pairs(steps, JointProcess(), spacing)
    assert len(pairs) == steps
    assert pairs[0][0] == 999
    assert pairs[-1][1] == -1
    assert all(t > s for t, s in pairs)
    assert [s for _, s in pairs[:-1]] == [t for t, _ in pairs[1:]]


def test_one_step_returns_the_denoiser_s_guess():
    process = JointProcess()
    for sampler in SAMPLERS:
        assert torch.allclose(draw(sampler, [(999, -1)], process).mean(), torch.tensor(MEAN).double(), atol=1e-3)


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
    generators = [torch.Generator().manual_seed(0)]
    out = get_sampler("ddpm")(lambda state, t: zeros, zeros, [pairs[step]], process, generators)
    assert float(out.var()) == pytest.approx(float(scheduler._get_variance(pairs[step][0])), rel=0.02)


def test_impossible_settings_are_refused_by_name():
    process = JointProcess()
    with pytest.raises(ConfigError, match="sampler: found 'euler', expected one of ddpm, ddim, dpmpp_2m"):
        get_sampler("euler")
    for steps in (0, 1001):
        with pytest.raises(ConfigError, match=f"steps: found {steps}, expected a whole number from 1 to 1000"):
            timestep_pairs(steps, process)
    with pytest.raises(ConfigError, match="spacing: found 'karras', expected one of logsnr, time"):
        timestep_pairs(4, process, "karras")
    with pytest.raises(ConfigError, match="Fix: fewer steps, or --spacing time"):
        timestep_pairs(900, process, "logsnr")
