"""From a subject's files to the network's crops, the same for training, evaluation and inference."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from .. import conventions
from ..clinical.quality import Flag
from ..volumes.entry_files import read_entry
from ..volumes.grids import SAME_GRID, Grid, GridMatch, GridTolerance, match_grids, offset_warning
from ..volumes.resampling import anti_alias, resample_planes
from ..volumes.volume import MEMORY_GB, Volume, VolumeError, placed_like
from .bias_correction import without_shading
from .cropping import crop_to_cine_maps, share_outside_crop
from .labels import AUTO, class_groups, coded, marks_infarct, marks_lv, table_for, to_network_classes
from .labels import label_table as named_table
from .localisation import heart_centre
from .phase_match import Partner
from .phases import (
    PhaseChoice,
    choose_phase,
    motion_phases,
    named_phase,
    noted_flags,
    phase_on_disk,
    starts_at_r_wave,
    subject_meta,
    vendor_index,
)
from .sequence_check import sequences_look_swapped
from .stack_check import refuse_exchanged_axes, stack_flags


class SubjectPreprocessing(Transform):
    """Datalist entry (dict of paths) -> subject-level item (dict of plain tensors, crops (C, I, J, S)).

    Each slice is interpolated once, from the file to a crop of ``crop_size`` at ``spacing_mm`` around the heart, turned
    to the display directions (cropping.display_axes). Intensities: robust percentiles per subject and sequence inside
    the crop, to 0..1. ``crop_to_cine`` in the item is the exact way back (postprocessing.ToCineGrid).

    Args:
        spacing_mm: in-plane spacing of the crop.
        crop_size: (I, J) of the crop in pixels.
        percentiles: lower and upper percentile that become 0 and 1.
        t2_stir_percentiles: those of the T2-STIR; None: as ``percentiles``. Where blood and fat are suppressed an acute
            infarct is the brightest tissue in the crop: what lies above the upper one loses its contrast.
        tolerance: when grids count as equal; GridTolerance() if None.
        label_table: table of labels.LABEL_TABLES, {value on disk: our code}, or "auto", that of the entry's layout.
        references: which of lge and label are read; [] for pure inference.
        motion: also show end-diastole and end-systole of the cine (conventions.IMAGE_CHANNELS); without it, or where
            the cine has one phase, these channels are 0.
        at_label_phase: the cine is taken at the phase on which the label map was drawn (label_phase), as training and
            evaluation want it; without, a label map changes no result.
        num_classes: of the network, 4 or 6: classes of ``label``. ``label_groups`` (num_classes,) of an item says as
            which class its label map shows each of them (labels.class_groups).
        bias_correction: N4 takes coil shading out of cine and T2-STIR, over the whole field of view; the LGE stays as
            it was acquired.
        memory_gb: what the arrays of one subject's files may take.
    """

    def __init__(
        self,
        spacing_mm: float = 1.5,
        crop_size: Sequence[int] = (96, 96),
        percentiles: Sequence[float] = (0.5, 99.5),
        tolerance: GridTolerance | None = None,
        label_table: str | Mapping = AUTO,
        references: Sequence[str] = (conventions.LGE, conventions.LABEL),
        motion: bool = True,
        bias_correction: bool = False,
        at_label_phase: bool = True,
        t2_stir_percentiles: Sequence[float] | None = (0.5, 99.95),
        num_classes: int = len(conventions.NETWORK_CLASSES),
        memory_gb: float = MEMORY_GB,
    ) -> None:
        of_t2_stir = percentiles if t2_stir_percentiles is None else t2_stir_percentiles
        if not 0.2 <= spacing_mm <= 10 or len(crop_size) != 2 or min(crop_size) < 8:
            raise conventions.ConfigError(
                f"spacing_mm {spacing_mm}, crop_size {list(crop_size)}: expected 0.2 to 10 mm and two numbers of "
                "at least 8 pixels."
            )
        if isinstance(memory_gb, (bool, str)) or not 0 < memory_gb < math.inf:
            raise conventions.ConfigError(f"memory_gb: found {memory_gb!r}, expected a number above 0, such as 1.0.")
        named_table(label_table)
        self.memory_gb = float(memory_gb)
        self.num_classes = len(conventions.network_classes(num_classes))
        self.spacing_mm, self.crop_size = float(spacing_mm), (int(crop_size[0]), int(crop_size[1]))
        self.percentiles = _range_of(percentiles, "percentiles")
        self.t2_stir_percentiles = _range_of(of_t2_stir, "t2_stir_percentiles")
        self.tolerance = tolerance or GridTolerance()
        self.label_table, self.references = label_table, tuple(references)
        self.motion = conventions.flag(motion, "motion")
        self.bias_correction = conventions.flag(bias_correction, "bias_correction")
        self.at_label_phase = conventions.flag(at_label_phase, "at_label_phase")

    @property
    def settings(self) -> dict[str, Any]:
        """What the images are brought to, as plain values, for records and methods.md."""
        return {
            "spacing_mm": self.spacing_mm,
            "crop_size": list(self.crop_size),
            "percentiles": list(self.percentiles),
            "t2_stir_percentiles": list(self.t2_stir_percentiles),
            "motion": self.motion,
            "bias_correction": self.bias_correction,
        }

    def __call__(self, entry: dict) -> dict:
        """Raises DataError when a file is unusable.

        Its ``stage`` says at which step, its ``sequence`` (where it is not the cine) which file.
        """
        if "problem" in entry:
            raise VolumeError(entry["problem"])
        cine = read_entry(entry, "cine", self.memory_gb)
        meta, place = subject_meta(entry), f"{entry[conventions.SUBJECT]}/meta.json"
        labelled = conventions.LABEL in self.references and bool(entry.get(conventions.LABEL))
        timed = phase_on_disk(cine.array.shape[3], meta, place, labelled and self.at_label_phase)
        centre, localisation = heart_centre(cine.array, tuple(cine.grid.spacing_mm[:2]))
        maps = crop_to_cine_maps(cine.grid.affine, cine.grid.shape[2], centre, self.spacing_mm, self.crop_size)
        volumes, matches = self._volumes(entry, cine)
        choice = cine_phase(timed, volumes, matches, centre)
        phase = max(choice.index or 0, 0)
        if self.bias_correction:
            corrected = (name for name in conventions.SEQUENCES if name in volumes)
            volumes |= {name: without_shading(volumes[name], phase) for name in corrected}
            cine = volumes["cine"]
        frame = Volume(np.ascontiguousarray(cine.array[..., phase]), cine.grid, cine.warnings)
        volumes["cine"] = frame
        item = self._images(volumes, matches, maps)
        item |= self._reference_tensors(volumes, matches, maps)
        if conventions.LABEL in volumes:
            item |= self._said_by_label(entry)
        warnings = [text for name in volumes for text in (*volumes[name].warnings, *matches[name].warnings)]
        warnings += self._label_beside({name: volume.grid for name, volume in volumes.items()})
        apart = _drawn_at_another_phase(meta, place, cine.array.shape[3], phase) if labelled else ""
        warnings += [*_order_warning(item, self.spacing_mm), *choice.warnings, *filter(None, [choice.doubt, apart])]
        moving = self._motion(cine, frame, matches["cine"], maps, meta) if self.motion else None
        static = self.motion and moving is None
        if moving is None:
            moving = torch.zeros(len(conventions.MOTION_CHANNELS), *item[conventions.IMAGE].shape[1:])
            warnings += ["the cine shows no motion, which tells infarct from oedema"] if static else []
        item[conventions.IMAGE] = torch.cat([item[conventions.IMAGE], moving])
        if "label_native" in item:
            warnings += self._outside_crop(item["label_native"], maps)
        vendor = entry.get(conventions.VENDOR) or meta.get(conventions.VENDOR)
        if vendor and not vendor_index(vendor):
            known = ", ".join(conventions.VENDORS[1:])
            warnings.append(f"vendor '{str(vendor)[:40]}' is not one of {known}; taken as unknown")
        return item | {
            conventions.SUBJECT: str(entry[conventions.SUBJECT]),
            conventions.VENDOR: torch.tensor(vendor_index(vendor)),
            **_of_cine(cine, noted_flags(meta, place)),
            "crop_to_cine": torch.as_tensor(maps, dtype=torch.float64),
            **_phase_entries(choice, static),
            "localisation": localisation,
            "reference_apart": apart,
            "warnings": "\n".join(warnings),
            "sources": json.dumps({name: Path(entry[name]).name for name in volumes}),
        }

    def _said_by_label(self, entry: dict) -> dict:
        """label_marks_infarct, label_marks_lv and label_groups: what the label map of an entry can say."""
        table = table_for(entry, self.label_table)
        groups = torch.tensor(class_groups(table, self.num_classes))
        return {
            "label_marks_infarct": torch.tensor(marks_infarct(table)),
            "label_marks_lv": torch.tensor(marks_lv(table)),
            conventions.LABEL_GROUPS: groups,
        }

    def _outside_crop(self, label: torch.Tensor, maps: np.ndarray) -> list[str]:
        """A line when a part of the labelled heart is beyond what the network sees."""
        outside = share_outside_crop(label.numpy() > 0, maps, self.crop_size)
        return [f"{100 * outside:.1f} % of the labelled heart lies outside the crop the network sees"] * (
            outside > 0.001
        )

    def _volumes(self, entry: dict, cine: Volume) -> tuple[dict[str, Volume], dict[str, GridMatch]]:
        """Every file that is used, the label map in our codes, and how each lies on the cine."""
        volumes, matches = {"cine": cine}, {"cine": match_grids(cine.grid, cine.grid, self.tolerance)}
        room_gb = self.memory_gb - cine.array.nbytes / 1e9
        for name in ("t2_stir", *self.references):
            if entry.get(name):
                with _concerning(name):
                    read = placed_like(cine, read_entry(entry, name, room_gb))
                room_gb -= read.array.nbytes / 1e9
                refuse_exchanged_axes(cine, read.grid)
                with _concerning(name):
                    is_label = name == conventions.LABEL
                    volumes[name] = coded(read, table_for(entry, self.label_table)) if is_label else read
                    matches[name] = match_grids(cine.grid, volumes[name].grid, self.tolerance)
        return volumes, matches

    def _images(self, volumes: dict, matches: dict, maps: np.ndarray) -> dict:
        """image, available, available_slices and the native previews."""
        crops, covered, native = [], [], {}
        n_slices = volumes["cine"].grid.shape[2]
        for name in conventions.SEQUENCES:
            if name in volumes:
                crop, inside = self._crop(volumes[name], matches[name], maps)
                percentiles = self.t2_stir_percentiles if name == "t2_stir" else self.percentiles
                crops.append(self._rescale(crop, inside, volumes[name].grid.name, percentiles))
                # a slice of one value is no image: what an import writes where the scanner has none
                covered.append(inside.any(axis=(0, 1)) & (np.ptp(crop, axis=(0, 1)) > 0))
                native[name] = on_cine_grid(volumes[name], matches[name], volumes["cine"].grid.shape)
            else:
                crops.append(np.zeros((*self.crop_size, n_slices), np.float32))
                covered.append(np.zeros(n_slices, dtype=bool))
                native[name] = np.zeros(volumes["cine"].grid.shape, np.float32)
        return {
            conventions.IMAGE: torch.from_numpy(np.stack(crops)),
            conventions.AVAILABLE: torch.tensor([float(name in volumes) for name in conventions.SEQUENCES]),
            "available_slices": torch.from_numpy(np.stack(covered)).float(),
            "cine_native": torch.from_numpy(native["cine"]),
            "t2_native": torch.from_numpy(native["t2_stir"]),
        }

    def _motion(
        self, cine: Volume, frame: Volume, match: GridMatch, maps: np.ndarray, meta: dict
    ) -> torch.Tensor | None:
        """End-diastole and end-systole, (2, I, J, S), 0..1 by the rule of ``frame``; None when nothing moves."""
        from_r_wave = starts_at_r_wave(cine.array.shape[3], meta)
        phases = motion_phases(_middle(cine.array, maps, self.crop_size), from_r_wave)
        if phases is None:
            return None
        crop, inside = self._crop(frame, match, maps)
        limits = np.percentile(crop[inside], self.percentiles)
        moving = []
        for phase in phases:
            volume = Volume(np.ascontiguousarray(cine.array[..., phase]), cine.grid, cine.warnings)
            moving.append(_scaled(*self._crop(volume, match, maps), limits))
        return torch.from_numpy(np.stack(moving))

    def _reference_tensors(self, volumes: dict, matches: dict, maps: np.ndarray) -> dict:
        """lge, label and reference_slices (1 where every reference present covers the slice)."""
        item, covered = {}, []
        for name, crop_of in ((conventions.LGE, self._lge_crop), (conventions.LABEL, self._label_crop)):
            if name in volumes:
                with _concerning(name):
                    crop, slices = crop_of(volumes[name], matches[name], maps)
                item[name] = torch.from_numpy(crop)[None]
                covered.append(slices)
        if conventions.LABEL in volumes:
            codes = self._codes_native(volumes[conventions.LABEL], matches[conventions.LABEL], volumes["cine"])
            item["label_codes"] = torch.from_numpy(codes)
            item["label_native"] = torch.from_numpy(to_network_classes(codes).astype(np.uint8))
            item["label_slices"] = torch.from_numpy((matches[conventions.LABEL].slices >= 0).astype(np.uint8))
        if covered:
            item["reference_slices"] = torch.from_numpy(np.logical_and.reduce(covered).astype(np.uint8))
        return item

    def _label_beside(self, grids: dict[str, Grid]) -> tuple[str, ...]:
        """What offset_warning says of a label map, which is drawn on the cine or on the LGE."""
        if conventions.LABEL not in grids:
            return ()
        drawn_on = [grids[name] for name in ("cine", conventions.LGE) if name in grids]
        return offset_warning(grids[conventions.LABEL], drawn_on, self.tolerance)

    def _lge_crop(self, volume: Volume, match: GridMatch, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (I, J, S) in 0..1, and bool (S,): slices it covers; one of a single value is no image."""
        crop, inside = self._crop(volume, match, maps)
        covered = inside.any(axis=(0, 1)) & (np.ptp(crop, axis=(0, 1)) > 0)
        return self._rescale(crop, inside, volume.grid.name, self.percentiles), np.asarray(covered)

    def _codes_native(self, volume: Volume, match: GridMatch, cine: Volume) -> np.ndarray:
        """uint8 (X, Y, S) disk codes on the cine grid, whole, straight from the file."""
        return codes_on_cine_grid(volume, match, cine.grid.shape)

    def _label_crop(self, volume: Volume, match: GridMatch, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (I, J, S) of network classes, and bool (S,): slices it covers."""
        classes = to_network_classes(volume.array, self.num_classes)
        shares = [
            self._crop(Volume((classes == c).astype(np.float32), volume.grid), match, maps, blur=False)[0]
            for c in range(1, self.num_classes)
        ]
        return _largest_share(shares), match.slices >= 0

    def _crop(
        self, volume: Volume, match: GridMatch, maps: np.ndarray, blur: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The file's own slices straight to the crop: crop pixel -> cine pixel -> pixel of the file, in one matrix."""
        array = volume.array
        if blur:
            array = anti_alias(array, tuple(self.spacing_mm / volume.grid.spacing_mm[:2]))
        return resample_planes(array, match.pixel_maps @ maps, match.slices, self.crop_size)

    def _rescale(self, crop: np.ndarray, inside: np.ndarray, name: str, percentiles: tuple[float, float]) -> np.ndarray:
        """Percentiles of the pixels inside the field of view -> 0..1, clipped; 0 outside."""
        low, high = np.percentile(crop[inside], percentiles) if inside.any() else (0.0, 0.0)
        if not high > low:
            raise VolumeError(
                f"{name}: found one value ({low:g}) around the heart, between percentiles {list(percentiles)}; "
                "expected an image.\nFix: check that the file shows the heart, or leave the sequence out."
            )
        return _scaled(crop, inside, (low, high))


def _scaled(crop: np.ndarray, inside: np.ndarray, limits: Sequence[float]) -> np.ndarray:
    """``limits`` -> 0..1, clipped; 0 outside."""
    low, high = limits
    scaled = np.clip((crop - low) / (high - low), *conventions.INTENSITY_RANGE)
    return np.where(inside, scaled, 0).astype(np.float32)


def _range_of(percentiles: Sequence[float], key: str) -> tuple[float, float]:
    """Raises ConfigError unless it is a lower and a higher percentile."""
    try:
        low, high = (float(one) for one in percentiles)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not 0 <= low < high <= 100:
        raise conventions.ConfigError(f"{key}: found {percentiles!r}, expected two numbers, 0 <= low < high <= 100.")
    return low, high


def _of_cine(cine: Volume, noted: list[Flag]) -> dict:
    """Grid of the cine, how its file stores it, and flags for the result: what its stack shows, and those noted."""
    return {
        "cine_affine": torch.as_tensor(cine.grid.affine, dtype=torch.float64),
        "cine_shape": torch.tensor(cine.grid.shape),
        "cine_file_grid": cine.file_grid.text(),
        "flags": json.dumps([asdict(flag) for flag in (*stack_flags(cine.array), *noted)]),
    }


def cine_phase(timed: PhaseChoice, volumes: dict, matches: dict, centre: tuple[float, float]) -> PhaseChoice:
    """The cine phase; the T2-STIR is asked before the LGE, which is not there when it is to be predicted."""
    partners = [
        Partner(name, volumes[name].array, matches[name].pixel_maps, matches[name].slices)
        for name in ("t2_stir", conventions.LGE)
        if name in volumes
    ]
    return choose_phase(timed, volumes["cine"].array, (centre, volumes["cine"].grid.spacing_mm[:2]), partners)


def _drawn_at_another_phase(meta: dict, name: str, n_phases: int, phase: int) -> str:
    """Why a label map cannot lie on what is made of cine phase ``phase``; "" where nothing says so."""
    with _concerning(conventions.LABEL):
        drawn = named_phase(meta, "label_phase", n_phases, name) if n_phases > 1 else None
    if drawn in (None, phase):
        return ""
    return (
        f"the label map was drawn on phase {drawn} of the cine, the result belongs to phase {phase}: their overlap "
        "says nothing"
    )


def _phase_entries(choice: PhaseChoice, static: bool) -> dict:
    """phase, phase_rule and phase_check: what the result says of the cine phase, and what it has to doubt, as JSON."""
    check = {
        "residual_ms": choice.residual_ms,
        "confidence": choice.confidence,
        "doubt": choice.doubt,
        "static_cine": static,
    }
    return {"phase": torch.tensor(choice.index), "phase_rule": choice.rule, "phase_check": json.dumps(check)}


def _order_warning(item: dict, spacing_mm: float) -> list[str]:
    """A line when the two sequences seem to be in each other's place, judged on the slices both cover."""
    both = item["available_slices"].numpy().all(axis=0)
    cine, t2_stir = (channel[..., both] for channel in item[conventions.IMAGE].numpy())
    if not sequences_look_swapped(cine, t2_stir, spacing_mm):
        return []
    return ["cine and T2-STIR look swapped (in the cine blood is bright): check their order; the result is wrong if so"]


def _middle(cine: np.ndarray, maps: np.ndarray, crop_size: tuple[int, int]) -> np.ndarray:
    """The part of a cine (X, Y, S, P) that the middle half of the crop shows, where the heart is."""
    corners = np.array([[0.25, 0.25, 1.0], [0.75, 0.75, 1.0]]) * [*crop_size, 1.0] @ maps[0].T
    low, high = np.sort(corners[:, :2], axis=0)
    (x0, y0), (x1, y1) = np.floor(np.maximum(low, 0)).astype(int), np.ceil(np.maximum(high, 1)).astype(int) + 1
    seen = cine[x0:x1, y0:y1]
    return seen if seen.size else cine


def _largest_share(shares: list[np.ndarray]) -> np.ndarray:
    """uint8 classes from the shares of classes 1, 2, ...; the rest is background.

    Linear on each class, largest wins: borders stay where they are, without the steps of nearest neighbour.
    """
    return np.argmax([np.clip(1 - np.sum(shares, axis=0), 0, 1), *shares], axis=0).astype(np.uint8)


@contextmanager
def _concerning(sequence: str) -> Iterator[None]:
    """Notes on an error which sequence it is about, so that a caller can do without that one."""
    try:
        yield
    except (conventions.DataError, OSError, MemoryError) as error:
        error.sequence = sequence  # type: ignore[union-attr]  # errors of Python carry it as ours do
        raise


def codes_on_cine_grid(label: Volume, match: GridMatch, shape: tuple) -> np.ndarray:
    """A label map (X, Y, S), our codes, on the cine grid of ``shape``, uint8: each code by itself, the largest wins."""
    return _largest_share(
        [
            on_cine_grid(Volume((label.array == code).astype(np.float32), label.grid), match, shape)
            for code in range(1, len(conventions.LABEL_NAMES))
        ]
    )


def on_cine_grid(volume: Volume, match: GridMatch, shape: tuple) -> np.ndarray:
    if match.verdict == SAME_GRID:
        return volume.array
    return resample_planes(volume.array, match.pixel_maps, match.slices, shape[:2])[0]
