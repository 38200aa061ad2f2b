"""Writes into configs/infer_study.json what configs/inference.json says now; its own keys stay.

Usage: python tools/refresh_infer_study.py
A config cannot include another one, and one file is what a user types.
"""

from __future__ import annotations

import json
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1] / "bundle" / "configs"
OWN = ("_desc_", "dataset_dir", "evaluating")  # in both files, and meant to differ


def merged(inference: dict, study: dict) -> dict:
    """Keys of the study job first, then those of inference, but for OWN."""
    own = {key: value for key, value in study.items() if key in OWN or key not in inference}
    return own | {key: value for key, value in inference.items() if key not in own}


def main() -> None:
    """Rewrites the file."""
    path = CONFIGS / "infer_study.json"
    inference = json.loads((CONFIGS / "inference.json").read_text())
    path.write_text(json.dumps(merged(inference, json.loads(path.read_text())), indent=4) + "\n")


if __name__ == "__main__":
    main()
