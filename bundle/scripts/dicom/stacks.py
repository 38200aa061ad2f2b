"""Groups of series joined into stacks of slices, and slices that go on with a stack and cannot be joined to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .headers import Frame
from .matrix import whole_pixels
from .recognition import Group, angle_deg, unique_depths

# Slices nearer than this share of their thickness are one slice, taken again.
_SAME_SLICE = 0.7
_LEAST_DISTANCE_MM, _TILT_DEG = 0.5, 0.2
# Distance to the next slice of a stack, in its own distances, at which slices go on with it; at which they belong to it
# although they cannot be joined: one may be missing in between, and they may be tilted.
_NEXT_SLICE, _NEAR_SLICE, _TILTED_DEG = (0.7, 1.6), (0.7, 2.6), 10.0


@dataclass
class Stack:
    """Groups of one role that make one stack: parallel, one pixel grid. ``repeated``: slices taken again later.

    Slices may have another matrix, whose pixels lie on those of the grid.
    """

    role: str
    groups: list[Group]
    repeated: int = 0

    @property
    def frames(self) -> list[Frame]:
        return [frame for group in self.groups for frame in group.frames]

    @property
    def normal(self) -> np.ndarray:
        return self.groups[0].normal

    @property
    def depths(self) -> np.ndarray:
        return unique_depths(self.frames, self.normal)

    @property
    def numbers(self) -> list[int]:
        return sorted({group.first.series_number or 0 for group in self.groups})


def stacks_of(groups: Iterable[Group], role: str, any_place: bool = False) -> list[Stack]:
    """Groups of a role joined into stacks: a scanner may store each breath-hold as a series.

    ``any_place``: whatever their frames of reference, as the user picked them.
    """
    stacks: list[Stack] = []
    for group in groups:
        if group.role != role:
            continue
        for stack in stacks:
            if _belongs(stack, group, any_place):
                stack.groups.append(group)
                break
        else:
            stacks.append(Stack(role, [group]))
    return _one_matrix([joined for stack in stacks for joined in _without_repeats(stack)], any_place)


def _belongs(stack: Stack, group: Group, any_place: bool) -> bool:
    known = stack.groups[0]
    return (
        _is_parallel(known, group)
        and known.first.shape == group.first.shape
        and _same_pixel_size(known, group)
        and (any_place or known.first.frame_of_reference == group.first.frame_of_reference)
    )


def _is_parallel(one: Group, other: Group) -> bool:
    """Whether two groups are of one kind and may be slices of one stack, their matrix aside."""
    tilt = np.abs(one.first.orientation - other.first.orientation).max()
    return (one.kind, one.moco) == (other.kind, other.moco) and bool(tilt < np.radians(_TILT_DEG))


def _same_pixel_size(one: Group, other: Group) -> bool:
    return np.allclose(one.first.spacing_mm, other.first.spacing_mm, atol=1e-3)


def _one_matrix(stacks: list[Stack], any_place: bool) -> list[Stack]:
    """Stacks of another matrix joined to the one that they go on with, where their pixels lie on its grid."""
    joined: list[Stack] = []
    for stack in sorted(stacks, key=lambda one: -len(one.depths)):
        first = stack.groups[0].first
        known = next((one for one in joined if _goes_on(one, stack) and on_its_grid(one, stack, any_place)), None)
        if known is None or known.groups[0].first.shape == first.shape:
            joined.append(stack)
        else:
            known.groups.extend(stack.groups)
            known.repeated += stack.repeated
    kept = {id(stack) for stack in joined}
    return [stack for stack in stacks if id(stack) in kept]


def on_its_grid(stack: Stack, other: Stack, any_place: bool) -> bool:
    known, group = stack.groups[0], other.groups[0]
    same = any_place or known.first.frame_of_reference == group.first.frame_of_reference
    grid = [frame for frame in stack.frames if frame.shape == known.first.shape]
    whole = all(whole_pixels(frame, grid) is not None for frame in other.frames) if same else False
    return same and _is_parallel(known, group) and _same_pixel_size(known, group) and whole


def _goes_on(stack: Stack, other: Stack) -> bool:
    """Whether ``other`` has parallel slices beside those of ``stack``, at about its distance, and none among them."""
    low, high = _NEXT_SLICE
    return _is_parallel(stack.groups[0], other.groups[0]) and low <= _slices_away(stack, other) <= high


def _is_piece(stack: Stack, other: Stack) -> bool:
    """Whether ``other`` holds slices of the same kind that ``stack`` lacks, be they tilted or behind a gap."""
    one, two = stack.groups[0], other.groups[0]
    if (one.kind, one.moco) != (two.kind, two.moco) or angle_deg(one.normal, two.normal) > _TILTED_DEG:
        return False
    return _NEAR_SLICE[0] <= _slices_away(stack, other) <= _NEAR_SLICE[1]


def _slices_away(stack: Stack, other: Stack) -> float:
    """Least distance between slices of the two, in distances between the slices of ``stack``; of their centres."""
    depths, mine = (_centre_depths(one, stack.normal) for one in (stack, other))
    pitch = float(np.median(np.diff(depths))) if len(depths) > 1 else stack.groups[0].first.thickness_mm or 0
    apart = np.abs(depths[:, None] - mine[None, :]) / max(pitch, _LEAST_DISTANCE_MM)
    return float(apart.min())


def _centre_depths(stack: Stack, normal: np.ndarray) -> np.ndarray:
    """Sorted depths along ``normal``, mm, of the centres of the slices, which a small tilt does not move."""
    depths = []
    for frame in stack.frames:
        half = [(count - 1) / 2 * size for count, size in zip(frame.shape, frame.spacing_mm, strict=True)]
        centre = frame.position_mm + half[0] * frame.orientation[:3] + half[1] * frame.orientation[3:]
        depths.append(float(normal @ centre))
    depths.sort()
    return np.array(depths)[np.concatenate([[True], np.diff(depths) > _LEAST_DISTANCE_MM])]


def largest(stacks: Sequence[Stack]) -> Stack:
    return max(stacks, key=lambda stack: len(stack.depths))


def pieces_of(whole: Stack, stacks: Sequence[Stack]) -> list[Stack]:
    """Stacks that go on with ``whole``, or with one that does, and could not be joined to it."""
    grown, pieces, left = Stack(whole.role, list(whole.groups)), list[Stack](), [s for s in stacks if s is not whole]
    while found := next((stack for stack in left if _is_piece(grown, stack)), None):
        pieces.append(found)
        grown.groups.extend(found.groups)
        left = [stack for stack in left if stack is not found]
    return pieces


def words_of_piece(piece: Stack, whole: Stack) -> str:
    """Why ``piece``, of ``pieces_of``, could not be joined to ``whole``: a sentence for notes and refusals."""
    known, group = whole.groups[0], piece.groups[0]
    parallel, same_matrix = _is_parallel(known, group), known.first.shape == group.first.shape
    between = (
        ""
        if not _same_pixel_size(known, group) or on_its_grid(whole, piece, any_place=True)
        else ", between its pixels"
    )
    differs = [
        what
        for what, same in (
            ("another pixel size", _same_pixel_size(known, group)),
            (f"another matrix{between}", same_matrix),
            ("another FrameOfReferenceUID", known.first.frame_of_reference == group.first.frame_of_reference),
            (f"a tilt of {angle_deg(known.normal, group.normal):.2g} degrees", parallel),
            ("a gap", _slices_away(whole, piece) <= _NEXT_SLICE[1]),
        )
        if not same
    ]
    slices, kind = len(piece.depths), "parallel slice" if parallel else "slice"
    noun = f"{slices} {kind}s go on" if slices > 1 else f"1 {kind} goes on"
    return f"{noun} with the stack of series {joined(whole.numbers)[:40]}, with {' and '.join(differs) or 'a gap'}"


def _without_repeats(stack: Stack) -> list[Stack]:
    """One stack, in which a slice taken again replaces the first; two when a whole stack was taken twice."""
    layers: list[list[Group]] = []
    for group in stack.groups:
        layer = next((one for one in layers if not _overlaps(one, group)), None)
        if layer is None:
            layers.append([group])
        else:
            layer.append(group)
    if len(layers) == 1:
        return [stack]
    sizes = [len(unique_depths([f for g in layer for f in g.frames], stack.normal)) for layer in layers]
    if sum(sizes[1:]) > 0.5 * sizes[0] or any(len(layer[0].positions) > 1 for layer in layers[1:]):
        return [Stack(stack.role, layer) for layer in layers]
    kept = layers[0]
    for group in (group for layer in layers[1:] for group in layer):
        kept = [left for one in kept if (left := _without_slices_of(one, group))] + [group]
    return [Stack(stack.role, kept, repeated=sum(sizes[1:]))]


def _without_slices_of(one: Group, again: Group) -> Group | None:
    """A group without the slices that ``again`` holds too; None where none is left. Their normals are equal."""
    depths = unique_depths(again.frames, again.normal)
    near_mm = max(_SAME_SLICE * (again.first.thickness_mm or 0.0), _LEAST_DISTANCE_MM)
    left = tuple(f for f in one.frames if np.abs(depths - float(again.normal @ f.position_mm)).min() > near_mm)
    return replace(one, frames=left) if left else None


def _overlaps(groups: Sequence[Group], group: Group) -> bool:
    """Whether a slice of ``group`` is in ``groups`` already; their normals are equal, sign included (_belongs)."""
    normal, near_mm = groups[0].normal, _SAME_SLICE * (group.first.thickness_mm or 0.0)
    mine = unique_depths(group.frames, normal)
    near_mm = max(near_mm, _LEAST_DISTANCE_MM)
    return any(np.abs(unique_depths(g.frames, normal)[:, None] - mine).min() <= near_mm for g in groups)


def joined(names: Sequence[object]) -> str:
    """Series numbers or names as a flag takes them."""
    return ",".join(map(str, names))
