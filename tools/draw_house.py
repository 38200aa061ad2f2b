"""Figure and table of the imports between the folders of bundle/scripts, for docs/ARCHITECTURE.md.

    python tools/draw_house.py             # writes docs/architecture.png and the table in docs/ARCHITECTURE.md

Both are drawn from the imports as they stand in the code; files are parsed and never imported.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS, PAGE, FIGURE = ROOT / "bundle/scripts", ROOT / "docs/ARCHITECTURE.md", ROOT / "docs/architecture.png"
BEGIN, END = "<!-- imports: begin, written by tools/draw_house.py -->", "<!-- imports: end -->"
# Top floor first; every folder or file imports from lower floors and itself.
FLOORS = {
    5: ("samples", "serving", "study", "quantify_job", "convert_job"),
    4: ("datasets", "registration", "training", "inference", "evaluation", "export", "phantom"),
    3: ("preprocessing", "dicom", "reports", "runtime"),
    2: ("clinical", "networks", "diffusion", "volumes", "files", "subject_faults"),
    1: ("conventions",),
}
# Everybody imports it; its arrows would hide all others.
EVERYBODY_S = "conventions"
# The PNG carries the imports it shows, so that a test can tell whether it is that of the code.
METADATA_KEY = "Imports"
_BOX = (1.7, 0.62)
_COLOURS = ("#1b6ca8", "#b3541e", "#3f7d20", "#7b3fa0", "#a8324a", "#4d6670", "#8a7400")


class HouseError(Exception):
    """A folder of the code has no floor, or the page no place for the table."""


def imports_between(scripts: Path) -> dict[str, set[str]]:
    """Folders and files directly in ``scripts``, each with those of the others that it imports.

    Raises:
        HouseError: one of them stands on no floor.
    """
    files = [file for file in sorted(scripts.rglob("*.py")) if file != scripts / "__init__.py"]
    found: dict[str, set[str]] = {}
    for file in files:
        parts = file.relative_to(scripts).with_suffix("").parts
        found.setdefault(parts[0], set()).update(_imported(file.read_text(encoding="utf-8"), parts))
    unknown = sorted(set(found) - {name for names in FLOORS.values() for name in names})
    if unknown:
        raise HouseError(f"{', '.join(unknown)}: on no floor. Fix: add it to FLOORS in tools/draw_house.py.")
    return {name: others - {name} for name, others in found.items()}


def _imported(source: str, parts: tuple[str, ...]) -> set[str]:
    """First part below scripts/ of every relative import of the module at ``parts``."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*parts[: len(parts) - node.level], *(node.module.split(".") if node.module else [])]
            found |= {[*base, alias.name][0] for alias in node.names}
    return found


def purpose(scripts: Path, name: str) -> str:
    """First line of the docstring of a folder or file."""
    file = scripts / name / "__init__.py" if (scripts / name).is_dir() else scripts / f"{name}.py"
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]


def table(scripts: Path) -> str:
    """The folders from the top floor down, what is in them, and what they import beside conventions."""
    imports = imports_between(scripts)
    lines = ["| floor | folder | what is in it | imports |", "|---|---|---|---|"]
    for floor, names in FLOORS.items():
        for name in (name for name in names if name in imports):
            shown = ", ".join(sorted(imports[name] - {EVERYBODY_S})) or "-"
            lines.append(f"| {floor} | `{name}` | {purpose(scripts, name)} | {shown} |")
    return "\n".join(lines) + "\n"


def edges(scripts: Path) -> str:
    """Every import as "from > to", one a line."""
    return "\n".join(
        f"{name} > {o}" for name, others in sorted(imports_between(scripts).items()) for o in sorted(others)
    )


def page_with_table(page: str, scripts: Path) -> str:
    """``page`` with the table between its two marks.

    Raises:
        HouseError: the marks are not there.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise HouseError(f"{PAGE.name}: found no place for the table. Fix: put back the lines {BEGIN} and {END}.")
    return page[: page.index(BEGIN) + len(BEGIN)] + "\n" + table(scripts) + page[page.index(END) :]


def draw(scripts: Path, file: Path) -> None:
    """The house as a PNG: a floor is a row, an arrow an import."""
    imports = imports_between(scripts)
    figure = Figure(figsize=(14, 9), layout="constrained")
    axes = figure.subplots()
    places = _places(imports)
    for floor in FLOORS:
        y = _height(floor)
        axes.axhspan(y - 0.85, y + 0.85, color="#f4f1ea" if floor % 2 else "#ffffff", zorder=0)
        axes.text(-0.35, y, f"{floor}", fontsize=20, color="#999999", ha="right", va="center")
    for number, (name, others) in enumerate(sorted(imports.items())):
        for other in sorted(others - {EVERYBODY_S}):
            _arrow(axes, places[name], places[other], _COLOURS[number % len(_COLOURS)])
    for name, (x, y) in places.items():
        _box(axes, x, y, name)
    axes.set_xlim(-0.8, 14.6)
    axes.set_ylim(_height(1) - 1.1, _height(5) + 0.9)
    axes.set_axis_off()
    axes.text(7.3, _height(1) - 0.75, "all folders import conventions", ha="center", va="center", color="#666666")
    figure.savefig(file, dpi=80, metadata={METADATA_KEY: edges(scripts), "Software": None})


def _height(floor: int) -> float:
    return 2.4 * floor


def _places(imports: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Centre of every box; those of a floor spread evenly."""
    found = {}
    for floor, names in FLOORS.items():
        standing = [name for name in names if name in imports]
        for i, name in enumerate(standing):
            found[name] = (14.3 * (i + 0.5) / len(standing), _height(floor))
    return found


def _box(axes: Axes, x: float, y: float, name: str) -> None:
    box = {"boxstyle": "round,pad=0.5", "facecolor": "#ffffff", "edgecolor": "#333333"}
    axes.text(x, y, name, ha="center", va="center", fontsize=12, bbox=box, zorder=3)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    down = (start[0], start[1] - _BOX[1] / 2), (end[0], end[1] + _BOX[1] / 2)
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.1, "alpha": 0.75, "shrinkA": 4, "shrinkB": 4}
    axes.annotate("", xy=down[1], xytext=down[0], arrowprops=style, zorder=2)


def main() -> None:
    """Writes the figure and the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8"), SCRIPTS), encoding="utf-8")
    draw(SCRIPTS, FIGURE)


if __name__ == "__main__":
    main()
