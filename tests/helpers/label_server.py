"""A real MONAI Label server with its stock monaibundle app on loopback, in the venv of ``make label-venv``."""

import os
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from helpers.local_server import free_port, serving

PYTHON = Path(__file__).resolve().parents[2] / ".venv-label" / "bin" / "python"
MODEL = "ssdiff_virtual_lge"


def label_server(app: Path, studies: Path, log: Path) -> AbstractContextManager[str]:
    """Address of a server of ``app`` over ``studies``; it ends with the block."""
    port = free_port()
    conf = {"models": MODEL, "zoo_source": "local", "sam2": "false"}
    command = [PYTHON, "-m", "monailabel.main", "start_server", "--app", app, "--studies", studies]
    command += [word for key, value in conf.items() for word in ("--conf", key, value)]
    command += ["--host", "127.0.0.1", "--port", port]
    environment = {"OMP_NUM_THREADS": "1", "MONAI_LABEL_TRACKING_ENABLED": "false"}
    environment["PATH"] = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    return serving(command, port, log, environment, "/", start_s=180)


def stock_app(folder: Path) -> Path:
    """The app as ``monailabel apps --download`` copies it out of the package, with an empty model folder."""
    command = [PYTHON, "-m", "monailabel.main", "apps", "--download", "--name", "monaibundle", "--output", folder]
    subprocess.run([str(word) for word in command], cwd=folder, check=True, capture_output=True, timeout=180)
    (folder / "monaibundle" / "model").mkdir(exist_ok=True)
    return folder / "monaibundle"
