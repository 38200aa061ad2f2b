"""The table and the plots as they lie on disk."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from scripts.phantom.realism.plots import pathology_png, signal_png
from scripts.phantom.realism.sheet import chosen_examples
from scripts.phantom.realism.targets import Target, judge, mean
from scripts.phantom.realism.verdict_table import subjects_csv, table_csv, table_markdown


@pytest.fixture
def rows(cohort_of):
    cohort = cohort_of([{"a": 3.0}] * 6)
    return [judge(Target("b", name, "1-2", "key", 1.0, 2.0, mean(name)), cohort) for name in ("a", "absent")]


def test_the_table_reads_back_and_what_was_not_measured_is_empty(rows):
    failed, absent = csv.DictReader(io.StringIO(table_csv(rows)))
    assert (failed["realised"], failed["n"], failed["verdict"], failed["reason"]) == ("3", "6", "FAIL", "above 2")
    assert (absent["realised"], absent["n"], absent["verdict"]) == ("", "", "not measurable") and absent["reason"]


def test_markdown_counts_the_verdicts_and_marks_failures(rows):
    text = table_markdown(rows, "Title", ["cohort: 6 subjects"])
    assert "rows: 2; FAIL: 1, not measurable: 1" in text and "| **FAIL** |" in text and "cohort: 6 subjects" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_subject_values_keep_the_reason(cohort_of):
    cohort = cohort_of([{"a": 0.5}, {}], vendor="ge")
    cohort[1].reasons["a"] = "there is no cine"
    first, second = csv.DictReader(io.StringIO(subjects_csv(cohort)))
    assert (first["a"], first["vendor"]) == ("0.5", "ge")
    assert second["a"] == "" and second["not_measurable"] == "a: there is no cine"


@pytest.mark.slow
@pytest.mark.parametrize("draw", [pathology_png, signal_png])
def test_plots_of_full_and_of_empty_handed_cohorts(draw, cohort_of, rows):
    names = ("infarct", "area_at_risk", "salvage", "ejection_fraction", "stir_ratio", "lge_cnr")
    full = cohort_of([dict.fromkeys(names, v) for v in np.linspace(0.1, 1.0, 8)])
    pictures = [np.asarray(Image.open(io.BytesIO(draw(cohort, rows)))) for cohort in (full, cohort_of([{}]))]
    assert pictures[0].shape == pictures[1].shape and (pictures[0] != pictures[1]).any()


def test_examples_of_the_sheet(cohort_of):
    sizes = [(0, 0, "ge"), (4.5, 0, "ge"), (18, 0, "ge"), (34, 2, "uih"), (40, 9, "uih"), (17, 0, "uih")]
    cohort = [
        cohort_of([{"infarct": s, "no_reflow": m, "area_at_risk": s}], vendor=vendor)[0] for s, m, vendor in sizes
    ]
    for k, one in enumerate(cohort):
        one.subject = f"s{k}"
    assert chosen_examples(cohort) == {
        "healthy": "s0",
        "small": "s1",
        "large": "s3",
        "MVO": "s4",
        "ge": "s2",
        "uih": "s5",
    }
    assert chosen_examples(cohort[:1]) == {"healthy": "s0"}
