"""ACDC: <case>_4d, <case>_frameNN, <case>_frameNN_gt, and Info.cfg with the frames of end-diastole and end-systole."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from ... import conventions
from ...preprocessing.labels import LABEL_TABLE
from ...volumes.entry_files import CINE_FRAMES
from ..layout import (
    END_SYSTOLE,
    Layout,
    found_twice,
    image_suffix,
    lost_subjects,
    missing_cine,
    sorted_entries,
    stem,
    unread,
)

NAME = "6 (ACDC)"
_FILE = re.compile(r"(?P<case>.+)_(?:4d|frame(?P<frame>\d+)(?P<gt>_gt)?)", re.IGNORECASE | re.DOTALL)
_INFO = re.compile(r"info.*\.cfg", re.IGNORECASE)
_LINE = re.compile(r"\s*(ED|ES)\s*[:=]\s*(\d+)\s*", re.IGNORECASE)


class _Case:
    """Files of one case: the 4-D cine, and images and label maps by frame, counted from 1."""

    def __init__(self) -> None:
        self.cine: Path | None = None
        self.images: dict[int, Path] = {}
        self.maps: dict[int, Path] = {}
        self.twice: list[Path] = []  # of one kind and frame, the second with the first

    @property
    def files(self) -> list[Path]:
        return [*([self.cine] if self.cine else []), *self.images.values(), *self.maps.values(), *self.twice]

    def phase(self, frame: int | None) -> int | None:
        """Phase of the cine, counted from 0, that a frame is; None where the cine does not hold it."""
        if frame is None or frame < 1:
            return None
        if self.cine:
            return frame - 1
        return sorted(self.images).index(frame) if frame in self.images else None

    def lacks(self, frame: int) -> bool:
        """Whether the cine is made of frames, and this one, which has a label map, is not among them."""
        return not self.cine and bool(self.images) and frame not in self.images


def fits(files: list[Path]) -> bool:
    return any(_match(path) for path in files)


def read(root: Path, files: list[Path]) -> Layout:
    """The cine is the 4-D file, or the frames where it is not there; the label map is that of end-diastole."""
    cases: dict[str, _Case] = {}
    for path in files:
        if match := _match(path):
            case = cases.setdefault(match["case"], _Case())
            if match["frame"] is None:
                first = case.cine = case.cine or path
            else:
                first = (case.maps if match["gt"] else case.images).setdefault(int(match["frame"]), path)
            if first != path:
                case.twice += [first, path]
    infos = [path for path in files if _INFO.fullmatch(path.name)]
    cases_in = Counter(folder for case in cases.values() for folder in {path.parent for path in case.files})
    own = [path for path in infos if cases_in[path.parent] == 1]
    used = [path for case in cases.values() for path in case.files]
    lost, lost_files = lost_subjects(files, used, "<case>_4d.nii.gz and <case>_frameNN_gt.nii.gz")
    found = [_entry(name, case, _info_of(name, case, infos, own)) for name, case in cases.items()]
    listed = sorted_entries([*found, *lost])
    names = {"cine": "<case>_4d.nii.gz", "label": "<case>_frameNN_gt.nii.gz"}
    text = (
        f"{root}: found ACDC, cines with label maps of the chambers, expected an LGE of each subject.\n"
        "Fix: give a folder with cine, LGE and label; inference, quantify and transfer.json work on ACDC."
    )
    return Layout(NAME, listed, unread(root, files, [*used, *lost_files]), "acdc", names, {"lge": text})


def _match(path: Path) -> re.Match[str] | None:
    return _FILE.fullmatch(stem(path.name)) if image_suffix(path.name) else None


def _entry(name: str, case: _Case, info: Path | None) -> dict:
    entry: dict = {conventions.SUBJECT: name}
    if case.twice:
        return entry | {"problem": found_twice(name, case.twice[0], case.twice[1])}
    if case.cine:
        entry["cine"] = str(case.cine)
    elif case.images:
        frames = [str(case.images[frame]) for frame in sorted(case.images)]
        entry |= {"cine": frames[0]} | ({CINE_FRAMES: frames} if len(frames) > 1 else {})
    numbers = _phases(info)
    for key, frame in numbers.items():
        if (phase := case.phase(frame)) is not None:
            entry[f"{key}_phase"] = phase
    entry |= _label(name, case, numbers, info)
    return missing_cine(entry, f"{name}_4d.nii.gz or {name}_frame01.nii.gz", [path.name for path in case.files])


def _label(name: str, case: _Case, numbers: dict[str, int], info: Path | None) -> dict:
    """The label map of end-diastole, else of end-systole; the only one where nothing says which it is.

    Beside that of end-diastole, END_SYSTOLE says where that of end-systole is.
    """
    frames = [numbers[key] for key in ("ed", "es") if numbers.get(key) in case.maps]
    if len(case.maps) == 1 and not numbers:
        frames = list(case.maps)
    frame = next((one for one in frames if not case.lacks(one)), None)
    if frames and frame is None:
        image = f"{name}_frame{frames[0]:02d}.nii.gz"
        text = (
            f"{name}: found {case.maps[frames[0]].name} and no {image}, expected the image on which it was drawn: by "
            f"another frame it would be judged wrongly.\nFix: add {image} or {name}_4d.nii.gz."
        )
        return {"reference_problems": {conventions.LABEL: text}}
    if frame is not None:
        phase = case.phase(frame)
        fields: dict = {conventions.LABEL: str(case.maps[frame]), LABEL_TABLE: "acdc"}
        fields |= {} if phase is None else {"label_phase": phase}
        return fields | _end_systole(case, numbers, frame)
    if not case.maps:
        return {}
    maps = ", ".join(path.name for path in case.maps.values())
    said = f"{info.name} with {numbers or 'neither ED nor ES'}" if info else "no Info.cfg"
    text = (
        f"{name}: found label maps {maps} and {said}, expected the frame numbers of end-diastole and end-systole.\n"
        "Fix: put Info.cfg beside the images, with the lines 'ED: 1' and 'ES: 12', frames counted from 1."
    )
    return {"reference_problems": {conventions.LABEL: text}}


def _end_systole(case: _Case, numbers: dict[str, int], taken: int) -> dict:
    """What changes for the label map of end-systole; {} where it is the one taken, or is no phase of the cine."""
    frame = numbers.get("es")
    if frame in (None, taken) or frame not in case.maps or (phase := case.phase(frame)) is None:
        return {}
    return {END_SYSTOLE: {conventions.LABEL: str(case.maps[frame]), "label_phase": phase}}


def _info_of(name: str, case: _Case, infos: list[Path], own: list[Path]) -> Path | None:
    """Info-<case>.cfg beside the images, or Info.cfg in a folder of the case's own (those of ``own``)."""
    folders = {path.parent for path in case.files}
    named = [path for path in infos if path.parent in folders and path.stem.lower().endswith(f"-{name.lower()}")]
    return next(iter(named or [path for path in own if path.parent in folders]), None)


def _phases(info: Path | None) -> dict[str, int]:
    """{"ed": frame, "es": frame}, of those that the file has."""
    if info is None:
        return {}
    lines = (_LINE.fullmatch(line) for line in info.read_text(encoding="utf-8", errors="replace").splitlines())
    return {line[1].lower(): int(line[2]) for line in lines if line}
