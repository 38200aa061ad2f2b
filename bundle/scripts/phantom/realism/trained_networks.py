"""What networks that were trained on a phantom read from its sequences: rows of the realism check from evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from ...conventions import ConfigError, DataError, NotMeasurable
from ...files import read_json
from .subject_measures import Measures
from .targets import Realised, Target

# Keys of check_phantom.json; each is a list of folders, one per seed.
CINE, BOTH, STIR = "cine_evaluations", "cine_and_t2_stir_evaluations", "t2_stir_lesion_evaluations"
EVALUATIONS = (CINE, BOTH, STIR)
_FILE = "evaluation.json"
_AUC, _R, _DICE = "presence_auc", "infarct_size_r", "mean_dice_infarct"
# Over the hearts with an infarct, the same ones for every network; _DICE counts 0 where one is invented.
_DICE_OF_INFARCTS = "mean_dice_infarct_where_there_is_one"
_BLOCK = "networks trained on the phantom"
_NAMES = {
    _R: "infarct size, R",
    _DICE: "infarct Dice, mean",
    _DICE_OF_INFARCTS: "infarct Dice of hearts with one, mean",
}

Numbers = Mapping[str, Sequence[Mapping[str, float]]]


def read_evaluations(folders: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, float]]]:
    """The numbers over all subjects of every evaluation, by key of EVALUATIONS; one it could not measure is missing.

    Raises:
        ConfigError: the folders are no list, or one is listed twice. DataError: a folder holds no evaluation of this
            bundle.
    """
    found: dict[str, list[dict[str, float]]] = {}
    for key, listed in folders.items():
        if isinstance(listed, str) or not isinstance(listed, Sequence):
            raise ConfigError(
                f"{key}: found {listed!r}, expected a list of folders of evaluate.json, one per seed. "
                f"Fix: --{key} \"['OUT/evaluation_7', 'OUT/evaluation_8']\""
            )
        paths = [Path(str(folder)).expanduser() for folder in listed]
        if len({path.resolve() for path in paths}) < len(paths):
            raise ConfigError(f"{key}: found {list(listed)}, expected each folder once. Fix: one folder per seed")
        found[key] = [_numbers(path, key) for path in paths]
    return found


def _numbers(folder: Path, key: str) -> dict[str, float]:
    """As summarise of evaluation.subject_rows writes them: {"value", ...} or {"not_measurable": reason}."""
    file = folder / _FILE
    try:
        content = read_json(file)
        entries = {name: content["all"][name] for name in (_AUC, *_NAMES) if name in content["all"]}
        if not entries:
            raise KeyError(_AUC)
        numbers = {name: float(one["value"]) for name, one in entries.items() if "not_measurable" not in one}
        if not all(map(math.isfinite, numbers.values())):
            raise ValueError("a number that is not finite")
        return numbers
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{key}: {file}: found no evaluation ({type(error).__name__}), expected the output of evaluate.json. "
            "Fix: evaluate the weights first (docs/USE.md), or leave the folder out."
        ) from error


def network_targets(numbers: Numbers) -> list[Target]:
    """Rows of networks that saw cine alone, both sequences, or T2-STIR alone with oedema counted as lesion.

    The published networks were trained and tested on patients (Cine2LGE: cine; MSDiff: cine and T2-STIR).
    """
    return [
        Target(_BLOCK, "cine alone: presence of infarct, AUC", "0.906, 0.895 external", "Cine2LGE", 0.86, 0.94,
               _mean(numbers, CINE, _AUC)),
        Target(_BLOCK, "cine alone: infarct size, R", "0.732, 0.833 external", "Cine2LGE", 0.70, 0.86,
               _mean(numbers, CINE, _R)),
        Target(_BLOCK, "cine and T2-STIR: infarct size, R", "0.839, 0.816 external", "MSDiff", None, None,
               _mean(numbers, BOTH, _R)),
        *(Target(_BLOCK, f"gain by T2-STIR: {_NAMES[name]}", ">= 0.03", "[C]", 0.03, 1.0, _gain(numbers, name))
          for name in _NAMES),
        Target(_BLOCK, "T2-STIR alone: Dice of hearts with infarct or oedema, mean", ">= 0.5", "[K]", 0.5, 1.0,
               _mean(numbers, STIR, _DICE_OF_INFARCTS)),
    ]  # fmt: skip


def _mean(numbers: Numbers, key: str, name: str) -> Callable[[Sequence[Measures]], Realised]:
    def measure(cohort: Sequence[Measures]) -> Realised:
        values = _values(numbers, key, name)
        return Realised(fmean(values), len(values), _seeds(values))

    return measure


def _gain(numbers: Numbers, name: str) -> Callable[[Sequence[Measures]], Realised]:
    """Both sequences less cine alone, seed by seed in the order of the lists."""

    def measure(cohort: Sequence[Measures]) -> Realised:
        both, cine = _values(numbers, BOTH, name), _values(numbers, CINE, name)
        pairs = len(both), len(cine)
        if pairs[0] != pairs[1] or pairs != (len(numbers[BOTH]), len(numbers[CINE])):
            raise NotMeasurable(f"{pairs[0]} evaluations of {BOTH} with {name} and {pairs[1]} of {CINE}: as many of "
                                "each are needed, and all of them with that number")  # fmt: skip
        gains = [one - other for one, other in zip(both, cine, strict=True)]
        return Realised(fmean(gains), len(gains), _seeds(gains))

    return measure


def _values(numbers: Numbers, key: str, name: str) -> list[float]:
    found = [one[name] for one in numbers.get(key, ()) if name in one]
    if not found:
        raise NotMeasurable(f"no evaluation with {name} was given in {key}")
    return found


def _seeds(values: Sequence[float]) -> str:
    return "by seed: " + ", ".join(f"{value:.3f}" for value in values)
