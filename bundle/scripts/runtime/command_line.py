"""The command line of `python -m monai.bundle run`: which keys it overrides, and whether they fit."""

from __future__ import annotations

import ast
import difflib
import inspect
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.utils import optional_import

from ..conventions import ConfigError

# Options of the command itself, and the keys its `--tracking mlflow` adds.
RUN_OPTIONS = {"run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file"}
TRACKING_KEYS = {"tracking_uri", "experiment_name", "run_name", "save_execute_config", "is_not_rank0", "output_dir"}
_TARGET, _ABSENT = "_target_", object()
_REFERENCES = ("$", "@", "%")  # what a value begins with that MONAI works out
# Options that say how a training goes, and nothing of the network that it gives; those that do, in inference, too.
_OF_TRAINING = {
    *("output_dir", "ckpt_dir", "seed", "epochs", "schedule_epochs", "val_interval", "batch_size", "crop_pixels"),
    *("slices", "record_augmentation", "draws", "num_workers", "learning_rate", "amp", "resume", "start_from"),
    *("key_metric_name", "mlflow", "tracking_uri", "experiment_name", "run_name", "save_execute_config"),
    *("extra_training_dirs", "phantom_subjects", "default_dataset_dir", "optimizer", "lr_scheduler", "loss", "ema"),
    *("mlflow_run", "train", "prepare_data"),
}
_OF_THE_NETWORK = {
    *("network_def", "preprocessing", "process", "num_classes", "label_table", "steps", "sampler", "spacing"),
    *("infarct_log_odds", "mask_step", "mask_temperature", "test_time_scales", "one_heart", "device"),
}
# Keys whose values are names that data may have, by how they end.
_OF_DATA = ("_dir", "_dirs", "_root", "_path", "_uri", "_name", "_file", "_weights", "start_from", "subject", "picks")


def options(arguments: Sequence[str]) -> dict[str, str]:
    """``--key value`` and ``--key=value`` pairs, after those of the file that ``--args_file`` names."""
    found = {}
    for i, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, _, value = argument[2:].partition("=")
            following = arguments[i + 1] if i + 1 < len(arguments) and not _is_option(arguments[i + 1]) else ""
            found[name] = value or following
    file = Path(found.get("args_file", ""))
    if not file.is_file():
        return found
    return {key: str(value) for key, value in ConfigParser.load_config_file(file).items()} | found


def _is_option(argument: str) -> bool:
    return argument.startswith("--") and len(argument) > 2


def check_given(arguments: Sequence[str]) -> None:
    """MONAI takes an option without a value for true, also where it is a folder.

    Raises:
        ConfigError: a folder, path or name without its value.
    """
    for i, argument in enumerate(arguments):
        alone = i + 1 == len(arguments) or _is_option(arguments[i + 1])
        if _is_option(argument) and "=" not in argument and alone and argument.endswith(_OF_DATA):
            raise ConfigError(f"{argument}: found no value behind it. Fix: {argument} VALUE")


def run_id(arguments: Sequence[str]) -> str:
    """What the command is told to run, such as "training"; "" where it is told nothing."""
    named = [argument for argument in arguments[1:2] if not argument.startswith("-")]
    return named[0] if named else options(arguments).get("run_id", "")


def check_run_id(name: str, given: Mapping[str, str]) -> None:
    """MONAI makes the parts of a section that is named in place of a job, and ends as if the work were done.

    Raises:
        ConfigError: ``name`` is a section of the config files.
    """
    files = config_files(given)
    config = ConfigParser.load_config_files(files) if files else {}
    if not isinstance(config.get(name), Mapping):
        return
    job = str(config.get("run", ""))
    command = f"run {job[1:]}" if job.startswith(("%", "@")) else "run"
    names = ", ".join(Path(file).name for file in files)
    raise ConfigError(
        f"run {name}: found a section of {names}, expected its list of steps.\n"
        f"Fix: python -m monai.bundle {command} --config_file ..."
    )


def check_data(given: Mapping[str, str]) -> None:
    """Folders and names are data: MONAI would run one that begins with ``$`` as Python, and look one up after ``@``.

    Raises:
        ConfigError: the value of such a key is none.
    """
    for option, value in given.items():
        if not option.endswith(_OF_DATA):
            continue
        for text in _texts(_literal(value)):
            if text.startswith(_REFERENCES):
                raise ConfigError(
                    f"{option}: found {text[:80]!r}, which MONAI would take for code, expected a name.\n"
                    f"Fix: --{option} './NAME' for a folder of that name; other values begin with a letter or a number."
                )


def _texts(value: Any) -> Iterator[str]:
    """Every text in what a command line gives, which may be a list or a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for one in pair for text in _texts(one))
    elif isinstance(value, (list, tuple, set)):
        yield from (text for one in value for text in _texts(one))


def config_files(given: Mapping[str, str]) -> list[str]:
    """The config files a command line names; none when it names one that is not there (MONAI says so)."""
    value = given.get("config_file", "")
    if value.startswith("["):
        files = [str(v) for v in ast.literal_eval(value)]
    else:
        files = [v.strip() for v in value.split(",") if v.strip()]
    return files if all(Path(f).is_file() for f in files) else []


def evaluation_command(given: Mapping[str, str], ckpt_dir: str | Path, output_dir: str | Path) -> str:
    """The command that evaluates the weights of a training: its config files and what its options say of the network.

    Args:
        given: options of the training. ckpt_dir: of its weights. output_dir: for the evaluation.
    """
    files, kept = _beyond_training(given)
    evaluate = [*files, str(Path(files[0]).with_name("evaluate.json") if files else "configs/evaluate.json")]
    return _command(evaluate, kept | {"ckpt_dir": str(ckpt_dir), "output_dir": str(output_dir)})


def inference_command(given: Mapping[str, str], ckpt_dir: str | Path) -> str:
    """The command that uses the weights of a training on other subjects; "" where it needs more than its options.

    Args:
        given: options of the training. ckpt_dir: of its weights.
    """
    files, said = _beyond_training(given)
    kept = {key: value for key, value in said.items() if _parts(key)[0] in _OF_THE_NETWORK}
    others = {_parts(key)[0] for key in said if key not in kept} - {"dataset_dir", "validate"}
    if [Path(file).name for file in files] != ["train.json"] or others:
        return ""
    folders = {"dataset_dir": "SUBJECTS", "ckpt_dir": str(ckpt_dir), "output_dir": "RESULTS"}
    return _command([str(Path(files[0]).with_name("inference.json"))], kept | folders)


def _beyond_training(given: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Config files and options of a training without what says how it goes."""
    files = [file for file in config_files(given) if Path(file).name != "multi_gpu_train.json"]
    without = _OF_TRAINING | RUN_OPTIONS | TRACKING_KEYS
    return files, {key: value for key, value in given.items() if _parts(key)[0] not in without}


def _command(files: Sequence[str], given: Mapping[str, str]) -> str:
    named = files[0] if len(files) == 1 else f"[{','.join(repr(file) for file in files)}]"
    pairs = {"config_file": named} | dict(given)
    words = (f"--{key} {_quoted(value)}" if value else f"--{key}" for key, value in pairs.items())
    return f"python -m monai.bundle run {' '.join(words)}"


def _quoted(value: str) -> str:
    """As a shell reads it; in double quotes where that is the easier one to read."""
    plain = "'" in value and not set(value) & set('"$`\\!')
    return f'"{value}"' if plain else shlex.quote(value)


def resolved_config(given: Mapping[str, str]) -> dict[str, Any]:
    """The named config files, merged, with the overrides put in; references stay as they are written.

    Components of this bundle also show the defaults of the code for what the files leave out, so that a record of a run
    holds all its settings.
    """
    files = config_files(given)
    if not files:
        return {}
    parser = ConfigParser(ConfigParser.load_config_files(files))
    for key, value in given.items():
        if key not in RUN_OPTIONS:
            parser[key.replace("#", "::")] = _literal(value)
    return _with_defaults(parser.get())


def _with_defaults(part: Any) -> Any:
    """``part`` with the plain default values of its components' arguments."""
    if isinstance(part, Mapping):
        given = {key: _with_defaults(value) for key, value in part.items()}
        own = str(part.get(_TARGET, "")).startswith("scripts.")
        defaults = {name: one.default for name, one in _arguments(part).items()} if own else {}
        return given | {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in defaults.items()
            if name not in given and isinstance(value, (bool, int, float, str, tuple, type(None)))
        }
    return [_with_defaults(one) for one in part] if isinstance(part, list) else part


def check_overrides(given: Mapping[str, str]) -> None:
    """Compares every override with the config files.

    Raises:
        ConfigError: a key is in none of the files (names the nearest one), or its value is of another kind.
    """
    files = config_files(given)
    if not files:
        return
    config = ConfigParser.load_config_files(files)
    names = ", ".join(Path(f).name for f in files)
    for option, value in given.items():
        _put_component(config, _parts(option), value)
    for option, value in given.items():
        parts = _parts(option)
        if parts[0] in RUN_OPTIONS or ("tracking" in given and parts[0] in TRACKING_KEYS):
            continue
        place: Any = config
        for depth, part in enumerate(parts):
            if isinstance(place, Mapping) and str(place.get(_TARGET, "")).startswith(_REFERENCES):
                break  # a component that MONAI works out: its arguments are not known here
            known = _known(place)
            if part not in known and not (depth and part.startswith("_")):
                raise ConfigError(_unknown_key(option, part, "::".join(parts[:depth]), known, names))
            place = _section(place, [part])
        _check_folder(option, value)
        if _literal(value) is not None or not _null_in_one(files, parts):
            _check_kind(option, place, _literal(value))


def _put_component(config: Any, parts: Sequence[str], value: str) -> None:
    """Puts a component that the command line names into a config, so that what may follow is its arguments."""
    *section, last = parts
    place = _section(config, section)
    if isinstance(place, dict) and last in place and isinstance(whole := _literal(value), dict):
        place[last] = whole
    elif isinstance(place, dict) and section and last == _TARGET:
        place[last] = value


def _null_in_one(files: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a key is null before the last file: where a later one has a number, null may be given back."""
    return any(_section(ConfigParser.load_config_files(files[:n]), parts) is None for n in range(1, len(files)))


def _parts(option: str) -> list[str]:
    return option.lstrip("+").replace("#", "::").split("::")


def _section(config: Any, parts: Sequence[str]) -> Any:
    """What stands at a place of a config; _ABSENT where there is no such place."""
    for part in parts:
        if isinstance(config, list):
            config = config[int(part)] if part.isdecimal() and int(part) < len(config) else _ABSENT
        else:
            config = config.get(part, _ABSENT) if isinstance(config, Mapping) else _ABSENT
    return config


def _known(place: Any) -> set[str]:
    """Keys that may follow: entries of the section, and arguments of the component it makes."""
    if isinstance(place, list):
        return {str(i) for i in range(len(place))}
    if not isinstance(place, Mapping):
        return set()
    return {str(key) for key in place} | set(_arguments(place))


def _arguments(place: Mapping[str, Any]) -> Mapping[str, inspect.Parameter]:
    """Arguments of the component that a section makes; none where it makes none."""
    module, _, name = str(place.get(_TARGET, "")).rpartition(".")
    component, there = optional_import(module, name=name) if module else (None, False)
    return inspect.signature(component).parameters if there and callable(component) else {}


def _unknown_key(option: str, part: str, section: str, known: set[str], names: str) -> str:
    near = difflib.get_close_matches(part, known, n=1)
    full = f"{section}::{near[0]}" if near and section else near[0] if near else ""
    hint = f"Did you mean --{full}?" if near else f"Known there: {', '.join(sorted(known)[:12]) or 'nothing below it'}."
    return f"--{option}: no such key in {names}.\n{hint}"


def _check_folder(option: str, value: str) -> None:
    """Refuses a folder's name that the command takes for a number, and may write in another way."""
    if option.endswith("_dir") and isinstance(_literal(value), (int, float)):
        raise ConfigError(
            f"{option}: found {value}, which is taken for a number, expected a folder. Fix: --{option} ./{value}"
        )


def _check_kind(option: str, default: Any, value: Any) -> None:
    """Refuses a text where the config has a number, a path MONAI would change, and a device that is not there."""
    if isinstance(value, str) and value.startswith(_REFERENCES):
        return
    if isinstance(value, str) and "#" in value and option.endswith(("_dir", "_path", "_uri")):
        read = value.replace("#", "::")
        raise ConfigError(
            f"{option}: found {value!r}, which MONAI reads as {read!r}; expected a path without '#'.\n"
            "Fix: give the folder another name, or a link to it."
        )
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if number and not isinstance(value, (int, float)):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ConfigError(f"{option}: found {value!r}, expected {kind}, such as {default}. Fix: --{option} {default}")
    if option == "device":
        _check_device(str(value))


def _check_device(value: str) -> None:
    try:
        device = torch.device(value)
    except RuntimeError as error:
        raise ConfigError(f"device: found {value!r}, expected cpu, cuda or cuda:0 and the like.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(f"device: found {value!r}, but torch sees {count} GPU(s) here. Fix: --device cpu")


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
