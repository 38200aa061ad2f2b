"""The pages can be read in an editor and lead somewhere: line length, width of tables, links, paths of files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = ("*.md", "docs/**/*.md", "bundle/docs/*.md", "bundle/docs/results/*.md")
PAGES = sorted(page for pattern in PATTERNS for page in ROOT.glob(pattern))
LINE_LENGTH, COLUMNS = 120, 8
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Below bundle/scripts when it does not begin with another folder of the repository.
PYTHON_FILE = re.compile(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.py)`")


def long_lines(text):
    """Numbers of the lines that are too long; a row of a table and a line without a space cannot be broken."""
    lines = enumerate(text.splitlines(), start=1)
    return [n for n, line in lines if len(line) > LINE_LENGTH and not line.startswith("|") and " " in line.strip()]


def wide_tables(text):
    """Numbers of the rows with too many columns; code with a bar in it counts as one cell."""
    rows = ((n, re.sub(r"`[^`]*`", "", line)) for n, line in enumerate(text.splitlines(), start=1))
    return [n for n, row in rows if row.startswith("|") and row.replace(r"\|", "").count("|") - 1 > COLUMNS]


def heading_anchors(text):
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page):
    """Links to files and headings that are not there."""
    found = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and anchor not in heading_anchors(file.read_text(encoding="utf-8"))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_has_short_lines_narrow_tables_and_living_links(page):
    text = page.read_text(encoding="utf-8")
    assert (long_lines(text), wide_tables(text), dead_links(page)) == ([], [], [])


def test_every_python_file_that_the_architecture_names_exists():
    names = PYTHON_FILE.findall((ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    assert names
    places = [ROOT / "bundle" / "scripts", ROOT]
    assert [name for name in names if not any((place / name).is_file() for place in places)] == []


def test_what_is_wrong_with_a_page_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        f"# Some Title, here\n[a](#some-title-here) [b](#gone) [c](gone.md) [d](https://x.org)\n{'x ' * 61}\n"
    )
    assert dead_links(page) == ["#gone", "gone.md"]
    assert long_lines(page.read_text()) == [3]
    assert long_lines(f"| {'x ' * 61} |\nhttps://{'x' * 120}\n") == []
    assert wide_tables("|a|b|\n" + "|x" * 9 + "|\n| `a|b|c` |" + " x |" * 7) == [2]
