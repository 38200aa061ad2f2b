"""Owns what happens before the work: messages instead of tracebacks, unknown config keys, quiet logging."""

from __future__ import annotations

import ast
import difflib
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb
from types import TracebackType

from monai.bundle import ConfigParser
from monai.utils import set_determinism

from ..conventions import ConfigError, SSDiffError

# Options of `python -m monai.bundle run` itself, and the keys its `--tracking mlflow` adds.
_RUN_OPTIONS = {"run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file"}
_TRACKING_KEYS = {"tracking_uri", "experiment_name", "run_name", "save_execute_config", "is_not_rank0", "output_dir"}
_MESSAGE_LINES = 10


class Startup:
    """First entry of every run list: readable errors from here on, and a check of the keys on the command line.

    Args:
        seed: seeds Python, numpy and torch before any network is made; None leaves them alone.
        arguments: command line to check; the process's own by default.
    """

    def __init__(self, seed: int | None = None, arguments: Sequence[str] | None = None) -> None:
        self.seed = seed
        self.arguments = list(sys.argv if arguments is None else arguments)

    def run(self) -> None:
        """Installs the message hook and checks the overrides.

        Raises:
            ConfigError: an override names a key that no config file has.
        """
        sys.excepthook = show_message
        # MONAI warns at every parse that configs can run code, and torch about lookups we do not use
        warnings.filterwarnings("ignore", category=UserWarning, module=r"monai\..*|torch\..*|ignite\..*")
        logging.getLogger("ignite").setLevel(logging.CRITICAL)
        if self.arguments and Path(self.arguments[0]).parent.name == "bundle":
            check_overrides(self.arguments[1:])
        if self.seed is not None:
            set_determinism(self.seed)


def show_message(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Replaces the traceback by at most 10 lines: the message written for the user, or where an unexpected error arose.

    With SSDIFF_TRACEBACK=1 in the environment the whole traceback of an unexpected error is shown.
    """
    chain = _causes(error)
    for cause in chain:
        if isinstance(cause, SSDiffError):
            lines = str(cause).splitlines() or [type(cause).__name__]
            sys.stderr.write("\nERROR: " + "\n".join(lines[:_MESSAGE_LINES]) + "\n")
            return
    if os.environ.get("SSDIFF_TRACEBACK") == "1" or not isinstance(error, Exception):
        sys.__excepthook__(kind, error, traceback)
        return
    sys.stderr.write("\n" + "\n".join(_unexpected(chain)) + "\n")


def _causes(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return chain


def _unexpected(chain: list[BaseException]) -> list[str]:
    """The innermost error, the config component it was in, and its last three lines of code."""
    root = chain[-1]
    message = (str(root).splitlines() or [""])[0]
    lines = [f"ERROR: {type(root).__name__}: {message}"]
    components = [re.search(r"component '([^']+)'", str(cause)) for cause in chain]
    lines += [f"  in config component {found[1]}" for found in components if found][-1:]
    frames = extract_tb(root.__traceback__)[-3:]
    lines += [f"  at {'/'.join(Path(f.filename).parts[-3:])}:{f.lineno} in {f.name}" for f in frames]
    lines.append("Fix: check the settings you gave for that component. If they are right, this is a bug:")
    lines.append("run again with SSDIFF_TRACEBACK=1 and report the whole traceback.")
    return lines


def check_overrides(arguments: Sequence[str]) -> None:
    """Compares ``--key value`` pairs of the command line with the keys of the config files it names.

    Raises:
        ConfigError: a key is in none of the files; names the nearest one.
    """
    options = _options(arguments)
    files = _config_files(options.get("config_file", ""))
    if not files:
        return
    known = set(ConfigParser.load_config_files(files)) | _RUN_OPTIONS
    if "tracking" in options:
        known |= _TRACKING_KEYS
    for option in options:
        key = option.lstrip("+").replace("#", "::").split("::")[0]
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean --{near[0]}?" if near else "The keys are the top level of that file."
        names = ", ".join(Path(f).name for f in files)
        raise ConfigError(f"--{option}: no such key in {names}.\n{hint}")


def _options(arguments: Sequence[str]) -> dict[str, str]:
    options = {}
    for i, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, _, value = argument[2:].partition("=")
            following = arguments[i + 1] if i + 1 < len(arguments) else ""
            options[name] = value or following
    return options


def _config_files(value: str) -> list[str]:
    if value.startswith("["):
        return [str(v) for v in ast.literal_eval(value)]
    return [v.strip() for v in value.split(",") if v.strip()]
