"""A reference that covers a part of the stack is compared on that part only."""

import numpy as np
from scripts.clinical.assessment import assess_subject


def test_slices_without_reference_do_not_count_against_the_overlap():
    label = np.zeros((8, 8, 4), np.uint8)
    label[1], label[2], label[3] = 1, 2, 3
    reference = label.copy()
    reference[..., 2:] = 0
    arrays = {"virtual_lge": np.random.default_rng(0).random(label.shape), "affine": np.eye(4)}
    arrays |= {"label": label, "sequences_used": ("cine",), "reference_label": reference}
    half = assess_subject(**arrays, reference_slices=np.array([1, 1, 0, 0]))
    assert half["reference_slices"] == 2
    assert [d["value"] for d in half["reference_dice"].values()] == [1, 1, 1]
    assert half["reference_infarct_percent_lv"]["value"] == 50
    assert half["infarct_percent_lv_on_reference_slices"]["value"] == 50
    whole = assess_subject(**arrays)
    assert whole["reference_slices"] == 4
    assert whole["reference_dice"]["infarct"]["value"] < 0.7
    assert "infarct_percent_lv_on_reference_slices" not in whole
