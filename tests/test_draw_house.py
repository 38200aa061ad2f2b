"""Figure and table of imports in docs/ARCHITECTURE.md are those of the code; the tool says what it cannot draw."""

import runpy
from pathlib import Path

import pytest
from PIL import Image
from test_architecture import FLOORS

ROOT = Path(__file__).resolve().parents[1]
TOOL = runpy.run_path(str(ROOT / "tools" / "draw_house.py"))
SCRIPTS = ROOT / "bundle" / "scripts"
REDRAW = "run: python tools/draw_house.py"


@pytest.fixture
def small_house(tmp_path):
    """Two folders and a file: study imports dicom and files, dicom imports conventions from a nested module."""
    files = {
        "__init__.py": '"""Map."""',
        "conventions.py": '"""Words."""',
        "files.py": '"""Files that appear whole."""\nimport os',
        "dicom/__init__.py": '"""Headers.\n\nMore."""',
        "dicom/deep/report.py": '"""Numbers."""\nfrom ...conventions import LGE\nfrom ..headers import Frame',
        "study/__init__.py": '"""Jobs."""',
        "study/job.py": '"""One job."""\nfrom .. import dicom\nfrom ..files import write\nfrom . import other',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_the_table_in_the_page_is_that_of_the_code():
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert TOOL["page_with_table"](page, SCRIPTS) == page, REDRAW


@pytest.mark.slow
def test_the_figure_shows_the_imports_of_the_code():
    assert Image.open(ROOT / "docs" / "architecture.png").text["Imports"] == TOOL["edges"](SCRIPTS), REDRAW


def test_the_floors_drawn_are_those_that_the_imports_are_held_to():
    assert {floor: set(names) for floor, names in TOOL["FLOORS"].items()} == {
        floor: set(names) for floor, names in FLOORS.items()
    }


def test_imports_are_found_from_nested_modules_and_files(small_house):
    assert TOOL["imports_between"](small_house) == {
        "conventions": set(),
        "files": set(),
        "dicom": {"conventions"},
        "study": {"dicom", "files"},
    }


def test_a_row_names_floor_folder_purpose_and_imports(small_house):
    assert TOOL["table"](small_house).splitlines()[2:] == [
        "| 5 | `study` | Jobs. | dicom, files |",
        "| 3 | `dicom` | Headers. | - |",
        "| 2 | `files` | Files that appear whole. | - |",
        "| 1 | `conventions` | Words. | - |",
    ]


def test_the_figure_is_an_image_that_carries_its_imports(small_house, tmp_path):
    TOOL["draw"](small_house, tmp_path / "house.png")
    drawn = Image.open(tmp_path / "house.png")
    assert min(drawn.size) > 300
    assert drawn.text["Imports"].splitlines() == ["dicom > conventions", "study > dicom", "study > files"]


def test_a_folder_without_a_floor_is_refused(small_house):
    (small_house / "cellar").mkdir()
    (small_house / "cellar" / "a.py").write_text('"""A."""')
    with pytest.raises(TOOL["HouseError"], match="cellar: on no floor. Fix: add it to FLOORS"):
        TOOL["imports_between"](small_house)


@pytest.mark.parametrize("page", ["# No marks\n", "{b}\n{e}\n{b}\n{e}\n"])
def test_a_page_without_a_place_for_the_table_is_refused(small_house, page):
    text = page.format(b=TOOL["BEGIN"], e=TOOL["END"])
    with pytest.raises(TOOL["HouseError"], match="found no place for the table"):
        TOOL["page_with_table"](text, small_house)
