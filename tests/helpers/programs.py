"""Programs that pip does not install: the mark of tests that need one, and what a run says of those it skipped."""

import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

# Program and the Debian package that has it; .ci/run installs the same ones.
PACKAGES = {"Orthanc": "orthanc", "chromium": "chromium", "dciodvfy": "dicom3tools"}
INSTALL = "apt-get install --no-install-recommends"
# Where Debian puts servers; not on every user's PATH.
_SERVERS = "/usr/sbin"
_REASON = re.compile(r"(?:Skipped: )?(?P<missing>.+) is missing: (?P<command>.+)")


def find(program: str) -> str | None:
    """Path of the program."""
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), _SERVERS)))


def missing(name: str, command: str) -> str:
    """Reason of a skip: what is missing and the command that brings it."""
    return f"{name} is missing: {command}"


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where the program is not installed."""
    return pytest.mark.skipif(find(program) is None, reason=missing(program, f"{INSTALL} {PACKAGES[program]}"))


def skipped_and_why(reasons: Iterable[str]) -> list[str]:
    """One line per command that would run skipped tests, with what they miss; Debian packages are one command."""
    wanted = defaultdict(Counter)
    packages = set()
    for found in map(_REASON.fullmatch, reasons):
        if found is None:
            continue
        command = found["command"]
        if command.startswith(INSTALL):
            packages.update(command.removeprefix(INSTALL).split())
            command = INSTALL
        wanted[command][found["missing"]] += 1
    lines = []
    for command, counts in wanted.items():
        needed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        whole = " ".join((command, *sorted(packages))) if command == INSTALL else command
        lines.append(f"{needed}: {whole}")
    return lines


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    """Last of all: what was skipped for want of a program, and the command that brings it."""
    yield
    reports = terminalreporter.stats.get("skipped", [])
    lines = skipped_and_why(str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple))
    if lines:
        terminalreporter.section("skipped for want of a program, and the command that brings it", sep="-")
        terminalreporter.write("".join(f"{line}\n" for line in lines))
