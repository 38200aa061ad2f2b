"""One subject's result in memory: checked arrays, the numbers of result.json, what the preview shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import conventions
from ..clinical.assessment import assess_subject
from ..clinical.quality import CineDoubt, Flag
from ..conventions import DataError
from ..preprocessing.image_check import AcquiredImages, image_flags
from ..reports.preview import Panels, preview_png
from ..runtime.provenance import public_config, without_folders
from ..volumes.file_grid import FileGrid
from ..volumes.nifti_writing import nifti_bytes
from . import outputs
from .ledger import Failure
from .size_interval import NO_SIZE_UNCERTAINTY, SIZE_UNCERTAINTY, uncertainty_for
from .subject_item import SubjectItem

SCHEMA_VERSION = 1

RANGE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class SubjectResult:
    """What inference found for one subject.

    Args:
        subject: its name.
        affine: (4, 4) float64, voxel index to mm (RAS), of the cine grid.
        volumes: kind of file (outputs.VIRTUAL_LGE ...) to (X, Y, S) on that grid, in the order they are listed.
        record: the content of result.json but for ``files``; ``seconds`` has no total yet.
        panels: what the preview shows.
        file_grid: axes and header of the cine's file, which the files of the volumes share.
    """

    subject: str
    affine: np.ndarray
    volumes: dict[str, np.ndarray]
    record: dict[str, Any]
    panels: Panels
    file_grid: FileGrid = field(default=FileGrid())

    def image_files(self, preview: bool) -> dict[str, bytes]:
        """Kind of file to its bytes: the volumes, and the preview if wanted. The same result gives the same bytes."""
        affine, header = self.file_grid.affine(self.affine), self.file_grid.header
        files = {
            kind: nifti_bytes(self.file_grid.array(volume), affine, header) for kind, volume in self.volumes.items()
        }
        if preview:
            files[outputs.PREVIEW] = preview_png(self.panels, self.affine, self.subject)
        return files


def subject_result(item: SubjectItem, provenance: Mapping[str, Any]) -> SubjectResult:
    """Checks, measures and gathers what an evaluator gave for one subject.

    Args:
        item: batch and output of the engine, brought back to the cine grid.
        provenance: versions and weights, as runtime.provenance gives them.
    Raises:
        DataError: an array cannot be a result, see ``checked_volumes``.
        ConfigError: an array is missing.
    """
    affine = item.array("cine_affine", 2).astype(np.float64)
    volumes = checked_volumes(item)
    record = _numbers(item, affine, volumes, provenance) | _origin(item) | dict(provenance)
    file_grid = FileGrid.from_text(item.text("cine_file_grid"))
    return SubjectResult(item.subject, affine, volumes, record, _panels(item, volumes), file_grid)


def recorded_failure(item: SubjectItem) -> Failure | None:
    """What the reading of the subject's files found wrong; None where it could be read."""
    if not item.text("failure_stage") and not item.text("failure"):
        return None
    stage, reason, fix = (without_folders(item.text(key)) for key in ("failure_stage", "failure", "failure_fix"))
    return Failure(item.subject, stage, reason, fix)


def checked_volumes(item: SubjectItem) -> dict[str, np.ndarray]:
    """The arrays to be written, (X, Y, S) by kind of file, checked in range and type.

    Raises:
        DataError: empty, not finite, out of range, not on one grid, or an unknown label code.
    """
    volumes = {outputs.VIRTUAL_LGE: _checked_image(item, "virtual_lge")}
    for kind, key in ((outputs.INFARCT_PROBABILITY, "infarct_probability"), (outputs.UNCERTAINTY, "uncertainty")):
        if key in item:
            volumes[kind] = _checked_image(item, key)
    label, last_code = item.array("label_map", 3), len(conventions.LABEL_NAMES) - 1
    if not np.isin(label, range(last_code + 1)).all():
        raise DataError(f"{item.subject}: label_map holds codes {np.unique(label)}, expected 0..{last_code}.")
    volumes[outputs.LABEL] = label.astype(np.uint8)
    shapes = {kind: volume.shape for kind, volume in volumes.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{item.subject}: results lie on different grids {shapes}, expected the cine grid for all.")
    return volumes


def _checked_image(item: SubjectItem, key: str) -> np.ndarray:
    image, (low, high) = item.array(key, 3).astype(np.float32), conventions.INTENSITY_RANGE
    if image.size == 0:
        raise DataError(f"{item.subject}: {key} has shape {image.shape}, expected at least one slice.")
    bad = int((~np.isfinite(image)).sum())
    if bad:
        raise DataError(f"{item.subject}: {key} holds {bad} NaN or infinite voxels, expected none.")
    if image.min() < low - RANGE_TOLERANCE or image.max() > high + RANGE_TOLERANCE:
        found = f"{image.min():.4g}..{image.max():.4g}"
        raise DataError(f"{item.subject}: {key} is in {found}, expected {low:g}..{high:g}.")
    return np.clip(image, low, high)


def _numbers(
    item: SubjectItem, affine: np.ndarray, volumes: Mapping[str, np.ndarray], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The subject's name and what is measured on its label map."""
    found: Any = item.parsed("flags") or []
    check, every = _phase_check(item), item.text("label_classes") == conventions.EVERY
    numbers = assess_subject(
        label=volumes[outputs.LABEL],
        virtual_lge=volumes[outputs.VIRTUAL_LGE],
        affine=affine,
        sequences_used=item.sequences_used(),
        crop_to_cine=item.optional_array("crop_to_cine", 3),
        crop_size=item.array(conventions.IMAGE, 4).shape[1:3] if conventions.IMAGE in item else None,
        sample_infarct_percent=item.optional_array("sample_infarct_percent", 1),
        reference_label=item.optional_array("label_on_cine", 3),
        reference_slices=item.optional_array("label_slices", 1),
        flags=[Flag(**flag) for flag in found] + _lv_elsewhere(item) + _of_images(item, affine, volumes),
        cine_doubt=CineDoubt(
            phase=check.get("doubt", ""),
            static=check.get("static_cine", False),
            static_allowed=item.text("static_cine_allowed") == str(True),
        ),
        size_uncertainty=uncertainty_for(
            item.parsed(SIZE_UNCERTAINTY), item.text(NO_SIZE_UNCERTAINTY), provenance["weights"]["sha256"]
        ),
        no_reflow_marked=every,
        oedema_marked=every,
        t2_stir_slices=_t2_stir_slices(item),
        reference_infarct_marked=item.optional_number("label_marks_infarct") != 0,
        reference_apart=item.text("reference_apart"),
    )
    return {
        "schema_version": SCHEMA_VERSION,
        conventions.SUBJECT: item.subject,
        "disclaimer": conventions.DISCLAIMER,
        **numbers,
    }


def _t2_stir_slices(item: SubjectItem) -> np.ndarray | None:
    """Which slices have a T2-STIR, bool (S,); None where nothing says so."""
    available = item.optional_array("available_slices", 2)
    return None if available is None else available[conventions.SEQUENCES.index("t2_stir")] > 0


def _lv_elsewhere(item: SubjectItem) -> list[Flag]:
    """What one_heart took back: the network was mistaken there, and may be elsewhere."""
    pieces = int(item.optional_number("lv_pieces_removed") or 0)
    text = f"{conventions.counted(pieces, 'piece')} of LV far from the heart's long axis made background: the network"
    text += " was mistaken there, so look at the first and last slices"
    return [Flag("lv_elsewhere", text)] if pieces else []


def _of_images(item: SubjectItem, affine: np.ndarray, volumes: Mapping[str, np.ndarray]) -> list[Flag]:
    """What the acquired images show by themselves, with the label map to say where the heart is."""
    spacing_mm, to_cine = np.linalg.norm(affine[:3, :2], axis=0), item.optional_array("crop_to_cine", 3)
    crops, crop_spacing_mm = None, 1.0
    if conventions.IMAGE in item and to_cine is not None and len(to_cine):
        crops = item.array(conventions.IMAGE, 4)[: len(conventions.SEQUENCES)]
        crop_spacing_mm = float(np.linalg.norm(to_cine[0, :2, 0] * spacing_mm))
    images = AcquiredImages(
        cine=item.array("cine_native", 3),
        t2_stir=item.array("t2_native", 3) if "t2_stir" in item.sequences_used() else None,
        label=volumes[outputs.LABEL],
        spacing_mm=spacing_mm,
        crops=crops,
        crop_spacing_mm=crop_spacing_mm,
    )
    return image_flags(images)


def _phase_check(item: SubjectItem) -> dict[str, Any]:
    """How sure the cine phase is, as the preprocessing says it; {} where that says nothing."""
    found = item.parsed("phase_check")
    return dict(found) if isinstance(found, Mapping) else {}


def _origin(item: SubjectItem) -> dict[str, Any]:
    """What the result was made from and with: sequences, cine phase, place of the crop, seeds, seconds."""
    used, phase = item.sequences_used(), item.optional_number("phase")
    network_s, check = item.optional_number("seconds_network"), _phase_check(item)
    return {
        "label_classes": item.text("label_classes") or conventions.PAPER,
        "sequences": {
            "used": list(used),
            "missing": [name for name in conventions.SEQUENCES if name not in used],
            "files": public_config(item.parsed("sources") or {}),
        },
        "vendor": conventions.VENDORS[int(item.optional_number(conventions.VENDOR) or 0)],
        "cine_phase": {
            "index": None if phase is None or phase < 0 else int(phase),
            "rule": item.text("phase_rule"),
            "residual_ms": check.get("residual_ms"),
            "confidence": check.get("confidence"),
        },
        "localisation": item.text("localisation"),
        "warnings": [without_folders(line) for line in item.lines("warnings")],
        "seeds": item.parsed("seeds"),
        "seconds": {"total": None, "network": None if network_s is None else round(network_s, 3)},
    }


def _panels(item: SubjectItem, volumes: Mapping[str, np.ndarray]) -> Panels:
    return Panels(
        cine=item.array("cine_native", 3),
        t2_stir=item.array("t2_native", 3) if "t2_stir" in item.sequences_used() else None,
        virtual_lge=volumes[outputs.VIRTUAL_LGE],
        label=volumes[outputs.LABEL],
        real_lge=item.optional_array("lge_on_cine", 3),
        reference_label=item.optional_array("label_on_cine", 3),
        uncertainty=volumes.get(outputs.UNCERTAINTY),
    )
