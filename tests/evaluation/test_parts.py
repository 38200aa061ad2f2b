"""The standard list of parts: what a site switches on, and what one subject leaves behind."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.pairs import pair_of, squares
from scripts.evaluation import evaluation_report
from scripts.evaluation.parts import standard_parts
from scripts.networks.direct import lge_segmenter


def evaluated(parts, folder, monkeypatch, **options):
    """Content of evaluation.json and the row of subjects.csv, of one subject of 32 x 32 pixels."""
    label, reference = (np.pad(squares(shift, infarct=3), ((4, 4), (4, 4), (0, 0))) for shift in (1, 0))
    monkeypatch.setattr(evaluation_report, "subject_pair", lambda batch, output: pair_of(label, reference))
    report = evaluation_report.EvaluationReport(parts, str(folder), **options)
    engine = SimpleNamespace(state=SimpleNamespace(batch=[{"label_codes": None}], output=[{}]))
    report.start(engine)
    report.collect(engine)
    report.write(engine)
    (row,) = csv.DictReader((folder / "subjects.csv").open())
    return json.loads((folder / "evaluation.json").read_text()), row


@pytest.mark.slow
def test_without_readers_there_are_sizes_slices_segments_calibration_and_panels(tmp_path, monkeypatch):
    summary, row = evaluated(standard_parts([{"subject": "a", "vendor": "ge"}]), tmp_path, monkeypatch)
    assert set(summary) == {"disclaimer", "all", "by", "segments", "slices", "calibration", "panels"}
    assert row["vendor"] == "ge" and float(row["dice_infarct"]) > 0
    assert not any(name.startswith(("segmenter", "reader", "consistency")) for name in row)


@pytest.mark.slow
def test_our_lge_network_reads_both_images_and_gives_the_features(tmp_path, monkeypatch):
    torch.manual_seed(0)
    summary, row = evaluated(standard_parts([], lge_segmenter=lge_segmenter()), tmp_path, monkeypatch)
    named = [*row, row["not_measurable"]]
    for start in ("segmenter_virtual_dice", "segmenter_acquired_dice", "consistency_dice"):
        assert any(start in text for text in named), start
    assert summary["frechet_distance"]["slices"] == 2 and summary["frechet_distance"]["width"] == 224


@pytest.mark.slow
def test_the_network_of_a_site_gives_the_features_in_place_of_ours(tmp_path, monkeypatch):
    path = tmp_path / "features.ts"
    torch.jit.script(torch.nn.Conv2d(3, 6, 3)).save(str(path))
    parts = standard_parts([], lge_segmenter=lge_segmenter(), frechet_network=str(path))
    summary, _ = evaluated(parts, tmp_path / "out", monkeypatch)
    assert summary["frechet_distance"]["features"] == str(path) and summary["frechet_distance"]["width"] == 6


def test_a_method_without_label_map_is_not_judged_by_one(tmp_path, monkeypatch):
    parts = standard_parts([], tasks=["lge"], lge_segmenter=lge_segmenter())
    summary, row = evaluated(parts, tmp_path, monkeypatch, tasks=["lge"])
    for section in ("segments", "calibration", "panels"):
        assert "gives no mask" in summary[section]["not_measurable"]
    assert "ssim_crop" in row and "dice_infarct" not in row and "consistency" not in " ".join(row)


@pytest.mark.slow
def test_a_reader_that_is_not_installed_leaves_its_reason(tmp_path, monkeypatch):
    folder = tmp_path / "reader"
    folder.mkdir()
    _, row = evaluated(standard_parts([], reader_dir=str(folder)), tmp_path / "out", monkeypatch)
    assert "reader_virtual: no independent reader" in row["not_measurable"]
