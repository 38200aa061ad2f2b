"""What other networks read in virtual and acquired LGE."""

import numpy as np
import pytest
import torch
from helpers.pairs import pair_of, squares
from scripts.clinical.volumes import infarct_percent_lv
from scripts.conventions import NotMeasurable
from scripts.evaluation.readings import LgeReading, SliceSegmenter


def by_grey(lge, spacing_mm):
    """Reads the images of helpers/pairs.py: grey is label over 3."""
    assert spacing_mm == (2.0, 2.0, 10.0)
    return np.rint(lge * 3).astype(np.uint8)


def test_a_reader_is_compared_with_the_truth_on_both_images_and_with_the_method_s_own_mask():
    virtual, truth = squares(infarct=2), squares(infarct=4)
    reading = LgeReading(by_grey, "reader", consistency=True)
    row = reading(pair_of(squares(infarct=3), truth, lge=torch.as_tensor(virtual)[None] / 3))
    assert row["reader_acquired_dice_infarct"] == 1.0 and row["consistency_dice_lv_blood_pool"] == 1.0
    assert row["reader_virtual_dice_infarct"] == pytest.approx(2 * 2 / 6)
    assert row["consistency_dice_infarct"] == pytest.approx(2 * 2 / 5)
    assert row["reader_virtual_infarct_percent_lv"] == pytest.approx(infarct_percent_lv(virtual))
    assert "not_measurable" not in row


@pytest.mark.parametrize(("tasks", "absent"), [(["mask"], "reader_virtual"), (["lge"], "consistency")])
def test_what_a_method_does_not_give_is_not_read(tasks, absent):
    reading = LgeReading(by_grey, "reader", consistency=True, tasks=tasks)
    row = reading(pair_of(squares(infarct=3), squares(infarct=3)))
    assert row["reader_acquired_dice_infarct"] == 1.0 and not any(name.startswith(absent) for name in row)
    assert not any(name.startswith("consistency") for name in row)


def test_what_cannot_be_read_is_named():
    def constant(lge, spacing_mm):
        raise NotMeasurable("the image is constant")

    row = LgeReading(constant, "reader")(pair_of(squares(), squares()))
    assert set(row) == {"not_measurable"} and "reader_virtual: the image is constant" in row["not_measurable"]


def test_a_network_of_ours_reads_slice_by_slice():
    class Threshold(torch.nn.Module):
        def forward(self, image):
            grey = (image + 1) / 2
            return torch.cat([0.5 - grey, grey - 0.5, torch.zeros_like(grey)], dim=1)

    lge = np.zeros((6, 5, 2), np.float32)
    lge[2, 3, 1] = 1.0
    found = SliceSegmenter(Threshold(), num_classes=2)(lge, (1.0, 1.0, 1.0))
    assert found.shape == lge.shape and found.dtype == np.uint8 and np.argwhere(found).tolist() == [[2, 3, 1]]
