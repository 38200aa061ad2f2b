"""What a job says of a subject that raised an error, so that one bad subject never ends the others."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from traceback import extract_tb

from .conventions import ConfigError, DataError, OutputError, SSDiffError

logger = logging.getLogger(__name__)
_LONGEST = 200


class ProgramFaultError(DataError):
    """A subject that this program fails on: a bug, listed with the subject."""

    stage = "program"


def subject_problem(error: Exception, quote: bool = True) -> Exception:
    """What is listed for a subject that raised ``error``: the error of its data, or a ``ProgramFaultError``.

    With SSDIFF_TRACEBACK=1 in the environment the traceback of the latter is logged.

    Args:
        quote: whether the message of an unexpected error, or the file of a system's, is told; not where either may
            hold a patient's name, as those of DICOM.
    Raises:
        ConfigError, OutputError: ``error`` itself, where every further subject would fail too.
    """
    if isinstance(error, (ConfigError, OutputError)):
        raise error
    if isinstance(error, OSError) and not quote:
        return DataError(f"{type(error).__name__}: {error.strerror or 'a file cannot be read'}. Fix: check the files.")
    if isinstance(error, (SSDiffError, OSError, MemoryError)):
        return error
    if os.environ.get("SSDIFF_TRACEBACK") == "1":
        logger.error("a fault of this program", exc_info=error)
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    said = f" ({' '.join(str(error).split())[:_LONGEST]})" if quote else ""
    return ProgramFaultError(
        f"{type(error).__name__}{place}{said}. This is a fault of the program, or a file that it does not expect. "
        "Fix: run this subject alone with SSDIFF_TRACEBACK=1 in the environment and report the traceback."
    )
