"""Tables of the validation metrics: means, one row per subject, the log."""

import csv

import pytest
import torch
from ignite.engine import Engine, Events
from scripts.evaluation.metric_tables import MetricTables


def test_means_and_a_row_per_subject_are_written_and_the_means_logged(tmp_path, caplog):
    engine = Engine(lambda _, batch: None)

    @engine.on(Events.EPOCH_STARTED)
    def measured(engine):
        engine.state.metrics = {"val_dice_infarct": 0.75, "val_mae": 0.125}
        engine.state.metric_details = {
            "val_dice_infarct": torch.tensor([[0.5], [1.0]]), "val_mae": torch.tensor([[0.1], [0.15]]),
        }  # fmt: skip

    MetricTables(str(tmp_path)).attach(engine)
    with caplog.at_level("INFO"):
        engine.run([[{"subject": "a"}], [{"subject": "b"}]])
    assert "0.125" in (tmp_path / "metrics.csv").read_text()
    header, *rows = csv.reader((tmp_path / "val_dice_infarct_raw.csv").open())
    assert [row[0] for row in rows] == ["a", "b"] and [float(row[1]) for row in rows] == pytest.approx([0.5, 1.0])
    assert "mean" in (tmp_path / "val_dice_infarct_summary.csv").read_text()
    assert not (tmp_path / "val_mae_raw.csv").exists()
    assert "means over 2 subjects" in caplog.text and "0.75" in caplog.text
