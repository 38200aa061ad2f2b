"""Makes the tables that the results pages show, docs/results/<cohort>/*.csv of the bundle, from the per-case files.

comparison.csv and paired.csv are those of configs/compare.json, overview.csv is its overview.md; the others are counted
here: infarct_free.csv (infarct called in hearts without one), size_groups.csv (size error by true size and condition of
the reference method) and size_spread.csv (how far a subject's size differs between training seeds).
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from make_bundle import ROOT, PackingError
from pack_results import COHORTS, RESULTS, result_files
from result_pages import fill_pages

sys.path.insert(0, str(ROOT / "bundle"))
from scripts.evaluation.subject_rows import PRESENCE_PERCENT_LV, summarise

REFERENCE = "ours"
SEED_MARK = "_seed_"
FOUND, TRUE = "infarct_percent_lv", "reference_infarct_percent_lv"
CLOSE_PERCENT_LV = 2.0  # the target: a subject's size differs by no more between training seeds
TABLES = ("comparison", "overview", "paired", "infarct_free", "size_groups", "size_spread")
Row = dict[str, str]


def make_tables(runs: Path, output: Path) -> None:
    """Writes ``<output>/<cohort>/<table>.csv`` for every cohort, from the folder that tools/pack_results.py packs.

    Raises:
        PackingError: a per-case file is missing, or the comparison stopped.
    """
    result_files(runs)
    for cohort in COHORTS:
        folder = output / cohort
        compare(runs / cohort / "runs", folder)
        cases = {run.name: read_cases(run / "subjects.csv") for run in sorted((runs / cohort / "runs").iterdir())}
        sized = {name: rows for name, rows in cases.items() if rows}
        write_csv(folder / "infarct_free.csv", [{"method": name} | infarct_free(rows) for name, rows in sized.items()])
        write_csv(folder / "size_groups.csv", size_groups(sized[REFERENCE]))
        write_csv(folder / "size_spread.csv", size_spread(sized))


def infarct_free(cases: Iterable[Mapping]) -> Row:
    """Infarct called in the hearts without one: hearts, how many at least PRESENCE_PERCENT_LV, and their sizes, %LV."""
    sizes = sorted((case[FOUND] for case in cases if case[TRUE] == 0), reverse=True)
    called = [size for size in sizes if size >= PRESENCE_PERCENT_LV]
    return {
        "hearts": str(len(sizes)),
        "called": str(len(called)),
        "mean, %LV": f"{np.mean(sizes):.1f}",
        "largest, %LV": f"{sizes[0]:.1f}",
        "sizes called, %LV": " ".join(f"{size:.1f}" for size in called),
    }


def size_groups(cases: Sequence[dict]) -> list[Row]:
    """Bias with its 95 % interval and mean absolute error of the infarct size: all, by true size, by condition."""
    summary = summarise(cases, ["condition"])
    groups = {"all": summary["all"]} | summary["by"]["reference_size"] | summary["by"]["condition"]
    found = []
    for name, group in groups.items():
        bias, error = group["mean_error"], group["mean_absolute_error"]
        row = {"group": name, "hearts": str(group["subjects"])}
        row |= {
            title: _signed(bias.get(key)) for title, key in (("bias, %LV", "value"), ("low", "low"), ("high", "high"))
        }
        found.append(row | {"mean absolute error, %LV": f"{error['value']:.1f}"})
    return found


def size_spread(cases: Mapping[str, Sequence[Mapping]]) -> list[Row]:
    """Standard deviation (n - 1) of a subject's infarct size over the training seeds, for methods that have several."""
    seeds: dict[str, list[dict[str, float]]] = {}
    for name, rows in cases.items():
        seeds.setdefault(name.partition(SEED_MARK)[0], []).append({row["subject"]: row[FOUND] for row in rows})
    found = []
    for method, sizes in seeds.items():
        if len(sizes) < 2:
            continue
        spread = np.std([[one[subject] for subject in sizes[0]] for one in sizes], axis=0, ddof=1)
        row = {"method": method, "seeds": str(len(sizes)), "hearts": str(len(spread))}
        row |= {"mean SD, %LV": f"{spread.mean():.1f}", "largest SD, %LV": f"{spread.max():.1f}"}
        found.append(row | {f"within {CLOSE_PERCENT_LV:g} %LV": str(int((spread <= CLOSE_PERCENT_LV).sum()))})
    return found


def compare(runs: Path, folder: Path) -> None:
    """Runs the comparison job; keeps its small tables."""
    with tempfile.TemporaryDirectory() as aside:
        command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "--config_file", "configs/compare.json"]
        command += ["--runs", str(runs.resolve()), "--reference", REFERENCE, "--output_dir", aside]
        done = subprocess.run(command, cwd=ROOT / "bundle", capture_output=True, text=True, check=False)
        if done.returncode:
            raise PackingError(f"{runs}: the comparison stopped.\n{done.stderr[-2000:]}")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("comparison.csv", "paired.csv"):
            shutil.copy(Path(aside) / name, folder / name)
        write_csv(folder / "overview.csv", _markdown_rows((Path(aside) / "overview.md").read_text(encoding="utf-8")))


def _markdown_rows(text: str) -> list[Row]:
    """Rows of a Markdown table whose first column, without title, names the method."""
    title, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines())
    return [dict(zip(["method", *title[1:]], line, strict=True)) for line in lines]


def read_cases(path: Path) -> list[dict]:
    """Subjects with a measured infarct size: name, condition, true and found size in %LV, size error in %LV."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get(FOUND)]
    cases = []
    for row in rows:
        size, truth = float(row[FOUND]), float(row[TRUE])
        case = {"subject": row["subject"], "condition": row["condition"], FOUND: size, TRUE: truth}
        cases.append(case | {"error": size - truth, "absolute_error": abs(size - truth)})
    return cases


def _signed(value: float | None) -> str:
    """One decimal with its sign; empty where there is no value (an interval of fewer than three hearts)."""
    return "" if value is None else f"{round(value, 1) + 0.0:+.1f}"


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")


def main() -> int:
    """Command line: the folder of the per-case files; tables and pages of the bundle are written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the unpacked archive")
    given = parser.parse_args()
    try:
        make_tables(given.runs, RESULTS)
        changed = fill_pages(RESULTS.parent)
    except PackingError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    sys.stdout.write(f"{RESULTS}: tables written; pages changed: {', '.join(changed) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
