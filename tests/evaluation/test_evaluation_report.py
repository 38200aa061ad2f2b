"""The course of an evaluation: pairs from batches, the crop's affine, one JSON, the page."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scripts.evaluation.evaluation_report import EvaluationReport
from scripts.evaluation.page import evaluation_html, number_text
from scripts.evaluation.pairs import crop_affine, subject_pair


class Part:
    """Remembers the subjects it saw."""

    needs, section = None, "all"

    def __init__(self):
        self.seen = []

    def start(self):
        self.seen = []

    def collect(self, pair):
        self.seen.append(pair.subject)

    def write(self, folder):
        return {"all": {"subjects": len(self.seen), "infarct_size_r": {"value": 1.0, "low": 0.5, "high": 1.5}}}


def engine_of(subject="a", slices=(1, 1, 0)):
    shape, covered = (8, 8, len(slices)), sum(slices)
    kept = torch.zeros(1, 8, 8, covered, dtype=torch.uint8)
    output = {key: kept.clone() for key in ("label_pred", "label_ref", "lge_pred", "lge_ref")}
    output["probabilities"] = torch.zeros(4, *shape)
    batch = {
        "subject": subject, "reference_slices": torch.tensor(slices), "cine_affine": torch.eye(4),
        "crop_to_cine": torch.eye(3).repeat(len(slices), 1, 1), "label_codes": torch.zeros(shape, dtype=torch.uint8),
        "image": torch.zeros(4, *shape), "available": torch.ones(2), "cine_native": torch.zeros(12, 10, len(slices)),
    }  # fmt: skip
    return SimpleNamespace(state=SimpleNamespace(batch=[batch], output=[output]))


def test_a_pair_holds_the_covered_slices_only():
    engine = engine_of()
    pair = subject_pair(engine.state.batch[0], engine.state.output[0])
    assert pair.probabilities.shape == (4, 8, 8, 2) and pair.image.shape == (4, 8, 8, 2)
    assert pair.native_label.shape == (8, 8, 3) and pair.sample_labels is None


def test_a_subject_without_label_is_kept_and_what_it_lacks_is_named(tmp_path):
    labelled, other = engine_of("a"), engine_of("b")
    del other.state.batch[0]["label_codes"]
    part = Part()
    report = EvaluationReport([part], str(tmp_path))
    report.start(labelled)
    report.collect(labelled)
    report.collect(other)
    report.write(other)
    summary = json.loads((tmp_path / "evaluation.json").read_text())
    assert part.seen == ["a", "b"] and summary["without_label"]["subjects"] == ["b"]
    assert "overlap" in summary["without_label"]["not_measurable"]
    pair = subject_pair(other.state.batch[0], other.state.output[0])
    assert pair.native_label.shape == (12, 10, 3) and not pair.native_label.any()


def test_subjects_whose_labels_know_no_infarct_are_named(tmp_path, caplog):
    engine = engine_of("a")
    engine.state.batch[0]["label_marks_infarct"] = torch.tensor(False)
    report = EvaluationReport([Part()], str(tmp_path))
    report.start(engine)
    report.collect(engine)
    report.write(engine)
    summary = json.loads((tmp_path / "evaluation.json").read_text())
    assert summary["without_infarct_class"]["subjects"] == ["a"] and "no infarct class" in caplog.text


@pytest.mark.parametrize(
    ("covered", "evenly", "pitch"), [((0, 1, 0), True, 1.0), ((1, 0, 1), True, 2.0), ((1, 1, 0, 1), False, 1.0)]
)
def test_covered_slices_keep_their_distance_and_uneven_ones_say_so(covered, evenly, pitch):
    engine = engine_of(slices=covered)
    pair = subject_pair(engine.state.batch[0], engine.state.output[0])
    assert pair.evenly_spaced is evenly and pair.label.shape[-1] == sum(covered)
    assert pair.spacing_mm[2] == pitch and pair.affine[2, 3] == covered.index(1)


def test_a_part_that_needs_what_the_network_does_not_give_is_left_out_and_said_to_be(tmp_path):
    class NeedsMask(Part):
        needs, section = "mask", "segments"

    wanting, other = NeedsMask(), Part()
    report = EvaluationReport([wanting, other], str(tmp_path), tasks=["lge"])
    report.start(None)
    report.collect(engine_of())
    report.write(None)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert wanting.seen == [] and other.seen == ["a"]
    assert written["segments"] == {"not_measurable": "the network gives no mask"}


def test_the_crop_s_affine_places_its_pixels_where_the_cine_s_are():
    rng = np.random.default_rng(0)
    cine = np.eye(4)
    cine[:3] = rng.normal(size=(3, 4))
    maps = np.array([[[0.0, 1.2, 5.0], [-0.8, 0.0, 40.0], [0.0, 0.0, 1.0]]])
    crop = np.array([7.0, 3.0, 2.0, 1.0])
    x, y, _ = maps[0] @ [7.0, 3.0, 1.0]
    np.testing.assert_allclose(crop_affine(cine, maps) @ crop, cine @ [x, y, 2.0, 1.0])


def test_every_part_sees_every_subject_and_the_files_say_what_they_are(tmp_path, caplog):
    part = Part()
    report = EvaluationReport([part], str(tmp_path))
    for _ in range(2):
        report.start(None)
        for name in ("a", "b"):
            report.collect(engine_of(name))
    with caplog.at_level("INFO"):
        report.write(None)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["all"]["subjects"] == 2 and "Research use only" in written["disclaimer"]
    page = (tmp_path / "index.html").read_text()
    assert "Research use only" in page and "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert "infarct_size_r" in caplog.text and "1 (0.5 to 1.5)" in caplog.text


def test_the_page_escapes_names_and_shows_groups_and_panels(tmp_path):
    summary = {
        "all": {"subjects": 1},
        "by": {"vendor": {"<b>": {"subjects": 1, "mean_dice_infarct": {"not_measurable": "none & nothing"}}}},
        "panels": [{"rank": "worst", "subject": "<i>", "score": 0.1, "file": "panels/worst_1.png"}],
    }
    page = evaluation_html(summary, tmp_path)
    assert "worst: &lt;i&gt;, Dice 0.10" in page and "invented" not in page
    invented = {"rank": "invented", "subject": "s", "size_percent_lv": 2.07, "file": "panels/invented_1.png"}
    both = evaluation_html(summary | {"panels": summary["panels"] + [invented]}, tmp_path)
    assert "invented in hearts without one</h2>" in both and "invented: s, 2.1 %LV" in both
    assert 'src="panels/invented_1.png"' in both
    assert "<b>" not in page and "&lt;b&gt;" in page and "none &amp; nothing" in page
    assert "&lt;i&gt;" in page and 'src="panels/worst_1.png"' in page


def test_the_page_says_what_was_not_measured(tmp_path):
    silent = {"not_measurable": "the network gives no mask"}
    summary = {"all": {}, "segments": {"segments": 0, "not_measurable_subjects": {"a<": "no RV"}}, "panels": silent}
    page = evaluation_html(summary, tmp_path)
    assert "a&lt;: no RV" in page and "the network gives no mask" in page


def test_a_number_in_words():
    assert number_text({"value": 0.12345}) == "0.123"
    assert number_text({"not_measurable": "no wall"}) == "no wall" and number_text(3) == "3"
