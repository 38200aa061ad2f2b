"""Vocabulary of the package: batch keys, sequences, label codes, structures, axis order, exit code, errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# Array axes. Files and volumes: (x, y, slice[, phase]) as NIfTI stores them; tensors: (channel, x, y[, slice]).
AXES = ("x", "y", "slice", "phase")

# Batch keys. IMAGE holds the conditions, channels in the order of IMAGE_CHANNELS.
SUBJECT = "subject"
IMAGE = "image"
AVAILABLE = "available"
LGE = "lge"
LABEL = "label"
VENDOR = "vendor"
PREDICTION = "pred"
# For each class of the network the one that a label map shows it as; whether mask and LGE say anything.
LABEL_GROUPS = "label_groups"
KNOWN = "known"
SEQUENCES = ("cine", "t2_stir")
# The cine phase that matches the LGE, the T2-STIR, and two more phases of the cine, from which its motion is seen;
# those two are 0 where the cine has no motion to show.
IMAGE_CHANNELS = ("cine", "t2_stir", "cine_end_diastole", "cine_end_systole")
MOTION_CHANNELS = (2, 3)
REQUIRED_SEQUENCES = ("cine",)

# What a network learns and gives.
MASK = "mask"
TASKS = (MASK, LGE)

# Scanner vendor codes of the network's embedding; 0 = unknown, also drawn at random in training.
VENDORS = ("unknown", "siemens", "philips", "ge", "uih")

# Label codes on disk, and their merge into the four classes of the paper's network. A network of six classes tells
# no-reflow from infarct and oedema from myocardium, too; its classes have the codes on disk.
LABEL_NAMES = ("background", "lv_blood_pool", "myocardium", "infarct", "no_reflow", "oedema", "rv_blood_pool")
NETWORK_CLASSES = LABEL_NAMES[:4]
ALL_CLASSES = LABEL_NAMES[:6]
# What is written of a network's classes: the paper's four, or every one.
PAPER, EVERY = CLASSES = ("paper", "all")
TO_NETWORK_CLASS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 3, 5: 2, 6: 0}


def _codes(*names: str) -> tuple[int, ...]:
    return tuple(LABEL_NAMES.index(name) for name in names)


# Structures that are measured, each the union of label codes; the codes of a network's classes are among them. The
# infarct includes microvascular obstruction; the LV myocardium includes the infarct.
STRUCTURES = {
    "lv_blood_pool": _codes("lv_blood_pool"),
    "lv_myocardium": _codes("myocardium", "infarct", "no_reflow", "oedema"),
    "viable_myocardium": _codes("myocardium", "oedema"),
    "infarct": _codes("infarct", "no_reflow"),
    "infarct_without_no_reflow": _codes("infarct"),
    "no_reflow": _codes("no_reflow"),
    "area_at_risk": _codes("infarct", "no_reflow", "oedema"),
}
# Why nothing is said of an infarct where the codes of a label map know none, as those of ACDC and M&Ms.
NO_INFARCT_CLASS = "the label table has no infarct class, so the label map does not say where infarct is or is not"
# Those that are compared with a reference label map.
COMPARED_STRUCTURES = ("lv_blood_pool", "lv_myocardium", "infarct")

# Images between preprocessing and postprocessing, and the virtual LGE on disk.
INTENSITY_RANGE = (0.0, 1.0)

# Myocardial density, the value that CMR reports use (SOURCES.md of the repository, Measures).
MYOCARDIAL_DENSITY_G_PER_ML = 1.05

BUNDLE_NAME = "ssdiff_virtual_lge"
BUNDLE_VERSION = "0.6.0"
# Exit code of a job in which some subjects failed and the others are complete.
EXIT_SOME_FAILED = 2
DISCLAIMER = "Synthetic image. Research use only. Not acquired, not for diagnosis."


class ImageRole(NamedTuple):
    """Where an image comes from, and what is said of it wherever it is shown.

    ``lge``: what an LGE of this role is called in JSON and tables. ``disclaimer``: of records and pages. ``note``: of
    a figure.
    """

    lge: str
    disclaimer: str
    note: str


SYNTHETIC = ImageRole("synthetic", DISCLAIMER, "synthetic image - research use only")
# What a scanner took, and what is measured on it.
ACQUIRED = ImageRole(
    "acquired", "Acquired image. Research use only. Not for diagnosis.", "acquired image - research use only"
)
# What the digital phantom made.
PHANTOM = ImageRole(
    "phantom",
    "Digital phantom. Research use only. No patient, no acquired image.",
    "digital phantom - research use only",
)
# A label map without an LGE.
LABEL_MAP = ImageRole("none", "Research use only. Not for diagnosis.", "label map - research use only")
# Virtual and other images side by side, as on a page.
SIDE_BY_SIDE = ImageRole(
    "synthetic beside acquired",
    "Virtual LGE and predicted label map are synthetic, not acquired. Research use only. Not for diagnosis.",
    "virtual LGE and predicted label map are synthetic - research use only",
)


class SSDiffError(Exception):
    """Base of every error whose message is written for the person at the keyboard (at most 10 lines)."""


class DataError(SSDiffError):
    """A file or folder of the user's is not what was expected; the message names it and the fix."""


class OutputError(DataError):
    """The output folder cannot be written; the run stops, because every further subject would fail too."""


class ConfigError(SSDiffError):
    """A config key or value is wrong; the message names the key, what was found and what is allowed."""


class NotMeasurable(SSDiffError):  # noqa: N818 (a finding for the report, rather than a mistake)
    """A quantity cannot be measured on this subject; the reason goes to the report."""


def flag(value: bool | str, key: str) -> bool:
    """A switch from a config or a command line, where ``--key true`` arrives as the text "true".

    Raises:
        ConfigError: neither true nor false.
    """
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ConfigError(f"{key}: found {value!r}, expected true or false. Fix: --{key} true or --{key} false")
    return text == "true"


def network_classes(count: int) -> tuple[str, ...]:
    """Names of the classes that a network of ``count`` classes tells apart.

    Raises:
        ConfigError: neither four nor six.
    """
    for names in (NETWORK_CLASSES, ALL_CLASSES):
        if count == len(names):
            return names
    raise ConfigError(
        f"num_classes: found {count!r}, expected {len(NETWORK_CLASSES)} ({', '.join(NETWORK_CLASSES)}) or "
        f"{len(ALL_CLASSES)} (also {', '.join(ALL_CLASSES[len(NETWORK_CLASSES) :])})."
    )


def known_tasks(tasks: Iterable[str]) -> tuple[str, ...]:
    """``tasks`` of a config or a command line, checked: one or both of TASKS.

    Raises:
        ConfigError: none, or one that is not known.
    """
    found = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    if not found or set(found) - set(TASKS):
        raise ConfigError(
            f"tasks: found {list(found)}, expected one or both of {', '.join(TASKS)}. Fix: --tasks \"['mask']\""
        )
    return found


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun, such as "1 subject" and "3 subjects"; ``plural`` where it takes no s alone."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"
