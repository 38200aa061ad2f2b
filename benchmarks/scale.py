"""Batch inference in one process and in several: throughput, and whether the output bytes are equal.

Prints, asserts nothing. Two numbers per run: start-up (loading libraries and weights, and ending; the same for any
list) and work (from the first subject to the report; throughput is slices per second of work). Every kind of run is
repeated in turn and the fastest counts. Synthetic images. Run on an idle machine: `python benchmarks/scale.py`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
SINGLE = "configs/inference.json"
SEVERAL = "['configs/inference.json','configs/multi_gpu_inference.json']"


@dataclass(frozen=True)
class Run:
    """One command: wall and processor seconds of it, wall seconds of its work, slices by subject, files by name."""

    command_s: float
    processor_s: float
    work_s: float
    slices: dict[str, int]
    files: dict[str, bytes]

    @property
    def slices_per_s(self) -> float:
        return sum(self.slices.values()) / self.work_s


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def job(*arguments: str, processes: int = 1) -> tuple[float, float]:
    """Wall and processor seconds of one command in bundle/, one thread per process."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else ()), "-m", "monai.bundle", "run", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=BUNDLE, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(data: Path, out: Path, processes: int, device: tuple[str, ...]) -> Run:
    config = SINGLE if processes == 1 else SEVERAL
    wall, processor = job("--config_file", config, "--dataset_dir", str(data), "--output_dir", str(out), *device,
                          processes=processes)  # fmt: skip
    results = [json.loads(path.read_text()) for path in sorted(out.rglob("*_result.json"))]
    files = {path.name: path.read_bytes() for path in out.rglob("*") if path.name.endswith((".nii.gz", ".png"))}
    seconds = json.loads((out / "run.json").read_text())["seconds_total"]
    return Run(wall, processor, seconds, {one["subject"]: one["slices"]["total"] for one in results}, files)


def report(best: dict[int, Run], runs: list[Run]) -> None:
    single, several = best.values()
    processes = max(best)
    for number, run in best.items():
        start_up_s = run.command_s - run.work_s
        say(f"{number} x 1: start-up {start_up_s:5.1f} s, work {run.work_s:6.1f} s, {run.slices_per_s:5.2f} slices/s; "
            f"command {run.command_s:6.1f} s, processor {run.processor_s:6.1f} s")  # fmt: skip
    counts = list(several.slices.values())
    largest = max(sum(counts[rank::processes]) for rank in range(processes))
    say(f"throughput {several.slices_per_s / single.slices_per_s:.2f} x, whole command "
        f"{single.command_s / several.command_s:.2f} x; largest share {largest} of {sum(counts)} slices, "
        f"so at most {sum(counts) / largest:.2f} x")  # fmt: skip
    equal = all(run.files == single.files for run in runs)
    say(f"{len(single.files)} NIfTI and preview files, equal bytes in all {len(runs)} runs: {equal}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", help="such as cpu, on a machine with GPUs")
    options = parser.parse_args()
    device = ("--device", options.device) if options.device else ()
    runs: dict[int, list[Run]] = {1: [], options.processes: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job("--config_file", "configs/make_phantom.json", "--subjects", str(options.subjects), "--stored_phases", "key",
            "--output_dir", str(folder / "data"))  # fmt: skip
        for repeat in range(options.repeats):
            for processes, found in runs.items():
                found.append(measured(folder / "data", folder / f"out_{processes}_{repeat}", processes, device))
    slices = sum(runs[1][0].slices.values())
    say(f"{options.subjects} subjects, {slices} slices, one thread per process, {os.cpu_count()} processors, "
        f"fastest of {options.repeats}")  # fmt: skip
    report({number: min(found, key=lambda run: run.work_s) for number, found in runs.items()}, sum(runs.values(), []))


if __name__ == "__main__":
    main()
