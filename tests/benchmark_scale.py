"""Prints how batch inference scales from one process to two, one thread each, and whether the outputs are equal bytes.

Asserts nothing. Start-up (about 5 s of loading libraries, in every process) is in the wall time and not in the work
time, so that a long list of subjects can be judged by the second. Run on an idle machine:
`python tests/benchmark_scale.py --subjects 24`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
SINGLE = "configs/inference.json"
SEVERAL = "['configs/inference.json','configs/multi_gpu_inference.json']"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def job(*arguments: str, processes: int = 1) -> float:
    """Seconds of one command in bundle/, one thread per process."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else ()), "-m", "monai.bundle", "run", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    started = time.perf_counter()
    subprocess.run(command, cwd=BUNDLE, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def measured(folder: Path, processes: int) -> tuple[dict[str, bytes], float, float, int]:
    """NIfTI files by name, seconds of the command, seconds of the work, slices."""
    out = folder / f"out_{processes}"
    config = SINGLE if processes == 1 else SEVERAL
    wall = job("--config_file", config, "--dataset_dir", str(folder / "data"), "--output_dir", str(out),
               processes=processes)  # fmt: skip
    run = json.loads((out / "run.json").read_text())
    files = {path.name: path.read_bytes() for path in sorted(out.rglob("*.nii.gz"))}
    return files, wall, run["seconds_total"], run["slices"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job("--config_file", "configs/make_phantom.json", "--subjects", str(options.subjects), "--stored_phases", "key",
            "--output_dir", str(folder / "data"))  # fmt: skip
        reference, wall_1, work_1, slices = measured(folder, 1)
        files, wall_n, work_n, _ = measured(folder, options.processes)
    say(f"{options.subjects} subjects, {slices} slices, one thread per process, {os.cpu_count()} processors")
    for processes, wall, work in ((1, wall_1, work_1), (options.processes, wall_n, work_n)):
        say(f"{processes} x 1: command {wall:6.1f} s, work {work:6.1f} s, {slices / work:5.2f} slices/s")
    say(f"throughput: work {work_1 / work_n:.2f} x, whole command {wall_1 / wall_n:.2f} x")
    say(f"{len(reference)} NIfTI files, equal bytes: {files == reference}")


if __name__ == "__main__":
    main()
