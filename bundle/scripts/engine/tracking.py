"""Owns what MONAI's MLflow handler leaves out: one run name for all its handlers, preview panels, resolved config."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from ignite.engine import Engine, Events

from .atomic import write_text
from .provenance import public_config
from .startup import Startup

# What a run leaves in its output folder and MLflow shall hold.
_FILES = ("training_log.csv", "progress.png", "config.json", "panels")


def run_name() -> str:
    """Name of a run, from the clock; trainer and evaluator must share it to land in one MLflow run."""
    return datetime.datetime.now().strftime("run_%Y%m%d_%H%M%S")


class TrackedFiles:
    """Writes config.json at the start and, where MLflow is in use, adds log, curves, panels and config at the end.

    Works for the config's own switch (``mlflow``) and for ``--tracking mlflow``, which share the three keys below.

    Args:
        tracking_uri, experiment_name, run_name: as given to MLFlowHandler.
        output_dir: the folder of the run's log and panels.
        startup: knows the config files and the command line.
        mlflow: the config's own switch.
    """

    def __init__(
        self, tracking_uri: str, experiment_name: str, run_name: str, output_dir: str, startup: Startup, mlflow: bool
    ) -> None:
        self.tracking_uri, self.experiment_name, self.run_name = tracking_uri, experiment_name, run_name
        self.folder, self.startup = Path(output_dir), startup
        self.in_use = mlflow or startup.tracking

    def attach(self, engine: Engine) -> None:
        """Registers at the start and the end of the run."""
        engine.add_event_handler(Events.STARTED, self.write_config)
        engine.add_event_handler(Events.COMPLETED, self)

    def write_config(self, engine: Engine) -> None:
        """config.json: the config files with the overrides of the command line, without the site's folders."""
        config = public_config(self.startup.resolved_config())
        write_text(self.folder / "config.json", json.dumps(config, indent=1, default=str) + "\n")

    def __call__(self, engine: Engine) -> None:
        """Adds the files to the newest run of that name."""
        if not self.in_use:
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
