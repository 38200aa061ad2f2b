"""Samplers with one signature over explicit (t, t_prev) pairs: DDPM, DDIM, DPM-Solver++(2M).

A denoiser maps (state, t) to the predicted clean state; t_prev = -1 is the clean end (signal 1, noise 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from ..conventions import ConfigError
from .process import JointProcess

Denoiser = Callable[[torch.Tensor, int], torch.Tensor]
Pairs = Sequence[tuple[int, int]]


def timestep_pairs(steps: int, process: JointProcess, spacing: str = "logsnr") -> list[tuple[int, int]]:
    """Explicit steps from pure noise to clean: [(T-1, t1), (t1, t2), ..., (tn, -1)].

    Raises:
        ConfigError: ``steps`` or ``spacing`` is not possible, or a step lies at a timestep that ``process`` does not
            train on.
    """
    times = process.sampling_timesteps(steps, spacing)
    trained = process.trained_timesteps
    if trained and not set(times) <= set(trained):
        raise ConfigError(
            f"steps: {steps} with spacing '{spacing}' visit timesteps beside {trained}, which the network learns.\n"
            f"Fix: --steps {len(trained)} --spacing logsnr, or train with --process::trained_steps {steps} (0: all)."
        )
    return list(zip(times, [*times[1:], -1], strict=True))


def sample_ddim(
    denoise: Denoiser, state: torch.Tensor, pairs: Pairs, process: JointProcess, generators: list[torch.Generator]
) -> torch.Tensor:
    """Deterministic DDIM, eta = 0. Source: Song et al., 2021, eq. 12. ``state``: (B, C, H, W), unit noise."""
    return _sample_ancestral(denoise, state, pairs, process, generators, eta=0.0)


def sample_ddpm(
    denoise: Denoiser, state: torch.Tensor, pairs: Pairs, process: JointProcess, generators: list[torch.Generator]
) -> torch.Tensor:
    """DDPM posterior with the small variance, exact for any stride. Source: Ho et al., 2020, eq. 7 = DDIM at eta 1."""
    return _sample_ancestral(denoise, state, pairs, process, generators, eta=1.0)


def sample_dpmpp_2m(
    denoise: Denoiser, state: torch.Tensor, pairs: Pairs, process: JointProcess, generators: list[torch.Generator]
) -> torch.Tensor:
    """DPM-Solver++(2M), last step of first order. Source: Lu et al., 2022, algorithm 2."""
    previous, previous_h = None, 0.0
    for t, s in pairs:
        clean = denoise(state, t)
        (signal_t, noise_t), (signal_s, noise_s) = _scales(process, t), _scales(process, s)
        if s < 0:
            return clean
        h = math.log(signal_s / noise_s) - math.log(signal_t / noise_t)
        slope = clean
        if previous is not None:
            half_inverse_ratio = h / (2 * previous_h)
            slope = (1 + half_inverse_ratio) * clean - half_inverse_ratio * previous
        state = (noise_s / noise_t) * state - signal_s * math.expm1(-h) * slope
        previous, previous_h = clean, h
    return state


SAMPLERS: dict[str, Callable[..., torch.Tensor]] = {
    "ddpm": sample_ddpm,
    "ddim": sample_ddim,
    "dpmpp_2m": sample_dpmpp_2m,
}


def get_sampler(name: str) -> Callable[..., torch.Tensor]:
    """The sampler of that name.

    Raises:
        ConfigError: the name is not in ``SAMPLERS``.
    """
    if name not in SAMPLERS:
        raise ConfigError(f"sampler: found '{name}', expected one of {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]


def draw_noise(shape: Sequence[int], generators: list[torch.Generator]) -> torch.Tensor:
    """Unit noise (len(generators), *shape) on the CPU, one generator per slice: no slice sees its batch."""
    return torch.stack([torch.randn(*shape, generator=g) for g in generators])


def _sample_ancestral(
    denoise: Denoiser,
    state: torch.Tensor,
    pairs: Pairs,
    process: JointProcess,
    generators: list[torch.Generator],
    eta: float,
) -> torch.Tensor:
    for t, s in pairs:
        clean = denoise(state, t)
        (signal_t, noise_t), (signal_s, noise_s) = _scales(process, t), _scales(process, s)
        fresh = eta * noise_s / noise_t * math.sqrt(max(0.0, 1 - (signal_t / signal_s) ** 2))
        direction = (state - signal_t * clean) / noise_t
        state = signal_s * clean + math.sqrt(max(0.0, noise_s**2 - fresh**2)) * direction
        if fresh > 0:
            state = state + fresh * draw_noise(state.shape[1:], generators).to(state)
    return state


def _scales(process: JointProcess, t: int) -> tuple[float, float]:
    return (1.0, 0.0) if t < 0 else (float(process.signal_table[t]), float(process.noise_table[t]))
