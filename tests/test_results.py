"""The results pages say what the stored tables say, and these what the per-case files say where those are at hand."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from helpers.programs import missing
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "bundle/docs"
RESULTS = DOCS / "results"
sys.path.insert(0, str(ROOT / "tools"))

from draw_results import DIGEST, PLOTS, digest, draw
from make_bundle import PackingError
from pack_results import COHORTS, OF_A_RUN, pack_results, result_files
from result_pages import fill_pages, filled, stored_table
from result_tables import TABLES, infarct_free, make_tables, size_groups, size_spread
from shipped_tables import fill_metadata, make_shipped_tables

ARCHIVE_VARIABLE = "SSDIFF_RESULTS_ARCHIVE"
PAGES = [DOCS / "RESULTS.md", *sorted(RESULTS.glob("*.md"))]


def cases(*sizes):
    """Cases from pairs of true and found size."""
    return [
        {
            "subject": f"s{i}",
            "condition": "acute_mi" if truth else "healthy",
            "reference_infarct_percent_lv": float(truth),
            "infarct_percent_lv": float(found),
            "error": float(found - truth),
            "absolute_error": float(abs(found - truth)),
        }
        for i, (truth, found) in enumerate(sizes)
    ]


@pytest.fixture
def runs(tmp_path):
    """A folder like the one that is packed, with one method, and the stored tables that show it."""
    folder, stored = tmp_path / "per_case", tmp_path / "stored"
    for cohort in COHORTS:
        for name in OF_A_RUN:
            (folder / cohort / "runs/ours").mkdir(parents=True, exist_ok=True)
            (folder / cohort / "runs/ours" / name).write_text(f"{cohort} {name}")
        (stored / cohort).mkdir(parents=True)
        (stored / cohort / "comparison.csv").write_text("method,Dice infarct\nours,0.7\n")
    return folder, stored


@pytest.fixture(scope="module")
def per_case_files(tmp_path_factory):
    """The unpacked archive of the per-case files."""
    named = os.environ.get(ARCHIVE_VARIABLE)
    found = [Path(named)] if named else sorted((ROOT / "dist").glob("*_results_v*.tar.xz"))
    if not found:
        command = f"{ARCHIVE_VARIABLE}=FILE make test (bundle/docs/results/how_these_numbers_are_made.md)"
        pytest.skip(missing("archive of per-case files", command))
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(found[-1]) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


# Pages against the stored tables.


def test_every_table_cell_of_the_pages_is_that_of_the_stored_tables(tmp_path):
    pages = tmp_path / "docs"
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.png"))
    assert fill_pages(pages) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_first_what_was_measured_on(page):
    top = page.read_text(encoding="utf-8")[:400].lower()
    assert "synthetic" in top and "phantom" in top and "research use only" in top


def test_the_results_page_leads_to_every_question():
    linked = re.findall(r"\]\(results/(\w+\.md)\)", (DOCS / "RESULTS.md").read_text(encoding="utf-8"))
    assert set(linked) == {page.name for page in RESULTS.glob("*.md")}


def test_the_figures_in_the_text_of_the_results_page_stand_in_the_stored_tables():
    stored = "\n".join(path.read_text(encoding="utf-8") for path in RESULTS.rglob("*.csv"))
    figures = set(re.findall(r"\b\d\.\d{3}\b", (DOCS / "RESULTS.md").read_text(encoding="utf-8")))
    assert figures and {figure for figure in figures if figure not in stored} == set()


@pytest.mark.parametrize("page", ["README.md", "docs/MODEL_CARD.md", "bundle/docs/README.md", "bundle/docs/RESULTS.md"])
def test_the_other_pages_quote_the_stored_tables(page):
    shipped = RESULTS / "shipped"
    overview = {cohort: stored_table(shipped / cohort / "overview.csv")["ours"] for cohort in COHORTS}
    ours = overview["internal"]
    limits = f"{ours['lower limit, %LV']} to {ours['upper limit, %LV']}"
    dice = [ours[f"Dice {structure}"] for structure in ("infarct", "wall", "blood")]
    sizes = stored_table(shipped / "internal/size_groups.csv")
    free = [stored_table(shipped / cohort / "infarct_free.csv")["ours"] for cohort in COHORTS]
    conditions = stored_table(shipped / "conditions/infarct_free.csv")
    called = {name: f"{row['called']} of {row['hearts']}" for name, row in conditions.items()}
    invented = [f"{row['called']} of {row['hearts']}" for row in free]
    errors = [sizes[group]["bias, %LV"].lstrip("+-") for group in ("0 to 5 %LV", "20 to 100 %LV")]
    wanted = {
        "README.md": [*dice, called["takotsubo"], conditions["takotsubo"]["largest, %LV"]],
        "docs/MODEL_CARD.md": [limits, *errors, *invented, *called.values()],
        "bundle/docs/README.md": [*dice, ours["size R"], limits, sizes["all"]["mean absolute error, %LV"]],
        "bundle/docs/RESULTS.md": [limits, overview["external"]["size R"]],
    }[page]
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert [figure for figure in wanted if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", text)] == []


def test_the_stored_plots_were_drawn_from_the_stored_tables():
    for name in PLOTS:
        assert Image.open(RESULTS / name).text[DIGEST] == digest(RESULTS), f"{name}: tools/draw_results.py"


# The tools.


def test_a_marked_table_is_filled_by_method_and_cohort(tmp_path):
    for cohort, value in (("internal", "0.7"), ("external", "0.6")):
        (tmp_path / cohort).mkdir()
        (tmp_path / cohort / "overview.csv").write_text(f"method,Dice infarct\nours,{value}\n")
    page = "<!-- cells: internal/overview.csv -->\n\n| method | Dice infarct | note |\n|---|---|---|\n"
    page += "| all (`ours`) | | as it was |\n| external (`ours`) | ? | |\n"
    rows = filled(page, tmp_path).splitlines()[-2:]
    assert rows == ["| all (`ours`) | 0.7 | as it was |", "| external (`ours`) | 0.6 |  |"]


def test_a_marked_table_is_filled_by_measure(tmp_path):
    (tmp_path / "internal").mkdir()
    (tmp_path / "internal/comparison.csv").write_text('method,"bias, %LV"\nours,0.1\n')
    page = "<!-- cells: comparison.csv of ours -->\n\n| | internal |\n|---|---|\n| bias, %LV | |\n"
    assert filled(page, tmp_path).splitlines()[-1] == "| bias, %LV | 0.1 |"
    with pytest.raises(PackingError, match="found no column 'R'"):
        filled(page.replace("bias, %LV", "R"), tmp_path)


def test_a_paired_difference_keeps_its_interval(tmp_path):
    line = "unet,dice_infarct,0.0261,75,0.0151,0.0372,\n"
    (tmp_path / "paired.csv").write_text("method,measure,value,subjects,low,high,not_measurable\n" + line)
    assert stored_table(tmp_path / "paired.csv") == {"unet": {"Dice infarct": "0.026 (0.015 to 0.037)"}}


def test_a_row_of_no_method_and_a_missing_table_are_refused(tmp_path):
    (tmp_path / "overview.csv").write_text("method,Dice infarct\nours,0.7\n")
    page = "<!-- cells: overview.csv -->\n\n| method | Dice infarct |\n|---|---|\n| `theirs` | |\n"
    with pytest.raises(PackingError, match="found no row for '`theirs`'(.|\n)*Fix: name one of ours"):
        filled(page, tmp_path)
    with pytest.raises(PackingError, match="gone.csv: not found(.|\n)*Fix: "):
        filled(page.replace("overview", "gone"), tmp_path)


def test_infarcts_called_in_hearts_without_one_are_counted_from_one_percent_on():
    found = infarct_free(cases((0, 0.9), (0, 1.0), (0, 3.0), (20, 25)))
    assert found == {
        "hearts": "3", "called": "2", "mean, %LV": "1.6", "largest, %LV": "3.0", "sizes called, %LV": "3.0 1.0",
    }  # fmt: skip


def test_sizes_are_grouped_by_their_true_size():
    rows = {row["group"]: row for row in size_groups(cases((0, 1), (0, 1), (0, 1), (3, 7), (40, 30)))}
    assert set(rows) == {"all", "none", "0 to 5 %LV", "20 to 100 %LV", "healthy", "acute_mi"}
    assert rows["none"] == {
        "group": "none", "hearts": "3", "bias, %LV": "+1.0", "low": "+1.0", "high": "+1.0",
        "mean absolute error, %LV": "1.0",
    }  # fmt: skip
    assert (rows["20 to 100 %LV"]["bias, %LV"], rows["20 to 100 %LV"]["low"]) == ("-10.0", "")  # one heart: no interval


def test_the_spread_is_that_of_a_subject_between_seeds_not_of_subjects():
    seeds = {"ours": cases((10, 10), (20, 20)), "ours_seed_8": cases((10, 10), (20, 26)), "unet": cases((10, 10))}
    (row,) = size_spread(seeds)
    assert row == {
        "method": "ours", "seeds": "2", "hearts": "2", "mean SD, %LV": "2.1", "largest SD, %LV": "4.2",
        "within 2 %LV": "1",
    }  # fmt: skip


@pytest.mark.slow
def test_the_plots_are_drawn_and_a_missing_table_is_named(tmp_path):
    stored = tmp_path / "stored"
    shutil.copytree(RESULTS, stored, ignore=shutil.ignore_patterns("*.png", "*.md"))
    paths = draw(stored, tmp_path / "plots")
    assert all(min(Image.open(path).size) >= 400 for path in paths) and len(paths) == len(PLOTS)
    (stored / "shipped/external/size_groups.csv").unlink()
    with pytest.raises(PackingError, match=r"size_groups.csv: not found(.|\n)*Fix: "):
        draw(stored, tmp_path / "plots")


def test_the_archive_is_the_same_for_the_same_files_and_holds_nothing_else(runs, tmp_path):
    folder, stored = runs
    first = pack_results(folder, tmp_path / "first", stored=stored)
    (folder / "internal/runs/ours/preview.png").write_bytes(b"x")
    subjects = folder / "external/runs/ours/subjects.csv"
    os.utime(subjects, (1e9, 1e9))
    subjects.chmod(0o600)
    second = pack_results(folder, tmp_path / "second", stored=stored)
    assert first.read_bytes() == second.read_bytes()
    version = json.loads((ROOT / "bundle/configs/metadata.json").read_text())["version"]
    assert first.name == f"ssdiff_virtual_lge_results_v{version}.tar.xz"
    with tarfile.open(first) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / first.name.removesuffix(".tar.xz")
    assert result_files(unpacked, stored) == result_files(folder, stored)
    assert (unpacked / "external/runs/ours/segments.csv").read_text() == "external segments.csv"


@pytest.mark.parametrize("gone", ["internal/runs/ours/segments.csv", "external/runs"])
def test_a_folder_with_a_file_missing_is_not_packed(runs, tmp_path, gone):
    folder, stored = runs
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(PackingError, match=rf"found no {gone}(.|\n)*Fix: "):
        pack_results(folder, tmp_path / "dist", stored=stored)
    assert not (tmp_path / "dist").exists()


def test_a_method_of_the_pages_without_its_files_is_not_packed(runs, tmp_path):
    folder, stored = runs
    with (stored / "internal/comparison.csv").open("a") as file:
        file.write("unet,0.6\n")
    with pytest.raises(PackingError, match="internal/runs/unet/evaluation.json"):
        pack_results(folder, tmp_path / "dist", stored=stored)


def test_the_tables_of_the_shipped_weights_want_every_cohort_and_its_evaluation(tmp_path):
    with pytest.raises(PackingError, match="found no conditions, external, internal"):
        make_shipped_tables({}, tmp_path)
    with pytest.raises(PackingError, match="found no subjects.csv(.|\n)*Fix: "):
        make_shipped_tables({"internal": tmp_path, "external": tmp_path, "conditions": tmp_path}, tmp_path / "out")


def test_metadata_gets_the_stored_numbers_and_a_missing_entry_is_named(tmp_path):
    metadata = tmp_path / "metadata.json"
    metadata.write_text((ROOT / "bundle/configs/metadata.json").read_text())
    fill_metadata(metadata)
    assert metadata.read_text() == (ROOT / "bundle/configs/metadata.json").read_text()
    metadata.write_text("{}")
    with pytest.raises(PackingError, match="found 0 entries dice_infarct"):
        fill_metadata(metadata)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["pack_results.py", "result_tables.py"])
def test_a_tool_says_what_is_wrong_without_a_traceback(tmp_path, tool):
    command = [sys.executable, str(ROOT / "tools" / tool), "--runs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.startswith("ERROR: ") and "Traceback" not in done.stderr


# The stored tables against the per-case files.


def test_the_stored_tables_follow_from_the_per_case_files(per_case_files, tmp_path):
    make_tables(per_case_files, tmp_path)
    stored = sorted(path.relative_to(RESULTS) for cohort in COHORTS for path in (RESULTS / cohort).glob("*.csv"))
    assert stored == sorted(path.relative_to(tmp_path) for path in tmp_path.glob("*/*.csv"))
    assert {path.stem for path in stored} == set(TABLES)
    for path in stored:
        assert (tmp_path / path).read_bytes() == (RESULTS / path).read_bytes(), path
