"""The table of stacks that a refusal shows, and the flag that picks one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .stacks import Stack, joined


def stack_table(
    stacks: Sequence[Stack],
    role: str,
    hashed: Callable[[str], str],
    found: str = "",
    reasons: Mapping[int, str] | None = None,
    fix: str = "",
) -> str:
    """Stacks, largest first, and the flag that picks one or ``fix``; at most 10 lines, no text of the files."""
    ordered = sorted(stacks, key=lambda stack: -len(stack.depths))
    rows = []
    for stack in ordered[:6]:
        first = stack.groups[0].first
        kind = f", {stack.groups[0].kind}" if stack.groups[0].kind else ""
        rows.append(
            f"  series {joined(stack.numbers)[:40]}: {len(stack.depths)} slices, {len(stack.frames)} images"
            f", {first.shape[0]}x{first.shape[1]}{kind}, hashed UID {hashed(first.series)}"
            + (f": {reasons[id(stack)]}" if reasons else "")
        )
    title = found or f"found {len(stacks)} stacks that fit, expected one"
    return "\n".join([f"{role}: {title}:", *rows, fix or fix_by_pick(ordered, role, hashed)])


def fix_by_pick(ordered: Sequence[Stack], role: str, hashed: Callable[[str], str]) -> str:
    """The flag that picks the first stack and no other, where there is one."""

    def hashes(stack: Stack) -> set[str]:
        return {hashed(group.first.series) for group in stack.groups}

    first, others = ordered[0], ordered[1:]
    names: Sequence[object] = first.numbers
    if not all(first.numbers) or any(set(first.numbers) & set(stack.numbers) for stack in others):
        names = sorted(hashes(first))
        if any(hashes(first) & hashes(stack) for stack in others):
            return "Fix: they share one series, so that no flag can pick; export each as a series of its own"
    return f'Fix: pick one by number, UID or hashed UID (same key_file), such as --{role}_series "{joined(names)}"'
