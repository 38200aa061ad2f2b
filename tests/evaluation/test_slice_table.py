"""slices.csv: one row per slice, numbered as in the subject's files."""

import csv

import pytest
from helpers.pairs import pair_of, squares
from scripts.evaluation.slice_table import SliceTable


def written(table, folder, pair):
    table.start()
    table.collect(pair)
    summary = table.write(folder)["slices"]
    return summary, list(csv.DictReader((folder / "slices.csv").open()))


def test_every_slice_has_its_own_overlap_and_similarity(tmp_path):
    label, reference = squares(0, 2), squares(0, 2)
    label[..., 1] = squares(2)[..., 1]
    summary, rows = written(SliceTable(), tmp_path, pair_of(label, reference, slices=(3, 4)))
    assert [(row["subject"], row["slice"]) for row in rows] == [("a", "4"), ("a", "5")]
    assert float(rows[0]["dice_infarct"]) == 1.0 and float(rows[1]["dice_infarct"]) == 0.0
    assert float(rows[0]["mae_myocardium"]) == 0.0 < float(rows[1]["mae_myocardium"])
    assert summary["slices"] == 2 and summary["mean_dice_infarct"]["value"] == pytest.approx(0.5)


def test_a_slice_without_wall_says_what_it_lacks(tmp_path):
    label = squares()
    label[..., 1] = 0
    _, rows = written(SliceTable(), tmp_path, pair_of(label, label))
    assert rows[1]["dice_lv_myocardium"] == "" and "the reference has no lv_myocardium" in rows[1]["not_measurable"]


@pytest.mark.parametrize(("tasks", "absent"), [(["mask"], "mae_crop"), (["lge"], "dice_lv_myocardium")])
def test_what_the_network_does_not_give_has_no_column(tmp_path, tasks, absent):
    _, rows = written(SliceTable(tasks), tmp_path, pair_of(squares(), squares()))
    assert len(rows) == 2 and absent not in rows[0]
