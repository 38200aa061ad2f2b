"""A server process on loopback that ends with its block; for tests that talk to the real thing."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(
    command: Sequence[object], port: int, log: Path, environment: Mapping[str, str], health: str, start_s: float
) -> Iterator[str]:
    """Address of the server that ``command`` starts on ``port`` in the folder of ``log``, once it answers."""
    address = f"http://127.0.0.1:{port}"
    words, environment = [str(word) for word in command], os.environ | environment
    with log.open("w") as stream:
        process = subprocess.Popen(words, cwd=log.parent, env=environment, stdout=stream, stderr=stream)
    try:
        if not _answers(address + health, process, start_s):
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(address: str, server: subprocess.Popen, seconds: float) -> bool:
    """True when the server is up; False when it ended or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return reply.status == 200
        except OSError:
            time.sleep(0.5)
    return False
