"""Files and folders that appear whole or not at all: written aside in the same place, then renamed."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import conventions
from .conventions import OutputError

logger = logging.getLogger(__name__)

FIX = {
    errno.ENOSPC: "free space on that disk, or give another folder",
    errno.EDQUOT: "free space in your quota, or give another folder",
    errno.EROFS: "give a folder on a disk that can be written",
    errno.EACCES: "give a folder you may write to",
    errno.EPERM: "give a folder you may write to",
    errno.ENOTDIR: "give a folder; a file of that name is in the way",
    errno.EEXIST: "give a folder; a file of that name is in the way",
}


# No JSON that a person's data bring along is larger: an import.json of a large study has some 100 kB.
MOST_JSON_BYTES = 16 * 2**20
# How the name of a file begins that is not complete yet.
PART_PREFIX = ".part-"


def output_error(path: Path, error: OSError, room: str = "free space", begun: bool = True) -> OutputError:
    """The message for a file or folder that could not be written: last two parts of its path, reason, fix.

    Args:
        room: what the disk must have. begun: whether files may have been written before, on which a new run goes on.
    """
    name = "/".join(path.parts[-2:])
    fix = FIX.get(error.errno or 0, "check the disk, or give another folder")
    return OutputError(
        f"{name}: could not be written: {error.strerror or error}. Expected: a folder that can be written, with {room}."
        f" Fix: {fix}, with --output_dir."
        + " Files written before are complete; run again to go on from there."
        * begun
    )


def read_json(path: Path) -> Any:
    """Content of a JSON file that came with a person's data, so that it may be anything.

    Raises:
        OSError: it is missing or cannot be read. ValueError: it is no JSON, no UTF-8, nested too deeply, larger than
            MOST_JSON_BYTES, or no plain file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a plain file")
    with path.open("rb") as file:
        content = file.read(MOST_JSON_BYTES + 1)
    if len(content) > MOST_JSON_BYTES:
        raise ValueError(f"larger than {MOST_JSON_BYTES // 2**20} MB")
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` (same suffix) that becomes ``path`` only when the block ends well.

    Raises:
        OutputError: disk full, read-only or the like; the temporary file is gone by then.
    """
    aside = path.with_name(f"{PART_PREFIX}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        _remove(aside)


Own = Callable[[Path], Sequence[str]]


@contextmanager
def folder_aside(path: Path, room: str = "free space", own: Own | None = None) -> Iterator[Path]:
    """Gives an empty folder beside ``path`` that takes its place, with all that is in it, when the block ends well.

    What lies in ``path`` and is not ``own`` goes on lying there: it is moved over once the new folder is in place, and
    never copied, deleted or held in a folder that is removed. A process that ends on the way leaves the old folder
    beside; ``settle_folder`` goes on from there.

    Args:
        room: what the disk must have, for the message.
        own: names of the files in a folder that the caller wrote there, which may be deleted, in that order; None: all
            that lies in ``path``, which the caller has looked through.
    Raises:
        OutputError: disk full, read-only or the like, or ``path`` is no folder; the new folder is gone by then.
    """
    part, old = _beside(path)
    try:
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            raise OSError(errno.ENOTDIR, "it is a link or a file, which is not replaced")
        if own is not None:
            _settle(path, own)
        with scratch_folder(part) as aside:
            yield aside
            if path.exists():
                shutil.rmtree(path) if own is None else path.rename(old)
            try:
                aside.rename(path)
            except OSError:
                if old.exists() and own is not None:
                    old.rename(path)
                raise
            if own is not None:
                _move_over(old, path, own)
    except OSError as error:
        raise output_error(path, error, room) from error


def settle_folder(path: Path, own: Own) -> None:
    """Goes on where a process ended while it replaced ``path``; comes before any decision by what is there.

    Raises:
        OutputError: as ``folder_aside``.
    """
    try:
        _settle(path, own)
    except OSError as error:
        raise output_error(path, error) from error


def _beside(path: Path) -> tuple[Path, Path]:
    """Where the new folder is made, and where the old one waits."""
    return path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")


def _settle(path: Path, own: Own) -> None:
    """The old folder comes back, or gives what is not its own to the new one."""
    part, old = _beside(path)
    if old.is_dir() and not os.path.lexists(path):
        old.rename(path)
    if path.is_dir() and not path.is_symlink():
        _move_over(old, path, own)
        # the new folder was never whole: nothing in it is missed, but for what an earlier version moved there
        _move_over(part, path, own, keep_own=True)
    if part.is_dir() and _foreign(part, own):
        # readers of a data set pass over such a name
        kept = _free_name(path.with_name(f"_{path.name}.kept"))
        part.rename(kept)
        logger.warning("%s: files of yours were in a folder that was not finished; they are kept there.", kept.name)


def _foreign(folder: Path, own: Own) -> list[Path]:
    """What the caller did not write; folders never are its own, and what it was writing when it ended always is."""
    names = own(folder)
    return [
        one
        for one in sorted(folder.iterdir())
        if not one.name.startswith(PART_PREFIX) and (one.name not in names or one.is_dir())
    ]


def _move_over(source: Path, target: Path, own: Own, keep_own: bool = False) -> None:
    """Moves what is not own from one folder to another on the same disk, deletes the rest, and the folder."""
    if not source.is_dir():
        return
    names = own(source)
    for one in _foreign(source, own):
        one.rename(_free_name(target / one.name))
    if keep_own:
        return
    for name in [*(one.name for one in source.iterdir() if one.name not in names), *names]:
        (source / name).unlink(missing_ok=True)
    source.rmdir()


def _free_name(path: Path) -> Path:
    """``path``, or with a number behind it where something lies there."""
    names = itertools.chain([path], (path.with_name(f"{path.name}.{n}") for n in itertools.count(1)))
    return next(one for one in names if not os.path.lexists(one))


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Makes ``path`` for the time of the block, empty: what an ended process left there is removed.

    Raises:
        OSError: as it comes; the caller knows what it was writing.
    """
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes the whole file or nothing; flushed to the disk before the rename, so that late errors are seen."""
    with written_aside(path) as aside, aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_text(path: Path, content: str) -> None:
    """As write_bytes, UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def remove(path: Path) -> None:
    """Deletes a file that may be there.

    Raises:
        OutputError: it is there and cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def _remove(aside: Path) -> None:
    try:
        aside.unlink(missing_ok=True)
    except OSError:
        # The disk already failed and that message is on its way; a leftover is hidden and never taken for a result.
        return


def json_text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def ensure_writable(output_dir: Path) -> None:
    """Makes the folder and tries one file in it, before the first minute of computing is spent.

    Raises:
        OutputError: it cannot be made or written.
    """
    # Processes on several machines may try the same folder at once; in containers even their process ids are equal.
    probe = output_dir / f".{conventions.BUNDLE_NAME}_{platform.node()}_write_test"
    try:
        write_bytes(probe, b"")
        remove(probe)
    except OutputError as error:
        if isinstance(error.__cause__, OSError):
            raise output_error(output_dir, error.__cause__, begun=False) from error
        raise
