"""Runs ``python -m monai.bundle run`` as a user would type it; for tests of whole jobs."""

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

BUNDLE = Path(__file__).resolve().parents[2] / "bundle"
SECONDS = 600


def run_bundle(
    *arguments: str, launcher: tuple[str, ...] = (), cwd: Path = BUNDLE, **environment: str
) -> subprocess.CompletedProcess:
    """Output and exit code of one job, on one thread, started in bundle/ unless told otherwise.

    With a launcher or an environment of its own it is a fresh interpreter, else a fork of one that has MONAI loaded.
    """
    whole = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    words = [str(one) for one in arguments]
    if not launcher and not environment:
        return _forked(words, Path(cwd), whole)
    command = [sys.executable, "-W", "ignore", *launcher, "-m", "monai.bundle", "run", *words]
    return subprocess.run(command, cwd=cwd, env=whole, capture_output=True, text=True, timeout=SECONDS)


@functools.cache
def _server() -> subprocess.Popen:
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("job_server.py")), str(SECONDS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _forked(arguments: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as folder:
        streams = {name: Path(folder) / name for name in ("stdout", "stderr")}
        for path in streams.values():
            path.touch()
        job = {"arguments": arguments, "cwd": str(cwd.resolve()), "environment": environment}
        server = _server()
        try:
            server.stdin.write(json.dumps(job | {name: str(path) for name, path in streams.items()}) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
        except BaseException:
            # An answer that nobody read would be taken for the next job's: that one gets a server of its own.
            server.kill()
            _server.cache_clear()
            raise
        if code == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(arguments, SECONDS)
        return subprocess.CompletedProcess(arguments, code, *(path.read_text() for path in streams.values()))


def message(stderr):
    """What follows ERROR: on stderr, checked: at most 10 lines, and it says what to do."""
    if "Traceback" in stderr or stderr.count("ERROR: ") != 1:
        pytest.fail(f"not one readable message: {stderr}")
    text = stderr.split("ERROR: ")[1]
    if len(text.splitlines()) > 10 or "Fix:" not in text:
        pytest.fail(f"more than 10 lines, or no word of what to do: {text}")
    return text
