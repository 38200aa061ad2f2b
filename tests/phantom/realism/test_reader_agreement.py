"""Agreement of the independent reader with the phantom's labels, with a stand-in for its networks."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import onnx_stand_in
from scripts.clinical import independent_reader
from scripts.phantom.realism import reader_agreement as reader
from scripts.phantom.realism.subject_measures import Measures
from scripts.phantom.realism.targets import judge


def test_agreement_of_known_overlap():
    label, found = np.zeros((10, 10, 1), int), np.zeros((10, 10, 1), int)
    label[:4], found[2:6] = 3, 4
    assert reader.agreement(found, label) == {"wall": pytest.approx(0.5), "infarct": pytest.approx(0.5)}


def test_a_reader_that_is_not_installed_is_skipped_with_the_reason(cohort_of):
    rows = [judge(target, cohort_of([{}])) for target in reader.reader_targets("not installed")]
    assert len(rows) == 12 and {(row.verdict, row.reason) for row in rows} == {("not measurable", "not installed")}


def test_reader_rows(cohort_of):
    values = [{"infarct": s, "area_at_risk": s, "reader_infarct": s + 2, "reader_lge_infarct": d}
              for s, d in ((0, 0), (4, 0.1), (10, 0.7), (20, 0.7), (30, 0.7), (35, 0.7), (40, 0.7))]  # fmt: skip
    rows = {row.target.quantity: row for row in (judge(t, cohort_of(values)) for t in reader.reader_targets())}
    assert rows["infarct size, R with the truth"].realised.value == pytest.approx(1.0)
    assert "bias +2.0" in rows["infarct size, R with the truth"].realised.detail
    assert rows["LGE infarct above 8 %LV, Dice, mean"].realised.value == pytest.approx(0.7)
    assert rows["cine RV, Dice, mean"].verdict == "not measurable"


def test_a_subject_is_read_with_both_networks(tmp_path, monkeypatch, heart):
    for name in independent_reader.FILES.values():
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(independent_reader.importlib, "import_module", lambda name: onnx_stand_in.onnxruntime())
    label = heart()
    bright = np.where(label == 1, 300.0, 20.0)
    subject = SimpleNamespace(
        label=label, affine=np.diag([2.0, 2.0, 8.0, 1.0]), label_phase=1, missing={},
        images={"cine": np.stack([bright * 0 + 1, bright], axis=-1), "lge": bright},
    )  # fmt: skip
    measures = Measures("a", {})
    reader.read_subject(independent_reader.IndependentReader(str(tmp_path)), subject, measures)
    # The stand-in finds the bright blood and no muscle: it calls it RV in the cine, LV blood in the LGE.
    assert measures.values["reader_lge_blood"] > 0.97 and measures.values["reader_cine_blood"] == 0
    assert measures.values["reader_lge_wall"] == 0 and "no LV wall" in measures.reasons["reader_infarct"]


def test_what_is_found_beyond_the_lv_counts_for_the_stack_and_not_for_the_slices_that_show_it(heart, monkeypatch):
    label = heart()
    label[..., -2:] = 0  # two slices above the base, in which the reader still sees a heart
    subject = SimpleNamespace(
        label=label, affine=np.diag([2.0, 2.0, 8.0, 1.0]), label_phase=0, missing={},
        images={"cine": np.zeros((*label.shape, 1)), "lge": np.zeros(label.shape)},
    )  # fmt: skip
    measures = Measures("a", {})
    reader.read_subject(SimpleNamespace(read_heart=lambda *_: heart()), subject, measures)
    for name in ("cine_blood", "cine_wall", "lge_blood", "lge_wall"):
        assert measures.values[f"reader_{name}"] < 0.9 and measures.values[f"reader_{name}_in_lv_slices"] == 1.0
