"""Plan of a cohort, from the values of a config: how many subjects, which seed, scanners, splits and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...conventions import ConfigError, flag
from ..dicom.vendors import CLASSIC, STYLES
from ..parameters import AS_SENT, AT_KEY, AT_LGE, PhantomParameters

SMALL_COHORT_SUBJECTS = 64
SMALL_HELD_OUT = (0.125, 0.125)
# The default study: as many subjects as the paper's data; scanners training never sees; images without artefacts.
PAPER_SIZES = (409, 60, 20)
# Of 409: 8 to 2 by subject, the validation subjects taken out of the 80 percent.
PAPER_HELD_OUT = (0.1, 0.2)
CUSTOM, PAPER = COHORTS = ("custom", "paper")
AUTOMATIC = "automatic"  # the cohort that training makes for itself
FORMATS = {"nifti": ("nifti",), "dicom": ("dicom",), "both": ("nifti", "dicom")}
# Subjects are numbered per cohort, so that no heart and no name is in two cohorts of one study.
_NUMBERS_PER_COHORT = 1000
_STREAMS = {"custom": 0, "internal": 1, "external": 2, "clean": 3, "automatic": 4}
_WHOLE = ("phases", "slices")
_DECIMAL = ("infarct_percent_lv", "ejection_fraction_percent", "slice_gap_mm", "field_strength_t", "difficulty")
_SCANNER_KEYS = ("site", "vendor", "field_strength_t")


@dataclass(frozen=True)
class CohortPlan:
    """What decides the bytes of one cohort.

    Args:
        first_index: number of its first subject, which with ``seed`` decides the subjects.
        held_out: fractions for validation and testing; (0, 1): all testing.
        file_format: a key of FORMATS.
        dicom_style: how the vendors write DICOM, a key of dicom.vendors.STYLES.
    Raises:
        ConfigError: a value out of range.
    """

    subjects: int = SMALL_COHORT_SUBJECTS
    seed: int = 0
    parameters: PhantomParameters = field(default_factory=PhantomParameters)
    name: str = CUSTOM
    first_index: int = 1
    held_out: tuple[float, float] = SMALL_HELD_OUT
    file_format: str = "nifti"
    dicom_style: str = CLASSIC

    def __post_init__(self) -> None:
        check_whole("subjects", self.subjects, 1, 9999)
        check_whole("seed", self.seed, 0, 2**32 - 1)
        checked_held_out(self.held_out)
        _check_choice("format", self.file_format, tuple(FORMATS))
        _check_choice("dicom_style", self.dicom_style, tuple(STYLES))
        if self.parameters.labelled_phases == AT_KEY and "nifti" not in self.formats:
            raise ConfigError(
                f"labelled_phases: found {AT_KEY!r} with format {self.file_format!r}, which holds no labels; allowed "
                f"are format nifti and both. Fix: --format both, or --labelled_phases {AT_LGE}"
            )

    @property
    def stream(self) -> int:
        """Of the random numbers: the same seed gives other hearts in a cohort of another name."""
        return _STREAMS.get(self.name, 0)

    @property
    def formats(self) -> tuple[str, ...]:
        return FORMATS[self.file_format]

    @property
    def indices(self) -> range:
        return range(self.first_index, self.first_index + self.subjects)

    def origin(self) -> dict[str, Any]:
        """What each subject's meta.json records beside its index: what decides the subject's bytes."""
        found = {"cohort": self.name, "seed": self.seed, "parameters": self.parameters.recorded()}
        return found if self.dicom_style == CLASSIC else found | {"dicom_style": self.dicom_style}

    def recorded(self) -> dict[str, Any]:
        """What dataset.json records."""
        return self.origin() | {
            "subjects": self.subjects,
            "first_index": self.first_index,
            "held_out": list(self.held_out),
            "format": self.file_format,
        }


def planned_cohorts(
    cohort: str,
    seed: int,
    file_format: str,
    parameters: Mapping[str, Any],
    subjects: int | None = None,
    held_out: Sequence[float] | None = None,
    cohort_sizes: Sequence[int] = PAPER_SIZES,
    first_subject: int | None = None,
    dicom_style: str = CLASSIC,
) -> list[CohortPlan]:
    """The cohorts of one command.

    Args:
        cohort: "custom", one cohort of ``subjects``; "paper", the default study: internal (training, validation,
            testing), external (another vendor and field strength, testing) and clean (no artefacts, testing).
        parameters: of PhantomParameters; None leaves a key at its default, numbers may come as text.
        held_out: fractions for validation and testing, of the internal cohort in the study.
        cohort_sizes: subjects of internal, external, clean.
        first_subject: number of the first subject of a custom cohort; cohorts whose numbers do not overlap can be
            used together, no heart and no name is in both. The study uses 1 to 3000.
        dicom_style: "classic", or "varied" with what real exports also hold.
    Raises:
        ConfigError: a value out of range, or a key that does not go with this cohort.
    """
    _check_choice("cohort", cohort, COHORTS)
    check_whole("seed", seed, 0, 2**32 - 1)
    given = _typed(parameters)
    if cohort == CUSTOM:
        count = SMALL_COHORT_SUBJECTS if subjects is None else subjects
        fractions = checked_held_out(SMALL_HELD_OUT if held_out is None else held_out)
        chosen = PhantomParameters.from_mapping(given)
        first = 1 if first_subject is None else first_subject
        check_whole("first_subject", first, 1, 9999)
        return [CohortPlan(count, seed, chosen, CUSTOM, first, fractions, file_format, dicom_style)]
    scanner = {key: given.get(key) for key in _SCANNER_KEYS}
    _refuse_in_paper({"subjects": subjects, "first_subject": first_subject} | scanner)
    fractions = checked_held_out(PAPER_HELD_OUT if held_out is None else held_out)
    if given.get("timing") != AS_SENT:  # which draws the phases
        given = {"stored_phases": "key"} | given
    changes = {
        "internal": ({"site": "internal"}, fractions),
        "external": ({"site": "external"}, ALL_TESTING),
        "clean": ({"site": "internal", "difficulty": "clean"}, ALL_TESTING),
    }
    plans = []
    for number, (name, size) in enumerate(zip(changes, _checked_sizes(cohort_sizes), strict=True)):
        change, split = changes[name]
        chosen = PhantomParameters.from_mapping(given | change)
        plans.append(
            CohortPlan(size, seed, chosen, name, number * _NUMBERS_PER_COHORT + 1, split, file_format, dicom_style)
        )
    return plans


def check_whole(key: str, value: object, low: int, high: int) -> None:
    """Raises ConfigError unless ``value`` is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(
            f"{key}: found {value!r}, allowed are whole numbers from {low} to {high}. "
            f"Fix: for example --{key} {max(low, 8)}"
        )


def _check_choice(key: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{key}: found {value!r}, allowed are {', '.join(allowed)}. Fix: --{key} {allowed[0]}")


def _checked_sizes(sizes: object) -> tuple[int, ...]:
    if not isinstance(sizes, (list, tuple)) or len(sizes) != len(PAPER_SIZES):
        raise ConfigError(
            f"cohort_sizes: found {sizes!r}, allowed are three whole numbers, the subjects of internal, external and "
            f'clean. Fix: --cohort_sizes "{list(PAPER_SIZES)}"'
        )
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _NUMBERS_PER_COHORT:
            raise ConfigError(
                f"cohort_sizes: found {size!r}, allowed are whole numbers from 1 to "
                f'{_NUMBERS_PER_COHORT}. Fix: --cohort_sizes "{list(PAPER_SIZES)}"'
            )
    return tuple(sizes)


def _refuse_in_paper(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if value is not None:
            instead = "--cohort_sizes for other sizes" if key == "subjects" else f"leave {key} out"
            raise ConfigError(
                f"{key}: found {value!r} with --cohort {PAPER}, which fixes it for each of its cohorts. "
                f"Fix: {instead}, or --cohort {CUSTOM}"
            )


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that were given, as the types PhantomParameters has; what cannot be read stays as it is."""
    given = {key: value for key, value in values.items() if str(value).lower() not in ("none", "null", "")}
    typed = {key: _number(value, key in _WHOLE) if key in _WHOLE + _DECIMAL else value for key, value in given.items()}
    if "aligned" in typed:
        typed["aligned"] = flag(typed["aligned"], "aligned")
    return typed


def _number(value: Any, whole: bool) -> Any:
    """A number, also from text such as "1.5"; names such as "clean" stay."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if whole and number.is_integer() else number


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
    if (
        not isinstance(held_out, (list, tuple))
        or len(held_out) != 2
        or not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in held_out)
        or not (min(held_out) >= 0 and sum(held_out) <= 1)
    ):
        raise ConfigError(
            f"held_out: found {held_out!r}, allowed are two numbers from 0 that add up to at most 1, "
            'for validation and testing. Fix: --held_out "[0.125, 0.125]"'
        )
    return float(held_out[0]), float(held_out[1])
