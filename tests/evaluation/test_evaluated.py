"""What was evaluated: weights, section and settings, in the JSON and on the page."""

import json
import shutil

import pytest
from helpers.bundle_run import BUNDLE
from scripts.conventions import DataError
from scripts.evaluation.evaluated import Evaluated, evaluated_html
from scripts.runtime.weights import SHIPPED, sha256_of


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"tensors")
    return tmp_path / "model.pt"


def test_weights_section_settings_and_versions_are_recorded_without_folders(weights):
    found = Evaluated(weights, "testing", {"seed": 7, "dataset_dir": "/data/anna", "steps": 4}).record()["evaluated"]
    assert found["weights"] == {"file": "model.pt", "sha256": sha256_of(weights)}
    assert found["section"] == "testing" and found["shipped_weights"] is False and "torch" in found["software"]
    assert found["settings"]["seed"] == 7 and "anna" not in json.dumps(found)


def test_the_bundle_s_own_weights_are_told_from_others(weights):
    shipped = Evaluated(BUNDLE / "models/model.pt", "all", {}).record()
    assert shipped["evaluated"]["shipped_weights"] is True
    assert shipped["evaluated"]["weights"]["trained_on"] == "phantoms only"
    text = evaluated_html(shipped)
    assert "come with the bundle" in text and "phantoms only" in text
    assert "come with the bundle" not in evaluated_html(Evaluated(weights, "all", {}).record())


@pytest.mark.parametrize(
    "record", [{"phantoms_only": True}, {"phantoms_only": False, "weights_sha256": "own"}, "[1]", "{"]
)
def test_a_record_of_other_weights_or_of_patients_or_damaged_says_nothing(weights, record):
    if isinstance(record, dict):
        record = json.dumps({key: sha256_of(weights) if value == "own" else value for key, value in record.items()})
    (weights.parent / "training_record.json").write_text(record)
    assert "trained_on" not in Evaluated(weights, "all", {}).record()["evaluated"]["weights"]


def test_the_hashes_of_the_bundle_s_own_weights_are_those_of_its_files():
    found = {sha256_of(BUNDLE / "models" / name) for name in ("model.pt", "reader/lge_segmentation.pt")}
    assert found == SHIPPED


def test_weights_of_its_own_are_known_wherever_they_are_copied_to(tmp_path):
    shutil.copy(BUNDLE / "models/model.pt", tmp_path / "mine.pt")
    assert Evaluated(tmp_path / "mine.pt", "all", {}).record()["evaluated"]["shipped_weights"] is True


def test_a_network_without_diffusion_is_said_to_have_none(weights):
    settings = {"network": "DirectNetwork", "steps": 1, "sampler": "dpmpp_2m"}
    assert "one pass" in evaluated_html(Evaluated(weights, "all", settings).record())
    assert "steps" not in evaluated_html(Evaluated(weights, "all", settings).record()).split("<details>")[0]


def test_names_of_files_and_sections_are_escaped(tmp_path):
    (tmp_path / "<b>.pt").write_bytes(b"x")
    assert "<b>" not in evaluated_html(Evaluated(tmp_path / "<b>.pt", "<b>", {"label_table": "<b>"}).record())


def test_weights_that_are_not_there_are_refused_and_none_are_no_entry(tmp_path):
    with pytest.raises(DataError, match=r"model\.pt: weights not found"):
        Evaluated(tmp_path / "model.pt", "testing", {}).record()
    assert evaluated_html({}) == ""
