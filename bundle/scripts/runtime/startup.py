"""Start of every job: messages instead of tracebacks, a checked command line, quiet logging, seeds."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any

import torch.distributed as dist
from monai.utils import set_determinism

from ..conventions import ConfigError, SSDiffError
from . import command_line, interruption

_MESSAGE_LINES = 10


class Startup:
    """First entry of every run list: readable errors from here on, and a check of the keys on the command line.

    The parts of a job that read data require it, so that it is made, and speaks, also where a section is run by name.
    It is the first that MONAI works out: a folder whose name is code stops there.

    Args:
        seed: seeds Python, numpy and torch before any network is made; None leaves them alone.
        arguments: command line to check; the process's own by default.
    Raises:
        ConfigError: the command line names a section of the config in place of a job, or a folder or name that MONAI
            would run as code.
    """

    def __init__(self, seed: int | None = None, arguments: Sequence[str] | None = None) -> None:
        self.seed = seed
        arguments = list(sys.argv if arguments is None else arguments)
        bundle = arguments and Path(arguments[0]).parent.name == "bundle"
        self.arguments = arguments[1:] if bundle else []
        if bundle and arguments[1:2] == ["run"]:
            sys.excepthook = show_message
            command_line.check_given(self.arguments)
            command_line.check_data(self.options)
            command_line.check_run_id(command_line.run_id(self.arguments), self.options)

    @property
    def options(self) -> dict[str, str]:
        """``--key value`` pairs of a bundle command line; none when the bundle is used from Python."""
        return command_line.options(self.arguments)

    @property
    def tracking(self) -> bool:
        """Whether ``--tracking mlflow`` is on the command line."""
        return self.options.get("tracking") == "mlflow"

    def resolved_config(self) -> dict[str, Any]:
        """The config files of the command line, merged, with its overrides; {} when the bundle is used from Python."""
        return command_line.resolved_config(self.options)

    def run(self) -> None:
        """Installs the message hook and checks the overrides.

        Raises:
            ConfigError: an override names a key that no config file has, or a value that cannot be; or torchrun started
                several processes and the configs do not share the work.
        """
        sys.excepthook = show_message
        no_telemetry()
        # MONAI warns at every parse that configs can run code, and torch about lookups we do not use
        warnings.filterwarnings("ignore", category=UserWarning, module=r"monai\..*|torch\..*|ignite\..*")
        logging.getLogger("ignite").setLevel(logging.CRITICAL)
        command_line.check_overrides(self.options)
        if self.arguments:
            sys.excepthook = functools.partial(show_message, kept=interruption.what_is_kept(self.options))
            interruption.answer_signals()
        refuse_unshared()
        if self.seed is not None:
            set_determinism(self.seed)


def refuse_unshared() -> None:
    """Several processes under configs written for one would do the same work, into the same files.

    Raises:
        ConfigError: torchrun started several processes, and the configs let each of them do the whole job.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if dist.is_available() and dist.is_torchelastic_launched() and count > 1 and not dist.is_initialized():
        raise ConfigError(
            f"torchrun: started {count} processes, but these configs make each do the whole job into the same folder.\n"
            "Expected: a config that shares the work. Fix: --config_file "
            "\"['configs/inference.json','configs/multi_gpu_inference.json']\", for training "
            "\"['configs/train.json','configs/multi_gpu_train.json']\"; anything else with python in place of torchrun."
        )


def no_telemetry() -> None:
    """Turns off the usage reports of MLflow, which MONAI loads before this bundle."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    if "mlflow" in sys.modules and find_spec("mlflow.telemetry"):  # MLflow before 3.2 sends nothing
        from mlflow.telemetry import set_telemetry_client

        set_telemetry_client()


def show_message(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None, kept: str = ""
) -> None:
    """Replaces the traceback by at most 10 lines: the message written for the user, or where an unexpected error arose.

    With SSDIFF_TRACEBACK=1 in the environment the whole traceback of an unexpected error is shown.

    Args:
        kept: what to say when the run is ended by a signal, which then also ends the process; "": as Python does.
    """
    chain = _causes(error)
    if kept and (interrupts := [cause for cause in chain if isinstance(cause, KeyboardInterrupt)]):
        by = "SIGTERM" if isinstance(interrupts[0], interruption.Terminated) else "Ctrl-C"
        sys.stderr.write(f"\nStopped by {by}. {kept}\n")
        interruption.end(interrupts[0])
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
