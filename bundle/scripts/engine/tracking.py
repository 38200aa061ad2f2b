"""Owns what MONAI's MLflow handler leaves out: one run name for all its handlers, preview panels, resolved config."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from .atomic import write_text

# What a run leaves in its output folder and MLflow shall hold.
_FILES = ("training_log.csv", "progress.png", "settings.json", "panels")


def run_name() -> str:
    """Name of a run, from the clock; trainer and evaluator must share it to land in one MLflow run."""
    return datetime.datetime.now().strftime("run_%Y%m%d_%H%M%S")


class TrackedFiles:
    """Writes settings.json at the start and, where MLflow is in use, adds log, curves, panels and settings at the end.

    Works for the config's own switch (``mlflow``) and for ``--tracking mlflow``, which share the three keys below.

    Args:
        tracking_uri, experiment_name, run_name: as given to MLFlowHandler.
        output_dir: the folder of the run's log and panels.
        settings: the resolved settings of the run.
    """

    def __init__(
        self,
        tracking_uri: str,
        experiment_name: str,
        run_name: str,
        output_dir: str,
        settings: Mapping[str, Any],
    ) -> None:
        self.tracking_uri, self.experiment_name, self.run_name = tracking_uri, experiment_name, run_name
        self.folder, self.settings = Path(output_dir), dict(settings)

    def attach(self, engine: Engine) -> None:
        """Registers at the start and the end of the run."""
        engine.add_event_handler(Events.STARTED, self.write_settings)
        engine.add_event_handler(Events.COMPLETED, self)

    def write_settings(self, engine: Engine) -> None:
        """settings.json, with paths as the user gave them."""
        write_text(self.folder / "settings.json", json.dumps(self.settings, indent=1, default=str) + "\n")

    def __call__(self, engine: Engine) -> None:
        """Adds the files to the newest run of that name."""
        if "mlflow" not in sys.modules:
            return
        import mlflow

        client = mlflow.MlflowClient(self.tracking_uri)
        experiment = client.get_experiment_by_name(self.experiment_name)
        if experiment is None:
            return
        runs = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{self.run_name}'")
        for path in (self.folder / name for name in _FILES):
            if runs and path.is_dir():
                client.log_artifacts(runs[0].info.run_id, str(path), path.name)
            elif runs and path.exists():
                client.log_artifact(runs[0].info.run_id, str(path))
