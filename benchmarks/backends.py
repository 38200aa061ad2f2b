"""Seconds per slice and agreement with PyTorch of each backend on this machine's CPU; prints, asserts nothing.

``python benchmarks/backends.py [--all]``; --all adds what is slow to make or to run (torch.compile, int8
convolutions). Shipped weights, 96x96, encoder once and denoiser at every step, batch 4 and 1. The backends take
turns, so that a busy machine hits all alike: read the ratios.
"""

import json
import logging
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))

import torch
from monai.bundle import ConfigParser
from scripts.datasets.datalist import subjects_to_infer
from scripts.diffusion.inferers import SLICES_PER_PASS
from scripts.export.exported_network import FORMATS, ExportedNetwork
from scripts.export.formats import serialise, signature
from scripts.phantom.cohort.cohort import PhantomCohort
from scripts.phantom.cohort.plans import CohortPlan
from scripts.runtime.weights import load_network_weights, load_weights

BASE, REPEATS = "torch, channels-last", 9


class Variant:
    """Another way to run the two calls; ``around`` is entered for each."""

    def __init__(self, encode, denoise, around) -> None:
        self._encode, self._denoise, self._around = encode, denoise, around

    def encode(self, *arguments):
        """As JointUNet's."""
        with self._around():
            return self._encode(*arguments)

    def denoise(self, *arguments):
        """As JointUNet's, in float32."""
        with self._around():
            return self._denoise(*arguments).float()


@contextmanager
def bfloat16():
    """Autocast of the CPU."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


def say(text: str) -> None:
    """One line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def exported(network, described, files, file_format, change=None):
    """An ExportedNetwork, its TorchScript parts changed where wanted."""
    made = ExportedNetwork(files, file_format, described, network.size_divisor)
    if change:
        made.parts = {part: change(torch.jit.load(str(path)).eval()) for part, path in files.items()}
    return made


def quantised(files, kinds, folder):
    """The same ONNX files with int8 weights in these layers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)
    folder.mkdir()
    for path in files.values():
        quantize_dynamic(path, folder / path.name, weight_type=QuantType.QInt8, op_types_to_quantize=kinds)
    logging.disable(logging.NOTSET)
    return {part: folder / path.name for part, path in files.items()}


def variants(network, folder, everything):
    """Name to a function that makes the variant."""
    described, files = signature(network), {}
    for file_format in FORMATS:
        started, files[file_format] = time.perf_counter(), {}
        for part, content in serialise(network, file_format, {}).items():
            files[file_format][part] = folder / f"{part}.{file_format}"
            files[file_format][part].write_bytes(content)
        say(f"export to {file_format}: {time.perf_counter() - started:.0f} s")
    script, onnx = files["torchscript"], files["onnx"]

    def open_quantised(kinds):
        return exported(network, described, quantised(onnx, kinds, folder / "_".join(kinds)), "onnx")

    found = {
        BASE: lambda: network,
        "torch, bfloat16 autocast": lambda: Variant(network.encode, network.denoise, bfloat16),
        "torchscript": lambda: exported(network, described, script, "torchscript"),
        "torchscript, frozen": lambda: exported(network, described, script, "torchscript", torch.jit.freeze),
        "torchscript, optimize_for_inference": lambda: exported(
            network, described, script, "torchscript", torch.jit.optimize_for_inference
        ),
        "onnx": lambda: exported(network, described, onnx, "onnx"),
        "onnx, int8 MatMul and Gemm": lambda: open_quantised(["MatMul", "Gemm"]),
    }
    if everything:
        found["onnx, int8 Conv too"] = lambda: open_quantised(["MatMul", "Gemm", "Conv"])
        found["torch.compile"] = lambda: Variant(network.encode, torch.compile(network.denoise), torch.no_grad)
    return found


def slice_pass(network, batch: int, steps: int):
    """A function that does what one pass of the sampler asks of the network."""
    generator = torch.Generator().manual_seed(0)
    layout = {"memory_format": torch.channels_last}
    image = (torch.rand(batch, 4, 96, 96, generator=generator) * 2 - 1).contiguous(**layout)
    state = torch.randn(batch, 7, 96, 96, generator=generator).contiguous(**layout)
    times = [torch.full((batch,), t) for t in torch.linspace(999, 100, steps).long().tolist()]

    def run():
        conditions = network.encode(image, torch.ones(batch, 2), torch.zeros(batch, dtype=torch.long))
        for t in times:
            network.denoise(state, t, conditions)

    return run


def first_words(error: Exception) -> str:
    """The last line of an error, short: TorchScript puts its reason there."""
    return str(error).strip().splitlines()[-1][:100]


def usable(made, item, inferer):
    """Variants that run, with their samples of one subject; says which do not, and why."""
    networks, samples = {}, {}
    for name, make in made.items():
        try:
            network = make()
            for _ in range(2):  # TorchScript compiles in its second run
                samples[name] = inferer(item["image"][None], network, item["available"][None], None, ["bench"])
            networks[name] = network
        except Exception as error:  # whatever a tool that is tried here throws is its result
            say(f"{name:36s} does not run: {first_words(error)}")
    return networks, samples


def main() -> None:
    """Export, agreement on a phantom subject, time."""
    torch.set_grad_enabled(False)
    parser = ConfigParser(ConfigParser.load_config_file(str(BUNDLE / "configs/inference.json")))
    parser["bundle_root"], parser["device"] = str(BUNDLE), "cpu"
    network, path = parser.get_parsed_content("network_def"), BUNDLE / "models/model.pt"
    load_network_weights(network, load_weights(path), path)
    network = network.to(memory_format=torch.channels_last).eval()
    say(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        PhantomCohort(folder / "in", CohortPlan(1, seed=1), num_workers=1).run()
        (entry,) = subjects_to_infer(str(folder / "in"), str(folder / "out"), True)
        item = parser.get_parsed_content("preprocessing")(entry)
        made = variants(network, folder, "--all" in sys.argv)
        networks, samples = usable(made, item, parser.get_parsed_content("inferer"))
        for name, sample in samples.items():
            off = (sample - samples[BASE]).abs()
            other = (sample[0, :4].argmax(0) != samples[BASE][0, :4].argmax(0)).float().mean()
            say(f"{name:36s} sampled subject: max {off.max():.1e}, LGE mean {off[0, 4].mean():.1e}, labels {other:.1e}")
        measure(networks, parser.get_parsed_content("steps"))


def measure(networks, steps: int) -> None:
    """Seconds per slice and the ratio to PyTorch, median over turns."""
    result = {}
    for batch in (SLICES_PER_PASS, 1):
        runs = {name: slice_pass(network, batch, steps) for name, network in networks.items()}
        times = {name: [] for name in runs}
        for turn in range(REPEATS + 2):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                if turn > 1:
                    times[name].append((time.perf_counter() - started) / batch)
        for name in runs:
            ratio = statistics.median(a / b for a, b in zip(times[name], times[BASE], strict=True))
            result[f"{name}, batch {batch}"] = {"s": round(statistics.median(times[name]), 4), "ratio": round(ratio, 3)}
            say(f"{name:36s} batch {batch}: {statistics.median(times[name]):.3f} s per slice, {ratio:.2f} x torch")
    say(json.dumps(result))


if __name__ == "__main__":
    main()
