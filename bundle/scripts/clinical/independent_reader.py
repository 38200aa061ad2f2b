"""Two small networks trained on patients read cine and LGE: a judge of images, never a teacher. Optional.

The networks (ACDC cine, EMIDEC LGE) come with the PyPI package myopari (MIT): ``pip install --no-deps --target DIR
myopari onnxruntime`` and reader_dir = DIR/myopari/Resources. Never train on it, never select a model by it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import ndimage

from ..conventions import LABEL_NAMES, ConfigError, NotMeasurable
from .volumes import structure_mask

ACDC, EMIDEC = "acdc", "emidec"
FILES = {ACDC: "tiramisu_acdc_fp32.onnx", EMIDEC: "tiramisu_emidec_fp32.onnx"}
# Disk code of each class of a network.
_CLASSES = {
    ACDC: ("background", "rv_blood_pool", "myocardium", "lv_blood_pool"),
    EMIDEC: ("background", "lv_blood_pool", "myocardium", "infarct", "no_reflow"),
}
_TO_CODE = {key: np.array([LABEL_NAMES.index(name) for name in own], np.uint8) for key, own in _CLASSES.items()}
# Square the network sees, mm, around the labelled LV. The networks depend on the field they were trained with: on the
# whole 340-380 mm of a phantom the EMIDEC network finds nothing at all and the ACDC network reaches an RV Dice of 0.55;
# from 150 to 180 mm (EMIDEC) and 170 to 300 mm (ACDC) little changes.
_FIELD_MM = {ACDC: 250.0, EMIDEC: 165.0}
_SIZE = 256
_WINDOW_PERCENT = (0.05, 99.05)
Box = tuple[int, int, int]  # first x, first y and width of a square, pixels


class _Input(Protocol):
    name: str


class Network(Protocol):
    """What is used of an onnxruntime session: (1, 1, 256, 256) to (1, class, 256, 256)."""

    def get_inputs(self) -> Sequence[_Input]:
        """Its inputs, with their names."""

    def run(self, outputs: Sequence[str] | None, feed: dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        """Its outputs."""


class IndependentReader:
    """Label maps that the two networks give, disk codes; they are loaded by the first reading, or by ``load``.

    Args:
        reader_dir: folder with the two .onnx files. threads: processor threads of a network.
    """

    def __init__(self, reader_dir: str, threads: int = 1) -> None:
        self.reader_dir, self.threads = str(reader_dir), int(threads)
        self._networks: dict[str, Network] = {}

    def load(self) -> None:
        """Loads the networks.

        Raises:
            NotMeasurable: not installed; says what is missing.
            ConfigError: ``reader_dir`` is given and does not exist.
        """
        if not self._networks:
            self._networks = load_networks(self.reader_dir, self.threads)

    def read_heart(self, volume: np.ndarray, key: str, label: np.ndarray, pixel_mm: float) -> np.ndarray:
        """Label map of a stack (X, Y, S) of any scale, seen around the LV of ``label``, (X, Y, S), disk codes.

        Args:
            key: ACDC for cine, EMIDEC for LGE.
        Raises:
            NotMeasurable, ConfigError: as ``load``; NotMeasurable: the image is constant.
        """
        self.load()
        return segment(volume, self._networks[key], key, field_box(label, pixel_mm, _FIELD_MM[key]))

    def read_lge(self, lge: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
        """Label map of an LGE (X, Y, S) of any scale with the heart in the middle, from 165 mm around it.

        Raises:
            NotMeasurable, ConfigError: as ``read_heart``.
        """
        self.load()
        x, y, width = field_box(np.zeros(lge.shape, np.uint8), float(spacing_mm[0]), None)
        side = min(int(round(_FIELD_MM[EMIDEC] / float(spacing_mm[0]))), *lge.shape[:2])
        margin = (width - side) // 2
        return segment(lge, self._networks[EMIDEC], EMIDEC, (x + margin, y + margin, side))


def load_networks(reader_dir: str, threads: int) -> dict[str, Network]:
    """The networks of FILES by name. Raises as ``IndependentReader.load``."""
    if not reader_dir:
        raise NotMeasurable("no independent reader: reader_dir is empty (docs/PHANTOM.md says how to install it)")
    folder = Path(reader_dir).expanduser()
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
    options.intra_op_num_threads = threads
    return {
        key: onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        for key, name in FILES.items()
    }


def field_box(label: np.ndarray, pixel_mm: float, field_mm: float | None) -> Box:
    """The square a network sees: ``field_mm`` around the labelled LV, kept inside the image; the middle square of the
    image when ``field_mm`` is None or nothing is labelled.

    Args:
        label: (X, Y, S), disk codes.
    """
    shape = np.array(label.shape[:2])
    left_ventricle = structure_mask(label, "lv_blood_pool") | structure_mask(label, "lv_myocardium")
    heart = np.argwhere(left_ventricle.any(axis=2))
    if field_mm is None or not len(heart):
        n = int(shape.min())
        low = (shape - n) // 2
    else:
        n = min(int(round(field_mm / pixel_mm)), int(shape.min()))
        low = np.clip(np.rint(heart.mean(axis=0) - n / 2).astype(int), 0, shape - n)
    return int(low[0]), int(low[1]), n


def segment(volume: np.ndarray, network: Network, key: str, box: Box) -> np.ndarray:
    """Disk codes (X, Y, S), uint8, of a stack (X, Y, S); background outside ``box``.

    Args:
        volume: any scale. key: ACDC or EMIDEC, whose classes the network gives. box: as field_box gives it.
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
        plane = _resized(scaled[..., s], _SIZE, order=1)
        classes = np.asarray(network.run(None, {name: plane[None, None]})[0])[0].argmax(axis=0)
        found[x : x + n, y : y + n, s] = _TO_CODE[key][_resized(classes.astype(np.uint8), n, order=0)]
    return found


def _resized(plane: np.ndarray, size: int, order: int) -> np.ndarray:
    """Square slice (n, n) to (size, size), pixel areas aligned; smoothed first where it loses pixels."""
    n = plane.shape[0]
    if n == size:
        return plane
    if order and n > size:
        plane = ndimage.gaussian_filter(plane, (n / size - 1) / 2)
    at = (np.arange(size) + 0.5) * n / size - 0.5
    grid = np.meshgrid(at, at, indexing="ij")
    return ndimage.map_coordinates(plane, grid, order=order, mode="nearest")
