"""An interval is given for the weights and settings it was calibrated for, and nothing else; files are not trusted."""

import json

import numpy as np
import pytest
import torch
from helpers.tiny_inference import TIMED, images_of, run_here, tiny_weights, write_subject
from scripts.inference.size_interval import SizeInterval, uncertainty_for
from scripts.runtime.size_calibration import shared_settings
from scripts.runtime.weights import sha256_of

SETTINGS = {"steps": 4, "preprocessing": {"spacing_mm": 1.5, "motion": True}}
GROUP = {"weights": [2.0, 0.5, 1.0, 0.0], "review_above_percent_lv": 5.0, "subjects": 80}


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    return tmp_path / "model.pt"


def calibrated(weights, **changes):
    record = {
        "weights_sha256": sha256_of(weights), "settings": shared_settings(SETTINGS), "coverage": 0.95,
        "groups": {"cine and t2_stir": GROUP},
    }  # fmt: skip
    weights.with_name("size_interval.json").write_text(json.dumps(record | changes))


def item(available=(1.0, 1.0), motion=1.0, slices=((1.0, 1.0), (1.0, 1.0))):
    probabilities = torch.zeros(4, 8, 8, 2)
    probabilities[2], probabilities[3, :2] = 1.0, 1.0
    probabilities[2, :2] = 0.0
    image = torch.full((4, 8, 8, 2), motion)
    label = probabilities.argmax(0, keepdim=True).to(torch.uint8)
    found = {"probabilities": probabilities, "label_crop": label, "image": image}
    return found | {"available": torch.tensor(available), "available_slices": torch.tensor(slices)}


def test_a_hidden_sequence_counts_as_missing(weights):
    calibrated(weights)
    assert "not calibrated for cine" in SizeInterval(weights, SETTINGS, [1, 0])(item())["no_infarct_size_uncertainty"]


def test_a_flag_is_the_same_however_it_was_typed():
    assert shared_settings({"one_heart": "true"}) == shared_settings({"one_heart": True})


def test_the_interval_lies_around_the_size_of_the_label_map(weights):
    calibrated(weights)
    found = json.loads(SizeInterval(weights, SETTINGS)(item())["infarct_size_uncertainty"])
    made = uncertainty_for(found, "", sha256_of(weights))
    assert made.bounds_percent_lv(25.0) == (23.0, 27.0) and made.coverage == 0.95 and not made.review
    assert "of other weights" in uncertainty_for(found, "", "0" * 64)
    assert uncertainty_for(None, "", "0" * 64) is None


@pytest.mark.parametrize(
    ("changes", "settings", "given", "reason"),
    [
        ({"weights_sha256": "0" * 64}, SETTINGS, {}, "of other weights"),
        ({}, SETTINGS | {"steps": 2}, {}, "of another steps"),
        ({}, SETTINGS, {"available": (1.0, 0.0)}, "not calibrated for cine"),
        ({}, SETTINGS, {"motion": 0.0}, "one phase"),
        ({"groups": {"cine and t2_stir": {"weights": [1.0]}}}, SETTINGS, {}, "cannot be used"),
        ({"groups": {"cine and t2_stir": GROUP | {"weights": [1, 1, 1, -1]}}}, SETTINGS, {}, "cannot be used"),
        ({"groups": {"cine and t2_stir": GROUP | {"weights": "1234"}}}, SETTINGS, {}, "cannot be used"),
        ({"groups": {"cine and t2_stir": GROUP | {"weights": [1, 1, 1, 10**400]}}}, SETTINGS, {}, "cannot be used"),
        ({"groups": 3}, SETTINGS, {}, "cannot be used"),
        ({}, SETTINGS, {"slices": [[1.0, 1.0], [1.0, 0.0]]}, "not calibrated for cine"),
        ({"coverage": "often"}, SETTINGS, {}, "cannot be used"),
        ({"settings": None}, SETTINGS, {}, "cannot be used"),
    ],
)
def test_there_is_a_reason_where_there_is_no_interval(weights, changes, settings, given, reason):
    calibrated(weights, **changes)
    found = SizeInterval(weights, settings)(item(**given))
    assert reason in found["no_infarct_size_uncertainty"] and "infarct_size_uncertainty" not in found


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"\xff\xfe"])
def test_a_missing_or_damaged_calibration_gives_a_reason(weights, content):
    if content is not None:
        weights.with_name("size_interval.json").write_bytes(content)
    assert "size_interval.json" in SizeInterval(weights, SETTINGS)(item())["no_infarct_size_uncertainty"]


def test_a_failed_subject_passes_and_one_without_wall_has_a_reason(weights):
    calibrated(weights)
    interval = SizeInterval(weights, SETTINGS)
    assert interval({"failure": "x"}) == {"failure": "x"}
    empty = item()
    empty["label_crop"] = torch.zeros_like(empty["label_crop"])
    assert "wall" in interval(empty)["no_infarct_size_uncertainty"]


@pytest.mark.slow
def test_result_table_and_page_have_the_interval_and_an_uncertain_size_is_flagged(phantom_folder, tmp_path):
    folder = tiny_weights(tmp_path / "weights")
    write_subject(tmp_path / "in" / "a", images_of(phantom_folder / "phantom_0001"), TIMED)
    options = {"dataset_dir": tmp_path / "in", "ckpt_dir": folder}
    assert run_here("inference.json", output_dir=tmp_path / "plain", **options) == 0
    plain = json.loads((tmp_path / "plain/a/a_result.json").read_text())
    assert "calibrate.json" in plain["infarct_percent_lv_interval"]["not_measurable"]
    run = json.loads((tmp_path / "plain/run.json").read_text())
    record = {
        "weights_sha256": sha256_of(folder / "model.pt"), "settings": shared_settings(run["config"]),
        "coverage": 0.95, "groups": {"cine and t2_stir": GROUP | {"review_above_percent_lv": 0.0}},
    }  # fmt: skip
    (folder / "size_interval.json").write_text(json.dumps(record))
    assert run_here("inference.json", output_dir=tmp_path / "out", **options) == 0
    result = json.loads((tmp_path / "out/a/a_result.json").read_text())
    size, interval = result["infarct_percent_lv"], result["infarct_percent_lv_interval"]
    if "value" in size:
        assert 0 <= interval["low"] <= size["value"] <= interval["high"] <= 100 and interval["coverage"] == 0.95
        assert np.isfinite([interval["low"], interval["high"]]).all()
    else:
        assert "not_measurable" in interval
    assert "infarct_size_uncertain" in [flag["flag"] for flag in result["qc"]] and result["review_needed"]
    assert f"{interval['low']}" in (tmp_path / "out/summary.csv").read_text()
    assert "95 % interval" in (tmp_path / "out/index.html").read_text()
