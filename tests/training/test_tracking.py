"""The local store of MLflow lies in the folder of the run, whatever its name holds, and its files beside it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from ignite.engine import Engine
from scripts.conventions import ConfigError
from scripts.training.tracking import Tracking, local_uri

STARTUP = SimpleNamespace(tracking=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a space and #1", "50% of 20%20, why?"])
def test_database_and_files_lie_in_the_folder_that_was_named(tmp_path, name):
    mlflow = pytest.importorskip("mlflow")
    folder = tmp_path / name
    folder.mkdir()
    engine = Engine(lambda engine, batch: None)
    uri = local_uri(str(folder))
    Tracking(True, uri, "e", "r", STARTUP).log_metrics(engine, close_on_complete=True)
    engine.run([1])
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    note = tmp_path / "note.txt"
    note.write_text("read")
    client.log_artifact(run.info.run_id, str(note))
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["note.txt"]
    files = {path for path in tmp_path.rglob("*") if path.is_file()} - {note}
    assert len(files) == 2 and all(path.is_relative_to(folder) for path in files)
    assert sorted(path.name for path in folder.iterdir()) == ["mlruns", "mlruns.db"]
    assert run.info.status == "FINISHED"


def test_an_address_of_a_plain_path_is_the_path(tmp_path):
    assert local_uri(str(tmp_path / "a b")) == f"sqlite:///{tmp_path}/a b/mlruns.db"
    assert local_uri("runs") == f"sqlite:///{Path.cwd()}/runs/mlruns.db"


def test_an_address_that_would_end_within_the_path_is_refused_where_it_is_used(make):
    uri = "sqlite:////data/why?/mlruns.db"
    Tracking(False, uri, "e", "r", STARTUP)
    with pytest.raises(ConfigError) as error:
        Tracking(True, uri, "e", "r", STARTUP)
    assert "tracking_uri" in make.readable(error)
    Tracking(True, "sqlite:////data/mlruns.db?timeout=10", "e", "r", STARTUP)
