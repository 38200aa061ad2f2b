"""Error of the registration on phantoms with known breath-hold shifts; prints, asserts nothing.

Ground truth: the heart of a slice lies where its breath-hold put it, so what the cine shows at p the other sequence
shows at p + (its in-plane shift - the cine's). What a breath-hold moves along the axis changes the anatomy of the
slice and cannot be undone in the plane; these slices count too. LGE is also compared with the T2-STIR aligned before.
A slice counts as worse when its error after registration is larger than before.
Run: `OMP_NUM_THREADS=1 python benchmarks/registration.py --seed 6`.
"""

import argparse
import sys
import time
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))

import numpy as np
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject
from scripts.registration.registration import RegistrationSettings, Stack, align_to_cine
from scripts.registration.working_grid import Companion

SEQUENCES = ("t2_stir", "lge")
HEAD = f"{'':26s} {'slices':>6s} {'before: median':>14s} {'p95':>5s} {'after: median':>14s} {'p95':>5s} {'max':>5s}"
HEAD += f" {'worse %':>8s} {'moved %':>8s} {'flagged %':>9s} {'s':>5s}"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def aligned_slices(
    subject, sequence: str, settings: RegistrationSettings, still: bool, companion: Companion | None
) -> tuple[list[dict], float, Companion]:
    """Per slice: error before and after (mm), shift along the axis (mm), record; the seconds; the next companion."""
    meta, cine = subject.meta, subject.volumes["cine"]
    times = meta["cine_trigger_times_ms"]
    if still:
        phase = int(np.argmin(np.abs(np.array(times) - meta[f"{sequence}_trigger_time_ms"])))
        cine, times = cine[..., phase], None
    started = time.perf_counter()
    moving = Stack(subject.volumes[sequence], subject.affine, [meta[f"{sequence}_trigger_time_ms"]])
    found = align_to_cine(Stack(cine, subject.affine, times), moving, settings, companion)
    seconds = time.perf_counter() - started
    shifts = {key: np.array(value) for key, value in meta["breath_hold_shifts_mm"].items()}
    truth = shifts[sequence] - shifts["cine"]
    rows = [
        {
            "before": float(np.linalg.norm(true[:2])),
            "after": float(np.linalg.norm(true[:2] - record.displacement_mm)),
            "through": float(abs(true[2])),
            "record": record,
        }
        for true, record in zip(truth, found.records, strict=True)
    ]
    return rows, seconds, found.as_companion()


def line(name: str, rows: list[dict], seconds: float | None = None) -> str:
    if not rows:
        return f"{name:26s} {0:6d}"
    before, after = (np.array([row[key] for row in rows]) for key in ("before", "after"))
    moved, flagged = (np.mean([bool(getattr(row["record"], key)) for row in rows]) for key in ("accepted", "flags"))
    text = f"{name:26s} {len(rows):6d} {np.median(before):14.2f} {np.percentile(before, 95):5.2f}"
    text += f" {np.median(after):14.2f} {np.percentile(after, 95):5.2f} {after.max():5.2f}"
    text += f" {100 * np.mean(after > before):8.1f} {100 * moved:8.1f} {100 * flagged:9.1f}"
    return text + (f" {seconds:5.2f}" if seconds is not None else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument("--seed", type=int, default=6, help="constants were tuned on seeds 5 and 7")
    parser.add_argument("--still", action="store_true", help="give one cine phase only")
    parser.add_argument("--max_rotation_deg", type=float, default=RegistrationSettings.max_rotation_deg)
    parser.add_argument("--deformable", action="store_true")
    options = parser.parse_args()
    rows: dict[str, list[dict]] = {sequence: [] for sequence in SEQUENCES}
    spent: dict[str, list[float]] = {sequence: [] for sequence in SEQUENCES}
    for index in range(1, options.subjects + 1):
        subject = make_subject(index, options.seed, PhantomParameters(aligned=False))
        companion = None
        for sequence in SEQUENCES:
            settings = RegistrationSettings(
                sequence=sequence, max_rotation_deg=options.max_rotation_deg, deformable=options.deformable
            )
            more, seconds, companion = aligned_slices(subject, sequence, settings, options.still, companion)
            rows[sequence] += more
            spent[sequence].append(seconds)
    say(f"{options.subjects} subjects, seed {options.seed}; mm, in the plane\n{HEAD}")
    for sequence in SEQUENCES:
        say(line(sequence, rows[sequence], float(np.mean(spent[sequence]))))
        for low, high in ((0, 2), (2, 5), (5, 99)):
            part = [row for row in rows[sequence] if low <= row["through"] < high]
            say(line(f"  {low} to {high} mm along the axis", part))
        say(line("  without flag", [row for row in rows[sequence] if not row["record"].flags]))
    studies = np.sum([spent[sequence] for sequence in SEQUENCES], axis=0)
    say(f"seconds per study (both sequences): mean {studies.mean():.2f}, largest {studies.max():.2f}")


if __name__ == "__main__":
    main()
