"""How files with faults are met: 1,000 NIfTI headers, 500 DICOM files, 200 JSON files, 300 weights; prints only.

``python benchmarks/fault_bench.py [share]``: share 0.1 makes a tenth of the tries. Every try changes one file of a
small phantom at random, from a fixed seed, and reads it as the jobs do. A fault is met when the file is read, or
refused with a message written for the user. ``escapes`` are errors of any other kind, and weights that load as others
than were written; ``hangs`` take more than 5 s. Memory is the largest of the process that makes the tries of a kind.
"""

import json
import multiprocessing
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))

import nibabel as nib
import numpy as np
import torch
from scripts.conventions import SSDiffError
from scripts.datasets.datalist import find_subjects
from scripts.dicom.study import StudyReader, UnreadableStudy
from scripts.phantom.cohort.cohort import PhantomCohort
from scripts.phantom.cohort.plans import CohortPlan
from scripts.phantom.parameters import PhantomParameters
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.runtime.weights import load_network_weights, load_weights, save_network_weights

HANG_SECONDS = 5
SUBJECT = "phantom_0001"
READ, REFUSED, ESCAPED, HUNG = "read", "refused in words", "escapes", "hangs"
ODD_NUMBERS = [0, -1, 1, 7, 2**15 - 1, -(2**15), 1e-6, 1e36, -1e36, float("nan"), float("inf"), 4.7e-39]
ODD_VALUES = [None, True, -1, 1e308, 10**400, "", "x" * 70_000, [], {}, [[]], {"a": {}}, "\x00", float("nan")]
# Of a NIfTI-1 header: place and struct format of each field that places or scales voxels.
HEADER_FIELDS = [
    (0, "i"), (40, "8h"), (70, "h"), (72, "h"), (76, "8f"), (108, "f"), (112, "2f"), (123, "B"), (252, "2h"),
    (256, "6f"), (280, "12f"), (344, "4s"),
]  # fmt: skip


class Hang(BaseException):
    """A try took too long."""


def flipped(content: bytes, rng: np.random.Generator, most: int | None = None) -> bytes:
    """Some bytes anew, within the first ``most``; now and then cut short."""
    changed = bytearray(content)
    for place in rng.integers(0, min(len(changed), most or len(changed)), rng.integers(1, 9)):
        changed[place] = int(rng.integers(0, 256))
    return bytes(changed[: rng.integers(1, len(changed))] if rng.random() < 0.1 else changed)


def odd_header(content: bytes, rng: np.random.Generator) -> bytes:
    """A NIfTI file, not compressed, with one to three header fields of odd values, or some bytes of it anew."""
    if rng.random() < 0.4:
        return flipped(content, rng, 352)
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        start, kind = HEADER_FIELDS[rng.integers(len(HEADER_FIELDS))]
        values = list(struct.unpack_from(f"<{kind}", changed, start))
        value, place = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))], int(rng.integers(len(values)))
        if kind.endswith("s"):
            values[place] = bytes(rng.integers(0, 256, 4, dtype=np.uint8))
        else:
            low, high = {"h": (-(2**15), 2**15 - 1), "i": (-(2**31), 2**31 - 1), "B": (0, 255)}.get(kind[-1], (0, 0))
            values[place] = float(value) if kind.endswith("f") else int(np.clip(np.nan_to_num(value), low, high))
        with np.errstate(over="ignore"):
            packed = np.array(values[place], "<f4").tobytes() if kind.endswith("f") else None
        if packed is None:
            struct.pack_into(f"<{kind}", changed, start, *values)
        else:
            changed[start + 4 * place : start + 4 * place + 4] = packed
    return bytes(changed)


def odd_json(content: bytes, rng: np.random.Generator) -> bytes:
    """A JSON file with one value anew at any depth, or some bytes of it."""
    if rng.random() < 0.3:
        return flipped(content, rng)
    whole = json.loads(content)
    place = whole
    while isinstance(place, (dict, list)) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.4:
            place[key] = ODD_VALUES[rng.integers(len(ODD_VALUES))]
            break
        place = place[key]
    return json.dumps(whole).encode()


def read_cohort(folder: Path) -> None:
    """As inference and training read a data set."""
    preprocessing = SubjectPreprocessing(crop_size=(32, 32), spacing_mm=5.6)
    for entry in find_subjects(folder):
        preprocessing(entry)


def read_study(folder: Path) -> None:
    """As an import reads DICOM."""
    for study in StudyReader(folder).studies():
        if isinstance(study, UnreadableStudy):
            raise study.error


def read_weights(path: Path) -> None:
    """As a job loads weights, which then have to be those that were written."""
    network = small_network()
    load_network_weights(network, load_weights(path), path)
    written = small_network().state_dict()
    if not all(torch.equal(value, written[name]) for name, value in network.state_dict().items()):
        raise AssertionError("other weights than were written")


def small_network() -> torch.nn.Module:
    """The same each time."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Linear(32, 4))


def try_one(path: Path, content: bytes, read: Callable[[Path], None], target: Path) -> str:
    """What becomes of ``target`` read when the file at ``path`` has ``content``."""
    path.write_bytes(content)
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(HANG_SECONDS)
    try:
        read(target)
        return READ
    except SSDiffError:
        return REFUSED
    except Hang:
        return HUNG
    except Exception as error:
        return f"{ESCAPED}: {type(error).__name__}"
    finally:
        signal.alarm(0)


def _hang(*_: object) -> None:
    raise Hang


def tries(kind: str, count: int, folder: Path, results: multiprocessing.Queue) -> None:
    """All tries of one kind, in a process of their own."""
    torch.set_num_threads(1)
    paths, change, read, target = kinds(folder)[kind]
    rng, found, slowest = np.random.default_rng(0), Counter[str](), 0.0
    for n in range(count):
        path = paths[n % len(paths)]
        whole, started = path.read_bytes(), time.perf_counter()
        found[try_one(path, change(whole, rng), read, target)] += 1
        slowest = max(slowest, time.perf_counter() - started)
        path.write_bytes(whole)
    results.put((found, slowest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def kinds(folder: Path) -> dict[str, tuple]:
    """Per kind: the files to change, how, and what reads them."""
    images = sorted((folder / "nifti" / SUBJECT).glob("*.nii"))
    dicom = sorted(path for path in (folder / "dicom").rglob("*") if path.is_file() and path.suffix != ".json")
    listed = [folder / "nifti" / SUBJECT / "meta.json", folder / "nifti" / "dataset.json"]
    weights = folder / "model.pt"
    return {
        "NIfTI headers": (images, odd_header, read_cohort, folder / "nifti"),
        "DICOM files": (dicom, lambda content, rng: flipped(content, rng, 3000), read_study, folder / "dicom"),
        "meta.json, dataset.json": (listed, odd_json, read_cohort, folder / "nifti"),
        "weights": ([weights], flipped, read_weights, weights),
    }


def prepared(folder: Path) -> None:
    """A small phantom as NIfTI, not compressed, and as DICOM; weights."""
    parameters = PhantomParameters(phases=3, slices=3)
    for name in ("nifti", "dicom"):
        plan = CohortPlan(1, seed=3, parameters=parameters, file_format=name)
        PhantomCohort(str(folder / name), plan, num_workers=1).run()
    for path in (folder / "nifti" / SUBJECT).glob("*.nii.gz"):
        nib.save(nib.load(path), path.with_suffix(""))
        path.unlink()
    listed = folder / "nifti" / "dataset.json"
    listed.write_text(listed.read_text().replace(".nii.gz", ".nii"))
    save_network_weights(small_network(), folder / "model.pt")
    (folder / "model.pt.sha256").unlink()


def main() -> None:
    """One line per kind of file."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    counts = {"NIfTI headers": 1000, "DICOM files": 500, "meta.json, dataset.json": 200, "weights": 300}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder)
        for kind, count in counts.items():
            results: multiprocessing.Queue = multiprocessing.get_context("fork").Queue()
            job = multiprocessing.get_context("fork").Process(
                target=tries, args=(kind, max(1, int(count * share)), folder, results)
            )
            job.start()
            found, slowest, peak_mb = results.get()
            job.join()
            parts = ", ".join(f"{what} {number}" for what, number in sorted(found.items()))
            sys.stdout.write(f"{kind}: {parts}; slowest {slowest:.2f} s, peak {peak_mb:.0f} MB\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
