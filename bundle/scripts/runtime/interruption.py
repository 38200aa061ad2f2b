"""Ctrl-C and SIGTERM: one line that says what is kept and what goes on, and an exit status that shells know."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .command_line import config_files

# Jobs whose finished parts are kept and left out when the same command is given again, by their config file.
_GO_ON = ("inference.json", "study.json", "import_study.json", "convert.json", "make_phantom.json")
_MEASURE = ("evaluate.json", "transfer.json")
_CHILD_SECONDS, _MOMENT_S = 1.0, 0.05


class Terminated(KeyboardInterrupt):
    """The process was told to end by SIGTERM, as batch systems and containers do."""


def answer_signals() -> None:
    """Lets SIGTERM end the run as Ctrl-C does; in the main thread, where nobody else answers it.

    Neither is lost where it arrives while an object is deleted, in which Python ignores what is raised.
    """
    sys.unraisablehook = _once_more
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _once_more(ignored: sys.UnraisableHookArgs) -> None:
    """Sends a signal again whose exception was ignored; in a moment, when the object is gone."""
    if not issubclass(ignored.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(ignored)
        return
    number = signal.SIGTERM if issubclass(ignored.exc_type, Terminated) else signal.SIGINT
    timer = threading.Timer(_MOMENT_S, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def what_is_kept(given: Mapping[str, str]) -> str:
    """What is finished, and the command that goes on, in words, for the options of a command line."""
    names = {Path(file).name for file in config_files(given)}
    if "train.json" in names and not names & set(_MEASURE):
        return "Epochs that ended are kept: the same command with --resume auto goes on."
    if names & set(_GO_ON):
        without = ", but without --overwrite true" if given.get("overwrite", "").lower() == "true" else ""
        return f"What is finished is kept: the same command goes on{without}."
    return "Nothing is half written: give the same command again."


def end(interrupt: KeyboardInterrupt) -> NoReturn:
    """Ends workers and this process by the signal that came, so that the exit status is 130 or 143."""
    sys.stdout.flush()
    sys.stderr.flush()
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(_CHILD_SECONDS)
        if child.is_alive():
            child.kill()
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the signal is blocked
