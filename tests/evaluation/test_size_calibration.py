"""Intervals of infarct sizes hold as often as they say, on subjects they were not fitted to; bad input is refused."""

import csv
import json

import numpy as np
import pytest
from scripts.conventions import ConfigError, DataError
from scripts.evaluation.size_calibration import SizeCalibration, fit, measured

SETTINGS = {"steps": 4, "hidden": [], "exchange": "", "preprocessing": {"spacing_mm": 1.5, "motion": True}}


def subjects(count, seed, scale=1.0):
    """Rows whose error grows with what is undecided."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(count):
        undecided, true = rng.uniform(0, 10), rng.uniform(0, 35)
        found = max(true + scale * rng.normal(0, 0.5 + 0.6 * undecided), 0.0)
        rows.append({
            "subject": f"p{n:03d}", "infarct_percent_lv": found, "reference_infarct_percent_lv": true,
            "infarct_expected_percent": found + rng.normal(0, 0.5), "infarct_undecided_percent": undecided,
            "wall_undecided_percent": rng.uniform(5, 8), "sequences": "cine t2_stir",
        })  # fmt: skip
    return rows


def evaluation(folder, rows, weights="a" * 64, **settings):
    folder.mkdir()
    with (folder / "subjects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    section = settings.pop("section", "validation")
    evaluated = {"weights": {"sha256": weights}, "section": section, "settings": SETTINGS | settings}
    (folder / "evaluation.json").write_text(json.dumps({"evaluated": evaluated}))
    return str(folder)


def test_intervals_hold_on_other_subjects_and_are_narrow_where_little_is_open():
    calibrated = fit(subjects(400, 0))
    found = measured(calibrated, subjects(2000, 1))
    assert 0.92 <= found["coverage"] <= 0.98
    assert found["narrower"] > 0.5
    assert found["reviewed_others"] == pytest.approx(0.15, abs=0.04) and found["reviewed_large"] > 0.4


def test_a_worse_network_has_wider_intervals():
    widths = [measured(fit(subjects(300, 0, scale)), subjects(300, 1, scale)) for scale in (1.0, 2.0)]
    assert widths[1]["median_half_width"] > 1.5 * widths[0]["median_half_width"]


def test_groups_are_what_the_network_was_shown_and_the_record_names_weights_and_settings(tmp_path):
    both = evaluation(tmp_path / "both", subjects(80, 0))
    cine = evaluation(tmp_path / "cine", subjects(80, 0, 2.0), hidden=["t2_stir"])
    check = evaluation(tmp_path / "check", subjects(50, 2))
    SizeCalibration([both, cine], [check], str(tmp_path / "out")).run()
    record = json.loads((tmp_path / "out/size_interval.json").read_text())
    assert set(record["groups"]) == {"cine and t2_stir", "cine"} and record["weights_sha256"] == "a" * 64
    assert record["settings"] == {"steps": 4, "preprocessing": {"spacing_mm": 1.5}} and record["coverage"] == 0.95
    assert all(len(one["weights"]) == 4 and min(one["weights"]) >= 0 for one in record["groups"].values())
    table = (tmp_path / "out/size_interval.md").read_text()
    assert "| check | cine and t2_stir | 50 |" in table and "Research use only" in table


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"weights": "b" * 64}, "of other weights"),
        ({"steps": 2}, "another steps"),
        ({"exchange": "t2_stir"}, "of other subjects"),
        ({"section": "training"}, "trained on"),
    ],
)
def test_evaluations_of_another_network_or_setting_are_refused(tmp_path, other, said):
    first, second = evaluation(tmp_path / "a", subjects(80, 0)), evaluation(tmp_path / "b", subjects(80, 0), **other)
    with pytest.raises(DataError, match=said):
        SizeCalibration([first, second], [], str(tmp_path / "out")).run()
    assert not (tmp_path / "out").exists()


def test_too_few_subjects_no_columns_and_no_evaluation_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="evaluations: found none"):
        SizeCalibration([], [], str(tmp_path))
    with pytest.raises(ConfigError, match="evaluations: found 'OUT', expected a list"):
        SizeCalibration("OUT", [], str(tmp_path))
    with pytest.raises(ConfigError, match="found OUT among evaluations, too"):
        SizeCalibration(["OUT"], ["OUT"], str(tmp_path))
    with pytest.raises(DataError, match="at least 40"):
        fit(subjects(39, 0))
    bare = [{"subject": "a", "infarct_percent_lv": 1.0}]
    with pytest.raises(DataError, match="Fix: evaluate again"):
        SizeCalibration([evaluation(tmp_path / "bare", bare)], [], str(tmp_path / "out")).run()
    with pytest.raises(DataError, match="evaluate.json"):
        SizeCalibration([str(tmp_path / "nowhere")], [], str(tmp_path / "out")).run()


def test_a_checked_group_that_was_not_calibrated_is_named(tmp_path):
    both = evaluation(tmp_path / "both", subjects(80, 0))
    cine = evaluation(tmp_path / "cine", subjects(80, 0), hidden=["t2_stir"])
    with pytest.raises(DataError, match="no evaluation with cine was calibrated"):
        SizeCalibration([both], [cine], str(tmp_path / "out")).run()


@pytest.mark.parametrize("content", ["[]", "{}", '{"evaluated": {"weights": {}, "settings": {}}}', '{"evaluated": 3}'])
def test_an_evaluation_that_does_not_say_what_it_is_of_is_refused(tmp_path, content):
    folder = evaluation(tmp_path / "a", subjects(80, 0))
    (tmp_path / "a/evaluation.json").write_text(content)
    with pytest.raises(DataError, match="does not say what was evaluated"):
        SizeCalibration([folder], [], str(tmp_path / "out")).run()


def test_subjects_without_t2_stir_are_a_group_of_their_own(tmp_path):
    rows = subjects(80, 0) + [row | {"subject": "c" + row["subject"], "sequences": "cine"} for row in subjects(60, 1)]
    SizeCalibration([evaluation(tmp_path / "a", rows)], [], str(tmp_path / "out")).run()
    groups = json.loads((tmp_path / "out/size_interval.json").read_text())["groups"]
    assert {name: one["subjects"] for name, one in groups.items()} == {"cine and t2_stir": 80, "cine": 60}
