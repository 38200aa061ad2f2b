"""Training through monai.bundle on a tiny phantom: resume bit for bit, logs, MLflow, two processes, bad settings."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from helpers.bundle_run import BUNDLE, run_bundle
from helpers.tiny_training import TINY, train
from scripts.datasets.datalist import split
from scripts.runtime.weights import sha256_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def straight(phantom_folder, tmp_path_factory):
    """Four epochs in one go, tracked by MLflow."""
    folder = tmp_path_factory.mktemp("straight")
    done = train(phantom_folder, folder, "--epochs", "4", "--mlflow", "True", "--record_augmentation", "true")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def test_four_epochs_equal_two_and_two_resumed_bit_for_bit(straight, phantom_folder, tmp_path):
    folder, _ = straight
    for arguments in (["--epochs", "2", "--schedule_epochs", "4"], ["--epochs", "4", "--resume", "auto"]):
        done = train(phantom_folder, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr[-3000:]
    whole, parts = (torch.load(f / "checkpoints/last.pt", weights_only=True) for f in (folder, tmp_path))
    assert (parts["epoch"], parts["iteration"], parts["best"]) == (whole["epoch"], whole["iteration"], whole["best"])
    assert parts["lr_scheduler"] == whole["lr_scheduler"]
    for part in ("network", "ema"):
        assert all(torch.equal(whole[part][k], parts[part][k]) for k in whole[part])
    moments = [state["exp_avg_sq"] for state in whole["optimizer"]["state"].values()]
    assert all(
        torch.equal(a, b["exp_avg_sq"]) for a, b in zip(moments, parts["optimizer"]["state"].values(), strict=True)
    )
    rows = [list(csv.DictReader((f / "training_log.csv").open())) for f in (folder, tmp_path)]
    for a, b in zip(*rows, strict=True):
        assert {k: v for k, v in a.items() if k != "images_per_second"} == {
            k: v for k, v in b.items() if k != "images_per_second"
        }


def test_a_run_leaves_log_curves_panels_settings_and_plain_weights(straight):
    folder, done = straight
    rows = list(csv.DictReader((folder / "training_log.csv").open()))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    expected = {"loss", "lge_mse", "mask_ce", "images_per_second", "val_psnr_db", "val_ssim", "val_mae"}
    expected |= {"val_dice_lv_blood_pool", "val_infarct_size_error_percent_lv", "learning_rate"}
    assert expected <= set(rows[0])
    assert (folder / "progress.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "panels").glob("phantom_*_epoch0004.png"))
    config = json.loads((folder / "config.json").read_text())
    assert (config["epochs"], config["network_def"]["channels"], config["dataset_dir"]) == (4, [16, 16], "not recorded")
    weights = torch.load(folder / "checkpoints/model.pt", weights_only=True)
    ema = torch.load(folder / "checkpoints/last.pt", weights_only=True)["ema"]
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in ema.items()}
    assert "epoch 4/4" in done.stdout
    assert "to go 0:00:00" in done.stdout


def test_the_changes_of_every_slice_of_every_epoch_are_recorded(straight):
    folder, _ = straight
    lines = [json.loads(line) for line in (folder / "augmentation.jsonl").read_text().splitlines()]
    slices = json.loads((folder / "checkpoints" / "training_record.json").read_text())["slices_per_epoch"]
    assert [line["epoch"] for line in lines] == [epoch for epoch in (1, 2, 3, 4) for _ in range(slices)]
    assert all("geometry" in line["changes"] and line["subject"].startswith("phantom_") for line in lines)


def test_mlflow_holds_metrics_parameters_panels_and_settings_of_one_run(straight):
    import mlflow

    folder, _ = straight
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlruns.db")
    experiment = client.get_experiment_by_name("ssdiff_virtual_lge")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert {"val_psnr_db", "val_ssim", "train_loss", "train_lge_mse"} <= set(run.data.metrics)
    assert run.data.params["learning_rate"] == "0.0008"
    names = {a.path for a in client.list_artifacts(run.info.run_id)}
    assert {"panels", "config.json", "training_log.csv", "progress.png"} <= names


def test_tracking_option_of_monai_writes_one_run_to_the_same_store(phantom_folder, tmp_path):
    import mlflow

    done = train(phantom_folder, tmp_path, "--epochs", "1", "--tracking", "mlflow")
    assert done.returncode == 0, done.stderr[-3000:]
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlruns.db")
    experiment = client.get_experiment_by_name("ssdiff_virtual_lge")
    (run,) = client.search_runs([experiment.experiment_id])
    assert "panels" in {a.path for a in client.list_artifacts(run.info.run_id)}


def test_without_tracking_no_store_is_made_and_a_last_epoch_off_the_interval_is_validated(phantom_folder, tmp_path):
    done = train(phantom_folder, tmp_path, "--epochs", "1", "--val_interval", "5")
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (tmp_path / "mlruns.db").exists()
    assert "val_dice_infarct" in (tmp_path / "training_log.csv").read_text()
    assert (tmp_path / "checkpoints/model.pt").is_file()


def test_two_processes_train_one_model_and_only_the_first_writes(phantom_folder, tmp_path):
    done = train(
        phantom_folder, tmp_path, "--epochs", "1",
        config="['configs/train.json','configs/multi_gpu_train.json']",
        launcher=("-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29531"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("epoch 1/1") == 1
    weights = torch.load(tmp_path / "checkpoints/last.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in weights["network"])
    assert len(list(csv.DictReader((tmp_path / "training_log.csv").open()))) == 1
    record = json.loads((tmp_path / "checkpoints/training_record.json").read_text())
    assert record["processes"] == 2 and record["slices_seen"] == record["slices_per_epoch"]
    training = json.loads((Path(phantom_folder) / "dataset.json").read_text())["training"]
    slices = sum(len(one["usable_slices"]) for one in training)
    assert slices - 8 < record["slices_seen"] <= slices + 1  # of both processes; what fills no batch is left out


def test_evaluation_of_trained_weights_writes_a_row_per_subject(straight, phantom_folder, tmp_path):
    folder, _ = straight
    flags = [part for key, value in TINY.items() if key in _EVALUATED for part in (f"--{key}", value)]
    done = run_bundle(
        "--config_file", "['configs/train.json','configs/evaluate.json']", "--dataset_dir", str(phantom_folder),
        "--output_dir", str(tmp_path), "--ckpt_dir", str(folder / "checkpoints"), *flags,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "val_dice_infarct" in done.stdout
    rows = (tmp_path / "val_dice_lv_blood_pool_raw.csv").read_text().splitlines()
    testing = json.loads((Path(phantom_folder) / "dataset.json").read_text())["testing"]
    assert len(rows) == 1 + len(testing)
    assert testing[0]["subject"] in rows[1]
    table = list(csv.DictReader((tmp_path / "subjects.csv").open()))
    assert [row["subject"] for row in table] == [entry["subject"] for entry in testing]
    assert table[0]["vendor"] == testing[0]["vendor"] and table[0]["condition"] == testing[0]["condition"]
    summary = json.loads((tmp_path / "evaluation.json").read_text())
    evaluated = summary["evaluated"]
    assert evaluated["weights"]["sha256"] == sha256_of(folder / "checkpoints/model.pt")
    assert evaluated["section"] == "testing" and evaluated["shipped_weights"] is False
    assert "SSDiff" in (tmp_path / "methods.md").read_text() and str(tmp_path / "index.html") in done.stdout
    assert summary["all"]["subjects"] == len(testing) and "not acquired" in summary["disclaimer"]
    assert set(summary["by"]) >= {"reference_size", "vendor", "condition", "territory", "oedema_regime"}
    assert (tmp_path / "infarct_size.png").read_bytes().startswith(b"\x89PNG")


def test_a_training_writes_how_it_was_done_and_no_name(straight):
    folder, _ = straight
    text = (folder / "methods.md").read_text()
    assert "AdamW" in text and sha256_of(folder / "checkpoints/model.pt") in text and "phantom_0" not in text


def test_evaluation_without_a_single_label_still_measures_the_pictures(straight, phantom_folder, tmp_path):
    folder, _ = straight
    shutil.copytree(phantom_folder, tmp_path / "data")
    lists = json.loads((tmp_path / "data/dataset.json").read_text())
    for entry in lists["testing"]:
        (tmp_path / "data" / entry.pop("label")).unlink()
    (tmp_path / "data/dataset.json").write_text(json.dumps(lists))
    flags = [part for key, value in TINY.items() if key in _EVALUATED for part in (f"--{key}", value)]
    done = run_bundle(
        "--config_file", "['configs/train.json','configs/evaluate.json']", "--dataset_dir", str(tmp_path / "data"),
        "--output_dir", str(tmp_path / "out"), "--ckpt_dir", str(folder / "checkpoints"), *flags,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "without a label" in done.stdout
    (row, *_) = csv.DictReader((tmp_path / "out/subjects.csv").open())
    assert float(row["mae_crop"]) > 0 and "dice_infarct: the reference has no" in row["not_measurable"]
    assert "reference_infarct_percent_lv" not in row and "dice_infarct" not in row
    summary = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert len(summary["without_label"]["subjects"]) == len(lists["testing"])
    assert "value" not in summary["calibration"]["expected_calibration_error"]


_EVALUATED = [key for key in TINY if key not in ("batch_size", "val_interval", "amp", "lr_scheduler#warmup_steps")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochz", "3"], "--epochz: no such key in train.json.\nDid you mean --epochs?"),
        (["--resume", "yes"], "resume: found 'yes', expected one of none, auto."),
        (["--sampler", "euler"], "sampler: found 'euler', expected one of ddpm, ddim, dpmpp_2m."),
        (["--key_metric_name", "val_dice", "--epochs", "1"], "key_metric_name: found 'val_dice', expected one of: "),
    ],
)
def test_a_bad_setting_ends_in_a_few_lines_and_a_failure(phantom_folder, tmp_path, arguments, message):
    done = train(phantom_folder, tmp_path, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.split("ERROR: ")[-1].splitlines()) <= 10


def test_a_folder_the_user_gave_that_does_not_exist_stops_training(tmp_path):
    done = train(tmp_path / "nowhere", tmp_path / "out")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_fine_tuning_starts_both_sets_of_weights_from_the_file_and_a_wrong_file_is_named(
    straight, phantom_folder, tmp_path
):
    folder, _ = straight
    start = folder / "checkpoints/model.pt"
    still = ["--epochs", "1", "--learning_rate", "0.0", "--lr_scheduler#end_lr", "0.0", "--start_from", str(start)]
    done = train(phantom_folder, tmp_path, *still)
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = (torch.load(path, weights_only=True) for path in (start, tmp_path / "checkpoints/model.pt"))
    trained = torch.load(tmp_path / "checkpoints/last.pt", weights_only=True)["network"]
    for name, value in before.items():
        assert torch.allclose(value, after[name], atol=1e-6) and torch.allclose(value, trained[name], atol=1e-6)
    done = train(phantom_folder, tmp_path / "b", "--epochs", "1", "--start_from", str(tmp_path / "nothing.pt"))
    assert done.returncode == 1 and "no such weights file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("run_id", ["run", ""])
def test_training_started_by_monai_label_fine_tunes_on_its_list_once_and_makes_no_phantom(
    run_id, phantom_folder, straight, tmp_path
):
    """The overrides that tasks/train of MONAI Label 0.8.5 gives, run as it does; the client shows an empty run id."""
    studies, start = tmp_path / "studies", straight[0] / "checkpoints/model.pt"
    studies.mkdir()
    for source, name in (("cine", "a"), ("t2_stir", "a_t2_stir"), ("lge", "a_lge"), ("label", "label_a")):
        shutil.copy(phantom_folder / "phantom_0001" / f"{source}.nii.gz", studies / f"{name}.nii.gz")
    entry = {"image": str(studies / "a.nii.gz"), "label": str(studies / "label_a.nii.gz")}
    loader = {"_target_": "CheckpointLoader", "load_path": str(start), "strict": False}
    loader["load_dict"] = {"model": "$@network"}
    handlers = json.loads((BUNDLE / "configs/train.json").read_text())["train"]["handlers"]
    overrides = {key: yaml.safe_load(value) for key, value in TINY.items()} | {
        "bundle_root": str(tmp_path), "train#trainer#max_epochs": 1, "train#dataset#data": [entry], "device": "cpu",
        "train#handlers": [loader, *handlers], "validate#dataset#data": [], "learning_rate": 0.0,
        "lr_scheduler#end_lr": 0.0,
    }  # fmt: skip
    code = "import json, sys; from monai.bundle import run; run(run_id=sys.argv[1], **json.loads(sys.argv[2]))"
    files = {"meta_file": str(BUNDLE / "configs/metadata.json"), "config_file": str(BUNDLE / "configs/train.json")}
    command = [sys.executable, "-W", "ignore", "-c", code, run_id, json.dumps(files | overrides)]
    environment = os.environ | {"PYTHONPATH": str(BUNDLE)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (done.stdout + done.stderr).count("epoch 1/1") == 1 and not (tmp_path / "data").exists()
    wanted = torch.load(start, weights_only=True)
    found = torch.load(tmp_path / "output/training/checkpoints/model.pt", weights_only=True)
    assert all(torch.allclose(value, found[name], atol=1e-6) for name, value in wanted.items())


def test_folders_that_mark_less_or_have_no_lge_are_learnt_from_beside_whole_ones(phantom_folder, tmp_path):
    extra = tmp_path / "cine_set"
    for n, (name, table) in enumerate({"a": {"1": 1, "2": 2, "6": 6}, "b": {"1": 1, "2": 2, "3": 3}}.items()):
        source = sorted(phantom_folder.glob("phantom_*"))[n]
        shutil.copytree(source, extra / name)
        label = nib.load(extra / name / "label.nii.gz")
        codes = np.array([0, 1, 2, 2, 2, 2, 6] if name == "a" else [0, 1, 2, 3, 3, 2, 0], np.uint8)
        nib.save(nib.Nifti1Image(codes[np.asarray(label.dataobj)], label.affine), extra / name / "label.nii.gz")
        meta = {key: value for key, value in json.loads((source / "meta.json").read_text()).items() if key != "phantom"}
        (extra / name / "meta.json").write_text(json.dumps(meta | {"label_table": table}))
    (extra / "a" / "lge.nii.gz").unlink()
    settings = ["--epochs", "1", "--extra_training_dirs", f"['{extra}']"]
    whole = train(phantom_folder, tmp_path / "whole", *settings)
    assert whole.returncode == 0, whole.stderr[-3000:]
    partial = "['configs/train.json','configs/variants/partial_labels.json']"
    done = train(phantom_folder, tmp_path / "out", *settings, config=partial)
    assert done.returncode == 0, done.stderr[-3000:]
    records = [
        json.loads((tmp_path / run / "checkpoints/training_record.json").read_text()) for run in ("whole", "out")
    ]
    own = len(split(phantom_folder, "training"))
    assert [record["subjects"] - own for record in records] == [1, 2]  # the one without LGE is left out by default
    weights = torch.load(tmp_path / "out/checkpoints/model.pt", weights_only=True)
    assert weights["condition_encoder.head.2.weight"].shape[0] == 7
