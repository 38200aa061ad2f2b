"""A real MLflow server on loopback with its own SQLite database and artifacts; for tests of what training tells it."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

from helpers.local_server import free_port, serving


def mlflow_server(folder: Path) -> AbstractContextManager[str]:
    """Address of a server that keeps store.db, files/ and server.log in ``folder``; it ends with the block."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--artifacts-destination", folder / "files"]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return serving(command, port, folder / "server.log", environment, "/health", start_s=90)
