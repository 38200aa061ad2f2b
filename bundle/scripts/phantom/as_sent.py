"""What a hospital sends of an examination: phases of the heartbeat, trigger times, gaps, headers of each stack.

The shares below are chosen so that every way is met often enough to be tested; no source counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..dicom.geometry import StackGeometry
from .heart.anatomy import Anatomy
from .heart.motion import END_SYSTOLE
from .parameters import AS_SENT, AT_KEY, PhantomParameters
from .scanner.protocol import Protocol

# Short name and moment of end-diastole and end-systole.
KEY_MOMENTS = {"ed": 0.0, "es": END_SYSTOLE}
SEQUENCES = ("cine", "t2_stir", "lge")
# Share of subjects by the sequences whose trigger times are sent; the usual NIfTI folder has none.
_TIMES = ((SEQUENCES, 0.35), ((), 0.30), (("cine", "t2_stir"), 0.15), (("cine",), 0.10), (("t2_stir", "lge"), 0.10))
# Share of cines of two phases (end-diastole and end-systole), and of one; phases of the others, fewest and most.
_TWO_PHASES, _ONE_PHASE, _PHASES = 0.15, 0.10, (8, 40)
# Where a cine begins, share of cines and moments in the RR interval: after a trigger delay, where a prospectively
# triggered cine also ends before the next beat; or at a finger's pulse, from which all times then count [K].
_DELAYED, _DELAY, _ENDS = 0.25, (0.04, 0.15), (0.82, 0.95)
_PULSE, _PULSE_AFTER_R_WAVE = 0.10, (0.20, 0.35)
# Moments of T2-STIR and LGE other than the protocol's mid-diastole: share of subjects, and where in the RR interval.
_LATE_DIASTOLE, _STIR_IN_LATE_DIASTOLE = (0.80, 0.92), 0.50
_SYSTOLE, _STIR_IN_SYSTOLE, _LGE_IN_SYSTOLE = (0.30, 0.40), 0.05, 0.06
# Share of subjects of whose T2-STIR or LGE one slice is missing.
_STIR_GAP, _LGE_GAP = 0.12, 0.04
# Stacks planned by themselves (not aligned): SD and largest distance along the axis, mm, the latter below half the
# usual pitch; largest margin cut off on each side, pixels; chance that T2-STIR leaves out the first or last slice.
_ALONG_MM, _FARTHEST_MM, _MARGIN_PIXELS, _SHORTER = {"t2_stir": 2.0, "lge": 1.5}, 3.5, 12, 0.2


@dataclass(frozen=True)
class OwnStack:
    """A stack planned by itself: ``along_mm`` towards the apex from the cine's, and what of its grid is left out.

    ``margins``: pixels at the low and high end of x and of y. ``ends``: slices at either end.
    """

    along_mm: float = 0.0
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    ends: tuple[int, int] = (0, 0)

    def volume(self, volume: np.ndarray) -> np.ndarray:
        """What is kept of a volume (X, Y, S, ...)."""
        (left, right, top, bottom), (first, last) = self.margins, self.ends
        x, y, slices = volume.shape[:3]
        return volume[left : x - right, top : y - bottom, first : slices - last]

    def stack(self, stack: StackGeometry) -> StackGeometry:
        """Geometry of what is kept."""
        step = np.asarray(stack.slice_step_mm)
        position = (
            np.asarray(stack.position_mm)
            + self.margins[0] * stack.spacing_mm[0] * np.asarray(stack.row_cosines)
            + self.margins[2] * stack.spacing_mm[1] * np.asarray(stack.column_cosines)
            + (self.ends[0] + self.along_mm / float(np.linalg.norm(step))) * step
        )
        return replace(stack, position_mm=position)


@dataclass(frozen=True)
class Sending:
    """Phases, times and gaps of one subject; moments are shares of the RR interval, from the R wave.

    ``cine``: moment of each stored phase. ``times``: sequences whose trigger times are told. ``clock``: moment from
    which they count. ``begins``: how the cine begins, in words. ``gaps``: the missing slice of a sequence.
    ``stacks``: of sequences that lie on a grid of their own.
    """

    cine: tuple[float, ...]
    lge: float
    t2_stir: float
    times: tuple[str, ...] = SEQUENCES
    clock: float = 0.0
    begins: str = "r_wave"
    gaps: Mapping[str, int] = field(default_factory=dict)
    stacks: Mapping[str, OwnStack] = field(default_factory=dict)

    def trigger_times_ms(self, rr_ms: float) -> dict[str, list[float] | float | None]:
        """The three keys of meta.json; None where the times are not told."""
        told: dict[str, list[float] | float] = {
            "cine_trigger_times_ms": [self._time_ms(moment, rr_ms) for moment in self.cine],
            "lge_trigger_time_ms": self._time_ms(self.lge, rr_ms),
            "t2_stir_trigger_time_ms": self._time_ms(self.t2_stir, rr_ms),
        }
        return {key: value if key.split("_trigger")[0] in self.times else None for key, value in told.items()}

    def shows(self, index: int, slices: int) -> bool:
        """Whether every sequence was sent at slice ``index`` of a stack of ``slices``."""
        ends = [stack.ends for stack in self.stacks.values()]
        return index not in self.gaps.values() and all(low <= index < slices - high for low, high in ends)

    def truth(self) -> dict[str, Any]:
        """What was sent, and the moments that the files may not tell, for meta.json."""
        return {
            "cine_phases": [round(moment % 1.0, 4) for moment in self.cine],
            "lge_phase": round(self.lge, 4),
            "t2_stir_phase": round(self.t2_stir, 4),
            "cine_begins": self.begins,
            "times_count_from": round(self.clock, 4),
            "trigger_times": list(self.times),
            "missing_slices": dict(self.gaps),
            "stacks_along_mm": {name: round(stack.along_mm, 3) for name, stack in self.stacks.items()},
        }

    def _time_ms(self, moment: float, rr_ms: float) -> float:
        return round((moment - self.clock) % 1.0 * rr_ms, 1)


def complete_sending(parameters: PhantomParameters, protocol: Protocol) -> Sending:
    """Every phase, or end-diastole, end-systole and the LGE's, with all times."""
    lge, t2_stir = protocol.diastolic_fraction
    return Sending(tuple(cine_fractions(parameters, lge)), lge, t2_stir)


def cine_fractions(parameters: PhantomParameters, lge_fraction: float) -> list[float]:
    """Moments of the stored cine phases, 0..1 of the RR interval: all, or end-diastole, end-systole and the LGE's."""
    if parameters.stored_phases == "key":
        return [0.0, END_SYSTOLE, lge_fraction]
    phases = parameters.phases or 1
    return [phase / phases for phase in range(phases)]


def labelled_phases(parameters: PhantomParameters, moments: Sequence[float]) -> dict[str, int]:
    """Short name and index of the stored phases with references of their own; none unless they are asked for."""
    if parameters.labelled_phases != AT_KEY:
        return {}
    apart = {name: np.abs(np.asarray(moments) - moment) for name, moment in KEY_MOMENTS.items()}
    return {name: int(np.argmin(distance)) for name, distance in apart.items()}


def draw_sending(
    parameters: PhantomParameters, protocol: Protocol, anatomy: Anatomy, rng: np.random.Generator
) -> Sending:
    """How one subject is sent: complete, or drawn by ``timing`` as_sent."""
    if parameters.timing != AS_SENT:
        return complete_sending(parameters, protocol)
    lge, t2_stir = protocol.diastolic_fraction
    lge = _drawn(lge, ((_LGE_IN_SYSTOLE, _SYSTOLE),), rng)
    t2_stir = _drawn(t2_stir, ((_STIR_IN_LATE_DIASTOLE, _LATE_DIASTOLE), (_STIR_IN_SYSTOLE, _SYSTOLE)), rng)
    cine, begins, clock = _draw_cine(parameters.phases, lge, rng)
    times = _TIMES[int(rng.choice(len(_TIMES), p=[share for _, share in _TIMES]))][0]
    chance, which = rng.random(), int(rng.integers(anatomy.slices))
    gap = "t2_stir" if chance < _STIR_GAP else "lge" if chance < _STIR_GAP + _LGE_GAP else ""
    stacks = {} if parameters.aligned else {name: _draw_stack(name, anatomy, rng) for name in _ALONG_MM}
    return Sending(cine, lge, t2_stir, times, clock, begins, {gap: which} if gap else {}, stacks)


def _drawn(usual: float, others: tuple[tuple[float, tuple[float, float]], ...], rng: np.random.Generator) -> float:
    """The usual moment, or one of another range, by their shares."""
    chance, found = rng.random(), usual
    for share, limits in others:
        moment = float(rng.uniform(*limits))  # drawn for all, so that a share changes no other number
        found = moment if 0 <= chance < share else found
        chance -= share
    return found


def _draw_cine(phases: int | None, lge: float, rng: np.random.Generator) -> tuple[tuple[float, ...], str, float]:
    """Moments of the phases, how the cine begins, and the moment from which times count."""
    kind, begin, count = rng.random(), rng.random(), int(rng.integers(*_PHASES, endpoint=True))
    delay, end, pulse = (float(rng.uniform(*limits)) for limits in (_DELAY, _ENDS, _PULSE_AFTER_R_WAVE))
    first = bool(rng.random() < 0.5)
    if phases is None:
        phases = 2 if kind < _TWO_PHASES else 1 if kind < _TWO_PHASES + _ONE_PHASE else count
    if phases == 1:
        return (0.0 if first else lge,), "end_diastole" if first else "phase_of_the_lge", 0.0
    if phases == 2:
        return (0.0, END_SYSTOLE), "end_diastole", 0.0
    if begin < _DELAYED:
        return tuple(delay + (end - delay) * k / (phases - 1) for k in range(phases)), "trigger_delay", 0.0
    if begin < _DELAYED + _PULSE:
        return tuple(pulse + k / phases for k in range(phases)), "pulse", pulse
    return tuple(k / phases for k in range(phases)), "r_wave", 0.0


def _draw_stack(name: str, anatomy: Anatomy, rng: np.random.Generator) -> OwnStack:
    """A stack of its own that keeps the whole heart in plane; LGE and label keep every slice."""
    farthest = min(_FARTHEST_MM, 0.45 * anatomy.pitch_mm)
    along = float(np.clip(rng.normal(0.0, _ALONG_MM[name]), -farthest, farthest))
    cut = rng.integers(0, _MARGIN_PIXELS, 4, endpoint=True)
    x, y = anatomy.heart_box()
    room = (x.start, anatomy.matrix[0] - x.stop, y.start, anatomy.matrix[1] - y.stop)
    left, right, top, bottom = (int(min(one, most)) for one, most in zip(cut, room, strict=True))
    shorter = (rng.random(2) < _SHORTER) & (name == "t2_stir")
    return OwnStack(along, (left, right, top, bottom), (int(shorter[0]), int(shorter[1])))
