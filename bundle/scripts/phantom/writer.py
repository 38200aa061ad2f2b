"""Owns one phantom subject on disk: layout 1 of the contract, written aside and renamed when complete."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from .. import conventions
from ..conventions import DataError
from ..dicom.geometry import affine_from_stack
from .acquisition import Examination, Protocol, draw_protocol
from .anatomy import Anatomy, contraction_at, draw_anatomy
from .pathology import Pathology, draw_pathology
from .thorax import thorax_map
from .tissue import subject_tissues

DISCLAIMER = "Digital phantom. Research use only. No patient, no acquired image."
_GZIP_LEVEL = 1


@dataclass(frozen=True)
class PhantomSubject:
    """One subject in memory: volumes by sequence name in file axis order (x, y, slice[, phase]), RAS affine, meta."""

    name: str
    volumes: dict[str, np.ndarray]
    affine: np.ndarray
    slice_pitch_mm: float
    meta: dict[str, Any]


def make_subject(index: int, seed: int, phases: int = 8) -> PhantomSubject:
    """Subject ``index`` (from 1) of the cohort ``seed``; the number of phases changes the cine only."""
    streams = np.random.SeedSequence([seed, index]).spawn(7)
    rng = [np.random.default_rng(stream) for stream in streams]
    anatomy = draw_anatomy(rng[0])
    protocol = draw_protocol(anatomy, rng[1])
    pathology = draw_pathology(anatomy, contraction_at(protocol.diastolic_fraction), rng[2])
    tissue_rng, thorax_rng = (np.random.default_rng(stream) for stream in streams[3].spawn(2))
    tissues = subject_tissues(protocol.field_strength_t, pathology.haemorrhage, tissue_rng)
    examination = Examination(anatomy, pathology, thorax_map(anatomy, thorax_rng), protocol, tissues)
    label = examination.label()
    volumes = {
        "cine": examination.cine(phases, rng[4]),
        "t2_stir": examination.t2_stir(rng[5]),
        "lge": examination.lge(rng[6]),
        "label": label,
    }
    origin = {"phantom": {"seed": seed, "index": index, "phases": phases}}
    meta = _meta(anatomy, protocol, pathology, label, phases) | origin
    return PhantomSubject(subject_name(index), volumes, affine_from_stack(anatomy.stack), anatomy.slice_pitch_mm, meta)


def subject_name(index: int) -> str:
    return f"phantom_{index:04d}"


def _meta(anatomy: Anatomy, protocol: Protocol, pathology: Pathology, label: np.ndarray, phases: int) -> dict[str, Any]:
    rest_ms = round(protocol.diastolic_fraction * anatomy.rr_ms, 1)
    return {
        "vendor": protocol.vendor,
        "field_strength_t": protocol.field_strength_t,
        "rr_interval_ms": round(anatomy.rr_ms, 1),
        "cine_trigger_times_ms": [round(phase / phases * anatomy.rr_ms, 1) for phase in range(phases)],
        "lge_trigger_time_ms": rest_ms,
        "t2_stir_trigger_time_ms": rest_ms,
        "slice_thickness_mm": 8.0,
        "slice_pitch_mm": round(anatomy.slice_pitch_mm, 3),
        "truth": truth_of(label) | {"territory": pathology.territory, "haemorrhage": pathology.haemorrhage},
        "disclaimer": DISCLAIMER,
    }


def truth_of(label: np.ndarray) -> dict[str, float]:
    """Sizes counted in the written label, percent of the LV wall; infarct includes no-reflow."""
    counts = np.bincount(label.ravel(), minlength=len(conventions.LABEL_NAMES)).astype(float)
    _, _, myocardium, infarct, no_reflow, oedema, _ = counts[:7]
    percent = 100.0 / (myocardium + infarct + no_reflow + oedema)
    return {
        "infarct_percent_lv": round(float((infarct + no_reflow) * percent), 3),
        "no_reflow_percent_lv": round(float(no_reflow * percent), 3),
        "area_at_risk_percent_lv": round(float((infarct + no_reflow + oedema) * percent), 3),
    }


def write_subject(subject: PhantomSubject, output_dir: Path) -> None:
    """Writes <output_dir>/<name>/{cine,t2_stir,lge,label}.nii.gz and meta.json; replaces an older folder of that name.

    Raises:
        DataError: the disk is full or not writable; nothing half-written stays.
    """
    final, aside = output_dir / subject.name, output_dir / f".{subject.name}.part"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, volume in subject.volumes.items():
            (aside / f"{name}.nii.gz").write_bytes(_nifti_bytes(volume, subject.affine, name))
        (aside / "meta.json").write_text(json.dumps(subject.meta, indent=1) + "\n")
        shutil.rmtree(final, ignore_errors=True)
        aside.replace(final)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(
            f"{final}: cannot be written ({error.strerror or error}). Expected a writable folder with "
            "room for about 6 MB per subject. Fix: free space or choose another --output_dir."
        ) from error


def _nifti_bytes(volume: np.ndarray, affine: np.ndarray, name: str) -> bytes:
    """A .nii.gz in memory; the gzip time stamp is 0 so that the same subject gives the same bytes."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm", "sec" if volume.ndim == 4 else None)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header["descrip"] = f"digital phantom {name}, research use".encode()
    return gzip.compress(image.to_bytes(), compresslevel=_GZIP_LEVEL, mtime=0)
