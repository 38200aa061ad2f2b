"""The evaluation's table: groups from meta files, distances in mm, written anew by each run."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scripts.engine.subject_table import SubjectTable


def table_of(tmp_path, subjects=(), rows=None):
    return SubjectTable(
        lambda *arrays: {"voxel_ml": arrays[-1], "slices": float(arrays[0].shape[-1])},
        lambda found, groups: {"all": {"groups": list(groups)}} if rows is None else rows.extend(found) or {"all": {}},
        lambda found: b"picture",
        subjects,
        spacing_mm=2.0,
        output_dir=str(tmp_path / "out"),
    )


def engine_of(label, reference, subject="a"):
    label, reference = (torch.as_tensor(one, dtype=torch.uint8)[None] for one in (label, reference))
    output = {"label_pred": label, "label_ref": reference, "lge_pred": label.float(), "lge_ref": label.float()}
    output["probabilities"] = torch.zeros(4, *label.shape[1:])
    affine = torch.diag(torch.tensor([1.5, 1.5, 10.0, 1.0]))
    batch = {"subject": subject, "reference_slices": torch.ones(label.shape[-1]), "cine_affine": affine}
    return SimpleNamespace(state=SimpleNamespace(batch=[batch], output=[output]))


def squares(shift):
    label = np.zeros((24, 24, 2))
    label[4 + shift : 16 + shift, 4:16] = 2
    label[8 + shift : 12 + shift, 8:12] = 1
    return label


def test_distance_is_in_mm_of_the_crop_and_volume_counts_the_slice_pitch(tmp_path):
    table = table_of(tmp_path)
    table.collect(engine_of(squares(3), squares(0)))
    row = table.rows[0]
    assert row["hd95_lv_blood_pool_mm"] == pytest.approx(3 * 2.0)
    assert "hd95_infarct_mm" not in row
    assert row["not_measurable"] == "hd95_infarct_mm: no infarct in the label map and the reference"
    assert row["voxel_ml"] == pytest.approx(2.0 * 2.0 * 10.0 / 1000)


def test_groups_come_from_the_meta_file_and_a_broken_one_gives_none(tmp_path):
    good, broken = tmp_path / "good.json", tmp_path / "broken.json"
    good.write_text(json.dumps({"condition": "healthy", "truth": {"territory": "none"}}))
    broken.write_text("{")
    entries = [{"subject": "a", "meta": str(good), "vendor": "ge"}, {"subject": "b", "meta": str(broken)}]
    table = table_of(tmp_path, entries)
    for name in ("a", "b"):
        table.collect(engine_of(squares(0), squares(0), name))
    table.write(None)
    first, second = csv.DictReader((tmp_path / "out" / "subjects.csv").open())
    assert (first["vendor"], first["condition"], first["territory"]) == ("ge", "healthy", "none")
    assert (second["vendor"], second["condition"]) == ("", "")
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["all"]["groups"] == ["vendor", "condition", "territory"]
    assert "Research use only" in written["disclaimer"]
    assert (tmp_path / "out" / "infarct_size.png").read_bytes() == b"picture"


def test_a_second_run_starts_with_an_empty_table(tmp_path):
    rows = []
    table = table_of(tmp_path, rows=rows)
    for _ in range(2):
        table.start(None)
        table.collect(engine_of(squares(0), squares(0)))
    table.write(None)
    assert len(rows) == 1
