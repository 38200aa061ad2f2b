"""The record beside the weights: what was trained on, and how long."""

import hashlib
import json
from types import SimpleNamespace

from helpers.bundle_run import BUNDLE
from scripts.runtime.weights import load_weights
from scripts.training.training_record import TrainingRecord, data_hash


def entries(folder, text="x"):
    folder.mkdir()
    (folder / "label.nii.gz").write_text(text)
    return [{"subject": s, "label": str(folder / "label.nii.gz"), "vendor": "not counted"} for s in ("b", "a")]


def test_the_hash_is_of_the_data_and_not_of_its_folder_or_order(tmp_path):
    first, second = entries(tmp_path / "one"), entries(tmp_path / "two")
    assert data_hash(first) == data_hash(second[::-1])
    assert data_hash(first) != data_hash(entries(tmp_path / "three", "y"))
    assert data_hash(first) != data_hash([one | {"usable_slices": [1]} for one in first])


def test_the_record_holds_settings_curve_and_seconds_and_no_folder(tmp_path):
    log = tmp_path / "training_log.csv"
    log.write_text("epoch,images_per_second,val_ssim\n1,4.0,\n2,2.0,nan\n")
    (tmp_path / "config.json").write_text(json.dumps({"seed": 7, "network_def": {"channels": [8]}}))
    record = TrainingRecord(str(tmp_path), str(tmp_path), entries(tmp_path / "one"), samples=8)
    record(SimpleNamespace(state=SimpleNamespace(epoch=2)))
    written = json.loads((tmp_path / "training_record.json").read_text())
    assert (written["subjects"], written["slices_seen"], written["seconds_training"]) == (2, 16, 6.0)
    assert written["config"] == {"seed": 7, "network_def": {"channels": [8]}} and str(tmp_path) not in json.dumps(
        written
    )
    assert written["curve"][1] == {"epoch": 2.0, "images_per_second": 2.0} and len(written["data_sha256"]) == 64


def test_the_shipped_weights_are_those_of_their_record_and_of_the_hashes_beside_them():
    record = json.loads((BUNDLE / "models/training_record.json").read_text())
    for file in ("models/model.pt", "models/reader/lge_segmentation.pt"):
        digest = hashlib.sha256((BUNDLE / file).read_bytes()).hexdigest()
        assert (BUNDLE / f"{file}.sha256").read_text() == f"{digest}  {(BUNDLE / file).name}\n"
        assert file != "models/model.pt" or record["weights_sha256"] == digest
        assert load_weights(BUNDLE / file)
