"""Recognition of a series as cine, T2-STIR or LGE, from its tags first and its names second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .headers import Frame
from .names import SeriesNames, exam_names
from .words import CINE, LGE, ROLES, T2_STIR

__all__ = ["CINE", "LGE", "MAGNITUDE", "PSIR", "ROLES", "T2_STIR", "Group", "recognise_groups"]
PSIR, MAGNITUDE = "psir", "magnitude"

# Milliseconds. STIR nulls fat: 150-180 at 1.5 T, 200-250 at 3 T; LGE nulls muscle after contrast
# (SOURCES.md of the repository, Protocols). Echo times: bSSFP and LGE 1-5, T2-weighted spin echo 50-100.
_STIR_TI, _LGE_TI = (90.0, 330.0), (150.0, 650.0)
_SHORT_ECHO, _LONG_ECHO = 15.0, 30.0
# A train of spin echoes has at least so many; its first comes later than this, in ms. A segmented gradient echo may
# give the lines of a segment as its echo train, so that the tags that name the echo and the echo time come first.
_SPIN_ECHO_TRAIN, _FIRST_SPIN_ECHO = 5, 5.0
_LEAST_PHASES, _SCOUT_TIMES = 3, 4
_USUAL_BEAT, _LONGEST_BEAT = 600.0, 3000.0
_ANGLE_DEG, _DEPTH_MM = 0.2, 0.5
_LEAST_SPAN = 0.4  # of a heartbeat, that the phases of a cine cover

# Values of ImageType. Siemens and UIH name maps and components as a whole word, Philips with the contrast behind "_".
_MAPS = {"T1 MAP", "T2 MAP", "T2* MAP", "T2STAR MAP", "R1", "R2", "ADC", "FA", "ECV", "QUANT", "QUANTITY"}
# The contrast of an original image, PS3.3 C.8.13.3.1.1; a map where the image is derived and no name says otherwise.
_CONTRASTS = {"T1", "T2", "T2_STAR"}
_VELOCITY = {"P", "PHASE", "VELOCITY", "PHASE MAP", "PHASE CONTRAST", "PHASE CONTRAST M", "P_FFE", "IMAGINARY", "I"}
_REFORMATTED = {"MPR", "PROJECTION IMAGE", "MIP", "CSA MPR", "PROJECTION_IMAGE", "CPR", "MAX_IP", "MIN_IP"}
# Flavours of value 3 that name another technique (the same section).
_TECHNIQUES = {
    "PERFUSION": "perfusion",
    "FLOW_ENCODED": "flow",
    "TAGGING": "tagging",
    "DIFFUSION": "diffusion",
    "ANGIO": "angiography",
    "ANGIO_TIME": "angiography",
    "TOF": "angiography",
    "LOCALIZER": "localiser",
}
_PSIR_TYPES = {"PSIR", "R", "REAL", "R_IR", "R_FFE", "CR", "CR_IR", "CR_FFE", "PHASE SENSITIVE"}
_MOCO = "MOCO"


# Why images are in no stack, whatever they are.
NO_PLACE = "images without position, orientation or pixel spacing, or with one that cannot be"


@dataclass(frozen=True)
class Group:
    """Frames of one series that share orientation, size and kind.

    ``role`` None: not wanted; ``reason``: why. ``doubtful``: a name gave the role and a tag did not confirm it.
    """

    frames: tuple[Frame, ...]
    role: str | None
    reason: str
    kind: str = ""
    moco: bool = False
    names: SeriesNames = SeriesNames("")
    doubtful: bool = False

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
        component = tuple(
            value for value in frame.image_type[2:] if value in _PSIR_TYPES | _VELOCITY | _MAPS | _CONTRASTS
        )
        key = (frame.series_number or 0, frame.series, component, frame.shape, frame.frame_of_reference)
        by_series.setdefault(key, []).append(frame)
    groups, names_of = [], _names(frames)
    for key in sorted(by_series, key=lambda key: tuple(str(part) if part else "" for part in key[1:])):
        placed = [frame for frame in by_series[key] if _has_geometry(frame)]
        if missing := [frame for frame in by_series[key] if not _has_geometry(frame)]:
            groups.append(Group(tuple(missing), None, NO_PLACE))
        groups += [_recognised(tuple(same), names_of) for same in _by_orientation(placed)]
    return sorted(groups, key=lambda group: (group.first.series_number or 0, group.first.instance_number or 0))


def forced(group: Group, role: str) -> Group:
    """The group in the role that the user gives it."""
    kind, moco = _kind(group.first, role, group.names)
    return Group(group.frames, role, "chosen on the command line", kind, moco, group.names)


def _names(frames: Sequence[Frame]) -> Callable[[Frame], SeriesNames]:
    """What the names of a frame say of its series; those of the whole exam say nothing (GE: ProtocolName)."""
    acquired = [frame for frame in frames if not frame.derived] or frames  # some exports mark every image as derived
    kinds = {
        (frame.protocol, "spin" if _is_spin_echo(frame) else "inverted" if _is_inverted(frame) else "", _tell(frame))
        for frame in acquired
    }
    echoes = {(frame.description, "spin" if _is_spin_echo(frame) else "", "") for frame in acquired}
    protocols, descriptions = exam_names(kinds), exam_names(echoes)

    def names_of(frame: Frame) -> SeriesNames:
        protocol = "" if frame.protocol in protocols else frame.protocol
        return SeriesNames(frame.description, protocol, frame.sequence, frame.description in descriptions)

    return names_of


def _tell(frame: Frame) -> str:
    """What tells series apart that share a technique."""
    return f"{frame.description} {frame.image_type} {frame.cardiac_images}"


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


def _recognised(frames: tuple[Frame, ...], names_of: Callable[[Frame], SeriesNames]) -> Group:
    first, names = frames[0], names_of(frames[0])
    if reason := _why_not_wanted(first, names):
        return Group(frames, None, reason, names=names)
    role, reason, doubtful = _role(frames, names)
    # A name alone makes no cine where it has a word for another technique as well.
    if other := names.other_technique(None if role == CINE and doubtful else role):
        return Group(frames, None, other, names=names)
    return Group(frames, role, reason, *_kind(first, role, names), names, doubtful)


def _why_not_wanted(frame: Frame, names: SeriesNames) -> str:
    types = set(frame.image_type)
    if frame.synthetic:
        return "made by this software, not acquired"
    if frame.diffusion:
        return "diffusion (b-value above 0)"
    if types & _MAPS or any(value.endswith((" MAP", "_MAP")) for value in types) or _is_derived_map(frame, names):
        return "a parametric map (ImageType)"
    if types & _REFORMATTED or ("VOLUME" in types and frame.image_type[:2] == ("DERIVED", "SECONDARY")):
        return "reformatted, not acquired (ImageType)"
    if types & _VELOCITY and not types & {"PSIR"}:
        return "phase or velocity images (ImageType)"
    techniques = [_TECHNIQUES[value] for value in (*frame.image_type, *frame.flavours) if value in _TECHNIQUES]
    return f"{techniques[0]} (tags)" if techniques else ""


def _is_derived_map(frame: Frame, names: SeriesNames) -> bool:
    """Whether T1, T2 or T2_STAR means a map: in a derived image that no name calls one of the wanted sequences."""
    return bool(frame.derived and set(frame.image_type) & _CONTRASTS and not any(names.says(role) for role in ROLES))


def _is_spin_echo(frame: Frame) -> bool:
    """From the tags that name the echo, else from the echo time, else from the echo train."""
    if {"SE", "GR"} & set(frame.scanning):
        return "SE" in frame.scanning
    if frame.echo_ms is not None and (frame.echo_ms >= _LONG_ECHO or frame.echo_ms < _FIRST_SPIN_ECHO):
        return frame.echo_ms >= _LONG_ECHO
    return (frame.echo_train or 1) >= _SPIN_ECHO_TRAIN


def _is_hybrid(frame: Frame) -> bool:
    """Whether an echo planar image is a gradient echo of a few lines per pulse, as cine and LGE may be taken."""
    return "GR" in frame.scanning and frame.echo_ms is not None and frame.echo_ms <= _SHORT_ECHO


def _is_inverted(frame: Frame) -> bool:
    return "IR" in frame.scanning or bool(frame.inversion_ms)


# A role, why, and whether it is in doubt.
_Verdict: TypeAlias = tuple[str | None, str, bool]


def _role(frames: tuple[Frame, ...], names: SeriesNames) -> _Verdict:
    """From the tags; from names where ScanningSequence is missing or says only "research mode"."""
    first = frames[0]
    known = {"SE", "GR", "IR", "EP"} & set(first.scanning)
    if not known and first.inversion_ms is None and first.echo_ms is None:
        return _role_by_name(frames, names)
    if "EP" in first.scanning and not _is_hybrid(first):
        return None, "echo planar", False
    if _is_spin_echo(first):
        return _spin_echo_role(first, names)
    if _is_inverted(first):
        return _inverted_role(frames, names)
    return _gradient_echo_role(frames, names)


def _spin_echo_role(first: Frame, names: SeriesNames) -> _Verdict:
    if first.echo_ms is not None and first.echo_ms < _LONG_ECHO:
        return None, f"spin echo with a short echo time ({first.echo_ms:g} ms): not T2-weighted", False
    inverted, inversion = _is_inverted(first), first.inversion_ms
    if inverted and inversion is not None and _STIR_TI[0] <= inversion <= _STIR_TI[1]:
        return T2_STIR, f"spin echo, inversion {inversion:g} ms, echo {_text(first.echo_ms)} ms", False
    named = names.says(T2_STIR) or "STIR" in first.image_type + first.flavours
    if named and not inversion:
        return T2_STIR, f"spin echo, echo {_text(first.echo_ms)} ms, named as STIR; inversion time not given", True
    if inverted and named:
        return T2_STIR, f"spin echo, named as STIR; its inversion time of {inversion:g} ms is not that of fat", True
    if inverted and inversion:
        return None, f"spin echo with inversion at {inversion:g} ms: not fat-nulled", False
    if inverted:
        return None, "spin echo with inversion, but neither inversion time nor name tell that it nulls fat", False
    return None, "spin echo without inversion: not STIR", False


def _inverted_role(frames: tuple[Frame, ...], names: SeriesNames) -> _Verdict:
    first, slices = frames[0], _slices(frames)
    times = {round(frame.inversion_ms) for frame in frames if frame.inversion_ms}
    per_slice, named = len(frames) / slices, names.says(LGE)
    many = max(len(times) - slices + 1, _distinct_triggers(frames))
    if per_slice >= _SCOUT_TIMES and many >= _SCOUT_TIMES:
        return None, "inversion recovery at many times in one slice: a scout for the inversion time, or mapping", False
    if per_slice >= _SCOUT_TIMES and not named:
        return None, f"inversion recovery with {per_slice:g} images per slice: perfusion or averages", False
    if first.echo_ms is not None and first.echo_ms > _SHORT_ECHO:
        return None, f"inversion recovery gradient echo with a long echo time ({first.echo_ms:g} ms)", False
    usual, doubtful = f"{_LGE_TI[0]:g} to {_LGE_TI[1]:g}", names.early
    if first.inversion_ms and not _LGE_TI[0] <= first.inversion_ms <= _LGE_TI[1]:
        if not named:
            return None, f"inversion at {first.inversion_ms:g} ms, LGE has {usual}", False
        return LGE, f"named as LGE; its inversion time of {first.inversion_ms:g} ms is not in {usual}", True
    return LGE, f"gradient echo, inversion {_text(first.inversion_ms)} ms", doubtful


def _gradient_echo_role(frames: tuple[Frame, ...], names: SeriesNames) -> _Verdict:
    first, per_slice = frames[0], len(frames) / _slices(frames)
    if per_slice < _LEAST_PHASES:
        if names.says(LGE) and (first.echo_ms or 0.0) <= _SHORT_ECHO:
            return LGE, "gradient echo, named as LGE; inversion not given", True
        what = "localiser" if names.localiser else "localiser or anatomy"
        return None, f"gradient echo with {per_slice:g} image per slice: {what}", False
    distinct = _distinct_triggers(frames)
    if _covers_a_beat(frames):
        return CINE, f"gradient echo, {distinct} phases per slice with trigger times", False
    if distinct <= 1 and (first.cardiac_images or 1) >= _LEAST_PHASES:
        return CINE, f"gradient echo, {first.cardiac_images} cardiac phases, no trigger times", False
    if not distinct and first.cardiac_images is None and names.says(CINE):
        return CINE, f"gradient echo, {per_slice:g} images per slice, named as cine; no trigger times", True
    return None, "gradient echo repeated without cardiac phases: perfusion or another dynamic series", False


def _role_by_name(frames: tuple[Frame, ...], names: SeriesNames) -> _Verdict:
    moving = len(frames) / _slices(frames) >= _LEAST_PHASES
    for role in (CINE, T2_STIR, LGE) if moving else (T2_STIR, LGE):
        if names.says(role):
            return role, "by its name; the tags of the sequence are missing", True
    if names.plane and moving and _covers_a_beat(frames):
        return CINE, f"phases with trigger times, named as {names.plane}; the tags of the sequence are missing", True
    return None, "neither tags nor name say what it is", False


def _covers_a_beat(frames: tuple[Frame, ...]) -> bool:
    """Whether the images of a slice are phases: trigger times that differ and cover much of one heartbeat."""
    rr_ms, distinct = frames[0].rr_ms, _distinct_triggers(frames)
    times = [frame.trigger_ms for frame in frames if frame.trigger_ms is not None] or [0.0]
    enough = max(times) - min(times) >= _LEAST_SPAN * (rr_ms if rr_ms and rr_ms < _LONGEST_BEAT else _USUAL_BEAT)
    return (
        distinct >= _LEAST_PHASES
        and enough
        and max(times) <= _LONGEST_BEAT
        and distinct >= 0.5 * len(frames) / _slices(frames)
    )


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


def _kind(frame: Frame, role: str | None, names: SeriesNames) -> tuple[str, bool]:
    """Kind and whether motion-corrected, of an LGE."""
    return (_lge_kind(frame, names), _is_moco(frame)) if role == LGE else ("", False)


def _lge_kind(frame: Frame, names: SeriesNames) -> str:
    """PSIR from ImageType; from the name where the type says nothing of the component (GE: OTHER)."""
    if set(frame.image_type) & _PSIR_TYPES:
        return PSIR
    told = set(frame.image_type) & {"M", "MAG", "MAGNITUDE", "M_IR", "M_FFE"}
    return PSIR if not told and names.phase_sensitive else MAGNITUDE


def _is_moco(frame: Frame) -> bool:
    return (
        any(_MOCO in value for value in frame.image_type) or "moco" in f"{frame.description} {frame.protocol}".lower()
    )


def _text(value: float | None) -> str:
    return "of unknown" if value is None else f"{value:g}"
