"""An ignite engine fed with hand-made items, as the inference evaluator would give them to its handlers."""

import json
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine
from scripts.inference.ledger import Ledger
from scripts.inference.run_report import RunReport
from scripts.inference.subject_writer import SubjectWriter
from torch.utils.data import default_collate

from helpers.ring_heart import oblique_affine, ring_label

AFFINE = oblique_affine((1.0, 1.0, 8.0))


def subject_item(subject="case_a", seed=0, t2_stir=True, **more):
    """Batch (before collation) of one good subject on an odd, oblique grid."""
    label = ring_label((1.0, 1.0), slices=3, empty_slices=0)[:-1]
    rng = np.random.default_rng(seed)
    bright, dark_blood = np.array([0.15, 0.6, 0.2, 0.95])[label], np.array([0.15, 0.1, 0.5, 0.95])[label]
    x, y, s = label.shape
    crop = np.repeat(np.array([[[1.0, 0, 8], [0, 1, 8], [0, 0, 1]]]), s, axis=0)
    images = {
        name: (300 * levels + 20 * rng.random(label.shape)).astype(np.float32)
        for name, levels in (("cine", bright), ("t2", dark_blood))
    }
    item = {
        "subject": subject,
        "image": torch.zeros(2, 80, 80, s),
        "available": torch.tensor([1.0, float(t2_stir)]),
        "vendor": torch.tensor(1),
        "cine_affine": torch.from_numpy(AFFINE),
        "cine_shape": torch.tensor([x, y, s]),
        "crop_to_cine": torch.from_numpy(crop),
        "phase": torch.tensor(4),
        "phase_rule": "trigger time nearest to 620 ms",
        "phase_check": json.dumps({"residual_ms": 12.5, "confidence": None, "doubt": "", "static_cine": False}),
        "localisation": "motion energy",
        "warnings": "",
        "sources": json.dumps({"cine": "cine.nii.gz"}),
        "cine_native": torch.from_numpy(images["cine"]),
        "t2_native": torch.from_numpy(images["t2"] * t2_stir),
        "virtual_lge": torch.from_numpy(np.clip(bright + 0.04 * rng.random(label.shape), 0, 1).astype(np.float32)),
        "label_map": torch.from_numpy(label),
    }
    return {**item, **more}


def failed_item(subject="broken", reason="/data/Jane Doe/broken/cine.nii.gz: truncated"):
    return {
        "subject": subject,
        "failure_stage": "reading",
        "failure": reason,
        "failure_fix": "copy the file again",
        "image": torch.zeros(2, 128, 128, 0),
        "available": torch.zeros(2),
        "vendor": torch.tensor(0),
    }


def weights_file(folder):
    path = Path(folder) / "model.pt"
    path.write_bytes(b"weights")
    return path


def run_inference(output_dir, items, **writer_options):
    """Runs writer and report over the items; returns the report."""
    options = {"weights": weights_file(Path(output_dir).parent), "preview": False, **writer_options}
    ledger, config = Ledger(), {"dataset_dir": "/data/Jane Doe/in", "steps": 10}
    writer = SubjectWriter(output_dir, ledger, **options)
    report = RunReport(ledger, output_dir, options["weights"], config, seed=7, device=torch.device("cpu"))

    def step(engine, batch):
        done = {"seconds_network": 0.25, "seeds": json.dumps({"base": 7, "slices": [1, 2, 3]})}
        return {} if "failure" in batch else {"pred": torch.zeros(1), **done}

    engine = Engine(step)
    writer.attach(engine)
    report.attach(engine)
    if items:
        engine.run([default_collate([item]) for item in items])
    return report
