"""Packs bundle/ into dist/<name>_v<version>.zip in the Model Zoo's layout; what is packed is a list of patterns."""

from __future__ import annotations

import argparse
import hashlib
import json
import runpy
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Nothing else goes into the zip: no caches, data, output folders, tests, checkpoints of a training run.
PACKED = (
    "LICENSE",
    "configs/*.json",
    "configs/logging.conf",
    "configs/variants/*.json",
    "docs/**/*.md",
    "docs/**/*.png",
    "docs/data_license.txt",
    "docs/results/**/*.csv",
    "models/*.pt",
    "models/*.pt.sha256",
    "models/reader/*.pt",
    "models/reader/*.pt.sha256",
    "models/size_interval.json",
    "models/training_record.json",
    "scripts/**/*.py",
)
# The Zoo refuses a bundle without these.
NEEDED = (
    "LICENSE",
    "configs/inference.json",
    "configs/metadata.json",
    "configs/train.json",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.pt",
    "scripts/__init__.py",
)
LARGEST_BYTES = 25_000_000  # the Zoo's limit of one file; above it a large_files.yml is needed
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # of every entry: the same files give the same bytes


class PackingError(Exception):
    """The folder is not a bundle that can be released; the message says what is missing and what to do."""


def packed_files(bundle: Path) -> list[Path]:
    """Files of the bundle that go into the zip, relative to it, sorted.

    Raises:
        PackingError: a needed file is missing, or one is too large.
    """
    if missing := [name for name in NEEDED if not (bundle / name).is_file()]:
        hint = "train first (configs/train.json) or copy the weights there" if "models/model.pt" in missing else ""
        raise PackingError(
            f"{bundle}: found no {', '.join(missing)}; a bundle cannot be released without.\n"
            f"Fix: {hint or 'restore the files from the repository'}."
        )
    found = {path for pattern in PACKED for path in bundle.glob(pattern) if path.is_file()}
    files = sorted(path.relative_to(bundle) for path in found)
    files = [file for file in files if not any(part.startswith((".", "__pycache__")) for part in file.parts)]
    if large := [str(file) for file in files if (bundle / file).stat().st_size > LARGEST_BYTES]:
        raise PackingError(
            f"{bundle}: {', '.join(large)} above {LARGEST_BYTES // 10**6} MB, the Zoo's limit of one file.\n"
            "Fix: publish the file elsewhere and name it in large_files.yml."
        )
    weights = sorted((file.name for file in files if file.match("models/*.pt")), key=len)
    if weights[0] != "model.pt":
        raise PackingError(
            f"{bundle}: MONAI Label would take models/{weights[0]}, the shortest name, for the model.\n"
            "Fix: remove it, or give it a name longer than model.pt."
        )
    return files


def release_name(bundle: Path) -> tuple[str, str]:
    """(name, version) from the code and metadata.json.

    Raises:
        PackingError: they disagree, or the version has no entry in the changelog.
    """
    code = runpy.run_path(str(bundle / "scripts" / "conventions.py"))
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    version = metadata.get("version")
    if version != code["BUNDLE_VERSION"] or version not in metadata.get("changelog", {}):
        raise PackingError(
            f"{bundle}: metadata.json says version {version}, with changelog entries for "
            f"{', '.join(metadata.get('changelog', {})) or 'none'}; scripts/conventions.py says "
            f"{code['BUNDLE_VERSION']}.\nFix: give all three the same version."
        )
    return code["BUNDLE_NAME"], version


def make_bundle(bundle: Path, folder: Path) -> Path:
    """Writes ``<folder>/<name>_v<version>.zip``, one folder ``<name>`` inside; returns its path."""
    files = packed_files(bundle)
    name, version = release_name(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_v{version}.zip"
    aside = path.with_suffix(".part")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            entry = zipfile.ZipInfo(f"{name}/{file.as_posix()}", TIMESTAMP)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, (bundle / file).read_bytes())
    aside.replace(path)
    return path


def main() -> int:
    """Command line: the bundle's folder and where the zip goes, both with defaults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=ROOT / "bundle")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    try:
        path = make_bundle(given.bundle, given.output)
    except PackingError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        files = len(archive.namelist())
    sys.stdout.write(
        f"{path}\n{files} files, {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
