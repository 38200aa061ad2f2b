"""The record beside the weights: what was trained on, and how long."""

import hashlib
import json
from types import SimpleNamespace

import pytest
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


PHANTOM = {"phantom": {"seed": 0, "parameters": {"generator": 5}}}


def record_of(folder, metas, epoch=0, **options):
    """The record that a training on subjects with these meta files leaves, begun or resumed after ``epoch``."""
    folder.mkdir(exist_ok=True)
    (folder / "training_log.csv").write_text("epoch,images_per_second\n1,4.0\n")
    (folder / "config.json").write_text("{}")
    data = []
    for number, meta in enumerate(metas):
        (folder / f"{number}.json").write_text(json.dumps(meta))
        data.append({"subject": str(number), "meta": str(folder / f"{number}.json")})
    record = TrainingRecord(str(folder), str(folder), data, samples=8, **options)
    record.goes_on(SimpleNamespace(state=SimpleNamespace(epoch=epoch)))
    record(SimpleNamespace(state=SimpleNamespace(epoch=epoch + 1)))
    return json.loads((folder / "training_record.json").read_text())["phantoms_only"]


@pytest.mark.parametrize(
    ("metas", "phantoms"),
    [([PHANTOM] * 2, True), ([PHANTOM, {}], False), ([{"phantom": False}], False), ([{"phantom": {}}], False)],
)
def test_the_record_says_whether_phantoms_alone_were_learnt_from(tmp_path, metas, phantoms):
    assert record_of(tmp_path / "run", metas) is phantoms


def test_patients_who_were_learnt_from_before_are_not_forgotten(tmp_path):
    assert record_of(tmp_path / "run", [{}]) is False
    assert record_of(tmp_path / "run", [PHANTOM], epoch=1) is False
    assert record_of(tmp_path / "run", [PHANTOM]) is True
    assert record_of(tmp_path / "run", [PHANTOM], epoch=1) is True


def test_weights_to_start_from_count_by_their_own_record(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"tensors")
    assert record_of(tmp_path / "run", [PHANTOM], start_from=tmp_path / "model.pt") is False
    shipped = BUNDLE / "models/model.pt"
    assert record_of(tmp_path / "run", [PHANTOM], start_from=shipped) is True


def test_the_shipped_weights_are_those_of_their_record_and_of_the_hashes_beside_them():
    record = json.loads((BUNDLE / "models/training_record.json").read_text())
    for file in ("models/model.pt", "models/reader/lge_segmentation.pt"):
        digest = hashlib.sha256((BUNDLE / file).read_bytes()).hexdigest()
        assert (BUNDLE / f"{file}.sha256").read_text() == f"{digest}  {(BUNDLE / file).name}\n"
        assert file != "models/model.pt" or record["weights_sha256"] == digest
        assert load_weights(BUNDLE / file)
