"""One AST test holds the house rules of bundle/scripts: which folder may import which, file and function sizes."""

import ast
from pathlib import Path

import pytest

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
FILES = sorted((BUNDLE / "scripts").rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 300, 50
# Beyond conventions, which all may import: folder -> modules or folders of other folders.
ALLOWED = {"engine": {"diffusion"}, "phantom": {"dicom.geometry"}}
WITHOUT_TORCH = ("clinical", "phantom")
TORCH_LIBRARIES = {"torch", "monai", "ignite"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def violations(source, place):
    """What a file breaks; ``place`` is its path below bundle/, such as scripts/engine/metrics.py."""
    tree, parts = ast.parse(source), Path(place).with_suffix("").parts
    found = [] if ast.get_docstring(tree) else ["no docstring at the top"]
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        found.append(f"{lines} lines, at most {FILE_LINES}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append(f"line {node.lineno}: assert")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.append(f"line {node.lineno}: print")
        if isinstance(node, FUNCTIONS):
            found += _function_violations(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found += [f"line {node.lineno}: {text}" for text in _import_violations(node, parts)]
    return found


def _function_violations(function):
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function):
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    found = [f"line {function.lineno}: {function.name} has {lines} lines"] if lines > FUNCTION_LINES else []
    late = [n for n in ast.walk(function) if isinstance(n, ast.ImportFrom) and n.level]
    return found + [f"line {n.lineno}: relative import inside {function.name}" for n in late]


def _import_violations(node, parts):
    folder = parts[1] if len(parts) > 2 else ""
    if parts == ("scripts", "__init__"):
        return ["scripts/__init__.py imports nothing"]
    if isinstance(node, ast.Import) or not node.level:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        tops = {name.split(".")[0] for name in names}
        found = ["absolute import of scripts"] if "scripts" in tops else []
        forbidden = tops & TORCH_LIBRARIES if folder in WITHOUT_TORCH else set()
        return found + [f"{folder} imports {name}" for name in sorted(forbidden)]
    base = [*parts[1 : len(parts) - node.level], *(node.module or "").split(".")]
    modules = [".".join([part for part in [*base, alias.name] if part]) for alias in node.names]
    own = [{"conventions", folder} if folder else {"conventions"}, ALLOWED.get(folder, set())]
    return [f"imports {module}" for module in modules if not _is_in(module, set.union(*own))]


def _is_in(module, allowed):
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(BUNDLE / "scripts")))
def test_a_file_keeps_the_rules(file):
    assert violations(file.read_text(encoding="utf-8"), file.relative_to(BUNDLE).as_posix()) == []


@pytest.mark.parametrize(
    ("place", "source", "expected"),
    [
        ("scripts/data/a.py", "from ..engine import atomic", "imports engine.atomic"),
        ("scripts/data/a.py", "from ..diffusion.process import JointProcess", "imports diffusion.process"),
        ("scripts/networks/a.py", "from .. import data", "imports data"),
        ("scripts/phantom/a.py", "from ..dicom.export import write", "imports dicom.export"),
        ("scripts/phantom/a.py", "import torch.nn as nn", "phantom imports torch"),
        ("scripts/clinical/a.py", "def f():\n    from monai.metrics import DiceMetric", "clinical imports monai"),
        ("scripts/conventions.py", "from .data import labels", "imports data"),
        ("scripts/engine/a.py", "from scripts.preprocessing.labels import translate", "absolute import of scripts"),
        ("scripts/engine/a.py", "def f():\n    from . import atomic", "relative import inside f"),
        ("scripts/__init__.py", "import os", "imports nothing"),
        ("scripts/engine/a.py", "print('x')", "print"),
        ("scripts/engine/a.py", "assert 1", "assert"),
        ("scripts/engine/a.py", "x = 1\n" * FILE_LINES, "301 lines"),
        ("scripts/engine/a.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES, "f has 51 lines"),
    ],
)
def test_each_rule_catches_what_breaks_it(place, source, expected):
    (found,) = violations('"""Owns a."""\n' + source, place)
    assert expected in found


def test_a_file_without_docstring_is_caught_and_allowed_imports_are_not():
    source = "from .. import conventions\nfrom ..conventions import LGE\nfrom . import atomic\nimport torch\n"
    assert violations(source, "scripts/engine/a.py") == ["no docstring at the top"]
    allowed = '"""Owns a."""\nfrom {} import x\n'
    assert violations(allowed.format("..diffusion.process"), "scripts/engine/a.py") == []
    assert violations(allowed.format("..dicom.geometry"), "scripts/phantom/a.py") == []
    long = '"""Owns a."""\ndef f():\n    """' + "Words.\n" * 60 + '    """\n' + "    x = 1\n" * (FUNCTION_LINES - 1)
    assert violations(long, "scripts/engine/a.py") == []


def test_the_rules_are_applied_to_the_whole_tree():
    assert {"conventions.py", "ssdiff_unet.py", "process.py", "volumes.py", "geometry.py"} <= {f.name for f in FILES}
