"""What a run says of the tests it skipped for want of a program."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.programs import INSTALL, PACKAGES, missing, needs, skipped_and_why

ROOT = Path(__file__).resolve().parents[1]


def reason(program):
    return needs(program).kwargs["reason"]


def test_programs_of_debian_are_counted_and_share_one_command():
    (line,) = skipped_and_why([reason("dciodvfy"), reason("Orthanc"), f"Skipped: {reason('dciodvfy')}"])
    assert "dciodvfy (2)" in line and "Orthanc (1)" in line
    assert line.count("apt-get") == 1 and line.endswith(" dicom3tools orthanc")


def test_another_command_has_its_own_line_and_a_skip_without_one_has_none():
    reasons = [reason("chromium"), missing("a server", "make server"), "signals to a group of processes"]
    first, second = skipped_and_why(reasons)
    assert first.endswith(" chromium") and second == "a server (1): make server"
    assert skipped_and_why([]) == []


def test_ci_installs_each_program_that_a_test_may_need():
    script = (ROOT / ".ci" / "run").read_text()
    assert {package for package in PACKAGES.values() if package not in script} == set()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [(), ("--numprocesses", "2")], ids=["one process", "xdist"])
def test_a_run_without_the_programs_ends_with_the_command_that_brings_them(tmp_path, processes):
    test = "from helpers.programs import needs\n\n\n@needs('dciodvfy')\ndef test_it():\n    pass\n"
    (tmp_path / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "helpers.programs", "-p", "no:cacheprovider", *processes, "."]
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines().count(f"dciodvfy (1): {INSTALL} dicom3tools") == 1
