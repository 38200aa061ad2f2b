"""Tracking beside MONAI's MLflow handler: one run name for all handlers, panels, resolved config, weights."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler, from_engine

from ..conventions import (
    BUNDLE_NAME,
    BUNDLE_VERSION,
    DISCLAIMER,
    IMAGE_CHANNELS,
    NETWORK_CLASSES,
    ConfigError,
    flag,
    network_classes,
)
from ..files import write_text
from ..runtime.distributed import process_number
from ..runtime.provenance import public_config
from ..runtime.startup import Startup
from .run_log import LOG_FILE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CONFIG_FILE = "config.json"
# What a run leaves in its output folder and MLflow shall hold.
_FILES = (LOG_FILE, "progress.png", CONFIG_FILE, "panels")
# Parts of a training config that hold no settings of the run as a whole.
_WIRING = ("train", "validate", "startup", "mlflow_run", "prepare_data", "initialize", "training", "run")
_WEIGHTS, _MODEL = "model.pt", "model"


def run_name() -> str:
    """Name of a run, from the clock; trainer and evaluator must share it to land in one MLflow run."""
    return datetime.datetime.now().strftime("run_%Y%m%d_%H%M%S")


def local_uri(output_dir: str) -> str:
    """MLflow's address of ``mlruns.db`` in a folder, as the SQLAlchemy that is installed reads it.

    Spaces and the like stand as they are: versions before 2.1 decode nothing. What ends an address, or is decoded from
    2.1 on, is encoded where that is read back.
    """
    path = f"{Path(output_dir).expanduser().absolute().as_posix()}/mlruns.db"
    plain, encoded = f"sqlite:///{path}", f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"
    return encoded if plain != encoded and _database(plain) != path == _database(encoded) else plain


def _database(uri: str) -> str | None:
    """Path of the database that an address of SQLite names; None without SQLAlchemy, which comes with MLflow."""
    try:
        from sqlalchemy.engine import make_url
    except ImportError:
        return None
    return make_url(uri).database


class Tracking:
    """Where the run of a training is tracked, and whether it is.

    Works for the config's own switch (``mlflow``) and for ``--tracking mlflow``, which share the three keys below.

    Args:
        mlflow: the config's own switch.
        tracking_uri, experiment_name, run_name: as MONAI's MLFlowHandler takes them.
        startup: knows the config files and the command line.
    Raises:
        ConfigError: a database in a folder with a question mark in its name, where the address would end.
    """

    def __init__(
        self, mlflow: bool | str, tracking_uri: str, experiment_name: str, run_name: str, startup: Startup
    ) -> None:
        self.tracking_uri, self.experiment_name, self.run_name = tracking_uri, experiment_name, run_name
        self.startup, self.switched_on = startup, flag(mlflow, "mlflow")
        if self.in_use and tracking_uri.startswith("sqlite:") and "/" in tracking_uri.partition("?")[2]:
            raise ConfigError(
                f"tracking_uri: found {tracking_uri!r}, expected the path of a database without '?'.\n"
                "Fix: give another --output_dir, or a --tracking_uri elsewhere."
            )

    @property
    def in_use(self) -> bool:
        """Whether there is an MLflow run, by the config's switch or by MONAI's option."""
        return self.switched_on or self.startup.tracking

    def log_metrics(self, engine: Engine, **options: Any) -> None:
        """Attaches MONAI's handler where the config's switch is on, in the first process."""
        if self.switched_on and process_number() == 0:
            MLFlowHandler(
                tracking_uri=self.tracking_uri,
                experiment_name=self.experiment_name,
                run_name=self.run_name,
                artifact_location=self._artifacts_beside_the_database(),
                iteration_log=False,
                **options,
            ).attach(engine)

    def _artifacts_beside_the_database(self) -> str | None:
        """Where the files of a local database go; None leaves it to MONAI, which takes an address for a path."""
        local = self.tracking_uri.startswith("sqlite:") and "%" in self.tracking_uri
        if not local or os.environ.get("MLFLOW_TRACKING_URI"):
            return None
        path = _database(self.tracking_uri)
        return (Path(path).absolute().parent / "mlruns").as_uri() if path else None


class TrainingMetricsToMlflow:
    """Logs the training metrics of every epoch and the settings of the run; closes the run at its end.

    Args:
        tracking: of the run. settings: resolved values to record; folders are cut, their names may name patients.
    """

    def __init__(self, tracking: Tracking, settings: Mapping[str, Any]) -> None:
        self.tracking, self.settings = tracking, settings

    def attach(self, engine: Engine) -> None:
        """Registers on the trainer; after all that adds to the run."""
        self.tracking.log_metrics(
            engine,
            tag_name="train_loss",
            output_transform=from_engine("loss", first=True),
            experiment_param=public_config(self.settings),
            close_on_complete=True,
        )


class ValidationMetricsToMlflow:
    """Logs the metrics of every validation.

    Args:
        tracking: of the run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator."""
        self.tracking.log_metrics(engine)


class TrackedFiles:
    """Writes config.json at the start and, where MLflow is in use, adds parameters, log, curves, panels, config
    and the best weights with their signature at the end.

    Args:
        tracking: of the run.
        output_dir: the folder of the run's log and panels.
        ckpt_dir: where the best weights are.
    """

    def __init__(self, tracking: Tracking, output_dir: str, ckpt_dir: str) -> None:
        self.tracking, self.startup = tracking, tracking.startup
        self.folder, self.weights = Path(output_dir), Path(ckpt_dir) / _WEIGHTS

    def attach(self, engine: Engine) -> None:
        """Registers at the start and the end of the run, in the first process."""
        if process_number():
            return
        engine.add_event_handler(Events.STARTED, self.write_config)
        engine.add_event_handler(Events.COMPLETED, self)

    def write_config(self, engine: Engine) -> None:
        """config.json: the config files with the overrides of the command line, without the site's folders."""
        config = public_config(self.startup.resolved_config())
        write_text(self.folder / CONFIG_FILE, json.dumps(config, indent=1, default=str) + "\n")

    def __call__(self, engine: Engine) -> None:
        """Adds the files to the newest run of that name."""
        if not self.tracking.in_use:
            return
        import mlflow

        # as in MONAI's handler, MLflow's own variable goes before the key
        client = mlflow.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or self.tracking.tracking_uri)
        experiment = client.get_experiment_by_name(self.tracking.experiment_name)
        if experiment is None:
            return
        runs = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{self.tracking.run_name}'")
        if runs:
            self._fill(client, runs[0])

    def _fill(self, client: MlflowClient, run: Run) -> None:
        run_id = run.info.run_id
        client.set_tag(run_id, "mlflow.note.content", DISCLAIMER)
        config = self.startup.resolved_config()
        for key, value in parameters(public_config(config)).items():
            if key not in run.data.params:
                client.log_param(run_id, key, value)
        for path in (self.folder / name for name in _FILES):
            if path.is_dir():
                client.log_artifacts(run_id, str(path), path.name)
            elif path.exists():
                client.log_artifact(run_id, str(path))
        if self.weights.is_file():
            with tempfile.TemporaryDirectory() as name:
                write_model_folder(Path(name), self.weights, run_id, network_classes(int(config["num_classes"])))
                client.log_artifacts(run_id, name, _MODEL)


def parameters(config: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """The plain values of a config by their place in it, such as ``network_def.channels``.

    Left to config.json: references and code, which say nothing alone, and the parts that only connect (``_WIRING``).
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        if key.startswith("_") or (not section and key in _WIRING):
            continue
        if isinstance(value, Mapping):
            found |= parameters(value, f"{section}{key}.")
        elif not isinstance(value, str) or not value.startswith(("$", "@", "%")):
            found[f"{section}{key}"] = value
    return found


def signature(classes: Sequence[str] = NETWORK_CLASSES) -> Any:
    """MLflow's ModelSignature of the network's forward, as metadata.json describes it: image (N, 4, H, W), -1..1, to
    pred (N, classes + 1, H, W), class logits and the clean LGE of one denoising pass."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def tensor(channels: int, name: str) -> Any:
        return Schema([TensorSpec(np.dtype(np.float32), (-1, channels, -1, -1), name)])

    return ModelSignature(tensor(len(IMAGE_CHANNELS), "image"), tensor(len(classes) + 1, "pred"))


def write_model_folder(folder: Path, weights: Path, run_id: str, classes: Sequence[str] = NETWORK_CLASSES) -> None:
    """MLmodel with signature, beside the plain weights: no pickled object, so MLflow describes and does not load it."""
    from mlflow.models import Model

    model = Model(artifact_path=_MODEL, run_id=run_id, signature=signature(classes))
    names = {"image": list(IMAGE_CHANNELS), "pred": [*classes, "virtual_lge"]}
    meaning = "one denoising pass: images in -1..1 to class logits and clean LGE; sampling and scaling are the bundle's"
    about = {"weights": _WEIGHTS, "channels": names, "meaning": meaning, "disclaimer": DISCLAIMER}
    model.add_flavor(BUNDLE_NAME, version=BUNDLE_VERSION, **about)
    model.save(str(folder / "MLmodel"))
    shutil.copyfile(weights, folder / _WEIGHTS)
