"""The comparison command: files, and what it refuses."""

import csv
import json

import pytest
from helpers.bundle_run import run_bundle
from scripts.conventions import ConfigError, DataError
from scripts.evaluation.comparison import Comparison


def evaluated(folder, dice, subjects="abc"):
    folder.mkdir()
    pooled = {"calibration": {"expected_calibration_error": {"value": dice / 10}}, "by": {"vendor": {}}}
    (folder / "evaluation.json").write_text(json.dumps(pooled))
    lines = ["subject,dice_infarct", *(f"{s},{dice + i / 10}" for i, s in enumerate(subjects))]
    (folder / "subjects.csv").write_text("\n".join(lines))
    return str(folder)


@pytest.mark.slow
def test_the_command_writes_table_and_paired_differences(tmp_path):
    runs = {"ours": evaluated(tmp_path / "a", 0.6), "unet": evaluated(tmp_path / "b", 0.4)}
    done = run_bundle(
        "--config_file", "configs/compare.json", "--runs", str(runs), "--output_dir", str(tmp_path / "out")
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "| Dice infarct | 0.700 (0.600 to 0.800) | 0.500 (0.400 to 0.600) |" in text and "Research use only" in text
    assert "| ECE | 0.060 | 0.040 |" in text
    (row, *_) = csv.DictReader((tmp_path / "out" / "paired.csv").open())
    assert (row["method"], row["measure"]) == ("unet", "dice_infarct") and float(row["value"]) == pytest.approx(0.2)


def test_what_it_keeps_gives_the_same_tables_again(tmp_path):
    runs = {"ours": evaluated(tmp_path / "a", 0.6), "unet": evaluated(tmp_path / "b", 0.4)}
    Comparison(runs, str(tmp_path / "first")).run()
    kept = {name: str(tmp_path / "first" / "runs" / name) for name in runs}
    Comparison(kept, str(tmp_path / "second")).run()
    for name in (
        "comparison.md",
        "overview.md",
        "comparison.csv",
        "paired.csv",
        "runs/unet/subjects.csv",
        "runs/unet/evaluation.json",
    ):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert "by" not in json.loads((tmp_path / "first" / "runs" / "ours" / "evaluation.json").read_text())


def test_folders_without_evaluation_and_other_subjects_are_refused(tmp_path):
    good, other = evaluated(tmp_path / "a", 0.6), evaluated(tmp_path / "b", 0.4, "abx")
    with pytest.raises(DataError, match="unet has 3 subjects, ours 3, 2 of them in both"):
        Comparison({"ours": good, "unet": other}, str(tmp_path / "out")).run()
    with pytest.raises(DataError, match=r"no subjects.csv in .*nowhere"):
        Comparison({"ours": str(tmp_path / "nowhere")}, str(tmp_path / "out")).run()
    (tmp_path / "a" / "evaluation.json").unlink()
    with pytest.raises(DataError, match="no readable evaluation.json"):
        Comparison({"ours": good}, str(tmp_path / "out")).run()


@pytest.mark.parametrize("runs", [{}, "ours"])
def test_no_runs_are_refused_with_an_example(tmp_path, runs):
    with pytest.raises(ConfigError, match="runs: found .*expected names and folders"):
        Comparison(runs, str(tmp_path))


def test_a_folder_of_runs_is_taken_by_name_with_the_reference_first(tmp_path):
    for name, dice in (("a_net", 0.4), ("ours", 0.6), ("unet", 0.3)):
        (tmp_path / "runs").mkdir(exist_ok=True)
        evaluated(tmp_path / "runs" / name, dice)
    Comparison(str(tmp_path / "runs"), str(tmp_path / "out"), "ours").run()
    assert (tmp_path / "out/comparison.md").read_text().startswith("| | ours | a_net | unet |")
    with pytest.raises(ConfigError, match="reference: found 'x', expected one of a_net, ours, unet"):
        Comparison(str(tmp_path / "runs"), str(tmp_path / "out"), "x")
