"""Parts of an evaluation: segments, calibration, Fréchet distance, ranked panels."""

import csv

import numpy as np
import pytest
import torch
from helpers.pairs import pair_of, squares
from scripts.clinical.agreement import dice
from scripts.clinical.volumes import infarct_percent_lv
from scripts.conventions import NotMeasurable
from scripts.evaluation.calibration_part import Calibration
from scripts.evaluation.frechet import FrechetDistance, NetworkFeatures, ScriptedFeatures
from scripts.evaluation.page import evaluation_html
from scripts.evaluation.panels import RankedPanels
from scripts.evaluation.segment_agreement import summarise_segments
from scripts.evaluation.segments import SegmentTable
from scripts.evaluation.statistics.calibration import (
    area_under_risk_coverage,
    expected_calibration_error,
    reliability_counts,
)
from scripts.evaluation.subject_rows import size_group


def test_segments_are_written_and_a_subject_without_any_keeps_its_reason(tmp_path):
    def measure(label, *others):
        if not (label == 3).any():
            raise NotMeasurable("no RV")
        return [{"segment": 1.0, "infarct_percent": 5.0}]

    part = SegmentTable(measure, lambda rows, groups: {"segments": len(rows)}, lambda rows: b"bull")
    part.collect(pair_of(squares(infarct=1), squares(), "a"))
    part.collect(pair_of(squares(), squares(), "b"))
    assert part.write(tmp_path) == {"segments": {"segments": 1, "not_measurable_subjects": {"b": "no RV"}}}
    (row,) = csv.DictReader((tmp_path / "segments.csv").open())
    assert (row["subject"], row["segment"]) == ("a", "1.0") and (tmp_path / "bullseye.png").read_bytes() == b"bull"


def calibration():
    return Calibration(
        reliability_counts, expected_calibration_error, area_under_risk_coverage,
        lambda counts, doubt, risk: b"picture", infarct_percent_lv,
    )  # fmt: skip


def test_calibration_counts_the_wall_and_doubt_is_the_spread_of_the_samples(tmp_path):
    part = calibration()
    for shift in range(4):
        samples = torch.as_tensor(np.stack([squares(infarct=1), squares(infarct=1 + shift)]))
        part.collect(pair_of(squares(infarct=1), squares(infarct=1 + shift), sample_labels=samples))
    found = part.write(tmp_path)["calibration"]
    assert found["mean_error_of_infarct_size_percent_lv"]["value"] == pytest.approx(np.mean(part.risk))
    assert found["area_under_risk_coverage_percent_lv"]["value"] < np.mean(part.risk)
    wrong = sum(12 * shift * 2 for shift in range(4))
    wall = 4 * (12 * 12 - 16) * 2
    assert found["expected_calibration_error"]["value"] == pytest.approx(wrong / wall, abs=1e-3)
    assert (tmp_path / "calibration.png").read_bytes() == b"picture"


def test_one_sample_has_a_calibration_and_no_risk_coverage(tmp_path):
    part = calibration()
    part.collect(pair_of(squares(infarct=2), squares(infarct=2)))
    found = part.write(tmp_path)["calibration"]
    assert found["expected_calibration_error"]["value"] == 0.0
    assert found["not_measurable_subjects"] == {}
    assert "0 subjects" in found["area_under_risk_coverage_percent_lv"]["not_measurable"]
    assert "not_measurable" in calibration().write(tmp_path)["calibration"]["expected_calibration_error"]


def test_a_subject_whose_samples_have_no_wall_keeps_its_reason(tmp_path):
    part = calibration()
    part.collect(pair_of(squares(infarct=1), squares(infarct=1), sample_labels=torch.zeros(2, 24, 24, 2)))
    assert "no viable LV myocardium" in part.write(tmp_path)["calibration"]["not_measurable_subjects"]["a"]


def mean_and_sd(pictures):
    return torch.stack([pictures.mean(dim=(1, 2, 3)), pictures.std(dim=(1, 2, 3))], dim=1)


def test_equal_sets_of_pictures_are_at_distance_zero_and_darker_ones_are_not(tmp_path):
    same, darker = FrechetDistance(mean_and_sd, "two"), FrechetDistance(mean_and_sd, "two")
    for n in range(4):
        reference = torch.rand(1, 24, 24, 2, generator=torch.Generator().manual_seed(n)) * (1 + n) / 4
        same.collect(pair_of(squares(), squares(), lge=reference, reference_lge=reference))
        darker.collect(pair_of(squares(), squares(), lge=reference / 2, reference_lge=reference))
    entry = same.write(tmp_path)["frechet_distance"]
    assert entry["value"] == pytest.approx(0.0, abs=1e-4) and (entry["slices"], entry["width"]) == (8, 2)
    assert darker.write(tmp_path)["frechet_distance"]["value"] > 0.005


def test_too_few_slices_have_no_distance(tmp_path):
    part = FrechetDistance(lambda pictures: pictures.flatten(1)[:, :50], "fifty")
    assert "0 slices" in part.write(tmp_path)["frechet_distance"]["not_measurable"]
    part.collect(pair_of(squares(), squares()))
    assert "2 slices for 50 features" in part.write(tmp_path)["frechet_distance"]["not_measurable"]


def test_features_of_a_layer_and_of_a_scripted_network(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 5, 3), torch.nn.ReLU(), torch.nn.Conv2d(5, 2, 3))
    pictures = torch.rand(3, 1, 16, 16)
    found = NetworkFeatures(network, "0")(pictures)
    torch.testing.assert_close(found, network[0](pictures * 2 - 1).mean(dim=(2, 3)))
    torch.jit.script(torch.nn.Conv2d(3, 6, 3)).save(str(tmp_path / "features.ts"))
    assert ScriptedFeatures(str(tmp_path / "features.ts"))(pictures).shape == (3, 6)


def infarct_dice(label, reference):
    return dice(label, reference, "infarct")


def test_best_median_and_worst_are_drawn_once_each(tmp_path):
    part = RankedPanels(infarct_dice, infarct_percent_lv, each=1)
    for shift in range(3):
        part.collect(pair_of(squares(shift, infarct=3), squares(infarct=3), f"s{shift}"))
    part.collect(pair_of(squares(), squares(), "healthy"))
    entries = part.write(tmp_path)["panels"]
    assert [(e["rank"], e["subject"]) for e in entries] == [("best", "s0"), ("median", "s1"), ("worst", "s2")]
    assert entries[0]["score"] == 1.0
    assert all((tmp_path / e["file"]).read_bytes().startswith(b"\x89PNG") for e in entries)


def test_invented_infarcts_have_panels_of_their_own_and_hide_no_missed_one(tmp_path):
    part = RankedPanels(infarct_dice, infarct_percent_lv, each=1)
    part.collect(pair_of(squares(), squares(infarct=3), "missed"))
    for size in (1, 3, 2, 0):
        part.collect(pair_of(squares(infarct=size), squares(), f"healthy{size}"))
    part.collect(pair_of(squares(infarct=3), squares(infarct=3), "found"))
    part.collect(pair_of(squares(shift=1, infarct=3), squares(infarct=3), "middle"))
    entries = part.write(tmp_path)["panels"]
    assert {entry["rank"]: entry["subject"] for entry in entries} == {
        "best": "found", "median": "middle", "worst": "missed", "invented": "healthy3",
    }  # fmt: skip
    assert entries[-1]["size_percent_lv"] > 0 and (tmp_path / entries[-1]["file"]).is_file()
    part.each = 4
    invented = [entry["subject"] for entry in part.write(tmp_path)["panels"] if entry["rank"] == "invented"]
    assert invented == ["healthy3", "healthy2", "healthy1"]


@pytest.mark.parametrize("subjects", [0, 1])
def test_few_subjects_give_few_panels(tmp_path, subjects):
    part = RankedPanels(infarct_dice, infarct_percent_lv)
    for n in range(subjects):
        part.collect(pair_of(squares(infarct=2), squares(infarct=2), f"s{n}"))
    assert len(part.write(tmp_path)["panels"]) == subjects


def test_segments_are_grouped_by_facts_and_by_size_of_the_reference_and_shown_on_the_page(tmp_path):
    def measure(label, *others):
        return [{"segment": k, "infarct_percent": k, "reference_infarct_percent": k, "transmurality_percent": k,
                 "reference_transmurality_percent": k} for k in (1.0, 2.0, 3.0)]  # fmt: skip

    subjects = [{"subject": name, "vendor": vendor} for name, vendor in (("a", "ge"), ("b", "ge"), ("c", "uih"))]
    part = SegmentTable(measure, summarise_segments, lambda rows: b"bull", subjects, size_group)
    for name, infarct in (("a", 3), ("b", 3), ("c", 0)):
        part.collect(pair_of(squares(), squares(infarct=infarct), name))
    by = part.write(tmp_path)["segments"]["by"]
    assert {name: group["segments"] for name, group in by["vendor"].items()} == {"ge": 6, "uih": 3}
    assert {name: group["segments"] for name, group in by["reference_size"].items()} == {"20 to 100 %LV": 6, "none": 3}
    by["vendor"]["ge"]["transmurality_r"] = {"value": 0.321}
    page = evaluation_html({"by": {"vendor": {"ge": {"subjects": 2}}}, "segments": {"by": by}}, tmp_path).decode()
    assert "transmurality, R" in page and "0.321" in page
