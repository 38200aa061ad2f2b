"""The house rules of bundle/scripts: imports go down the floors, numpy stays without torch, functions stay short.

A file is parsed and never imported, so that a rule is tried on a few lines of text as well as on the whole tree.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "bundle" / "scripts"
SOURCES = {
    path.relative_to(SCRIPTS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.py"))
}
# A folder (or a file beside the folders) may import those of lower floors and itself.
FLOORS = {
    1: ["conventions"],
    2: ["clinical", "networks", "diffusion", "volumes", "files", "subject_faults"],
    3: ["preprocessing", "dicom", "reports", "runtime"],
    4: ["datasets", "registration", "training", "inference", "evaluation", "export", "phantom"],
    5: ["samples", "serving", "study", "quantify_job", "convert_job"],
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
WITHOUT_TORCH = ("clinical", "phantom", "evaluation/statistics")
TORCH_LIBRARIES = {"torch", "monai", "ignite"}
FUNCTION_LINES = 50


def imports(source, place):
    """(line, names) of every import; a relative one as its path below scripts/, an absolute one as it is written.

    "from ..volumes import nifti" in datasets/layouts.py gives ["volumes/nifti"].
    """
    here = Path(place).parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield node, [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node, [node.module]
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            yield node, ["/".join(part for part in [*base, alias.name] if part) for alias in node.names]


def is_relative(node):
    return isinstance(node, ast.ImportFrom) and node.level > 0


def floor_violations(source, place):
    """Imports that do not go down, in words."""
    top = Path(place).with_suffix("").parts[0]
    if top not in FLOOR_OF and top != "__init__":
        return [f"{place}: '{top}' stands on no floor; add it to FLOORS"]
    found = []
    for node, names in imports(source, place):
        if not is_relative(node):
            found += [f"{place}:{node.lineno}: imports {n}, expected a relative import" for n in names if _is_ours(n)]
            continue
        for name in names:
            other = name.split("/")[0]
            if top == "__init__" or (other != top and FLOOR_OF.get(other, 9) >= FLOOR_OF[top]):
                floors = f"floor {FLOOR_OF.get(other)} from floor {FLOOR_OF.get(top)}"
                found.append(f"{place}:{node.lineno}: imports {name}, {floors}; only lower floors and {top} itself")
    return found


def _is_ours(name):
    return name.split(".")[0] == "scripts"


def torch_violations(sources, folder):
    """Imports of torch, monai or ignite in a folder, or in any file that it imports, each with the way there."""
    found, ways = [], {place: place for place in sources if place.startswith(f"{folder}/")}
    todo = list(ways)
    while todo:
        place = todo.pop()
        for node, names in imports(sources[place], place):
            if is_relative(node):
                new = {module for name in names for module in _modules(name, sources)} - set(ways)
                ways |= {module: f"{ways[place]} -> {module}" for module in new}
                todo += new
            else:
                torch = sorted({name.split(".")[0] for name in names} & TORCH_LIBRARIES)
                found += [f"{ways[place]}:{node.lineno}: imports {name}; {folder} stays without" for name in torch]
    return found


def _modules(name, sources):
    """Files behind a path: the file itself, or the file a name comes from, and the __init__ of its folders."""
    folders = [parent.as_posix() for parent in Path(name).parents][:-1]
    candidates = [f"{one}{end}" for one in (name, *folders) for end in (".py", "/__init__.py")]
    return [one for one in candidates if one in sources]


def file_violations(source, place):
    """What a file itself breaks: docstring, print, assert, long functions, imports of ours inside a function."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else [f"{place}: no docstring at the top"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append(f"{place}:{node.lineno}: assert; raise an error that says what to do")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.append(f"{place}:{node.lineno}: print; use logging")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = _lines_without_docstring(node)
            if lines > FUNCTION_LINES:
                found.append(f"{place}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES}")
            # MONAI Label imports the package again: what a function imports later would be another copy
            late = [n.lineno for n in ast.walk(node) if is_relative(n)]
            found += [f"{place}:{line}: relative import inside {node.name}" for line in late]
    return found


def _lines_without_docstring(function):
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function):
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def lonely_folders(places):
    """Folders that hold one module and nothing else: they are files."""
    folders = {Path(place).parent.as_posix() for place in places} - {"."}
    inside = {f: {p for p in places if p.startswith(f"{f}/") and p != f"{f}/__init__.py"} for f in folders}
    return sorted(folder for folder, files in inside.items() if len(files) < 2)


def test_imports_go_down_the_floors():
    assert [text for place, source in SOURCES.items() for text in floor_violations(source, place)] == []


@pytest.mark.parametrize("folder", WITHOUT_TORCH)
def test_a_numpy_folder_reaches_no_torch(folder):
    assert torch_violations(SOURCES, folder) == []


@pytest.mark.slow
def test_files_keep_the_rules():
    assert [text for place, source in SOURCES.items() for text in file_violations(source, place)] == []


def test_a_folder_holds_more_than_one_file():
    assert lonely_folders(SOURCES) == []


def test_every_floor_exists():
    standing = {Path(place).with_suffix("").parts[0] for place in SOURCES}
    assert set(FLOOR_OF) == standing - {"__init__"}


@pytest.mark.parametrize(
    ("place", "source", "expected"),
    [
        ("volumes/a.py", "from ..dicom import geometry", "imports dicom/geometry, floor 3 from floor 2"),
        ("datasets/a.py", "from ..training.metrics import dice", "imports training/metrics/dice, floor 4 from floor 4"),
        ("networks/a.py", "from .. import diffusion", "imports diffusion, floor 2 from floor 2"),
        ("phantom/heart/a.py", "from ...study.jobs import run", "imports study/jobs/run, floor 5 from floor 4"),
        ("conventions.py", "from .files import write", "imports files/write, floor 2 from floor 1"),
        ("study/a.py", "def f():\n    from ..serving import x", "imports serving/x, floor 5 from floor 5"),
        ("inference/a.py", "from ..cellar import x", "imports cellar/x"),
        ("cellar/a.py", "import os", "stands on no floor"),
        ("inference/a.py", "from scripts.preprocessing import labels", "expected a relative import"),
        ("inference/a.py", "import scripts.conventions", "expected a relative import"),
        ("__init__.py", "from . import conventions", "imports conventions"),
    ],
)
def test_an_import_that_does_not_go_down_is_caught(place, source, expected):
    (found,) = floor_violations(source, place)
    assert found.startswith(place) and expected in found


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("evaluation/a.py", "from ..reports.tables import write_table\nfrom . import pairs\nimport torch"),
        (
            "evaluation/statistics/a.py",
            "from ...conventions import LGE\nfrom ..pairs import x\nfrom . import a",
        ),
        ("phantom/dicom/a.py", "from ..heart.shape import Shape\nfrom ...dicom.geometry import affine"),
        ("quantify_job.py", "from .reports import tables\nfrom .conventions import LGE"),
        ("__init__.py", "import os"),
    ],
)
def test_imports_of_lower_floors_and_of_the_own_folder_are_allowed(place, source):
    assert floor_violations(source, place) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch.nn as nn", "clinical/a.py:1: imports torch"),
        ("def f():\n    from monai.metrics import DiceMetric", "clinical/a.py:2: imports monai"),
        ("from ..volumes.grids import Grid", "clinical/a.py -> volumes/grids.py:1: imports ignite"),
        ("from ..volumes import grids", "clinical/a.py -> volumes/grids.py:1: imports ignite"),
        ("from ..files import write", "clinical/a.py -> files.py -> volumes/nifti.py:1: imports torch"),
    ],
)
def test_torch_is_caught_in_the_folder_and_in_what_it_imports(source, expected):
    others = {
        "volumes/__init__.py": "",
        "volumes/grids.py": "import ignite",
        "volumes/nifti.py": "from torch import nn",
        "files.py": "from .volumes.nifti import read",
    }
    (found,) = torch_violations({"clinical/a.py": source, **others}, "clinical")
    assert found.startswith(expected)
    assert torch_violations({"clinical/a.py": "import numpy", **others}, "clinical") == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1", "no docstring"),
        ('"""A."""\nprint(1)', "a.py:2: print"),
        ('"""A."""\nassert 1', "a.py:2: assert"),
        ('"""A."""\ndef f():\n    from . import files', "a.py:3: relative import inside f"),
        ('"""A."""\ndef f():\n' + "    x = 1\n" * FUNCTION_LINES, "f has 51 lines"),
    ],
)
def test_what_a_file_may_not_hold_is_caught(source, expected):
    (found,) = file_violations(source, "inference/a.py")
    assert expected in found


def test_a_docstring_does_not_make_a_function_long():
    source = '"""A."""\ndef f():\n    """' + "Words.\n" * 60 + '    """\n' + "    x = 1\n" * (FUNCTION_LINES - 1)
    assert file_violations(source, "inference/a.py") == []


def test_a_folder_of_one_file_is_caught():
    places = ["files.py", "a/__init__.py", "a/one.py", "b/__init__.py", "b/one.py", "b/two.py", "b/c/__init__.py"]
    assert lonely_folders(places) == ["a", "b/c"]
    assert lonely_folders(["a/__init__.py", "a/b/__init__.py", "a/b/one.py", "a/b/two.py"]) == []


def module_graph(sources):
    """File to the files of the tree that it imports."""
    known = {Path(place).with_suffix("").as_posix() for place in sources}
    graph = {}
    for place, source in sources.items():
        found = set()
        for node, names in imports(source, place):
            if is_relative(node):
                found |= {n if n in known else n.rpartition("/")[0] for n in names} & known
        graph[Path(place).with_suffix("").as_posix()] = found
    return graph


@pytest.mark.slow
def test_no_file_imports_itself_through_others():
    TopologicalSorter(module_graph(SOURCES)).prepare()


def test_a_circle_is_caught():
    circle = {"a/x.py": "from .y import f", "a/y.py": "from ..b import z", "b/z.py": "from ..a.x import g"}
    with pytest.raises(CycleError):
        TopologicalSorter(module_graph(circle)).prepare()
