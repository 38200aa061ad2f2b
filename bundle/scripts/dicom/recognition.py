"""Recognition of a series as cine, T2-STIR or LGE, from its tags first and its names second."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .headers import Frame

CINE, T2_STIR, LGE = ROLES = ("cine", "t2_stir", "lge")
PSIR, MAGNITUDE = "psir", "magnitude"

# Milliseconds. STIR nulls fat: 150-180 at 1.5 T, 200-250 at 3 T; LGE nulls muscle after contrast
# (SOURCES.md of the repository, Protocols). Echo times: bSSFP and LGE 1-5, T2-weighted spin echo 50-100.
_STIR_TI, _LGE_TI = (90.0, 330.0), (150.0, 650.0)
_SHORT_ECHO, _LONG_ECHO = 15.0, 30.0
_SPIN_ECHO_TRAIN = 5
_LEAST_PHASES, _SCOUT_TIMES = 3, 4
_USUAL_BEAT, _LONGEST_BEAT = 600.0, 3000.0
_ANGLE_DEG, _DEPTH_MM = 0.2, 0.5
_LEAST_SPAN = 0.4  # of a heartbeat, that the phases of a cine cover

# Values of ImageType. Siemens and UIH name maps and components as a whole word, Philips with the contrast behind "_".
_MAPS = {"T1", "T2", "T1 MAP", "T2 MAP", "T2_STAR", "T2* MAP", "T2STAR MAP", "R1", "R2", "ADC", "FA", "ECV", "QUANT"}
_VELOCITY = {"P", "PHASE", "VELOCITY", "PHASE MAP", "PHASE CONTRAST", "PHASE CONTRAST M", "P_FFE", "IMAGINARY", "I"}
_REFORMATTED = {"MPR", "PROJECTION IMAGE", "MIP", "VOLUME", "CSA MPR", "PROJECTION_IMAGE", "CPR"}
_PSIR_TYPES = {"PSIR", "R", "REAL", "R_IR", "R_FFE", "CR", "CR_IR", "CR_FFE", "PHASE SENSITIVE"}
_MOCO = "MOCO"

# What tags cannot tell from a cine or an LGE; a name must hold the whole word.
_NOT_WANTED = (
    (r"t1.?map\w*|t2.?map\w*|(sh)?molli\d*|sasha|t2.?star", "a parametric map or its raw images"),
    (r"ti.?scout|look.?locker|ti.?loc\w*", "a scout for the inversion time"),
    (r"perf|perfusion|first.?pass", "perfusion"),
    (r"(grid.?)?tag(ging|s)?", "tagging"),
    (r"q?.?flow|venc\d*|pc|pcmri|phase.?contrast", "flow"),
    (r"mra|cemra|angio\w*|whole.?heart", "angiography"),
)
_NAMES = {
    CINE: r"cine|ssfp|trufi|fiesta|btfe|bffe|tf2d|retro",
    T2_STIR: r"stir|tirm|triple.?ir|tripleir|\btir\b|t2w?_?ir",
    LGE: r"lge|\bde[ _]|_de_|delayed|late.?enh|late.?gad|mde|psir|viab|\bemory|myocardial.?scar",
}
_SHORT_AXIS = re.compile(r"sax|\bsa\b|_sa\b|\bsa_|_sa_|short|kurz|\bksa|axe.?court|petit.?axe|eje.?corto|\bsal\b")
_LOCALISER = re.compile(r"\bloc|localiz|localis|scout|survey|haste")


@dataclass(frozen=True)
class Group:
    """Frames of one series that share orientation, size and kind. ``role`` None: not wanted; ``reason``: why."""

    frames: tuple[Frame, ...]
    role: str | None
    reason: str
    kind: str = ""
    moco: bool = False

    @property
    def first(self) -> Frame:
        return self.frames[0]

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.first.orientation[:3], self.first.orientation[3:])

    @property
    def positions(self) -> np.ndarray:
        """Depths along the normal, mm, ascending, one per slice."""
        return unique_depths(self.frames, self.normal)

    @property
    def named_short_axis(self) -> bool:
        return bool(_SHORT_AXIS.search(self.first.words))


def unique_depths(frames: Iterable[Frame], normal: np.ndarray) -> np.ndarray:
    """Sorted depths of the slices along ``normal``, mm; frames closer than 0.5 mm are one slice."""
    depths = np.sort([float(normal @ frame.position_mm) for frame in frames])
    return depths[np.concatenate([[True], np.diff(depths) > _DEPTH_MM])]


def angle_deg(one: np.ndarray, other: np.ndarray) -> float:
    """Angle between two normals, 0 to 90; their sign does not matter."""
    return float(np.degrees(np.arccos(np.clip(abs(one @ other), 0, 1))))


def recognise_groups(frames: Sequence[Frame]) -> list[Group]:
    """Frames of one study as groups with their roles, in the order of the series numbers."""
    by_series: dict[tuple, list[Frame]] = {}
    for frame in frames:
        component = tuple(value for value in frame.image_type[2:] if value in _PSIR_TYPES | _VELOCITY | _MAPS)
        key = (frame.series_number or 0, frame.series, component, frame.shape, frame.frame_of_reference)
        by_series.setdefault(key, []).append(frame)
    groups = []
    for key in sorted(by_series, key=lambda key: tuple(str(part) if part else "" for part in key[1:])):
        placed = [frame for frame in by_series[key] if _has_geometry(frame)]
        if missing := [frame for frame in by_series[key] if not _has_geometry(frame)]:
            groups.append(Group(tuple(missing), None, "images without position, orientation or pixel spacing"))
        groups += [_recognised(tuple(same)) for same in _by_orientation(placed)]
    return sorted(groups, key=lambda group: (group.first.series_number or 0, group.first.instance_number or 0))


def forced(group: Group, role: str) -> Group:
    """The group in the role that the user gives it."""
    kind, moco = _kind(group.first, role)
    return Group(group.frames, role, "chosen on the command line", kind, moco)


def _has_geometry(frame: Frame) -> bool:
    if frame.orientation is None or frame.position_mm is None or frame.spacing_mm is None:
        return False
    row, column = frame.orientation[:3], frame.orientation[3:]
    return max(abs(row @ row - 1), abs(column @ column - 1), abs(row @ column)) < 1e-3


def _by_orientation(frames: Sequence[Frame]) -> list[list[Frame]]:
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            known = group[0]
            turned = max(np.abs(known.orientation - frame.orientation))
            if turned < np.radians(_ANGLE_DEG) and np.allclose(known.spacing_mm, frame.spacing_mm, atol=1e-3):
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _recognised(frames: tuple[Frame, ...]) -> Group:
    reason = _why_not_wanted(frames[0])
    if reason:
        return Group(frames, None, reason)
    role, reason = _role(frames)
    return Group(frames, role, reason, *_kind(frames[0], role))


def _why_not_wanted(frame: Frame) -> str:
    types = set(frame.image_type)
    if frame.synthetic:
        return "made by this software, not acquired"
    if frame.diffusion:
        return "diffusion (b-value above 0)"
    if types & _MAPS or any(value.endswith((" MAP", "_MAP")) for value in types):
        return "a parametric map (ImageType)"
    if types & _REFORMATTED:
        return "reformatted, not acquired (ImageType)"
    if types & _VELOCITY and not types & {"PSIR"}:
        return "phase or velocity images (ImageType)"
    return next((reason for pattern, reason in _NOT_WANTED if _has_word(pattern, frame.words)), "")


def _has_word(pattern: str, words: str) -> bool:
    """Whether one of the patterns is a word of its own; digits and underscores end a word too."""
    return bool(re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", words))


def _role(frames: tuple[Frame, ...]) -> tuple[str | None, str]:
    """Role and why, from the tags; from names where ScanningSequence is missing or says only "research mode"."""
    first = frames[0]
    known = {"SE", "GR", "IR", "EP"} & set(first.scanning)
    if not known and first.inversion_ms is None and first.echo_ms is None:
        return _role_by_name(frames)
    inverted = "IR" in first.scanning or bool(first.inversion_ms)
    spin = "SE" in first.scanning or (first.echo_train or 1) >= _SPIN_ECHO_TRAIN
    if "EP" in first.scanning:
        return None, "echo planar"
    if spin:
        return _spin_echo_role(first, inverted)
    return _inverted_role(frames) if inverted else _gradient_echo_role(frames)


def _spin_echo_role(first: Frame, inverted: bool) -> tuple[str | None, str]:
    if first.echo_ms is not None and first.echo_ms < _LONG_ECHO:
        return None, f"spin echo with a short echo time ({first.echo_ms:g} ms): not T2-weighted"
    named = bool(re.search(_NAMES[T2_STIR], first.words))
    inversion = first.inversion_ms
    if inverted and inversion is not None and _STIR_TI[0] <= inversion <= _STIR_TI[1]:
        return T2_STIR, f"spin echo, inversion {inversion:g} ms, echo {_text(first.echo_ms)} ms"
    if named and (inversion is None or inversion == 0):
        return T2_STIR, f"spin echo, echo {_text(first.echo_ms)} ms, named as STIR; inversion time not given"
    if inverted and named:
        return T2_STIR, f"spin echo, named as STIR; its inversion time of {inversion:g} ms is not that of fat"
    if inverted and inversion is not None:
        return None, f"spin echo with inversion at {inversion:g} ms: not fat-nulled"
    return None, "spin echo without inversion: not STIR"


def _inverted_role(frames: tuple[Frame, ...]) -> tuple[str | None, str]:
    first, slices = frames[0], _slices(frames)
    times = {round(frame.inversion_ms) for frame in frames if frame.inversion_ms}
    per_slice = len(frames) / slices
    many = max(len(times) - slices + 1, _distinct_triggers(frames))
    if per_slice >= _SCOUT_TIMES and many >= _SCOUT_TIMES:
        return None, "inversion recovery at many times in one slice: a scout for the inversion time, or mapping"
    if first.echo_ms is not None and first.echo_ms > _SHORT_ECHO:
        return None, f"inversion recovery gradient echo with a long echo time ({first.echo_ms:g} ms)"
    if first.inversion_ms and not _LGE_TI[0] <= first.inversion_ms <= _LGE_TI[1]:
        return None, f"inversion at {first.inversion_ms:g} ms, LGE has {_LGE_TI[0]:g} to {_LGE_TI[1]:g}"
    return LGE, f"gradient echo, inversion {_text(first.inversion_ms)} ms"


def _gradient_echo_role(frames: tuple[Frame, ...]) -> tuple[str | None, str]:
    first, per_slice = frames[0], len(frames) / _slices(frames)
    if per_slice < _LEAST_PHASES:
        what = "localiser" if _LOCALISER.search(first.words) else "localiser or anatomy"
        return None, f"gradient echo with {per_slice:g} image per slice: {what}"
    distinct = _distinct_triggers(frames)
    times = [frame.trigger_ms for frame in frames if frame.trigger_ms is not None] or [0.0]
    span, beat = max(times) - min(times), max(times)
    enough = span >= _LEAST_SPAN * (first.rr_ms if first.rr_ms and first.rr_ms < _LONGEST_BEAT else _USUAL_BEAT)
    if distinct >= _LEAST_PHASES and enough and beat <= _LONGEST_BEAT and distinct >= 0.5 * per_slice:
        return CINE, f"gradient echo, {distinct} phases per slice with trigger times"
    if distinct <= 1 and (first.cardiac_images or 1) >= _LEAST_PHASES:
        return CINE, f"gradient echo, {first.cardiac_images} cardiac phases, no trigger times"
    return None, "gradient echo repeated without cardiac phases: perfusion or another dynamic series"


def _role_by_name(frames: tuple[Frame, ...]) -> tuple[str | None, str]:
    per_slice = len(frames) / _slices(frames)
    for role in (T2_STIR, LGE, CINE):
        if re.search(_NAMES[role], frames[0].words) and (role != CINE or per_slice >= _LEAST_PHASES):
            return role, "by its name; the tags of the sequence are missing"
    return None, "neither tags nor name say what it is"


def _slices(frames: tuple[Frame, ...]) -> int:
    normal = np.cross(frames[0].orientation[:3], frames[0].orientation[3:])
    return len(unique_depths(frames, normal))


def _distinct_triggers(frames: tuple[Frame, ...]) -> int:
    """Most distinct trigger times of any one slice."""
    normal = np.cross(frames[0].orientation[:3], frames[0].orientation[3:])
    times: dict[int, set] = {}
    for frame in frames:
        if frame.trigger_ms is not None:
            times.setdefault(round(float(normal @ frame.position_mm)), set()).add(round(frame.trigger_ms, 1))
    return max((len(found) for found in times.values()), default=0)


def _kind(frame: Frame, role: str | None) -> tuple[str, bool]:
    """Kind and whether motion-corrected, of an LGE."""
    return (_lge_kind(frame), _is_moco(frame)) if role == LGE else ("", False)


def _lge_kind(frame: Frame) -> str:
    """PSIR from ImageType; from the name where the type says nothing of the component (GE: OTHER)."""
    if set(frame.image_type) & _PSIR_TYPES:
        return PSIR
    told = set(frame.image_type) & {"M", "MAG", "MAGNITUDE", "M_IR", "M_FFE"}
    return PSIR if not told and re.search(r"psir|\bps:|phase.?sens", frame.words) else MAGNITUDE


def _is_moco(frame: Frame) -> bool:
    return any(_MOCO in value for value in frame.image_type) or "moco" in frame.words


def _text(value: float | None) -> str:
    return "of unknown" if value is None else f"{value:g}"
