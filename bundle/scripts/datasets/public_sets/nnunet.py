"""nnU-Net raw: imagesTr/<case>_0000.nii.gz, one file per channel; dataset.json says what the channels are."""

from __future__ import annotations

import re
from pathlib import Path

from ... import conventions
from ...volumes.reading import SUFFIXES
from ..layout import (
    LISTED,
    DatalistError,
    Layout,
    image_names,
    image_suffix,
    put_file,
    shown,
    sorted_entries,
    stem,
)
from .channels import channel_sequences, cine_lacking, label_fields

NAME = "3 (nnU-Net raw)"
_IMAGES, _LABELS = {"training": "imagesTr", "testing": "imagesTs"}, {"training": "labelsTr", "testing": "labelsTs"}
_CASE = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})", re.DOTALL)


def fits(root: Path) -> bool:
    """Whether files with channel numbers lie in imagesTr or imagesTs."""
    return any(_CASE.fullmatch(stem(name)) for folder in _IMAGES.values() for name in image_names(root / folder))


def is_announced(content: object) -> bool:
    """Whether dataset.json has the keys of nnU-Net v2."""
    return isinstance(content, dict) and "channel_names" in content and "training" not in content


def read(root: Path, content: dict | None) -> Layout:
    """Cases of imagesTr and imagesTs; those of imagesTs are for testing where labelsTs has label maps.

    Args:
        content: dataset.json; None where there is none.
    Raises:
        DatalistError: dataset.json does not say what the channels are, its file_ending cannot be read, or no file is
            named as nnU-Net names them.
    """
    file = root / "dataset.json"
    if content is None:
        raise DatalistError(
            f"{root}: found imagesTr or imagesTs, expected dataset.json beside it, which says what the channels are.\n"
            'Fix: write one with {"channel_names": {"0": "cine"}, "labels": {"background": 0, "myocardium": 1}, '
            '"file_ending": ".nii.gz"}.'
        )
    sequences, notes = channel_sequences(content, file)
    _check_ending(content, file)
    entries: dict[str, dict] = {}
    with_labels = [section for section in _LABELS if image_names(root / _LABELS[section])]
    for section in _IMAGES:
        for case, channels in _cases(root / _IMAGES[section]).items():
            entry = entries.setdefault(case, {conventions.SUBJECT: case})
            _add_channels(entry, channels, sequences)
            if with_labels == list(_LABELS):
                entry["split"] = section
    if not entries:
        raise _no_case(root)
    lost = _without_channel(root)
    for section in with_labels:
        for name in image_names(root / _LABELS[section]):
            case, path = stem(name), root / _LABELS[section] / name
            if case in entries:
                put_file(entries[case], conventions.LABEL, path)
                entries[case] |= label_fields(content, file)
            else:
                lost.setdefault(case, f"{path.parent.name}/{name} without any image")
    listed = sorted_entries([*entries.values(), *(_lost(case, found) for case, found in lost.items())])
    notes += _left_out(root)
    table = label_fields(content, file).get("label_table", "ours")
    names = {key: f"imagesTr/<case>_{number:04d}.nii.gz" for number, key in sequences.items()}
    return Layout(
        NAME, listed, tuple(notes), table, names | {"label": "labelsTr/<case>.nii.gz"},
        cine_lacking(sequences, file),
    )  # fmt: skip


def _without_channel(root: Path) -> dict[str, str]:
    """{case: what was found} of images whose name has no channel number."""
    places = [(folder, name) for folder in _IMAGES.values() for name in image_names(root / folder)]
    return {stem(name): f"{folder}/{name}" for folder, name in places if not _CASE.fullmatch(stem(name))}


def _lost(case: str, found: str) -> dict:
    return {
        conventions.SUBJECT: case,
        "problem": f"{case}: found {found}, expected images <case>_0000.nii.gz, the channel as four digits.\n"
        "Fix: rename or add the files, or move what is no case out of the folder.",
    }


def _left_out(root: Path) -> list[str]:
    own = (*_IMAGES.values(), *_LABELS.values())
    others = [path.name for path in shown(root) if path.is_dir() and path.name not in own]
    return [f"{name}: not one of {', '.join(own)}" for name in others]


def _cases(folder: Path) -> dict[str, dict[int, Path]]:
    """{case: {channel: file}} of one folder of images."""
    cases: dict[str, dict[int, Path]] = {}
    for name in image_names(folder):
        if found := _CASE.fullmatch(stem(name)):
            cases.setdefault(found["case"], {})[int(found["channel"])] = folder / name
    return cases


def _add_channels(entry: dict, channels: dict[int, Path], sequences: dict[int, str]) -> None:
    for number, key in sequences.items():
        if number in channels:
            put_file(entry, key, channels[number])
            continue
        text = (
            f"{entry[conventions.SUBJECT]}: no file of channel {number:04d} ({key}), which dataset.json announces; "
            f"found {', '.join(path.name for path in list(channels.values())[:LISTED])}.\n"
            "Fix: add the file, or leave the case out."
        )
        if key == conventions.LGE:
            entry.setdefault("reference_problems", {})[key] = text
        else:
            entry.setdefault("problem", text)


def _check_ending(content: dict, file: Path) -> None:
    ending = content.get("file_ending", ".nii.gz")
    if not image_suffix(f"x{ending}"):
        raise DatalistError(
            f"{file}: file_ending found {ending!r}, expected one of {', '.join(SUFFIXES)}.\n"
            "Fix: convert the images to NIfTI, which keeps their place in the body."
        )


def _no_case(root: Path) -> DatalistError:
    found = [f"{folder}/{name}" for folder in _IMAGES.values() for name in image_names(root / folder)]
    return DatalistError(
        f"dataset_dir {root}: dataset.json is nnU-Net's, found {', '.join(found[:LISTED]) or 'no image'}.\n"
        "Expected: imagesTr/<case>_0000.nii.gz, one file per channel, the channel as four digits.\n"
        "Fix: rename the files, or check that dataset_dir is the folder Dataset..._... of nnUNet_raw."
    )
