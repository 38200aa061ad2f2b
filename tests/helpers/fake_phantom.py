"""Cheap stand-ins for phantom subjects, for tests of how cohorts are planned, written and refused."""

from pathlib import Path

import numpy as np
from scripts.dicom.geometry import StackGeometry, affine_from_stack
from scripts.phantom.subject import PhantomSubject

SLICES = 4
STACK = StackGeometry(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.zeros(3), (2.0, 2.0), np.array([0, 0, 10.0]))


def fake_subject(index, seed, parameters, views=False, stream=0):
    """Noise that follows from seed and index, and the meta a cohort reads; ``views`` changes nothing."""
    rng = np.random.default_rng([seed, stream, index])
    slices = parameters.slices or SLICES
    phases = parameters.phases if parameters.stored_phases == "all" else 3
    volumes = {key: rng.integers(0, 4095, (16, 16, slices), dtype=np.int16) for key in ("t2_stir", "lge")}
    volumes["label"] = rng.integers(0, 7, (16, 16, slices), dtype=np.uint8)
    volumes["cine"] = rng.integers(0, 4095, (16, 16, slices, phases), dtype=np.int16)
    meta = {
        "vendor": parameters.vendor or {"external": "uih"}.get(parameters.site, "siemens"),
        "field_strength_t": parameters.field_strength_t or {"external": 3.0}.get(parameters.site, 1.5),
        "condition": parameters.condition or "acute_mi",
        "truth": {"infarct_percent_lv": 20.0},
        "usable_slices": list(range(1, slices)),
        "phantom": {"seed": seed, "index": index, "parameters": parameters.recorded()},
    }
    return PhantomSubject(f"phantom_{index:04d}", volumes, affine_from_stack(STACK), STACK, meta)


def fake_dicom(subject, output_dir: Path) -> Path:
    """Stands for the DICOM writer: one file, which says so."""
    folder = output_dir / subject.name / "series"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.dcm").write_bytes(bytes(128) + b"DICM" + subject.volumes["lge"].tobytes())
    return folder.parent


def use_fakes(monkeypatch):
    """Puts both in place of the real ones."""
    monkeypatch.setattr("scripts.phantom.subject.make_subject", fake_subject)
    monkeypatch.setattr("scripts.phantom.dicom.writer.write_dicom_subject", fake_dicom)
