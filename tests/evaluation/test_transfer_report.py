"""Transfer to patients' cine: what is collected, what fails, what cannot be measured, the files and the page."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.pairs import squares
from matplotlib.image import imread
from scripts.conventions import ConfigError, DataError
from scripts.evaluation.transfer_page import measure_text, transfer_html
from scripts.evaluation.transfer_report import TransferReport


def engine_of(subject="a", found=None, reference=None, slices=(1, 1), marked=False, **changes):
    reference = squares() if reference is None else reference
    found = squares() if found is None else found
    batch = {
        "subject": subject, "label_codes": torch.as_tensor(reference), "label_slices": torch.tensor(slices),
        "cine_affine": torch.diag(torch.tensor([2.0, 2.0, 10.0, 1.0])), "phase": torch.tensor(0), "warnings": "",
        "cine_native": torch.rand(reference.shape), "label_marks_infarct": torch.tensor(marked),
        "t2_native": torch.rand(reference.shape), "available_slices": torch.ones(2, reference.shape[2]),
    }  # fmt: skip
    batch = {key: value for key, value in (batch | changes).items() if value is not None}
    output = {"label_map": found, "virtual_lge": np.random.default_rng(0).random(reference.shape, np.float32)}
    return SimpleNamespace(state=SimpleNamespace(batch=[batch], output=[output], iteration=1, epoch_length=9))


def entry(name, phase="end-diastole", whose=None, **more):
    return {"subject": name, "label_drawn_on": phase, "labelled_subject": whose or name} | more


def report_of(folder, *engines, subjects=()):
    report = TransferReport(subjects, str(folder))
    for engine in engines:
        report.collect(engine)
    report.write()
    return report, json.loads((folder / "evaluation.json").read_text())


def test_both_phases_of_a_subject_are_rows_of_it_and_columns_of_the_page(tmp_path):
    subjects = [entry("a", vendor="ge"), entry("a/es", "end-systole", "a", vendor="ge")]
    report, summary = report_of(tmp_path, engine_of("a"), engine_of("a/es", squares(2)), subjects=subjects)
    with (tmp_path / "label_maps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["subject"], row["label_drawn_on"], row["vendor"]) for row in rows] == [
        ("a", "end-diastole", "ge"),
        ("a", "end-systole", "ge"),
    ]
    assert (summary["all"]["subjects"], summary["all"]["label_maps"]) == (1, 2)
    assert summary["by"]["label_drawn_on"]["end-diastole"]["mean_dice_lv_myocardium"]["value"] == 1
    page = (tmp_path / "index.html").read_text()
    assert '<th scope="col" class="number">end-systole</th>' in page and "By vendor" in page
    assert [panel["rank"] for panel in summary["panels"]] == ["best", "median"]  # two label maps: no third
    assert all((tmp_path / panel["file"]).is_file() for panel in summary["panels"])
    report.exit_status()


def test_a_network_of_the_mask_alone_has_no_virtual_lge_in_its_panels(tmp_path):
    widths = []
    for tasks in (["mask"], ["mask", "lge"]):
        report = TransferReport([], str(tmp_path / tasks[-1]), tasks=tasks)
        report.collect(engine_of())
        report.write()
        widths.append(imread(tmp_path / tasks[-1] / "panels/best.png").shape[1])
    assert widths[0] < widths[1]


def test_a_t2_stir_that_the_network_saw_is_in_the_panel_and_one_that_is_not_there_is_missing(tmp_path):
    shown = {}
    for name, there in (("with", 1), ("without", 0)):
        report = TransferReport([], str(tmp_path / name), tasks=["mask"])
        report.collect(engine_of(available_slices=torch.tensor([[1, 1], [there, there]])))
        report.write()
        panel = imread(tmp_path / name / "panels/best.png")[..., :3]
        shown[name] = panel[80:-80, 38 + 156 : 38 + 306]  # the second tile of 150 pixels, below the headings
    assert (shown["with"] > 0.2).mean() > 0.5 > (shown["without"] > 0.2).mean()


def test_infarct_and_lge_are_not_measurable_with_the_reason_and_never_0(tmp_path):
    _, summary = report_of(tmp_path, engine_of())
    assert all("no infarct class" in summary[key]["not_measurable"] for key in ("infarct", "segments", "calibration"))
    assert all("no LGE" in summary[key]["not_measurable"] for key in ("virtual_lge", "frechet_distance"))
    assert not [key for key in summary["all"] if "infarct" in key and "called" not in key]
    assert "no infarct class" in (tmp_path / "index.html").read_text()


def test_subjects_that_have_an_infarct_class_and_an_lge_are_told_where_to_measure_them(tmp_path):
    _, summary = report_of(tmp_path, engine_of(marked=True), subjects=[entry("a", lge="lge.nii.gz")])
    assert all("evaluate.json" in summary[key]["not_measurable"] for key in ("infarct", "virtual_lge"))


def test_slices_that_the_label_map_does_not_cover_count_nowhere(tmp_path):
    found = squares(slices=3)
    found[..., 2] = 1
    _, summary = report_of(tmp_path, engine_of(found=found, reference=squares(slices=3), slices=(1, 1, 0)))
    assert summary["all"]["mean_dice_lv_blood_pool"]["value"] == 1
    assert summary["all"]["without_invented_slice"]["count"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"failure": "broken/cine.nii.gz: truncated"}, "truncated"),
        ({"label_codes": None, "warnings": "cine: odd\nlabel not used: values 7"}, "label not used: values 7"),
        ({"label_codes": None}, "no label map"),
        ({"slices": (0, 0)}, "covers no slice"),
    ],
)
def test_a_subject_that_cannot_be_measured_is_named_and_the_others_go_on(tmp_path, changes, reason):
    report, summary = report_of(tmp_path, engine_of("bad", **changes), engine_of("good"))
    assert reason in summary["failed"]["bad"] and summary["all"]["subjects"] == 1
    assert reason in (tmp_path / "index.html").read_text()
    with pytest.raises(SystemExit) as stop:
        report.exit_status()
    assert stop.value.code == 2


def test_a_label_map_of_a_later_phase_is_not_laid_on_a_cine_of_one_phase(tmp_path):
    subjects = [entry("a", label_phase=0), entry("a/es", "end-systole", "a", label_phase=11)]
    engines = [engine_of(name, phase=torch.tensor(-1)) for name in ("a", "a/es")]
    _, summary = report_of(tmp_path, *engines, subjects=subjects)
    assert summary["all"]["label_maps"] == 1
    assert list(summary["failed"]) == ["a/es"] and "phase 12" in summary["failed"]["a/es"]


def test_what_the_files_make_doubtful_is_a_column_and_logged(tmp_path, caplog):
    lines = "a_gt.nii.gz lies up to 40.0 mm beside it\nno LGE is of this phase"
    odd = engine_of("a", warnings=lines, phase_check='{"doubt": "no LGE is of this phase"}')
    report_of(tmp_path, odd, engine_of("b", warnings="", phase_check='{"doubt": ""}'))
    with (tmp_path / "label_maps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["warnings"] for row in rows] == ["a_gt.nii.gz lies up to 40.0 mm beside it", ""]
    assert "a: a_gt.nii.gz lies up to 40.0 mm" in caplog.text and "no LGE" not in caplog.text


def test_nothing_measured_is_an_error_and_no_empty_table(tmp_path):
    report = TransferReport([], str(tmp_path))
    report.collect(engine_of("bad", failure="truncated"))
    with pytest.raises(DataError, match="(?s)bad: truncated.*Fix:"):
        report.write()
    assert not list(tmp_path.iterdir())


def test_a_second_run_forgets_the_first(tmp_path):
    report, _ = report_of(tmp_path, engine_of("bad", failure="truncated"), engine_of("a"))
    report.start()
    report.collect(engine_of("b"))
    report.write()
    summary = json.loads((tmp_path / "evaluation.json").read_text())
    assert summary["failed"] == {} and summary["all"]["subjects"] == 1


def test_a_network_without_a_mask_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected mask"):
        TransferReport([], str(tmp_path), tasks=["lge"])


def test_a_count_says_of_how_many_and_a_mean_is_a_number():
    share = {"value": 0.1, "low": 0.0, "high": 0.3, "count": 1, "of": 10}
    assert measure_text(share) == "1 of 10 (0 to 30 %)"
    assert measure_text({"value": 0.0, "count": 0, "of": 10}) == "0 of 10"
    assert measure_text({"value": 0.6031, "low": 0.5, "high": 0.7}) == "0.603 (0.5 to 0.7)"


def test_the_page_escapes_names_and_puts_a_heart_without_a_score_first(tmp_path):
    report = TransferReport([entry("<i>"), entry("fine")], str(tmp_path))
    for engine in (engine_of("fine"), engine_of("<i>", reference=np.where(squares() == 1, 1, 0).astype(np.uint8))):
        report.collect(engine)
    page = transfer_html(report.summary(), report.rows)
    assert "<i>" not in page and page.index("&lt;i&gt;") < page.index("fine")
    assert "<script" not in page and "http" not in page
