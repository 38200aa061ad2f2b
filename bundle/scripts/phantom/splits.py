"""Owns which subjects of a phantom cohort are for training, validation and testing; a split is by subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..conventions import ConfigError

SPLITS = ("training", "validation", "testing")
ALL_TESTING = (0.0, 1.0)


def split_of_subjects(subjects: int, seed: int, held_out: Sequence[float]) -> list[str]:
    """Split name of each subject, in order.

    Args:
        held_out: fractions of the subjects for validation and for testing; a fraction above 0 gets at least one
            subject, from 3 subjects on.
    """
    counts = [round(subjects * fraction) for fraction in held_out]
    if subjects >= 3:
        counts = [max(count, 1 if fraction > 0 else 0) for count, fraction in zip(counts, held_out, strict=True)]
    testing = min(counts[1], subjects)
    validation = min(counts[0], subjects - testing)
    names = [SPLITS[1]] * validation + [SPLITS[2]] * testing
    names += [SPLITS[0]] * (subjects - len(names))
    order = np.random.default_rng(np.random.SeedSequence([seed, 0])).permutation(subjects)
    return [names[position] for position in order]


def checked_held_out(held_out: object) -> tuple[float, float]:
    """The two fractions as numbers.

    Raises:
        ConfigError: not two numbers from 0 that add up to at most 1.
    """
    fits = isinstance(held_out, (list, tuple)) and len(held_out) == 2
    fits = fits and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in held_out)
    if not fits or not (min(held_out) >= 0 and sum(held_out) <= 1):
        raise ConfigError(
            f"held_out: found {held_out!r}, allowed are two numbers from 0 that add up to at most 1, "
            'for validation and testing. Fix: --held_out "[0.125, 0.125]"'
        )
    return float(held_out[0]), float(held_out[1])
