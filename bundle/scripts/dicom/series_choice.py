"""Choice of the short-axis stacks of a study among its series; where two fit, it stops with a table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..clinical.quality import Flag
from ..conventions import ConfigError, DataError
from .planes import lies_as_short_axis, plane_of, why_no_short_axis
from .recognition import CINE, LGE, MAGNITUDE, NO_PLACE, PSIR, ROLES, Group, angle_deg, forced
from .series_table import tried_role, why_absent
from .stack_table import fix_by_pick, stack_table
from .stacks import Stack, joined, largest, on_its_grid, pieces_of, stacks_of, words_of_piece
from .twins import is_derived, without_copies
from .words import LONG_AXIS, OTHER_PART, SHORT_AXIS, STACK

_PARALLEL_DEG = 5.0
_SMALL_STACK = 0.5  # of the slices of the largest stack of a role
_LGE_PREFERENCE = ((PSIR, False), (PSIR, True), (MAGNITUDE, False), (MAGNITUDE, True))
_PREFERENCE_WORDS = "PSIR before magnitude, as acquired before motion-corrected"


class AmbiguousStudyError(DataError):
    """More than one stack could be meant, or none; the message is a table of them and the flag that picks one.

    ``rejected``: groups of these and of less fitting stacks, with the reason.
    """

    def __init__(self, message: str, rejected: Sequence[tuple[Group, str]] = ()) -> None:
        super().__init__(message)
        self.rejected = list(rejected)


@dataclass(frozen=True)
class Choice:
    """The stack of each role (LGE and T2-STIR may be absent), and why each other group is not used.

    ``doubts``: role -> table of the stacks between which nothing decides; the role is left out. ``notes``: what a
    reader should know of the stacks that are used, as a flag where it has to be looked at first.
    """

    stacks: dict[str, Stack]
    rejected: list[tuple[Group, str]]
    doubts: dict[str, str] = field(default_factory=dict)
    notes: list[str | Flag] = field(default_factory=list)


def choose_stacks(
    groups: Sequence[Group],
    wanted: dict[str, str | None],
    hashed: Callable[[str], str] = str,
    rejected: list[tuple[Group, str]] | None = None,
) -> Choice:
    """Short-axis cine, and the T2-STIR and LGE parallel to it.

    A T2-STIR or LGE in doubt is left out, unless it was picked.

    Args:
        groups: of recognition.recognise_groups.
        wanted: role -> series the user picked, numbers, UIDs or hashed UIDs with commas; None: by the rules.
        hashed: SeriesInstanceUID to what stands for it in messages, which scanner and hour are not to be read from.
        rejected: gets the groups that are not used; filled as far as it went where this raises.
    Raises:
        AmbiguousStudyError: several stacks fit the cine or a role that was picked.
        DataError: no short-axis cine.
        ConfigError: a picked series is not in the study.
    """
    choice = Choice({}, [] if rejected is None else rejected)
    groups, copies = without_copies(_with_picks(groups, wanted, hashed))
    choice.rejected.extend([(group, group.reason) for group in groups if group.role is None] + copies)
    candidates = stacks_of(groups, CINE, bool(wanted.get(CINE)))
    try:
        cine, others, doubts = _short_axis(candidates, groups, bool(wanted.get(CINE)), hashed)
    except DataError as error:
        if candidates:
            _refuse_pieces(largest(candidates), candidates, hashed)
            choice.rejected.extend(error.rejected if isinstance(error, AmbiguousStudyError) else ())
        text, _, fix = str(error).partition("Fix: ")
        if candidates:
            raise AmbiguousStudyError(f"{text}{_beside(choice.rejected)}Fix: {fix}") from error
        raise DataError(f"{text}{why_absent(CINE, choice.rejected)}. Fix: {fix}") from error
    _refuse_pieces(cine, candidates, hashed)
    choice.stacks[CINE] = cine
    choice.rejected.extend(others)
    choice.notes.extend(doubts)
    for role in ROLES[1:]:
        _choose_beside(cine, role, stacks_of(groups, role, bool(wanted.get(role))), (wanted.get(role), hashed), choice)
    for stack in choice.stacks.values():
        choice.notes.extend(_notes_on_images(stack))
    return choice


def _notes_on_images(stack: Stack) -> Iterator[str | Flag]:
    """What its tags and names leave open of a stack that is used."""
    role, groups = stack.role, stack.groups
    if all(is_derived(group) for group in groups):
        text = f"{role}: called derived by ImageType or name; lines may be drawn into it"
        yield Flag(f"{role}_derived", text)
    if role == LGE and all(group.names.early for group in groups):
        yield Flag("lge_early", "lge: named as early enhancement, and no late one is used")
    elif unsure := [group.reason for group in groups if group.doubtful]:
        yield f"{role}: taken by its name: {unsure[0]}"


def _choose_beside(
    cine: Stack, role: str, stacks: list[Stack], pick: tuple[str | None, Callable[[str], str]], choice: Choice
) -> None:
    """Adds the stack of ``role`` that shows what the cine shows, where there is one, to ``choice``."""
    picked, hashed = bool(pick[0]), pick[1]
    fitting = []
    for stack in stacks:
        reason = _why_apart(stack, cine, picked)
        if reason:
            choice.rejected.extend((group, reason) for group in stack.groups)
        else:
            fitting.append(stack)
    for whole in sorted(fitting, key=lambda stack: -len(stack.depths)):
        for piece in pieces_of(whole, [one for one in fitting if len(one.depths) < len(whole.depths)]):
            fitting = [stack for stack in fitting if stack is not piece]
            reason = words_of_piece(piece, whole)
            choice.rejected.extend((group, reason) for group in piece.groups)
            choice.notes.append(f"{role}: series {joined(piece.numbers)} is left out: {reason}")
    if not fitting:
        return
    try:
        choice.stacks[role], others = _one_of(fitting, role, hashed)
    except AmbiguousStudyError as doubt:
        if picked:
            raise
        choice.doubts[role] = str(doubt)
        others = doubt.rejected
    choice.rejected.extend(others)


def _why_apart(stack: Stack, cine: Stack, picked: bool) -> str:
    """Why a stack does not show what the cine shows; empty when it does."""
    if angle_deg(stack.normal, cine.normal) > _PARALLEL_DEG:
        return "not parallel to the short-axis cine"
    here, there = (_places(one) for one in (stack, cine))
    if here and there and not here & there and not picked:
        return (
            "another frame of reference than the cine's: the patient was moved in between, or the "
            f'FrameOfReferenceUID was replaced; --{stack.role}_series "{joined(stack.numbers)}" uses it all the same'
        )
    return ""


def _places(stack: Stack) -> set[str]:
    return {group.first.frame_of_reference for group in stack.groups} - {""}


def _with_picks(groups: Sequence[Group], wanted: dict[str, str | None], hashed: Callable[[str], str]) -> list[Group]:
    """The groups, with the user's picks in place of the rules for the roles that were picked."""
    result = list(groups)
    for role, text in wanted.items():
        if not text:
            continue
        names = {name.strip() for name in str(text).split(",")}
        hits = {name: [g for g in groups if name in _names(g, hashed)] for name in names}
        for name, found in hits.items():
            if not any(_is_placed(group) for group in found):
                numbers = sorted(
                    {group.first.series_number for group in groups if group.first.series_number is not None}
                )
                raise ConfigError(
                    f"{role}_series: found {name[:70]!r}, which is no MR series with a position in this study. "
                    f"Fix: a SeriesInstanceUID, or one of the numbers {', '.join(map(str, numbers[:60])) or '(none)'}"
                )
            if any(group.first.synthetic for group in found):
                raise ConfigError(
                    f"{role}_series: found {name[:70]!r}, which this software made and no scanner acquired. "
                    "Fix: pick an acquired series"
                )
        taken = {id(group) for found in hits.values() for group in found if _is_placed(group)}
        result = [
            _as_picked(group, role, id(original) in taken) for group, original in zip(result, groups, strict=True)
        ]
    return result


def _is_placed(group: Group) -> bool:
    return all(one is not None for one in (group.first.orientation, group.first.position_mm, group.first.spacing_mm))


def _as_picked(group: Group, role: str, taken: bool) -> Group:
    if taken:
        return forced(group, role)
    if group.role == role:
        return replace(group, role=None, reason="another series was chosen on the command line")
    return group


def _names(group: Group, hashed: Callable[[str], str]) -> tuple[str, ...]:
    return group.first.series, hashed(group.first.series), str(group.first.series_number)


def _refuse_pieces(whole: Stack, stacks: list[Stack], hashed: Callable[[str], str]) -> None:
    """A cine without slices that were taken for it gives a volume that is too small.

    Raises:
        AmbiguousStudyError: slices go on with ``whole`` and cannot be joined to it.
    """
    pieces = pieces_of(whole, [stack for stack in stacks if not _is_named(stack, LONG_AXIS, OTHER_PART)])
    if not pieces:
        return
    text = stack_table([whole, *pieces], CINE, hashed, f"found {1 + len(pieces)} stacks that fit, expected one")
    rows = text.splitlines()[:-1]
    rows += [f"  {words_of_piece(piece, whole)}" for piece in pieces[:2]]
    named = {group.first.frame_of_reference for stack in (whole, *pieces) for group in stack.groups}
    everything = sorted({number for stack in (whole, *pieces) for number in stack.numbers})
    same_grid = all(on_its_grid(whole, piece, any_place=True) for piece in pieces)
    if len(named) > 1 and same_grid and all(everything):
        fix = (
            f'Fix: --cine_series "{joined(everything)}" takes them as one stack, if the patient lay still in between '
            "and only the identifier was replaced"
        )
    else:
        fix = fix_by_pick([whole, *pieces], CINE, hashed)
        fix += "; it leaves out the others, and volumes lack them" if "--cine_series" in fix else ""
    raise AmbiguousStudyError("\n".join([*rows, fix]))


def _short_axis(
    stacks: list[Stack], study: Sequence[Group], picked: bool, hashed: Callable[[str], str]
) -> tuple[Stack, list[tuple[Group, str]], list[Flag]]:
    """The short-axis cine, why the other cines are not used, and what is doubtful about it."""
    if not stacks:
        raise DataError(
            "no short-axis cine: no series of this study is a cine (gradient echo with several phases per slice). "
            "Fix: export the cine too, or name its series with --cine_series NUMBER"
        )
    reasons = {id(stack): why_no_short_axis(stack.groups, len(stack.depths), study) for stack in stacks}
    candidates = [stack for stack in stacks if picked or not reasons[id(stack)]]
    if not candidates:
        others = [(group, reasons[id(stack)]) for stack in stacks for group in stack.groups]
        raise AmbiguousStudyError(_only_others(stacks, reasons, hashed), others)
    rejected = [(group, reasons[id(stack)]) for stack in stacks if stack not in candidates for group in stack.groups]
    for fits, reason in _CINE_PREFERENCES:
        keep = [stack for stack in candidates if fits(stack)]
        # a name on a slice or two does not outrank a whole stack
        if keep and len(largest(keep).depths) >= _SMALL_STACK * len(largest(candidates).depths):
            rejected += [(group, reason) for stack in candidates if stack not in keep for group in stack.groups]
            candidates = keep
    stack, others = _one_of(candidates, CINE, hashed)
    return stack, rejected + others, _doubts(stack, reasons[id(stack)])


def _is_named(stack: Stack, *planes: str) -> bool:
    return plane_of(stack.groups) in planes


# A name and an orientation that contradict each other decide nothing: where one cine has the name and another lies as
# a short axis does, both stay.
_CINE_PREFERENCES: tuple[tuple[Callable[[Stack], bool], str], ...] = (
    (lambda stack: not any(group.names.localiser for group in stack.groups), "a localiser or a trial by its name"),
    (
        lambda stack: _is_named(stack, SHORT_AXIS) and lies_as_short_axis(stack.normal),
        "another cine is named short axis",
    ),
    (
        lambda stack: _is_named(stack, SHORT_AXIS, STACK) and lies_as_short_axis(stack.normal),
        "another cine is named as the stack",
    ),
    (lambda stack: not any(group.doubtful for group in stack.groups), "another cine is one by its tags"),
)


def _doubts(stack: Stack, reason: str) -> list[Flag]:
    """What a reader should look at in the chosen cine."""
    if reason:
        text = f"cine: picked on the command line, though it looks like {reason}"
    elif not lies_as_short_axis(stack.normal):
        text = "cine: named short axis, but its slices do not lie as a short axis does; the name was followed"
    else:
        return []
    return [Flag("short_axis_in_doubt", text)]


def _only_others(stacks: list[Stack], reasons: dict[int, str], hashed: Callable[[str], str]) -> str:
    """The cines that are none of the short axis, each with its reason; no flag that would pick one of them."""
    fix = (
        "Fix: export the short-axis stack of this study too; where one of these is the short axis all the same, "
        "name it with --cine_series NUMBER"
    )
    return stack_table(stacks, CINE, hashed, "no short-axis cine in this study, only", reasons, fix)


def _beside(rejected: Sequence[tuple[Group, str]]) -> str:
    """Lines on series that were taken for no cine and may hold it; empty where there is none."""
    lost = [group for group, reason in rejected if reason == NO_PLACE]
    numbers = joined(sorted({number for group in lost if (number := group.first.series_number) is not None}))
    images = sum(len(group.frames) for group in lost)
    line = f"  series {numbers[:40]}: {images} {NO_PLACE}\n" if lost else ""
    return line + _named_short_axis(rejected)


def _named_short_axis(rejected: Sequence[tuple[Group, str]]) -> str:
    """A line on series that are named short axis and were taken for no cine; empty where there is none."""
    named = [(group, reason) for group, reason in rejected if group.names.plane == SHORT_AXIS]
    near = [(group, reason) for group, reason in named if group.role is None and tried_role(group) == CINE]
    return f"  named short axis, but no {why_absent(CINE, near)}\n" if near else ""


def _one_of(stacks: list[Stack], role: str, hashed: Callable[[str], str]) -> tuple[Stack, list[tuple[Group, str]]]:
    """The one of at least one stack that is left after the preferences; raises where two are equal."""
    rejected: list[tuple[Group, str]] = []
    if role != CINE:
        largest = max(len(stack.depths) for stack in stacks)
        small = [stack for stack in stacks if len(stack.depths) < _SMALL_STACK * largest]
        rejected = [(group, "far fewer slices than another stack") for stack in small for group in stack.groups]
        stacks = [stack for stack in stacks if stack not in small]
        if sure := [stack for stack in stacks if not any(group.doubtful for group in stack.groups)]:
            unsure = [stack for stack in stacks if stack not in sure]
            rejected += [(group, "another series is one by its tags") for one in unsure for group in one.groups]
            stacks = sure
    if role == LGE:
        best = min(_LGE_PREFERENCE.index((s.groups[0].kind, s.groups[0].moco)) for s in stacks)
        preferred = [s for s in stacks if _LGE_PREFERENCE.index((s.groups[0].kind, s.groups[0].moco)) == best]
        rejected += [(group, _PREFERENCE_WORDS) for s in stacks if s not in preferred for group in s.groups]
        stacks = preferred
    if len(stacks) > 1:
        equal = [(group, f"one of {len(stacks)} {role} stacks that fit") for s in stacks for group in s.groups]
        raise AmbiguousStudyError(stack_table(stacks, role, hashed), rejected + equal)
    return stacks[0], rejected
