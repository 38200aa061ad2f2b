"""Writes into configs/infer_study.json what configs/inference.json says now; its own keys stay.

Usage: python tools/refresh_infer_study.py
A config cannot include another one, and one file is what a user types.
"""

from __future__ import annotations

import json
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1] / "bundle" / "configs"
# What is the study's own; all else is that of inference.json.
OWN = ("_desc_", "dicom_dir", "cine_series", "t2_stir_series", "lge_series", "subject", "key_file", "register",
       "slice_tolerance_mm", "max_displacement_mm", "max_rotation_deg", "deformable", "export_dicom", "deidentify",
       "dataset_dir", "reader", "aligner", "studies", "exporter", "evaluating")  # fmt: skip
# MONAI Label reads inference.json alone.
LABEL_ONLY = ("pre_transforms", "post_transforms")


def merged(inference: dict, study: dict) -> dict:
    """Keys of the study job first, then those of inference."""
    own = {key: study[key] for key in OWN}
    return own | {key: value for key, value in inference.items() if key not in own and key not in LABEL_ONLY}


def main() -> None:
    """Rewrites the file."""
    path = CONFIGS / "infer_study.json"
    inference = json.loads((CONFIGS / "inference.json").read_text())
    path.write_text(json.dumps(merged(inference, json.loads(path.read_text())), indent=4) + "\n")


if __name__ == "__main__":
    main()
