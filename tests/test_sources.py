"""References to docs/SOURCES.md name a heading it has; source keys of the realism check are spelled out there."""

import re
from pathlib import Path

import pytest
from scripts.phantom.realism.reader_agreement import reader_targets
from scripts.phantom.realism.target_table import realism_targets
from scripts.phantom.realism.trained_networks import network_targets

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "SOURCES.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
REFERENCE = re.compile(r"SOURCES\.md(?: of the repository)?,\s(?:#\s)?(.{1,60})", re.DOTALL)
KEY = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)
MARKS = re.compile(r"\([^)]*\)|\bsplit\b|\[[KC]\]")


def missing_headings(text):
    """What follows a reference and is no heading."""
    found = [" ".join(part.split()) for part in REFERENCE.findall(text)]
    return [part for part in found if not part.startswith(tuple(HEADINGS))]


def undefined_keys(source):
    """Keys in the source of a target that the page does not spell out."""
    keys = {key.strip() for row in KEY.findall(PAGE.split("## Keys")[1]) for key in row.split(",")}
    return {key.strip() for key in MARKS.sub("", source).split(",")} - keys - {"", "-"}


@pytest.mark.parametrize("folder", ["bundle/scripts", "tests", "docs", "benchmarks"])
def test_references_name_a_heading(folder):
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md") and path != Path(__file__)]
    wrong = {str(path.relative_to(ROOT)): missing_headings(path.read_text(encoding="utf-8")) for path in files}
    assert not {path: parts for path, parts in wrong.items() if parts}


def test_a_reference_to_no_heading_is_found():
    assert missing_headings("see SOURCES.md of the repository, Weather") == ["Weather"]
    assert missing_headings("see SOURCES.md of the repository, Signal ratios)") == []


def test_modules_named_on_the_page_exist():
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", PAGE)
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / "bundle/scripts" / name).exists()]
    assert named and not missing


@pytest.mark.parametrize(
    "target",
    [*realism_targets(), *network_targets({}), *reader_targets("none")],
    ids=lambda target: target.quantity,
)
def test_source_keys_of_targets_are_spelled_out(target):
    assert undefined_keys(target.source) == set()


def test_an_unknown_key_is_found():
    assert undefined_keys("Stone, Nobody (12 of 13) [K]") == {"Nobody"}
