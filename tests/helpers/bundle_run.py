"""Runs ``python -m monai.bundle run`` as a user would type it; for tests of whole jobs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUNDLE = Path(__file__).resolve().parents[2] / "bundle"


def run_bundle(
    *arguments: str, launcher: tuple[str, ...] = (), cwd: Path = BUNDLE, **environment: str
) -> subprocess.CompletedProcess:
    """Output and exit code of one job, on one thread, started in bundle/ unless told otherwise."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-W", "ignore", *launcher, "-m", "monai.bundle", "run", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def message(stderr):
    """What follows ERROR: on stderr, checked: at most 10 lines, and it says what to do."""
    if "Traceback" in stderr or stderr.count("ERROR: ") != 1:
        pytest.fail(f"not one readable message: {stderr}")
    text = stderr.split("ERROR: ")[1]
    if len(text.splitlines()) > 10 or "Fix:" not in text:
        pytest.fail(f"more than 10 lines, or no word of what to do: {text}")
    return text
