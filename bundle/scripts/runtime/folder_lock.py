"""A lock on a folder: two runs that write into one would lose the work of either."""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..conventions import ConfigError

logger = logging.getLogger(__name__)

LOCK_FILE = ".writing.lock"


def locked(folder: Path, key: str) -> BaseFileLock:
    """Locks a folder that is there; the system gives the lock back when the process ends, however it ends.

    Args:
        key: of the config, for the message.
    Raises:
        ConfigError: another process has the lock.
    """
    # one object per file: a process that trains twice in turn does not stand in its own way
    lock = FileLock(str(folder.resolve() / LOCK_FILE), timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"{key} {folder}: another run is writing into this folder. Expected: one at a time. "
            f"Fix: wait until it has ended, or give another --{key}"
        ) from error
    except (OSError, NotImplementedError) as error:
        logger.warning("%s: cannot be locked (%s); a second run there would not be noticed.", folder, error)
    return lock


def unlock(lock: BaseFileLock) -> None:
    """Gives a lock back; with the last time that this process has it, its file goes."""
    if lock.lock_counter == 1:
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
