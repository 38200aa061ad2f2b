"""segments.csv of a cone heart: rows, subjects without segments, groups."""

import csv

import numpy as np
import pytest
from helpers.cone_heart import Sector, heart
from helpers.pairs import pair_of
from scripts.evaluation.page import evaluation_html
from scripts.evaluation.segment_table import SegmentTable

pytestmark = pytest.mark.slow

PIXEL = (1.0, 1.0)


def cone_pair(subject="a", found=1.0, truth=1.0, rv=True):
    """Hearts whose infarcts have these depths, 0..1; None: no infarct. Network classes have no RV."""
    native, affine = heart([] if truth is None else [Sector(2, 118, truth)], rv=rv, pixel_mm=PIXEL)
    label, _ = heart([] if found is None else [Sector(2, 118, found)], pixel_mm=PIXEL)
    maps = [np.where(one == 6, 0, one) for one in (label, native)]
    return pair_of(*maps, subject, affine=affine, native_label=native, native_affine=affine)


def test_segments_are_written_and_a_subject_without_any_keeps_its_reason(tmp_path):
    part = SegmentTable()
    part.collect(cone_pair("a"))
    part.collect(cone_pair("b", rv=False))
    found = part.write(tmp_path)["segments"]
    assert found["segments"] == 17 and list(found["not_measurable_subjects"]) == ["b"]
    assert "no RV" in found["not_measurable_subjects"]["b"]
    rows = list(csv.DictReader((tmp_path / "segments.csv").open()))
    assert [row["subject"] for row in rows] == ["a"] * 17 and rows[0]["segment"] == "1.0"
    assert (tmp_path / "bullseye.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_single_segment_there_is_no_bullseye(tmp_path):
    (tmp_path / "bullseye.png").write_bytes(b"of an earlier run")
    part = SegmentTable()
    part.collect(cone_pair(rv=False))
    assert part.write(tmp_path)["segments"]["segments"] == 0 and not (tmp_path / "bullseye.png").exists()


def test_segments_are_grouped_by_facts_and_by_size_of_the_reference_and_shown_on_the_page(tmp_path):
    subjects = [{"subject": name, "vendor": vendor} for name, vendor in (("a", "ge"), ("b", "ge"), ("c", "uih"))]
    part = SegmentTable(subjects)
    for name, truth in (("a", 1.0), ("b", 1.0), ("c", None)):
        part.collect(cone_pair(name, truth=truth))
    by = part.write(tmp_path)["segments"]["by"]
    assert {name: group["segments"] for name, group in by["vendor"].items()} == {"ge": 34, "uih": 17}
    assert {name: group["segments"] for name, group in by["reference_size"].items()} == {
        "20 to 100 %LV": 34,
        "none": 17,
    }
    by["vendor"]["ge"]["transmurality_r"] = {"value": 0.321}
    page = evaluation_html({"by": {"vendor": {"ge": {"subjects": 2}}}, "segments": {"by": by}}, tmp_path)
    assert "transmurality, R" in page and "0.321" in page
