"""Hand-made phantom subjects and a reader of their DICOM export that knows nothing of the writer."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
from scripts.dicom.geometry import StackGeometry, affine_from_stack
from scripts.phantom.dicom.vendors import VENDORS_BY_NAME
from scripts.phantom.scanner.views import View
from scripts.phantom.subject import PhantomSubject

COLUMNS, ROWS, SLICES, PHASES = 24, 20, 3, 4
DESCRIPTIONS = {  # of cine, t2_stir, lge as PSIR
    "siemens": ("cine_tf2d_retro_sax", "t2_tirm_db_sax", "de_tfl2d_psir_sax_PSIR"),
    "philips": ("sBTFE_BH_SA", "T2W_STIR_BB_SA", "PSIR_TFE_BH_SA"),
    "ge": ("SAX FIESTA CINE", "SAX Triple IR FSE", "SAX PS:MDE"),
    "uih": ("bssfp_cine_sax_bh", "t2_fse_stir_bb_sax", "gre_psir_lge_sax_psir"),
}
VENDORS = tuple(DESCRIPTIONS)
# As ``changes`` of a subject: its DICOM in the varied style.
VARIED = {"phantom": {"seed": 7, "index": 12, "dicom_style": "varied"}}


def stack(kind: str) -> StackGeometry:
    row, column = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    if kind != "axial":
        row = np.array([0.612, 0.731, -0.302]) / np.linalg.norm([0.612, 0.731, -0.302])
        column = np.cross([0.66, -0.54, -0.52], row)  # the axis of a heart: left, forwards and down
        column /= np.linalg.norm(column)
    step = np.cross(row, column) * (-9.6 if kind == "reversed" else 9.6)
    return StackGeometry(row, column, np.array([-151.25, -98.7, 33.123456]), (1.5625, 1.71), step)


def subject(vendor: str = "siemens", geometry: str = "oblique", kind: str = "psir", **changes) -> PhantomSubject:
    """Random voxels, so that a swapped axis shows; ``changes`` replace meta keys."""
    rng, shape = np.random.default_rng(4), (COLUMNS, ROWS, SLICES)
    place = stack(geometry)
    volumes = {
        "cine": rng.integers(0, 3000, (*shape, PHASES)).astype(np.int16),
        "t2_stir": rng.integers(0, 3000, shape).astype(np.int16),
        "lge": rng.integers(0, 9000, shape).astype(np.uint16),
        "label": rng.integers(0, 6, shape).astype(np.uint8),
    }
    meta = {
        "vendor": vendor,
        "field_strength_t": 1.5,
        "sex": "female",
        "rr_interval_ms": 857.14,
        "cine_trigger_times_ms": [0.0, 214.3, 428.6, 642.9],
        "lge_trigger_time_ms": 600.5,
        "t2_stir_trigger_time_ms": 590.25,
        "slice_thickness_mm": 8.0,
        "slice_gap_mm": 1.6,
        "slice_pitch_mm": 9.6,
        "protocol": {
            "cine": {"tr_ms": 3.1, "te_ms": 1.4, "flip_deg": 55.0},
            "t2_stir": {"tr_ms": 1714.28, "te_ms": 71.0, "ti_ms": 170.0, "echo_train_length": 25},
            "lge": {"tr_ms": 7.5, "te_ms": 3.2, "flip_deg": 22.0, "ti_ms": [290.0, 300.0, 310.0], "kind": kind},
        },
        "breath_hold_shifts_mm": {"cine": [[0, 0, 0]] * 3, "t2_stir": [[5, 1, 2]] * 3, "lge": [[1, 3, 4]] * 3},
        "phantom": {"seed": 7, "index": 12},
    }
    views = [View("localiser", name, pixels(rng, 1), stack("axial"), 7.0) for name in ("axial", "coronal")]
    views += [View("cine_long_axis", name, pixels(rng, PHASES), stack("axial"), 6.0) for name in ("2ch", "4ch")]
    if kind == "psir":
        magnitude = rng.integers(0, 500, (*shape, 1)).astype(np.int16)
        views.append(View("lge_magnitude", "sax", magnitude, place, 8.0))
    return PhantomSubject("phantom_0012", volumes, affine_from_stack(place), place, meta | changes, tuple(views))


def pixels(rng: np.random.Generator, phases: int) -> np.ndarray:
    return rng.integers(0, 500, (COLUMNS, ROWS, 1, phases)).astype(np.int16)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def images(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in files(folder)]


def stacks_in(folder: Path) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """(SeriesDescription, ImageType) -> voxels (x, y, slice, phase) and RAS affine, slices sorted along the normal.

    Knows nothing of the writer: PS3.3 equation C.7.6.2.1-1, then x and y change sign.
    """
    groups = defaultdict(list)
    for image in images(folder):
        groups[image.SeriesDescription, "\\".join(image.ImageType)].append(image)
    return {key: _volume(group) for key, group in groups.items()}


def _volume(group: list[pydicom.Dataset]) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.array(group[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(row, column)
    depths = [round(float(normal @ np.array(image.ImagePositionPatient, dtype=float)), 3) for image in group]
    by_slice = [[g for g, d in zip(group, depths, strict=True) if d == depth] for depth in sorted(set(depths))]
    by_slice = [sorted(one, key=lambda image: float(image.get("TriggerTime", 0))) for one in by_slice]
    voxels = np.stack([np.stack([image.pixel_array.T for image in one], axis=-1) for one in by_slice], axis=2)
    first, last = (np.array(by_slice[k][0].ImagePositionPatient, dtype=float) for k in (0, -1))
    step = (last - first) / (len(by_slice) - 1) if len(by_slice) > 1 else normal
    between_rows, between_columns = (float(value) for value in group[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3] = np.stack([row * between_columns, column * between_rows, step, first], axis=1)
    affine[:2] *= -1
    return voxels, affine


def stack_of(folder: Path, vendor: str, sequence: str) -> tuple[np.ndarray, np.ndarray]:
    description = DESCRIPTIONS[vendor][("cine", "t2_stir", "lge").index(sequence)]
    kind = VENDORS_BY_NAME[vendor].styles["lge_psir" if sequence == "lge" else sequence].image_type
    return stacks_in(folder)[description, kind]


def series_of(folder: Path, description: str) -> list[pydicom.Dataset]:
    found = [image for image in images(folder) if image.SeriesDescription == description]
    return sorted(found, key=lambda image: (image.SeriesNumber, image.InstanceNumber))
