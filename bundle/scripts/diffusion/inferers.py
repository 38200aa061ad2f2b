"""Calls of the network: one noisy pass in training, the sampling loop over a subject's slices at inference."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import nn

from ..conventions import (
    AVAILABLE,
    MASK,
    NETWORK_CLASSES,
    STRUCTURES,
    SUBJECT,
    TO_NETWORK_CLASS,
    VENDOR,
    ConfigError,
    flag,
)
from .given import Known, known_part
from .process import FIRST_ANSWER, ONE_HOT, JointProcess
from .samplers import draw_noise, get_sampler, timestep_pairs
from .scales import averaged, known_scales, shown_at

# Slices in one network pass. Fixed, and short passes are padded to it: a convolution's last bits depend on the batch
# size, and a subject's bytes must not.
SLICES_PER_PASS = 4
MASK_STEPS = ("first", "last")
# Channels of infarct, no-reflow included where the network has a class for it.
_INFARCT = STRUCTURES["infarct"]


class EncodedSlices(Protocol):
    """What a network's ``encode`` returns: conditions of several slices, to be joined and picked from."""

    @property
    def embedding(self) -> torch.Tensor:
        """Of vendor and availability, (B, channels)."""

    @property
    def first_answer(self) -> Sequence[torch.Tensor]:
        """Mask logits and LGE found before any noise, (B, K + 1, H, W); empty where the network gives none."""

    def select(self, index: torch.Tensor) -> EncodedSlices:
        """The slices of ``index``, in that order."""

    def concatenate(self, parts: Sequence[Any]) -> EncodedSlices:
        """One batch of several of its own kind."""


class EncodingNetwork(Protocol):
    """A network that encodes the conditions of slices once and denoises with them at every step."""

    def encode(self, image: torch.Tensor, available: torch.Tensor | None, vendor: torch.Tensor | None) -> EncodedSlices:
        """Conditions of ``image`` (B, image channels, H, W), -1..1."""

    def denoise(self, state: torch.Tensor, timesteps: torch.Tensor, conditions: Any) -> torch.Tensor:
        """The output for the noisy ``state`` (B, state channels, H, W) at ``timesteps`` (B,), or (B, 2), under
        ``encode``'s."""


class DenoisingInferer(Inferer):
    """One pass of the network at given timesteps, read as a prediction of the clean state.

    Args:
        process: the joint noise process.
        amp: bfloat16 autocast of the network; the loss and the process stay in float32. True, False, or "auto":
            where the device has instructions for it (elsewhere a CPU emulates it, several times slower).
    Raises:
        ConfigError: ``amp`` is none of these.
    """

    def __init__(self, process: JointProcess, amp: bool | str = False) -> None:
        self.process, self.amp = process, amp if amp == "auto" else flag(amp, "amp")

    def __call__(  # type: ignore[override]  # the argument names are those that prepare_batch gives
        self,
        inputs: torch.Tensor,
        network: nn.Module,
        state: torch.Tensor,
        timesteps: torch.Tensor,
        available: torch.Tensor,
        vendor: torch.Tensor,
    ) -> dict[str, Any]:
        """Clean prediction as a dict of ``CleanPrediction``'s fields; ``inputs`` is (B, sequences, H, W) in 0..1.

        Of a network that gives one, "first_answer" holds the same fields of what it found before it saw the state.

        Raises:
            ConfigError: such a network with a process that does not predict the clean state.
        """
        enabled = has_bfloat16(inputs.device.type) if self.amp == "auto" else bool(self.amp)
        # asked for in the same call: only a call of the module itself gathers gradients of several processes
        both = {"with_first_answer": True} if gives_first_answer(network) else {}
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=enabled):
            shown = self.process.network_input(state, timesteps)
            output = network(inputs * 2 - 1, shown, timesteps, available, vendor, **both)
        if not both:
            return self.process.read_output(output, state, timesteps).known()
        output, first = output.chunk(2, dim=1)
        found: dict[str, Any] = self.process.read_output(output, state, timesteps).known()
        return found | {FIRST_ANSWER: self.process.read_clean(first).known()}


class SubjectSampler(Inferer):
    """Samples mask and virtual LGE for every slice of one subject; conditions are encoded once per slice.

    Each slice and sample has its own seed, made from ``seed``, the subject's name, the slice and the sample number,
    so that a subject's result depends neither on its neighbours nor on the order of the work.

    Args:
        process: the joint noise process.
        steps: denoising steps per sample; 0: the first answer of a network that gives one, without noise.
        sampler: "ddpm", "ddim" or "dpmpp_2m".
        samples: independent samples per slice.
        seed: seed of the run.
        spacing: "logsnr" or "time", see JointProcess.sampling_timesteps.
        infarct_log_odds: added to the network's logit of infarct at every step: takes back what class weights in the
            loss put in, to be chosen on validation subjects by the bias of the infarct size; image and mask follow
            it, the image of a first answer alone does not.
        mask_step: which step's prediction becomes the mask of a single sample: "first", from pure noise, where the
            network gives the probabilities themselves; "last", one draw of them, nearly all 0 or 1. Several samples
            keep their last, so that their spread means something.
        mask_temperature: divides the logits of the mask at "first"; above 1 less sure, the label stays; to be
            chosen on validation subjects by the calibration. Source: Guo et al., ICML 2017.
        test_time_scales: factors by which the slices are shown larger or smaller; class probabilities are averaged
            over them, the LGE is that of the largest scale that shows the whole crop. The time grows with their number.
        network: what will be sampled, so that ``steps`` it cannot do are refused before the first subject; None:
            refused at the first one.
    Raises:
        ConfigError: ``steps``, ``samples``, ``sampler``, ``mask_step``, ``mask_temperature`` or ``test_time_scales`` is
            not possible, or log-odds where the network gives no logits.
    """

    def __init__(
        self,
        process: JointProcess,
        steps: int = 4,
        sampler: str = "dpmpp_2m",
        samples: int = 1,
        seed: int = 7,
        spacing: str = "logsnr",
        infarct_log_odds: float = 0.0,
        mask_step: str = "first",
        mask_temperature: float = 1.0,
        test_time_scales: Sequence[float] = (1.0,),
        network: nn.Module | None = None,
    ) -> None:
        if not isinstance(samples, int) or samples < 1:
            raise ConfigError(f"samples: found {samples}, expected a whole number of at least 1.")
        no_noise = type(steps) is int and steps == 0
        if no_noise and samples > 1:
            raise ConfigError(
                f"samples: found {samples} with steps 0, expected 1: without noise all are alike. "
                "Fix: --samples 1, or --steps 4"
            )
        answers_first = network is not None and gives_first_answer(network)
        if no_noise and network is not None and not answers_first:
            raise _no_first_answer(process)
        if answers_first:
            process.require_clean_prediction()
        if network is not None:
            _require_levels(network, process)
            _require_classes(network, process)
        if infarct_log_odds and process.prediction != "sample":
            raise ConfigError(
                f"infarct_log_odds: found {infarct_log_odds} with prediction '{process.prediction}', expected 0."
            )
        if mask_step not in MASK_STEPS:
            raise ConfigError(f"mask_step: found '{mask_step}', expected one of {', '.join(MASK_STEPS)}.")
        if not mask_temperature > 0:
            raise ConfigError(f"mask_temperature: found {mask_temperature}, expected a number above 0.")
        self.first_mask = mask_step == "first" and samples == 1
        self.temperature = float(mask_temperature) if self.first_mask else 1.0
        self.process, self.samples, self.seed, self.log_odds = process, samples, seed, float(infarct_log_odds)
        self.sample = get_sampler(sampler)
        pairs = timestep_pairs(1 if no_noise else steps, process, spacing)
        self.pairs = [] if no_noise else pairs
        self.record = {"steps": steps, "sampler": sampler, "samples": samples, "seed": seed, "spacing": spacing}
        self.record["infarct_log_odds"] = self.log_odds
        self.record |= {"mask_step": MASK_STEPS[not self.first_mask], "mask_temperature": self.temperature}
        self.scales = known_scales(test_time_scales)
        self.record["test_time_scales"] = list(self.scales)
        self.seconds_network, self.given = 0.0, ""

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # as above
        self,
        inputs: torch.Tensor,
        network: EncodingNetwork,
        available: torch.Tensor | None = None,
        vendor: torch.Tensor | None = None,
        subject: Sequence[str] = ("",),
        given: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Samples of one subject; the LGE of a given mask or the mask of a given LGE, where one is given.

        Args:
            inputs: (1, sequences, H, W, S) in 0..1. A MetaTensor says in its meta what is not given as an argument:
                MONAI Label calls an inferer with the image alone.
            available: (1, sequences), or (1, sequences, S) where a sequence covers some slices only; None = all.
            vendor: (1,); None = unknown.
            subject: its name, one entry.
            given: {"mask": codes 0..K-1} or {"lge": 0..1}, (1, 1, H, W, S), on the grid of ``inputs``. It comes back
                as it is, and the other one is sampled for it.
        Returns:
            (1, samples * (K + 1), H, W, S): per sample the K class probabilities, then the virtual LGE in 0..1.
        Raises:
            ConfigError: no ``steps`` and a network that gives no first answer; something given to a network of one
                noise level, without steps or at several scales.
            DataError: what is given has another shape or other values.
        """
        if isinstance(inputs, MetaTensor):
            told, inputs = inputs.meta, inputs.as_tensor()
            available = told.get(AVAILABLE) if available is None else available
            vendor = told.get(VENDOR) if vendor is None else vendor
            subject = told.get(SUBJECT, subject) if subject == ("",) else subject
            available, vendor = (None if t is None else t.to(inputs.device) for t in (available, vendor))
        self.seconds_network = 0.0
        channels, (height, width, slices) = self.process.num_classes + 1, inputs.shape[2:]
        if not slices:
            return inputs.new_zeros(1, self.samples * channels, height, width, 0)
        images = inputs[0].movedim(-1, 0)
        known = self._known(given, network, images) if given else None
        self.given = known.part if known else ""
        answers = []
        for scale in self.scales:
            conditions = self._encode(network, shown_at(images, scale), available, vendor)
            answers.append(self._sample_all(network, conditions, subject[0], (slices, height, width), known))
        volume = averaged(answers, self.scales).reshape(slices, self.samples, channels, height, width)
        return volume.permute(1, 2, 3, 4, 0).reshape(1, self.samples * channels, height, width, slices)

    def _known(self, given: Mapping[str, torch.Tensor], network: EncodingNetwork, images: torch.Tensor) -> Known:
        """What is given as a part of the state of every slice; ``images``: (S, sequences, H, W)."""
        found = f"given: found {', '.join(given)} with"
        if noise_levels(network) < 2:
            raise ConfigError(
                f"{found} a network of one noise level, expected two. Fix: TrunkUNet, as in configs/train.json; "
                "an exported one has one level, --backend torch has both."
            )
        if not self.pairs:
            raise ConfigError(f"{found} steps 0, expected at least 1. Fix: --steps 4")
        if len(self.scales) > 1:
            raise ConfigError(f"{found} {len(self.scales)} test_time_scales, expected 1. Fix: --test_time_scales [1.0]")
        return known_part(given, self.process, images)

    def _sample_all(
        self,
        network: EncodingNetwork,
        conditions: EncodedSlices,
        subject: str,
        shape: tuple[int, int, int],
        known: Known | None = None,
    ) -> torch.Tensor:
        """All samples of all slices, (slices * samples, K + 1, H, W), of a stack of ``shape`` (slices, H, W)."""
        jobs = [(i, n) for i in range(shape[0]) for n in range(self.samples)]
        states = [
            self._sample_pass(network, conditions, [(subject, *job) for job in group], shape[1:], known)
            for group in _passes(jobs)
        ]
        return torch.cat(states)[: len(jobs)]

    def seeds(self, subject: str, slices: int) -> str:
        """JSON of how the last subject was sampled, which part was given, and how its noise is seeded."""
        first = slice_seed(self.seed, subject, 0, 0) if slices else None
        record = {**self.record, "given": self.given} if self.given else self.record
        if not self.pairs:
            return json.dumps({**record, "rule": "no noise is drawn", "first_slice": None})
        rule = "sha256('seed/subject/slice/sample'), first 8 bytes"
        return json.dumps({**record, "rule": rule, "first_slice": first})

    def _encode(
        self,
        network: EncodingNetwork,
        images: torch.Tensor,
        available: torch.Tensor | None,
        vendor: torch.Tensor | None,
    ) -> EncodedSlices:
        """Conditions of all slices, images (S, sequences, H, W), in passes of fixed size."""
        started = time.perf_counter()
        shown = None if available is None else available[0].movedim(-1, 0) if available.ndim == 3 else available
        parts = []
        for group in _passes(range(len(images))):
            index = torch.tensor(group)
            image = (images[index] * 2 - 1).contiguous(memory_format=torch.channels_last)
            some = (
                None if shown is None else shown[index] if len(shown) == len(images) else shown.expand(len(index), -1)
            )
            who = None if vendor is None else vendor.reshape(1).expand(len(index))
            parts.append(network.encode(image, some, who))
        self.seconds_network += time.perf_counter() - started
        return parts[0].concatenate(parts)

    def _sample_pass(
        self,
        network: EncodingNetwork,
        conditions: EncodedSlices,
        jobs: list[tuple[str, int, int]],
        size: tuple[int, int],
        known: Known | None = None,
    ) -> torch.Tensor:
        """Samples (len(jobs), K + 1, H, W) of (subject, slice, sample) jobs; probabilities, then LGE in 0..1."""
        index = torch.tensor([i for _, i, _ in jobs])
        selected = conditions.select(index)
        known = None if known is None else known.select(index)
        if not self.pairs:
            return self._read_first_answer(selected)
        generators = [torch.Generator().manual_seed(slice_seed(self.seed, *job)) for job in jobs]
        noise = draw_noise((self.process.state_channels, *size), generators)
        noise = noise.to(selected.embedding).contiguous(memory_format=torch.channels_last)
        first: list[torch.Tensor] = []
        started = time.perf_counter()

        def denoise(state: torch.Tensor, t: int) -> torch.Tensor:
            """Clean state predicted from ``state`` at ``t``; the first prediction of the mask is kept."""
            timesteps = torch.tensor([t if known is None else known.timesteps(t)] * len(jobs), device=state.device)
            state = state if known is None else known.put(state)
            output = network.denoise(self.process.network_input(state, timesteps), timesteps, selected)
            clean = self.process.read_output(self._with_log_odds(output), state, timesteps)
            if not first:
                first.append(clean.mask_logits)
            return clean.state if known is None else known.put(clean.state)

        # The mask of a given LGE is read off the first prediction: nothing that follows would be seen.
        pairs = self.pairs if known is None or known.part == MASK or not self.first_mask else [(self.pairs[0][0], -1)]
        state = self.sample(denoise, noise, pairs, self.process, generators)
        self.seconds_network += time.perf_counter() - started
        return self._result(None if known is not None and known.part == MASK else first[0], state)

    def _read_first_answer(self, conditions: EncodedSlices) -> torch.Tensor:
        """What the network found before any noise, as ``_sample_pass`` gives it."""
        if not conditions.first_answer:
            raise _no_first_answer(self.process)
        clean = self.process.read_clean(self._with_log_odds(conditions.first_answer[0]))
        return self._result(clean.mask_logits, clean.state)

    def _with_log_odds(self, output: torch.Tensor) -> torch.Tensor:
        """``output`` (B, K + 1, H, W) with the log-odds added to its logits of infarct."""
        if self.log_odds:
            output = output.clone()
            output[:, [code for code in _INFARCT if code < self.process.num_classes]] += self.log_odds
        return output

    def _result(self, first_logits: torch.Tensor | None, state: torch.Tensor) -> torch.Tensor:
        """Class probabilities, from the first step's logits or the last state, and LGE in 0..1, (B, K + 1, H, W)."""
        if self.first_mask and first_logits is not None:
            mask = tempered(first_logits, self.temperature)
        else:
            mask = self.process.probabilities(state)
        return torch.cat([mask, ((state[:, -1:] + 1) / 2).clamp(0, 1)], dim=1)


def tempered(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Class probabilities (B, K, H, W), less sure for a temperature above 1; the largest class stays the largest.

    Of six classes the sums that are the paper's four are made less sure, and what is told apart inside them keeps its
    share: else each part would gain, and an infarct with no-reflow would be larger than the same infarct without.
    """
    if logits.shape[1] == len(NETWORK_CLASSES):
        return (logits / temperature).softmax(1)
    parts = logits.log_softmax(1)
    merged = [TO_NETWORK_CLASS[code] for code in range(logits.shape[1])]
    sums = [
        parts[:, [code for code, whole in enumerate(merged) if whole == one]].logsumexp(1)
        for one in range(len(NETWORK_CLASSES))
    ]
    wholes = torch.stack(sums, dim=1)
    return (wholes / temperature).softmax(1)[:, merged] * (parts - wholes[:, merged]).exp()


def gives_first_answer(network: nn.Module) -> bool:
    """Whether the network, or the one that several processes train together, finds an answer before any noise."""
    return bool(getattr(getattr(network, "module", network), "gives_first_answer", False))


def _require_levels(network: nn.Module, process: JointProcess) -> None:
    if any(process.given_shares.values()) and noise_levels(network) < 2:
        raise ConfigError(
            "process::given_shares: found with a network of one noise level, expected two: mask and LGE have timesteps "
            "of their own. Fix: TrunkUNet, the network of configs/train.json, or no given_shares."
        )


def _require_classes(network: nn.Module, process: JointProcess) -> None:
    found = getattr(network, "num_classes", process.num_classes)
    if process.mask == ONE_HOT and found != process.num_classes:
        raise ConfigError(
            f"num_classes: found {process.num_classes} with a network of {found} classes, expected the same. "
            f"Fix: --num_classes {found}, or another network_def."
        )


def noise_levels(network: Any) -> int:
    """Of a network, or of the one that several processes train together: 2 where mask and LGE have one each."""
    return int(getattr(getattr(network, "module", network), "noise_levels", 1))


def _no_first_answer(process: JointProcess) -> ConfigError:
    return ConfigError(
        f"steps: found 0, expected a whole number from 1 to {process.num_train_timesteps}: this network gives no first "
        "answer. Fix: --steps 4, or TrunkUNet, the network of configs/train.json."
    )


def _passes(jobs: Sequence) -> list[list]:
    """Groups of SLICES_PER_PASS; the last one is filled up by repeating its last job."""
    groups = [list(jobs[i : i + SLICES_PER_PASS]) for i in range(0, len(jobs), SLICES_PER_PASS)]
    return [group + [group[-1]] * (SLICES_PER_PASS - len(group)) for group in groups]


def has_bfloat16(device_type: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware; False where this torch cannot tell."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)() if device_type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def slice_seed(seed: int, subject: str, slice_index: int, sample: int) -> int:
    """Seed of one sample of one slice, 63 bits."""
    digest = hashlib.sha256(f"{seed}/{subject}/{slice_index}/{sample}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
