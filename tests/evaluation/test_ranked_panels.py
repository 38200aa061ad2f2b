"""Panels of the best, median and worst subjects, and of invented infarcts."""

import pytest
from helpers.pairs import pair_of, squares
from matplotlib.image import imread
from scripts.evaluation.ranked_panels import RankedPanels


def test_best_median_and_worst_are_drawn_once_each(tmp_path):
    part = RankedPanels(each=1)
    for shift in range(3):
        part.collect(pair_of(squares(shift, infarct=3), squares(infarct=3), f"s{shift}"))
    part.collect(pair_of(squares(), squares(), "healthy"))
    entries = part.write(tmp_path)["panels"]
    assert [(e["rank"], e["subject"]) for e in entries] == [("best", "s0"), ("median", "s1"), ("worst", "s2")]
    assert entries[0]["score"] == 1.0
    assert all((tmp_path / e["file"]).read_bytes().startswith(b"\x89PNG") for e in entries)


def test_an_image_the_network_never_learnt_is_not_drawn(tmp_path):
    widths = {}
    for tasks in (("mask",), ("mask", "lge")):
        part = RankedPanels(each=1, tasks=tasks)
        part.collect(pair_of(squares(infarct=3), squares(infarct=3), "one"))
        file = part.write(tmp_path / tasks[-1])["panels"][0]["file"]
        widths[tasks[-1]] = imread(tmp_path / tasks[-1] / file).shape[1]
    assert widths["mask"] < widths["lge"]


@pytest.mark.slow
def test_invented_infarcts_have_panels_of_their_own_and_hide_no_missed_one(tmp_path):
    part = RankedPanels(each=1)
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
    part = RankedPanels()
    for n in range(subjects):
        part.collect(pair_of(squares(infarct=2), squares(infarct=2), f"s{n}"))
    assert len(part.write(tmp_path)["panels"]) == subjects
