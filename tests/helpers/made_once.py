"""Files that are expensive to make: once per test run, whichever of its processes asks first."""

import fcntl
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

# Set by tests/conftest.py: a folder that all processes of one run share.
RUN: list[Path] = []


@functools.cache
def made_once(name: str, write: Callable[[Path], object]) -> Path:
    """The folder that ``write`` filled; read-only for tests. The other processes of the run wait for it."""
    (run,) = RUN
    folder, done = run / name, run / f"{name}.done"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            write(folder)
            done.touch()
    return folder
