"""Training tracked by a real MLflow server on loopback with SQLite: what a client finds there, and no telemetry."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from helpers.bundle_run import BUNDLE
from helpers.mlflow_server import mlflow_server
from helpers.tiny_inference import NETWORK
from helpers.tiny_training import train
from scripts.networks.trunk import TrunkUNet

pytest.importorskip("mlflow")
import mlflow

pytestmark = pytest.mark.slow

EPOCHS = 2
# Variables at whose sight MLflow sends no statistics by itself.
SILENCING = ("CI", "PYTEST_CURRENT_TEST", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
# Python's own report of every name it looks up and every address it connects to.
LISTENER = """
import sys

def note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect"):
        with open({!r}, "a") as file:
            file.write(str(arguments[0] if event == "socket.getaddrinfo" else arguments[1]) + "\\n")

sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address of a server with its own database and artifacts."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def tracked(server, phantom_folder, tmp_path_factory):
    """Client, run, output folder and addresses looked up or connected to, of a training of two epochs."""
    folder, listening = tmp_path_factory.mktemp("tracked"), tmp_path_factory.mktemp("listening")
    (listening / "sitecustomize.py").write_text(LISTENER.format(str(listening / "addresses.txt")))
    with pytest.MonkeyPatch.context() as patch:
        for name in SILENCING:
            patch.delenv(name, raising=False)
        done = train(phantom_folder, folder, "--epochs", str(EPOCHS), "--mlflow", "true", "--tracking_uri", server,
                     PYTHONPATH=str(listening))  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    client = mlflow.MlflowClient(server)
    (run,) = client.search_runs([client.get_experiment_by_name("ssdiff_virtual_lge").experiment_id])
    return client, run, folder, (listening / "addresses.txt").read_text().splitlines()


def test_the_server_has_parameters_the_resolved_config_and_metrics_of_every_epoch_and_class(tracked, tmp_path):
    client, run, folder, _ = tracked
    assert "research use only" in run.data.tags["mlflow.note.content"].lower()
    assert run.info.status == "FINISHED" and run.data.params["learning_rate"] == "0.0008"
    network = {key: run.data.params[f"network_def.{key}"] for key in ("channels", "token_channels")}
    assert network == {"channels": "[16, 16]", "token_channels": "16"}, "not the config with its overrides"
    assert run.data.params["optimizer.weight_decay"] == "0.01" and run.data.params["preprocessing.spacing_mm"] == "5.6"
    for name in ("infarct", "lv_blood_pool", "lv_myocardium"):
        history = client.get_metric_history(run.info.run_id, f"val_dice_{name}")
        assert [entry.step for entry in history] == list(range(1, EPOCHS + 1)), name
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == EPOCHS
    stored = client.download_artifacts(run.info.run_id, "config.json", str(tmp_path))
    assert Path(stored).read_bytes() == (folder / "config.json").read_bytes()
    panels = client.list_artifacts(run.info.run_id, "panels")
    assert len([one for one in panels if one.path.endswith(".png")]) == len(list((folder / "panels").glob("*.png"))) > 0


def test_the_checkpoint_is_there_with_its_signature_and_is_the_best_weights(tracked, tmp_path):
    client, run, folder, _ = tracked
    model = tmp_path / "model"
    client.download_artifacts(run.info.run_id, "model", str(tmp_path))
    described = mlflow.models.Model.load(str(model / "MLmodel"))
    (image,), (pred,) = described.signature.inputs.inputs, described.signature.outputs.inputs
    assert (image.name, image.shape, str(image.type)) == ("image", (-1, 4, -1, -1), "float32")
    assert (pred.name, pred.shape) == ("pred", (-1, 7, -1, -1))
    flavor = yaml.safe_load((model / "MLmodel").read_text())["flavors"]["ssdiff_virtual_lge"]
    form = json.loads((BUNDLE / "configs/metadata.json").read_text())["network_data_format"]
    parts = {"image": form["inputs"]["image"], "pred": form["outputs"]["pred"]}
    assert flavor["channels"] == {name: list(part["channel_def"].values()) for name, part in parts.items()}
    assert "synthetic" in flavor["disclaimer"].lower()
    stored, best = (torch.load(f / "model.pt", weights_only=True) for f in (model, folder / "checkpoints"))
    assert stored.keys() == best.keys() and all(torch.equal(stored[name], best[name]) for name in best)
    network = TrunkUNet(**NETWORK).eval()
    network.load_state_dict(stored)
    with torch.no_grad():
        assert network(torch.zeros(2, image.shape[1], 32, 32)).shape == (2, pred.shape[1], 32, 32)


def test_no_path_of_the_site_reaches_the_server(tracked, tmp_path):
    client, run, folder, _ = tracked
    client.download_artifacts(run.info.run_id, "", str(tmp_path))
    told = [f"{key} {value}" for key, value in run.data.params.items()]
    told += [
        path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".json", ".csv", "") and path.is_file()
    ]
    assert told and not [text for text in told if str(folder) in text]


def test_training_goes_to_the_server_s_address_and_to_no_other(tracked, server):
    *_, addresses = tracked
    port = int(server.rpartition(":")[2])
    assert set(addresses) == {"127.0.0.1", str(("127.0.0.1", port))}


def test_starting_a_job_switches_mlflow_s_telemetry_off():
    code = "import monai.bundle, mlflow.telemetry as t; from scripts.runtime.startup import Startup; "
    code += "Startup(arguments=[]).run(); print(t.get_telemetry_client())"
    environment = {key: value for key, value in os.environ.items() if key not in SILENCING}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=BUNDLE, env=environment, text=True,
                          capture_output=True, timeout=120)  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "None", done.stderr[-1000:]
