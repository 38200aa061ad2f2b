"""The phantom command as a user meets it: one command for a study, mistakes end in a few lines, nothing is replaced."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from helpers.bundle_run import BUNDLE, message, run_bundle
from helpers.fake_phantom import use_fakes
from helpers.tiny_inference import run_here, written

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("settings", "found", "allowed"),
    [
        ({"subjects": 0}, "subjects: found 0", "whole numbers from 1 to 9999"),
        ({"ejection_fraction_percent": 95}, "ejection_fraction_percent: found 95", "from 10 to 80"),
        ({"infarct_percent_lv": 61}, "infarct_percent_lv: found 61", "from 0.5 to 60"),
        ({"slice_gap_mm": -0.5}, "slice_gap_mm: found -0.5", "from 0 to 4"),
        ({"vendor": "acme"}, "vendor: found 'acme'", "siemens, philips, ge, uih"),
        ({"cohort": "huge"}, "cohort: found 'huge'", "custom, paper"),
        ({"cohort": "paper", "vendor": "ge"}, "vendor: found 'ge' with --cohort paper", "leave vendor out"),
        ({"format": "png"}, "format: found 'png'", "nifti, dicom, both"),
        ({"dicom_style": "modern"}, "dicom_style: found 'modern'", "classic, varied"),
    ],
)
def test_a_cohort_that_cannot_be_is_refused(settings, found, allowed, tmp_path, capsys):
    assert run_here("make_phantom.json", output_dir=tmp_path / "cohort", **settings) == 1
    text = message(capsys.readouterr().err)
    assert text.startswith(found) and allowed in text
    assert not (tmp_path / "cohort").exists()


def test_another_cohort_in_the_output_folder_is_kept(tmp_path, capsys, monkeypatch):
    use_fakes(monkeypatch)
    options = {"output_dir": tmp_path / "cohort", "subjects": 1, "num_workers": 1, "format": "both"}
    assert run_here("make_phantom.json", **options) == 0
    before = {path: path.stat().st_mtime_ns for path in written(tmp_path).values()}
    assert run_here("make_phantom.json", **options, seed=1) == 1
    text = message(capsys.readouterr().err)
    assert "found another cohort, seed 0; expected seed 1" in text and "--overwrite true" in text
    assert {path: path.stat().st_mtime_ns for path in written(tmp_path).values()} == before


@pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")
def test_control_c_ends_in_one_message_and_not_in_those_of_the_workers(tmp_path):
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/make_phantom.json"]
    command += ["--output_dir", str(tmp_path), "--subjects", "400", "--num_workers", "2", "--stored_phases", "key"]
    options = {"cwd": BUNDLE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    # What a shell starts in the background ignores Ctrl-C, and so would this job as its child.
    job = subprocess.Popen(command, **options, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("phantom_*")) and time.monotonic() < deadline:
            time.sleep(0.2)
        os.killpg(job.pid, signal.SIGINT)
        stderr = job.communicate(timeout=60)[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode == -signal.SIGINT
    assert stderr.strip().splitlines()[-1].startswith("Stopped by Ctrl-C. What is finished is kept: the same command")


def test_one_command_writes_the_study_with_its_external_and_clean_cohorts(tmp_path, monkeypatch):
    use_fakes(monkeypatch)
    options = {"output_dir": tmp_path, "cohort": "paper", "cohort_sizes": [5, 2, 1], "num_workers": 2}
    assert run_here("make_phantom.json", **options) == 0
    assert {path.split("/")[0] for path in written(tmp_path)} == {"internal", "external", "clean"}


def test_the_phantom_command_works_from_the_repository_root(tmp_path):
    command = ["--config_file", "bundle/configs/make_phantom.json", "--bundle_root", "bundle", "--phases", "2"]
    command += ["--output_dir", tmp_path / "cohort", "--num_workers", "1", "--field_strength_t", "1.5", "--subjects"]
    done = run_bundle(*command, "1", "--aligned", "false", "--slices", "3", cwd=BUNDLE.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "cohort").iterdir()) == ["dataset.json", "phantom_0001"]
    recorded = json.loads((tmp_path / "cohort/dataset.json").read_text())["phantom"]["parameters"]
    assert (recorded["field_strength_t"], recorded["aligned"], recorded["slices"]) == (1.5, False, 3)
