"""RESULTS.md says what the stored per-case tables say."""

from pathlib import Path

import pytest
from scripts.clinical.evaluation import together
from scripts.clinical.method_table import markdown, method_rows, overview, paired_differences
from scripts.clinical.segment_agreement import summarise_segments
from scripts.engine.comparison import Comparison

DOCS = Path(__file__).resolve().parents[1] / "bundle/docs"


@pytest.mark.parametrize("cohort", ["internal", "external"])
def test_the_tables_follow_from_the_stored_cases(cohort, tmp_path):
    stored = DOCS / "results" / cohort
    Comparison(
        str(stored / "runs"), str(tmp_path), "ours", together, summarise_segments, method_rows, paired_differences,
        markdown, overview,
    ).run()  # fmt: skip
    for name in ("comparison.md", "comparison.csv", "overview.md", "paired.csv"):
        assert (tmp_path / name).read_bytes() == (stored / name).read_bytes(), name
    page = (DOCS / "RESULTS.md").read_text()
    if len(list((stored / "runs").iterdir())) > 1:  # of a single run the intervals say it all
        assert (tmp_path / "overview.md").read_text() in page
    intervals = [line.split(" | ")[:2] for line in (tmp_path / "comparison.md").read_text().splitlines() if "|" in line]
    for title, shown in intervals[2:]:
        assert f"{title} | {shown.removesuffix(' |')} |" in page
