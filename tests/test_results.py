"""RESULTS.md says what the stored per-case tables say."""

from pathlib import Path

import pytest
from scripts.clinical.evaluation import summarise
from scripts.clinical.method_table import markdown, method_rows, overview, paired_differences
from scripts.clinical.segment_agreement import summarise_segments
from scripts.engine.comparison import Comparison

DOCS = Path(__file__).resolve().parents[1] / "bundle/docs"


@pytest.mark.parametrize("cohort", ["internal", "external"])
def test_the_tables_follow_from_the_stored_cases(cohort, tmp_path):
    stored = DOCS / "results" / cohort
    order = (stored / "comparison.md").read_text().splitlines()[0].strip("| ").split(" | ")
    runs = {name: str(stored / "runs" / name) for name in order}
    Comparison(
        runs, str(tmp_path), summarise, summarise_segments, method_rows, paired_differences, markdown, overview
    ).run()  # fmt: skip
    table = (tmp_path / "comparison.md").read_text()
    assert table == (stored / "comparison.md").read_text()
    assert table.split("\n\n")[0] in (DOCS / "RESULTS.md").read_text()
    assert (tmp_path / "paired.csv").read_bytes() == (stored / "paired.csv").read_bytes()
