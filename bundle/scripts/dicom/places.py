"""Frames of reference: whether images lie in one patient space, also where the UIDs that say so were made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..clinical.quality import Flag
from .headers import Frame

# With so few series, that each has a frame of reference of its own may be true.
_FEW_SERIES = 2
_LISTED = 12


def settled_places(frames: Sequence[Frame]) -> tuple[list[Frame], list[Flag]]:
    """The frames of one study, FrameOfReferenceUIDs that cannot be true taken off, and what to look at.

    A series has one frame of reference (DICOM PS3.3 C.7.4.1); of a study, series that were planned on each other share
    it. One per image, or one per series throughout the study, is what anonymisers write. Two of them in one series, or
    in one study, may be true: the patient was moved.
    """
    by_series: dict[str, list[Frame]] = {}
    for frame in frames:
        by_series.setdefault(frame.series, []).append(frame)
    places = {uid: {f.frame_of_reference for f in one} - {""} for uid, one in by_series.items()}
    files = {uid: len({frame.path for frame in one}) for uid, one in by_series.items()}
    per_image = {uid for uid, found in places.items() if uid and _one_per_image(len(found), files[uid])}
    if per_image:
        per_image |= {uid for uid, count in files.items() if uid and count == 1}
    others = {uid: found for uid, found in places.items() if uid and found and uid not in per_image}
    distinct = set().union(*others.values())
    per_series = set(others) if len(others) > _FEW_SERIES and len(distinct) >= len(others) else set()
    if any(len(places[uid]) > 1 for uid in per_series):
        per_series = set()
    found = []
    if per_image:
        found.append(
            f"FrameOfReferenceUID: differs between the images of series {_numbers(by_series, per_image)}, as some "
            "anonymisers write it; a series has one, so its images are taken as of one place"
        )
    if per_series:
        found.append(
            f"FrameOfReferenceUID: each of {len(per_series)} series has its own, as some anonymisers write; they are "
            "taken as of one place by their positions. A patient who was moved in between would not be noticed"
        )
    made_up = per_image | per_series
    flags = [Flag("frame_of_reference_made_up", text) for text in found]
    return [replace(f, frame_of_reference="") if f.series in made_up else f for f in frames], flags


def _one_per_image(places: int, files: int) -> bool:
    return places > 2 or (places == 2 and files == 2)


def _numbers(by_series: dict[str, list[Frame]], chosen: set[str]) -> str:
    numbers = sorted({by_series[uid][0].series_number or 0 for uid in chosen})
    return ", ".join(map(str, numbers[:_LISTED])) + (" ..." if len(numbers) > _LISTED else "")
