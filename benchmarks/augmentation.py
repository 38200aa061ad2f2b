"""Milliseconds of one core that the random changes of a training slice take; prints, asserts nothing.

``python benchmarks/augmentation.py``: six phantoms, slices of 96 x 96 and squares of 64, reading left out.
"""

import sys
import tempfile
import time
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))

import torch
from scripts.datasets.datalist import find_subjects
from scripts.datasets.datasets import SliceDataset
from scripts.phantom.cohort.cohort import PhantomCohort
from scripts.phantom.cohort.plans import CohortPlan
from scripts.phantom.parameters import PhantomParameters
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.training.domain_randomisation.randomisation import DomainRandomisation

EPOCHS = 4


def milliseconds(dataset: SliceDataset) -> float:
    """Processor time per slice."""
    dataset[0]
    started = time.process_time()
    for epoch in range(EPOCHS):
        dataset.set_epoch(epoch)
        for index in range(len(dataset)):
            dataset[index]
    return 1e3 * (time.process_time() - started) / EPOCHS / len(dataset)


def main() -> None:
    """One line per setting."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        PhantomCohort(folder, CohortPlan(6, seed=3, parameters=PhantomParameters(phases=4)), num_workers=1).run()
        dataset = SliceDataset(find_subjects(folder), SubjectPreprocessing())
    settings = {f"strength {s}, {c or 96} pixels": (s, c) for s in (0, 1) for c in (None, 64)}
    for name, (strength, crop) in settings.items():
        dataset.augmentation = DomainRandomisation(strength=strength, crop_pixels=crop)
        sys.stdout.write(f"{name}: {milliseconds(dataset):.1f} ms\n")


if __name__ == "__main__":
    main()
