"""Packs the per-case tables behind the results pages into dist/<name>_results_v<version>.tar.xz."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
import tarfile
from pathlib import Path

from make_bundle import ROOT, PackingError, release_name

COHORTS = ("internal", "external")
# What one evaluated method leaves: configs/compare.json reads these and keeps them under <output_dir>/runs/<method>.
OF_A_RUN = ("evaluation.json", "segments.csv", "subjects.csv")
RESULTS = ROOT / "bundle/docs/results"


def result_files(runs: Path, stored: Path = RESULTS) -> list[Path]:
    """Per-case files under ``runs``, relative to it, sorted; nothing else that lies there is taken.

    Args:
        runs: ``<cohort>/runs/<method>/`` with OF_A_RUN for both cohorts.
        stored: the tables that the pages show; every method of theirs must be there.
    Raises:
        PackingError: a file is missing; the message names all of them.
    """
    wanted: list[Path] = []
    for cohort in COHORTS:
        folder = runs / cohort / "runs"
        found = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
        shown = methods(stored / cohort / "comparison.csv")
        wanted += [Path(cohort, "runs", name, file) for name in found | shown for file in OF_A_RUN]
    missing = sorted(str(path) for path in wanted if not (runs / path).is_file())
    if missing:
        raise PackingError(
            f"{runs}: found no {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''} "
            f"({len(missing)} of {len(wanted)} files are missing).\n"
            "Fix: give the folder that holds internal/runs/<method> and external/runs/<method>; configs/compare.json "
            "writes runs/<method> into its output_dir."
        )
    return sorted(wanted)


def methods(comparison: Path) -> set[str]:
    """Names of the methods in a stored comparison.csv.

    Raises:
        PackingError: there is no such file.
    """
    try:
        with comparison.open(newline="", encoding="utf-8") as file:
            return {row["method"] for row in csv.DictReader(file)}
    except FileNotFoundError as error:
        raise PackingError(f"{comparison}: not found.\nFix: restore it from the repository.") from error


def pack_results(runs: Path, folder: Path, bundle: Path = ROOT / "bundle", stored: Path = RESULTS) -> Path:
    """Writes ``<folder>/<name>_results_v<version>.tar.xz``, one folder of that name inside; returns its path.

    The same files give the same bytes: sorted, without owner, time or mode of the files packed.
    """
    files = result_files(runs, stored)
    name, version = release_name(bundle)
    inside = f"{name}_results_v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{inside}.tar.xz"
    aside = path.with_suffix(".part")
    with tarfile.open(aside, "w:xz", format=tarfile.USTAR_FORMAT, preset=9) as archive:
        for file in files:
            content = (runs / file).read_bytes()
            entry = tarfile.TarInfo(f"{inside}/{file.as_posix()}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    aside.replace(path)
    return path


def main() -> int:
    """Command line: the folder of the runs, and where the archive goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder with internal/runs, external/runs")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    try:
        path = pack_results(given.runs, given.output)
    except PackingError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    content = path.read_bytes()
    with tarfile.open(path) as archive:
        files = len(archive.getnames())
    sys.stdout.write(
        f"{path}\n{files} files, {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()}\n"
        f"Unpack: tar -xf {path}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
