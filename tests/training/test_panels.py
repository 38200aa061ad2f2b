"""Panels of a validation: what the network never learnt is not drawn."""

from types import SimpleNamespace

import pytest
import torch
from helpers.pairs import squares
from matplotlib.image import imread
from scripts.training.panels import PanelWriter


def width_of(folder, tasks):
    label = torch.as_tensor(squares(infarct=3))[None]
    image = torch.rand(4, *label.shape[1:], generator=torch.Generator().manual_seed(0))
    batch = {"image": image, "available": torch.ones(2), "lge": image[:1], "label": label, "subject": "a"}
    output = {"virtual_lge": image[:1], "label_crop": label}
    state = SimpleNamespace(batch=[batch], output=[output], iteration=1, epoch_length=1, epoch=1)
    PanelWriter(str(folder), tasks=tasks)(SimpleNamespace(state=state))
    return imread(folder / "panels" / "a_epoch0001.png").shape[1]


@pytest.mark.parametrize("tasks", [["mask"], ["lge"]])
def test_one_task_has_one_column_less(tmp_path, tasks):
    both = width_of(tmp_path / "both", ["mask", "lge"])
    # the column of the task, and the outlines of the label map on the virtual LGE
    assert both - width_of(tmp_path / "one", tasks) == pytest.approx(2 * 150 * 1.04, abs=3)
