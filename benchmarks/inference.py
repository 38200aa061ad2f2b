"""`make bench`: speed and memory of training and inference on this machine; prints, asserts nothing.

Uses a freshly made phantom and the shipped weights, all cores unless OMP_NUM_THREADS says otherwise.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))

import torch
from scripts.diffusion.inferers import SLICES_PER_PASS, DenoisingInferer
from scripts.diffusion.loss import JointLoss
from scripts.diffusion.prepare_batch import TrainingBatch
from scripts.diffusion.process import JointProcess
from scripts.networks.trunk import TrunkUNet
from scripts.phantom.cohort.cohort import PhantomCohort
from scripts.phantom.cohort.plans import CohortPlan
from scripts.phantom.parameters import PhantomParameters
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.runtime.weights import load_network_weights, load_weights

CONFIG = json.loads((BUNDLE / "configs/inference.json").read_text())
STEPS, CLASSES, SIDE = CONFIG["steps"], CONFIG["num_classes"], SubjectPreprocessing().crop_size[0]


def say(name: str, value: float, unit: str) -> None:
    """One line of the result."""
    sys.stdout.write(f"{name:58s} {value:10.3f} {unit}\n")
    sys.stdout.flush()


def seconds(action, repeats: int = 5) -> float:
    """Median wall time of an action after one warm-up."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return sorted(times)[repeats // 2]


def measure_network(network: TrunkUNet) -> None:
    """Time of one network pass and of encoding, per slice."""
    network = network.to(memory_format=torch.channels_last).eval()
    for batch in (1, SLICES_PER_PASS, 8):
        image = torch.rand(batch, 4, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        state, timesteps = torch.randn(batch, CLASSES + 1, SIDE, SIDE), torch.full((batch,), 500)
        with torch.no_grad():
            conditions = network.encode(image)
            once = seconds(lambda n=network, s=state, t=timesteps, c=conditions: n.denoise(s, t, c))
            encode = seconds(lambda n=network, i=image: n.encode(i))
        say(f"network pass, {SIDE}x{SIDE}, batch {batch}", once * 1000, "ms per pass")
        say(f"network pass, {SIDE}x{SIDE}, batch {batch}", once / batch * 1000, "ms per slice")
        say(f"condition encoding, once per slice, batch {batch}", encode / batch * 1000, "ms per slice")


def measure_training() -> None:
    """Time of one training step per sample, batch 8, with and without bfloat16."""
    shares = CONFIG["process"]["given_shares"]
    process = JointProcess(CLASSES, given_shares=shares, trained_steps=STEPS)
    network = TrunkUNet(num_classes=CLASSES)
    loss, prepare = JointLoss(num_classes=CLASSES), TrainingBatch(process)
    optimizer = torch.optim.AdamW(network.parameters())
    batch = {
        "image": torch.rand(8, 4, SIDE, SIDE),
        "lge": torch.rand(8, 1, SIDE, SIDE),
        "label": torch.randint(0, CLASSES, (8, 1, SIDE, SIDE)),
        "available": torch.ones(8, 2),
        "vendor": torch.zeros(8, dtype=torch.long),
    }
    for amp in (False, True):
        inferer = DenoisingInferer(process, amp)

        def step(inferer=inferer) -> None:
            image, target, _, arguments = prepare(batch, torch.device("cpu"))
            optimizer.zero_grad()
            loss(inferer(image, network, **arguments), target).backward()
            optimizer.step()

        once = seconds(step, 3)
        say(f"training step, batch 8, amp {str(amp).lower()}", once / 8, "s per sample")
        say(f"training step, batch 8, amp {str(amp).lower()}", 8 / once, "images/s")


def measure_phantom(folder: Path) -> None:
    """Subjects of 10 slices in one process; the automatic cohort and the study are estimated from them."""
    cores = min(os.cpu_count() or 1, 2)
    for stored, size in (("all", 4), ("key", 8)):
        plan = CohortPlan(size, seed=1, parameters=PhantomParameters(stored_phases=stored, slices=10))
        started = time.perf_counter()
        PhantomCohort(folder / stored, plan, num_workers=1).run()
        once = (time.perf_counter() - started) / size
        megabytes = sum(path.stat().st_size for path in (folder / stored).rglob("*.gz")) / size / 1e6
        say(f"phantom subject, 10 slices, 25 phases, {stored} stored, one core", once, "s")
        say(f"  size on disk, {stored} phases stored", megabytes, "MB")
    say(f"  64 subjects of the automatic cohort, {cores} processes, estimated", 64 * once / cores / 60, "min")
    say(f"  409 subjects of the default study, {cores} processes, estimated", 409 * once / cores / 60, "min")
    say("  peak memory of the process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "GB")


def measure_inference(folder: Path) -> None:
    """A whole inference job on two subjects, from process start to exit."""
    PhantomCohort(folder / "in", CohortPlan(2, seed=1), num_workers=1).run()
    arguments = [
        "--config_file",
        "configs/inference.json",
        "--dataset_dir",
        folder / "in",
        "--output_dir",
        folder / "out",
    ]
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", *map(str, arguments)]
    started = time.perf_counter()
    subprocess.run(command, cwd=BUNDLE, check=True, capture_output=True)
    wall = time.perf_counter() - started
    run = json.loads((folder / "out/run.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    say("inference job, 2 subjects, process start to exit", wall, "s")
    say("  start-up (imports, configs, weights) and shutdown", wall - run["seconds_total"], "s")
    say("  network passes per slice (encoding apart)", STEPS, "")
    say("  per slice, all work", run["seconds_per_slice"], "s")
    say("  per 10-slice subject, all work", run["seconds_per_slice"] * 10, "s")
    say("  share of the time outside the network", 100 * (1 - run["seconds_network"] / run["seconds_total"]), "%")
    say("  peak memory of the process", peak, "GB")


def main() -> None:
    """All measurements, on the machine as it is."""
    sys.stdout.write(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
                     f"{torch.get_num_threads()} threads\n")  # fmt: skip
    network = TrunkUNet(num_classes=CLASSES)
    load_network_weights(network, load_weights(BUNDLE / "models/model.pt"), BUNDLE / "models/model.pt")
    say("parameters", sum(p.numel() for p in network.parameters()) / 1e6, "million")
    measure_network(network)
    measure_training()
    with tempfile.TemporaryDirectory() as folder:
        measure_phantom(Path(folder))
        measure_inference(Path(folder))


if __name__ == "__main__":
    main()
