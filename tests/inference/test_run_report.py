"""What lies at the top of the output folder, read back: run.json, the two CSV files, index.html; the exit status."""

import csv
import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from helpers.inference_run import failed_item, run_inference, subject_item
from scripts import conventions
from scripts.runtime.provenance import public_config, without_folders


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.slow
def test_one_broken_subject_among_three_gives_two_results_one_reason_and_status_2(out):
    report = run_inference(out, [subject_item("a"), failed_item("b"), subject_item("c", seed=2)])
    assert [(row["subject"], row["status"]) for row in rows(out / "summary.csv")] == [
        ("a", "written"),
        ("b", "failed"),
        ("c", "written"),
    ]
    assert rows(out / "failed_cases.csv") == [
        {"subject": "b", "stage": "reading", "reason": "cine.nii.gz: truncated", "next_step": "copy the file again"}
    ]
    with pytest.raises(SystemExit) as stop:
        report.exit_status()
    assert stop.value.code == 2


def test_a_run_without_failures_ends_normally_with_a_header_only(out, caplog):
    caplog.set_level(logging.INFO)
    report = run_inference(out, [subject_item("a")])
    report.exit_status()
    assert (out / "failed_cases.csv").read_text() == "subject,stage,reason,next_step\n"
    assert "subject 1/1 a: 3 slices, infarct 16." in caplog.text
    assert "infarct %LV" in caplog.text


@pytest.mark.slow
def test_run_json_names_versions_weights_seed_times_and_every_output(out):
    run_inference(out, [subject_item("a"), subject_item("b")], preview=True)
    text = (out / "run.json").read_text()
    run = json.loads(text)
    assert run["config"] == {"dataset_dir": "not recorded", "steps": 10}
    assert (run["seed"], run["device"], run["slices"], run["seconds_network"]) == (7, "cpu", 6, 0.5)
    assert run["seconds_per_slice"] == pytest.approx(run["seconds_total"] / 6, abs=1e-3)
    assert run["disclaimer"] == conventions.DISCLAIMER
    assert len(run["weights"]["sha256"]) == 64
    on_disk = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert set(run["outputs"]) == on_disk
    assert "Jane" not in text and str(out) not in text


def test_the_summary_holds_subjects_of_earlier_runs_and_their_numbers(out):
    run_inference(out, [subject_item("a")])
    run_inference(out, [subject_item("b")])
    first, second = rows(out / "summary.csv")
    assert (first["status"], second["status"]) == ("written earlier", "written")
    assert first["infarct_percent_lv"] == second["infarct_percent_lv"] != ""
    assert json.loads((out / "run.json").read_text())["subjects"]["written_earlier"] == 1


def test_a_run_with_nothing_left_to_do_still_reports(out):
    run_inference(out, [subject_item("a")])
    report = run_inference(out, [])
    report.exit_status()
    run = json.loads((out / "run.json").read_text())
    assert run["subjects"] == {"written": 0, "written_earlier": 1, "failed": 0}
    assert "no slice" in run["seconds_per_slice"]["not_measurable"]


def test_a_damaged_earlier_result_is_listed_as_a_failure_with_the_fix(out):
    run_inference(out, [subject_item("a")])
    (out / "a/a_result.json").write_text('{"subject": ')
    report = run_inference(out, [subject_item("b")])
    (failure,) = rows(out / "failed_cases.csv")
    assert failure["subject"] == "a" and "delete a_result.json" in failure["next_step"]
    with pytest.raises(SystemExit):
        report.exit_status()


@pytest.mark.parametrize(
    "change",
    [
        {"slices": 3},
        {"structures": ["infarct"]},
        {"structures": {"infarct": 3}},
        {"structures": {"infarct": {"volume": 3}}},
        {"infarct_percent_lv": None},
        {"infarct_percent_lv": "12"},
        {"subject": 3},
        {"subject": "../other"},
        {"qc": [{"message": "no name"}]},
        {"weights": "model.pt"},
        {"seeds": [7]},
        {"files": "a_preview.png"},
        {"sequences": {"used": None}},
        {"sequences": {"used": "cine", "missing": []}},
        {"sequences": {"used": [["cine"]]}},
        {"infarct_percent_lv": {"value": None, "unit": "%"}},
        {"infarct_percent_lv": {"value": "3", "unit": "%"}},
        {"structures": {"infarct": {"mass": {"value": None}}}},
        {"reference_infarct_percent_lv": {"value": True}},
        {"qc": [{"flag": "infarct_small"}]},
    ],
)
def test_an_earlier_result_of_another_shape_is_listed_and_the_others_are_reported(out, change):
    run_inference(out, [subject_item("a")])
    file = out / "a/a_result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    run_inference(out, [subject_item("b")])
    (failure,) = rows(out / "failed_cases.csv")
    assert (failure["subject"], failure["stage"]) == ("a", "earlier result")
    assert [row["subject"] for row in rows(out / "summary.csv") if row["status"] == "written"] == ["b"]
    assert (out / "index.html").is_file()


def test_an_unmeasured_number_is_empty_with_a_reason_and_a_measured_zero_is_zero(out):
    empty, healthy = subject_item("empty"), subject_item("healthy")
    empty["label_map"] = torch.zeros_like(empty["label_map"])
    healthy["label_map"][healthy["label_map"] == 3] = 2
    run_inference(out, [empty, healthy])
    first, second = rows(out / "summary.csv")
    assert first["infarct_percent_lv"] == "" and "no viable LV myocardium" in first["not_measurable"]
    assert second["infarct_percent_lv"] == "0.0" and second["not_measurable"] == ""


def test_results_of_other_weights_in_the_folder_are_pointed_out(out, tmp_path, caplog):
    run_inference(out, [subject_item("a")])
    (tmp_path / "other.pt").write_bytes(b"other")
    run_inference(out, [subject_item("b")], weights=tmp_path / "other.pt")
    assert "results of 2 different weights" in caplog.text


class Page(HTMLParser):
    """Collects what a browser would load and show."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.shown, self.places = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        self.places += [value for name, value in attributes if name == "id"]

    def handle_data(self, data):
        self.shown.append(data)


def test_the_page_escapes_every_text_loads_nothing_from_outside_and_carries_the_disclaimer(out):
    nasty = "<script>alert(1)<b>&\"'"
    fine = "pat #1 & co"
    failed = failed_item("<img src=http:x>", reason="<b>bold</b>")
    run_inference(out, [subject_item(fine, warnings=nasty, localisation=nasty), failed], preview=True)
    page = Page()
    page.feed((out / "index.html").read_text())
    assert not {"script", "link", "b"} & set(page.tags)
    images = [source for source in page.sources if source.endswith("preview.png")]
    assert set(images) == {"pat%20%231%20%26%20co/pat%20%231%20%26%20co_preview.png"}
    files = [unquote(source) for source in page.sources if not source.startswith("#")]
    assert [file for file in files if not (out / file).is_file()] == []
    assert "#subject-1" in page.sources and "subject-1" in page.places
    shown = " ".join(page.shown)
    assert nasty in shown and "<img src=http:x>" in shown and "<b>bold</b>" in shown
    assert conventions.SIDE_BY_SIDE.disclaimer in shown
    assert not re.search(r"https?://|url\(", (out / "index.html").read_text().replace("http:x", ""))


def test_a_page_without_a_result_says_nothing_of_what_the_weights_learnt_from(out):
    run_inference(out, [failed_item("a")])
    text = (out / "index.html").read_text()
    assert "No virtual LGE was made" in text and "phantoms only" not in text


def test_absolute_paths_lose_their_folders_and_other_values_stay():
    found = public_config(
        {
            "a": "/data/Jane Doe/x.pt",
            "b": ["/srv/p1/scan/cine.nii.gz: truncated", Path("/x/y.json")],
            "c": "C:\\p1\\in",
            "d": {"rate": 1e-4, "on": True, "none": None},
            "e": "layer1/conv, 1/2",
            "f": object(),
        }
    )
    assert found == {
        "a": "x.pt",
        "b": ["cine.nii.gz: truncated", "y.json"],
        "c": "in",
        "d": {"rate": 1e-4, "on": True, "none": None},
        "e": "layer1/conv, 1/2",
        "f": "object",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see '/home/jane/in/p1/cine.nii.gz' again", "see 'cine.nii.gz' again"),
        ("/data/Jane O'Brien/p 1/cine.nii.gz: expected /srv/x/t2.nii.gz", "cine.nii.gz: expected t2.nii.gz"),
        ("found '/a/b c/d.nii', expected '/e/f g/h.nii'", "found 'd.nii', expected 'h.nii'"),
        ("/data/p1/a.nii is not in /data/p2/in", "a.nii is not in in"),
        ("(C:\\Users\\jane doe\\cine.nii.gz) is truncated", "(cine.nii.gz) is truncated"),
        ("a/b.nii: 3 slices / 2 mm", "a/b.nii: 3 slices / 2 mm"),
    ],
)
def test_a_message_keeps_its_words_and_loses_the_folders(text, shown):
    assert without_folders(text) == shown


@pytest.mark.parametrize(("key", "value"), [("steps", 99), ("test_time_scales", [0.5, 1.0])])
def test_results_sampled_with_other_settings_are_pointed_out(key, value, out, caplog):
    run_inference(out, [subject_item("a")])
    assert "different settings" not in caplog.text
    result = out / "a/a_result.json"
    content = json.loads(result.read_text())
    content["seeds"] = {**(content["seeds"] or {}), key: value}
    result.write_text(json.dumps(content))
    run_inference(out, [subject_item("b")])
    assert "sampled with different settings" in caplog.text
    assert f"{key} {value}" in caplog.text
