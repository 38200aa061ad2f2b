"""RESULTS.md says what the stored per-case tables say."""

import csv
from pathlib import Path

import pytest
from scripts.evaluation.comparison import Comparison
from scripts.evaluation.method_table import markdown, method_rows, overview, paired_differences
from scripts.evaluation.segment_agreement import summarise_segments
from scripts.evaluation.subject_rows import together

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


def test_infarcts_called_in_takotsubo_hearts_are_those_of_the_stored_cases():
    rows = list(csv.DictReader((DOCS / "results/takotsubo/subjects.csv").open()))
    assert {row["condition"] for row in rows} == {"takotsubo"}
    assert all(float(row["reference_infarct_percent_lv"]) == 0 for row in rows)
    sizes = sorted((float(row["infarct_percent_lv"]) for row in rows), reverse=True)
    called = sum(size >= 1 for size in sizes)
    mean, largest = sum(sizes) / len(sizes), sizes[0]
    repository = DOCS.parents[1]
    assert f"{100 * called / len(rows):.0f} % (mean {mean:.1f}, at most {largest:.1f} %LV)" in (
        (repository / "README.md").read_text()
    )
    assert f"in {called} of {len(rows)} hearts with Takotsubo-like oedema" in " ".join(
        (repository / "docs/MODEL_CARD.md").read_text().split()
    )
    target = f"{100 * called / len(rows):.0f} % of {len(rows)} Takotsubo hearts"
    results = (DOCS / "RESULTS.md").read_text()
    assert target in results
    assert f"the largest {largest:.1f}" in results
