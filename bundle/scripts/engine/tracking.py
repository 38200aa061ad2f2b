"""Owns what MONAI's MLflow handler leaves out: one run name for all its handlers, preview panels, resolved config."""

from __future__ import annotations

import datetime
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine, Events

logger = logging.getLogger(__name__)


def run_name() -> str:
    """Name of a run, from the clock; trainer and evaluator must share it to land in one MLflow run."""
    return datetime.datetime.now().strftime("run_%Y%m%d_%H%M%S")


class TrackedFiles:
    """Adds files to the MLflow run at the end of training; does nothing when MLflow is not in use.

    Works for the config's own switch (``mlflow``) and for ``--tracking mlflow``, which share the keys below.

    Args:
        tracking_uri, experiment_name, run_name: as given to MLFlowHandler.
        files: files and folders to add; those that do not exist are skipped.
    """

    def __init__(self, tracking_uri: str, experiment_name: str, run_name: str, files: Sequence[str]) -> None:
        self.tracking_uri, self.experiment_name, self.run_name = tracking_uri, experiment_name, run_name
        self.files = [Path(f) for f in files]

    def attach(self, engine: Engine) -> None:
        """Registers at the end of the run."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Logs the files to the newest run of that name."""
        if "mlflow" not in sys.modules:
            return
        import mlflow

        client = mlflow.MlflowClient(self.tracking_uri)
        experiment = client.get_experiment_by_name(self.experiment_name)
        if experiment is None:
            return
        runs = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{self.run_name}'")
        for path in self.files:
            if not runs or not path.exists():
                continue
            log = client.log_artifacts if path.is_dir() else client.log_artifact
            log(runs[0].info.run_id, str(path), *(["panels"] if path.is_dir() else []))
