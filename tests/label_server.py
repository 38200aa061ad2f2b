"""A real MONAI Label server with its stock monaibundle app on loopback, in the venv of ``make label-venv``."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow_server import free_port

PYTHON = Path(__file__).resolve().parents[1] / ".venv-label" / "bin" / "python"
MODEL = "ssdiff_virtual_lge"


@contextmanager
def serving(app: Path, studies: Path, log: Path) -> Iterator[str]:
    """Address of a server of ``app`` over ``studies``; it ends with the block."""
    port = free_port()
    conf = {"models": MODEL, "zoo_source": "local", "sam2": "false"}
    command = [PYTHON, "-m", "monailabel.main", "start_server", "--app", app, "--studies", studies]
    command += [word for key, value in conf.items() for word in ("--conf", key, value)]
    command += ["--host", "127.0.0.1", "--port", port]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MONAI_LABEL_TRACKING_ENABLED": "false"}
    environment["PATH"] = f"{PYTHON.parent}{os.pathsep}{environment['PATH']}"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=app.parent, env=environment, stdout=stream, stderr=stream
        )
    try:
        if not _answers(f"http://127.0.0.1:{port}/", process):
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def stock_app(folder: Path) -> Path:
    """The app as ``monailabel apps --download`` copies it out of the package, with an empty model folder."""
    command = [PYTHON, "-m", "monailabel.main", "apps", "--download", "--name", "monaibundle", "--output", folder]
    subprocess.run([str(word) for word in command], cwd=folder, check=True, capture_output=True, timeout=180)
    (folder / "monaibundle" / "model").mkdir(exist_ok=True)
    return folder / "monaibundle"


def _answers(address: str, server: subprocess.Popen, seconds: float = 180) -> bool:
    """True when the server is up; False when it ended or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return reply.status == 200
        except OSError:
            time.sleep(1)
    return False
