"""Hand-made pairs of an evaluation: squares for hearts."""

import numpy as np
import torch
from scripts.evaluation.pairs import SubjectPair


def squares(shift=0, infarct=0, slices=2):
    """Label map (24, 24, slices): a square wall around a square cavity, moved by ``shift``; ``infarct`` of its rows."""
    label = np.zeros((24, 24, slices), np.uint8)
    label[4 + shift : 16 + shift, 4:16] = 2
    label[4 + shift : 4 + shift + infarct, 4:16] = 3
    label[8 + shift : 12 + shift, 8:12] = 1
    return label


def pair_of(label, reference, subject="a", pitch_mm=10.0, **changes):
    """A pair on 2 mm pixels whose images are the label maps over 3; probabilities are those of the label map."""
    label, reference = (torch.as_tensor(np.asarray(one), dtype=torch.uint8)[None] for one in (label, reference))
    probabilities = torch.stack([(label[0] == k).float() for k in range(4)])
    affine = np.diag([2.0, 2.0, pitch_mm, 1.0])
    fields = {
        "subject": subject, "label": label, "reference": reference, "lge": label / 3, "reference_lge": reference / 3,
        "probabilities": probabilities, "sample_labels": None, "affine": affine, "native_label": reference[0].numpy(),
        "native_affine": affine, "image": torch.rand(4, *label.shape[1:]), "available": torch.ones(2),
    }  # fmt: skip
    return SubjectPair(**(fields | changes))
