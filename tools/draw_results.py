"""Draws the plots of the results pages, docs/results/*.png of the bundle, from the stored tables.

infarct_dice.png: infarct Dice by method.
infarct_size.png: bias and limits of agreement by method, and the size error of the shipped weights by true size.
invented_infarct.png: infarct called in hearts without one.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from make_bundle import PackingError
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pack_results import RESULTS
from result_pages import Table, stored_table

# The methods of the plots, from the top down, and what the axis calls them.
SHOWN = {
    "ours": "SSDiff: trunk and\ndenoiser",
    "unet_two_heads": "U-Net, two heads",
    "segmentation_only": "DynUNet, mask only",
}
LOOK = {  # cohort: colour, marker, filled, offset of the row, name
    "internal": ("#1f4e79", "o", True, 0.19, "internal test, 82 subjects"),
    "external": ("#c55a11", "s", False, -0.19, "external test (UIH, 3 T), 60 subjects"),
}
DICE = "Dice infarct where there is one"
CEILING = "segmenter on true LGE (ceiling), Dice infarct where there is one"
TARGET_PERCENT_LV = 13.0  # limits of agreement
SIZE_GROUPS = {
    "none": "no\ninfarct",
    "0 to 5 %LV": "below\n5",
    "5 to 10 %LV": "5 to\n10",
    "10 to 20 %LV": "10 to\n20",
    "20 to 100 %LV": "above\n20",
}
FOOTER = "Synthetic, phantom only, research use only. "
DIGEST = "Tables"  # key of the PNG's text that names the tables it was drawn from
SEED = re.compile(r"_seed_\d+$")


def infarct_dice(results: Path) -> Figure:
    """Dice of the infarct in the hearts that have one: one mark per training seed, 95 % interval by subject."""
    figure, axis = _figure(5.2)
    for cohort, (colour, marker, filled, offset, name) in LOOK.items():
        table = stored_table(results / cohort / "comparison.csv")
        for row, method in enumerate(reversed(SHOWN)):
            runs = _runs(table, method)
            for place, run in enumerate(runs):
                value, low, high = _interval(table[run][DICE])
                height = row + offset + 0.11 * (place - (len(runs) - 1) / 2)
                axis.plot([low, high], [height, height], color=colour, linewidth=1.2)
                axis.plot(
                    value, height, marker, color=colour, markerfacecolor=colour if filled else "white", markersize=5
                )
        ceiling, low, high = _interval(table["ours"][CEILING])
        axis.axvspan(low, high, color=colour, alpha=0.10, linewidth=0)
        axis.axvline(ceiling, color=colour, linestyle="--" if filled else ":", linewidth=1)
        axis.plot([], [], marker + "-", color=colour, markerfacecolor=colour if filled else "white", label=name)
    axis.plot([], [], "--", color="0.4", label="ceiling: a network on the true LGE")
    _rows(axis, 0.35, 0.9)
    axis.set_xlabel("Dice of the infarct, in the hearts that have one")
    axis.set_title("How well the infarct is found", loc="left", fontsize=11)
    _finish(figure, axis, "A mark: one training seed, 95 % interval by subject. Equal samples for all.")
    return figure


def infarct_size(results: Path) -> Figure:
    """Left: bias and limits of agreement by method. Right: the error of the shipped weights by true size."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.8), gridspec_kw={"width_ratios": [1.25, 1]})
    for cohort, (colour, marker, filled, offset, name) in LOOK.items():
        face = colour if filled else "white"
        table = stored_table(results / cohort / "overview.csv")
        for row, method in enumerate(reversed(SHOWN)):
            bias, low, high = (
                _number(table[method][column]) for column in ("size bias, %LV", "lower limit, %LV", "upper limit, %LV")
            )
            left.plot([low, high], [row + offset] * 2, color=colour, linewidth=2)
            left.plot(bias, row + offset, marker, color=colour, markerfacecolor=face, markersize=6)
        groups = stored_table(results / "shipped" / cohort / "size_groups.csv")
        for place, group in enumerate(SIZE_GROUPS):
            row = groups[group]
            if row["low"]:  # fewer than three hearts have no interval
                right.plot([place - offset] * 2, [float(row["low"]), float(row["high"])], color=colour, linewidth=1.5)
            right.plot(
                place - offset, float(row["bias, %LV"]), marker, color=colour, markerfacecolor=face, markersize=6
            )
            height = 10.4 if filled else -14.4
            right.text(place, height, f"n = {groups[group]['hearts']}", color=colour, fontsize=8, ha="center")
        left.plot([], [], marker + "-", color=colour, markerfacecolor=face, label=name)
    for end in (-TARGET_PERCENT_LV, TARGET_PERCENT_LV):
        left.axvline(end, color="0.4", linestyle="--", linewidth=1)
    left.plot([], [], "--", color="0.4", label=f"target: limits within ±{TARGET_PERCENT_LV:g} %LV")
    left.axvline(0, color="0.6", linewidth=0.8)
    _rows(left, -25, 22)
    left.set_xlabel("infarct size, found minus true, % of the LV wall")
    left.set_title("Bias and limits of agreement by method", loc="left", fontsize=11)
    right.axhline(0, color="0.6", linewidth=0.8)
    right.set(xticks=range(len(SIZE_GROUPS)), xticklabels=SIZE_GROUPS.values(), ylim=(-15, 11.5))
    right.set_xlabel("true infarct size, % of the LV wall")
    right.set_ylabel("found minus true, % of the LV wall")
    right.set_title("Shipped weights: error by true size", loc="left", fontsize=11)
    right.spines[["top", "right"]].set_visible(False)
    _finish(figure, left, "Left: mean over the seeds. Right: mean and its 95 % interval by subject.")
    return figure


def invented_infarct(results: Path) -> Figure:
    """Size of every infarct of 1 %LV and more called in a heart without one, and in how many hearts of how many."""
    figure, axis = _figure(4.8)
    names = list(reversed(SHOWN))
    for cohort, (colour, marker, filled, offset, name) in LOOK.items():
        table = stored_table(results / cohort / "infarct_free.csv")
        for row, method in enumerate(names):
            runs = _runs(table, method)
            sizes = [float(size) for run in runs for size in table[run]["sizes called, %LV"].split()]
            face = colour if filled else "white"
            axis.plot(sizes, [row + offset] * len(sizes), marker, color=colour, markerfacecolor=face, markersize=5)
            counts = ", ".join(table[run]["called"] for run in runs)
            hearts = table[runs[0]]["hearts"]
            axis.text(30.3, row + offset, f"{counts} of {hearts}", color=colour, fontsize=8, va="center")
        face = colour if filled else "white"
        label = f"{name.rpartition(',')[0]}, hearts without infarct"
        axis.plot([], [], marker, color=colour, markerfacecolor=face, label=label)
    _rows(axis, 0, 30)
    axis.set_xlabel("size of the infarct called in a heart without one, % of the LV wall")
    axis.set_title("How often an infarct is invented", loc="left", fontsize=11)
    _finish(
        figure, axis, "A mark is one heart called at least 1 %LV; at the right the hearts called, by training seed."
    )
    return figure


PLOTS: dict[str, Callable[[Path], Figure]] = {
    "infarct_dice.png": infarct_dice,
    "infarct_size.png": infarct_size,
    "invented_infarct.png": invented_infarct,
}


def draw(results: Path, output: Path) -> list[Path]:
    """Writes every plot to ``output``; each names in its text the digest of the tables in ``results``.

    Raises:
        PackingError: a stored table is missing.
    """
    output.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, plot in PLOTS.items():
        figure = plot(results)
        paths.append(output / name)
        figure.savefig(paths[-1], dpi=110, metadata={DIGEST: digest(results), "Software": None})
        plt.close(figure)
    return paths


def digest(results: Path) -> str:
    """SHA-256 of the stored tables, by name and content."""
    found = hashlib.sha256()
    for path in sorted(results.rglob("*.csv")):
        found.update(path.relative_to(results).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def _figure(height: float) -> tuple[Figure, Axes]:
    return plt.subplots(figsize=(8.2, height))


def _rows(axis: Axes, low: float, high: float) -> None:
    """Names the methods on the y axis, the first one on top."""
    names = [SHOWN[method] for method in reversed(SHOWN)]
    axis.set(yticks=range(len(names)), yticklabels=names, xlim=(low, high), ylim=(-0.6, len(names) - 0.4))
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _finish(figure: Figure, axis: Axes, note: str) -> None:
    """Legend below the plots, the note and what the images are at the foot."""
    figure.tight_layout(rect=(0, 0.12, 0.99, 1))
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.045), ncols=3, frameon=False, fontsize=8)
    figure.text(0.5, 0.02, FOOTER + note, ha="center", fontsize=8, color="0.25")


def _runs(table: Table, method: str) -> list[str]:
    """Every training seed of a method."""
    return [run for run in table if SEED.sub("", run) == method]


def _interval(cell: str) -> tuple[float, float, float]:
    """Value, lower and upper end of a cell like ``0.735 (0.706 to 0.761)``."""
    value, low, high = (float(number) for number in re.findall(r"-?\d+\.\d+", cell))
    return value, low, high


def _number(cell: str) -> float:
    """The mean in a cell like ``0.587 ± 0.014``."""
    return float(cell.split(" ")[0])


def main() -> int:
    """Command line: the folder of the stored tables, and where the plots go."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    try:
        paths = draw(given.results, given.output)
    except PackingError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
