"""Makes the tables of the shipped weights, docs/results/shipped/<cohort>/*.csv of the bundle, from their evaluations.

``--evaluations`` takes the folders of configs/evaluate.json by cohort: internal, external, and conditions, hearts
without an infarct that move badly or show oedema. The pages are filled from the tables, and metadata.json has the
internal ones.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from make_bundle import ROOT, PackingError
from pack_results import COHORTS, RESULTS
from result_pages import fill_pages, stored_table
from result_tables import REFERENCE, compare, infarct_free, read_cases, size_groups, write_csv

CONDITIONS = "conditions"
METADATA = ROOT / "bundle/configs/metadata.json"
SHIPPED = RESULTS / "shipped"
# Entry of eval_metrics in metadata.json -> its table, row and column.
METRICS = {
    "dice_infarct": ("comparison", REFERENCE, "Dice infarct"),
    "dice_lv_myocardium": ("comparison", REFERENCE, "Dice wall"),
    "dice_lv_blood_pool": ("comparison", REFERENCE, "Dice blood"),
    "infarct_size_error_percent_lv": ("size_groups", "all", "mean absolute error, %LV"),
}


def make_shipped_tables(evaluations: Mapping[str, Path], output: Path) -> None:
    """Writes the tables of every cohort.

    Raises:
        PackingError: a cohort is missing, or its evaluation is.
    """
    if missing := sorted({*COHORTS, CONDITIONS} - set(evaluations)):
        raise PackingError(f"--evaluations: found no {', '.join(missing)}.\nFix: name all three cohorts.")
    for folder in evaluations.values():
        if not (folder / "subjects.csv").is_file():
            raise PackingError(f"{folder}: found no subjects.csv.\nFix: run configs/evaluate.json into it.")
    for cohort in COHORTS:
        with tempfile.TemporaryDirectory() as aside:
            (Path(aside) / "runs").mkdir()
            (Path(aside) / "runs" / REFERENCE).symlink_to(evaluations[cohort].resolve())
            compare(Path(aside) / "runs", Path(aside) / "tables")
            for name in ("comparison", "overview"):
                (output / cohort).mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(aside) / "tables" / f"{name}.csv", output / cohort / f"{name}.csv")
        cases = read_cases(evaluations[cohort] / "subjects.csv")
        write_csv(output / cohort / "infarct_free.csv", [{"method": REFERENCE} | infarct_free(cases)])
        write_csv(output / cohort / "size_groups.csv", size_groups(cases))
    cases = read_cases(evaluations[CONDITIONS] / "subjects.csv")
    rows = [
        {"condition": name} | infarct_free([case for case in cases if case["condition"] == name])
        for name in sorted({case["condition"] for case in cases})
    ]
    write_csv(output / CONDITIONS / "infarct_free.csv", rows)


def fill_metadata(path: Path, stored: Path = SHIPPED) -> None:
    """Puts the internal numbers of the shipped weights into metadata.json, where they stand as eval_metrics.

    Raises:
        PackingError: a table or an entry is missing.
    """
    text = path.read_text(encoding="utf-8")
    for name, (table, row, column) in METRICS.items():
        value = json.dumps(float(stored_table(stored / "internal" / f"{table}.csv")[row][column].split()[0]))
        text, count = re.subn(rf'("{name}": )[-\d.]+', rf"\g<1>{value}", text)
        if count != 1:
            raise PackingError(f"{path.name}: found {count} entries {name}, expected one in eval_metrics.")
    path.write_text(text, encoding="utf-8")


def main() -> int:
    """Command line: tables, pages and metadata of the bundle are written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", nargs="+", required=True, metavar="COHORT=FOLDER")
    given = parser.parse_args()
    named = dict(one.partition("=")[::2] for one in given.evaluations)
    try:
        make_shipped_tables({name: Path(folder) for name, folder in named.items()}, SHIPPED)
        fill_metadata(METADATA)
        changed = fill_pages(RESULTS.parent)
    except PackingError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    sys.stdout.write(f"{SHIPPED}: tables written; pages changed: {', '.join(changed) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
