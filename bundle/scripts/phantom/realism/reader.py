"""Independent reader: two small networks trained on patients judge how real the phantom looks. Optional.

The networks (ACDC cine, EMIDEC LGE) come with the PyPI package myopari (MIT): ``pip install --no-deps --target DIR
myopari onnxruntime`` and reader_dir = DIR/myopari/Resources. Never train on it, never select a model by it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from ...conventions import ConfigError, NotMeasurable
from .labels import BLOOD, INFARCT_CODES, RV_BLOOD, WALL_CODES, lesion_sizes
from .subject import Measures, SubjectOnDisk
from .targets import Realised, Target, healthy, infarcted, mean, share

FILES = {"acdc": "tiramisu_acdc_fp32.onnx", "emidec": "tiramisu_emidec_fp32.onnx"}
# Class of the network -> disk code: ACDC 1 RV, 2 myocardium, 3 LV; EMIDEC as conventions.LABEL_NAMES.
_TO_CODE = {"acdc": np.array([0, 6, 2, 1], np.uint8), "emidec": np.array([0, 1, 2, 3, 4], np.uint8)}
# Square the network sees, mm, around the labelled LV; None the whole image. The networks depend on the field they
# were trained with: on the whole 340-380 mm of a phantom the EMIDEC network finds nothing at all and the ACDC network
# reaches an RV Dice of 0.55; from 150 to 180 mm (EMIDEC) and 170 to 300 mm (ACDC) little changes.
_FIELD_MM = {"acdc": 250.0, "emidec": 165.0}
_SIZE = 256
_WINDOW_PERCENT = (0.05, 99.05)
LARGE_INFARCT_PERCENT = 8.0
NO_INFARCT_FOUND_PERCENT = 1.0
_READINGS = (("cine", "acdc", ("blood", "wall", "rv")), ("lge", "emidec", ("blood", "wall", "infarct")))
_BLOCK, _SOURCE = "independent reader", "myopari (MIT)"


class IndependentReader:
    """Segments one subject with the two networks.

    Args:
        reader_dir: folder with the two .onnx files.
        threads: processor threads of a network.
    Raises:
        NotMeasurable: not installed; says what is missing.
        ConfigError: ``reader_dir`` is given and does not exist.
    """

    def __init__(self, reader_dir: str, threads: int = 1) -> None:
        if not str(reader_dir):
            raise NotMeasurable("no independent reader: reader_dir is empty (docs/PHANTOM.md says how to install it)")
        folder = Path(str(reader_dir)).expanduser()
        if not folder.is_dir():
            raise ConfigError(
                f"reader_dir: found nothing at {folder}, expected a folder with {' and '.join(FILES.values())}. "
                "Fix: correct --reader_dir, or leave it out to skip the independent reader."
            )
        missing = [name for name in FILES.values() if not (folder / name).is_file()]
        if missing:
            raise NotMeasurable(f"no independent reader: reader_dir holds no {', '.join(missing)}")
        try:
            onnxruntime = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise NotMeasurable("no independent reader: the package onnxruntime is not installed") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads)
        self.networks = {
            key: onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
            for key, name in FILES.items()
        }

    def read(self, subject: SubjectOnDisk, measures: Measures) -> None:
        """Adds the Dice values and the infarct size the reader finds to ``measures``."""

        pixel_mm = float(np.linalg.norm(subject.affine[:3, 0]))
        found: dict[str, np.ndarray] = {}

        def compare(sequence: str, key: str, structures: tuple[str, ...]) -> dict[str, float]:
            image = _image(subject, sequence)
            image = image[..., subject.label_phase] if image.ndim == 4 else image
            box = field_box(subject.label, pixel_mm, _FIELD_MM[key])
            found[sequence] = segment(image, self.networks[key], key, box)
            dice = agreement(found[sequence], subject.label)
            return {f"reader_{sequence}_{name}": dice[name] for name in structures if name in dice}

        def size() -> float:
            if "lge" not in found or not np.isin(found["lge"], WALL_CODES).any():
                raise NotMeasurable("the reader found no LV wall in LGE")
            return lesion_sizes(found["lge"])["infarct"]

        for sequence, key, structures in _READINGS:
            names = tuple(f"reader_{sequence}_{name}" for name in structures)
            measures.record(names, partial(compare, sequence, key, structures))
        measures.record(("reader_infarct",), size)


class LgeReader:
    """The EMIDEC network alone, for the images of an evaluation: (X, Y, S) of any scale to disk codes.

    Args:
        reader_dir, threads: as IndependentReader's.
    Raises:
        NotMeasurable, ConfigError: as IndependentReader.
    """

    def __init__(self, reader_dir: str, threads: int = 1) -> None:
        self.reader_dir, self.threads, self._network = reader_dir, threads, None

    def __call__(self, lge: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
        """Label map on the image's grid, from 165 mm around its middle; the first call loads the network."""
        if self._network is None:
            self._network = IndependentReader(self.reader_dir, self.threads).networks["emidec"]
        box = field_box(np.zeros(lge.shape, np.uint8), float(spacing_mm[0]), None)
        side = min(int(round(_FIELD_MM["emidec"] / float(spacing_mm[0]))), *lge.shape[:2])
        x, y = (start + (box[2] - side) // 2 for start in box[:2])
        return segment(lge, self._network, "emidec", (x, y, side))


def field_box(label: np.ndarray, pixel_mm: float, field_mm: float | None) -> tuple[int, int, int]:
    """First x, first y and width, pixels, of the square a network sees: ``field_mm`` around the labelled LV, kept
    inside the image; the middle square of the image when ``field_mm`` is None or nothing is labelled.
    """
    shape = np.array(label.shape[:2])
    heart = np.argwhere(np.isin(label, (BLOOD, *WALL_CODES)).any(axis=2))
    if field_mm is None or not len(heart):
        n = int(shape.min())
        low = (shape - n) // 2
    else:
        n = min(int(round(field_mm / pixel_mm)), int(shape.min()))
        low = np.clip(np.rint(heart.mean(axis=0) - n / 2).astype(int), 0, shape - n)
    return int(low[0]), int(low[1]), n


def segment(volume: np.ndarray, network: Any, key: str, box: tuple[int, int, int]) -> np.ndarray:
    """Disk codes (X, Y, S), uint8, of a stack (X, Y, S); background outside ``box``.

    Args:
        volume: any scale. network: an onnxruntime session, (1, 1, 256, 256) to (1, class, 256, 256).
        box: as field_box gives it.
    Raises:
        NotMeasurable: the volume is constant.
    """
    x, y, n = box
    seen = volume[x : x + n, y : y + n]
    positive = seen[seen > 0]
    low, high = np.percentile(positive, _WINDOW_PERCENT) if positive.size else (0.0, 0.0)
    if high <= low:
        raise NotMeasurable("the image is constant")
    scaled = np.clip((seen - low) / (high - low), 0.0, 1.0).astype(np.float32)
    found = np.zeros(volume.shape, np.uint8)
    name = network.get_inputs()[0].name
    for s in range(volume.shape[2]):
        image = _resized(scaled[..., s], _SIZE, order=1)
        classes = np.asarray(network.run(None, {name: image[None, None]})[0])[0].argmax(axis=0)
        found[x : x + n, y : y + n, s] = _TO_CODE[key][_resized(classes.astype(np.uint8), n, order=0)]
    return found


def agreement(found: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Dice of ``blood``, ``wall`` (with infarct and oedema), ``rv`` and ``infarct``, over the volume.

    A structure that neither holds is left out.
    """
    groups = {"blood": (BLOOD,), "wall": WALL_CODES, "rv": (RV_BLOOD,), "infarct": INFARCT_CODES}
    result = {}
    for name, codes in groups.items():
        a, b = np.isin(found, codes), np.isin(label, codes)
        if a.any() or b.any():
            result[name] = 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())
    return result


def reader_targets(reason: str = "") -> list[Target]:
    """Rows of the independent reader; with ``reason`` each one says why it was not measured."""
    rows = [
        ("cine blood, Dice, mean", ">= 0.93", 0.93, mean("reader_cine_blood")),
        ("cine wall, Dice, mean", ">= 0.82", 0.82, mean("reader_cine_wall")),
        ("cine RV, Dice, mean", ">= 0.80", 0.80, mean("reader_cine_rv")),
        ("LGE blood, Dice, mean", ">= 0.92", 0.92, mean("reader_lge_blood")),
        ("LGE wall, Dice, mean", ">= 0.85", 0.85, mean("reader_lge_wall")),
        ("LGE infarct above 8 %LV, Dice, mean", ">= 0.60", 0.60, mean("reader_lge_infarct", _large)),
        ("infarct size, R with the truth", ">= 0.85", 0.85, _size_correlation),
    ]
    targets = [Target(_BLOCK, text, goal, _SOURCE, low, 1.0, measure) for text, goal, low, measure in rows]
    clean = share("reader_infarct", lambda percent: percent < NO_INFARCT_FOUND_PERCENT, healthy)
    quantity = "healthy with less than 1 %LV infarct found, %"
    targets.append(Target(_BLOCK, quantity, ">= 85", _SOURCE, 85.0, 100.0, clean))
    if not reason:
        return targets

    def skipped(cohort: Sequence[Measures]) -> Realised:
        raise NotMeasurable(reason)

    return [Target(t.block, t.quantity, t.published, t.source, t.low, t.high, skipped) for t in targets]


def _large(cohort: Sequence[Measures]) -> list[Measures]:
    return [one for one in cohort if one.values.get("infarct", 0.0) > LARGE_INFARCT_PERCENT]


def _size_correlation(cohort: Sequence[Measures]) -> Realised:
    pairs = [(one.values["infarct"], one.values["reader_infarct"]) for one in cohort if "reader_infarct" in one.values]
    if len(infarcted(cohort)) < 3 or len(pairs) < 3 or min(np.std(pairs, axis=0)) == 0:
        raise NotMeasurable(f"{len(pairs)} subjects read, or sizes that do not vary")
    truth, found = np.array(pairs).T
    bias = f"bias {np.mean(found - truth):+.1f} %LV"
    return Realised(float(np.corrcoef(truth, found)[0, 1]), len(pairs), bias)


def _image(subject: SubjectOnDisk, key: str) -> np.ndarray:
    if key not in subject.images:
        raise NotMeasurable(subject.missing.get(key, f"there is no {key}"))
    return subject.images[key]


def _resized(image: np.ndarray, size: int, order: int) -> np.ndarray:
    """Square image (n, n) to (size, size), pixel areas aligned; smoothed first where it loses pixels."""
    n = image.shape[0]
    if n == size:
        return image
    if order and n > size:
        image = ndimage.gaussian_filter(image, (n / size - 1) / 2)
    at = (np.arange(size) + 0.5) * n / size - 0.5
    grid = np.meshgrid(at, at, indexing="ij")
    return ndimage.map_coordinates(image, grid, order=order, mode="nearest")
