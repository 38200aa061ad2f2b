"""What a run did: results written and subjects that failed, in one place for all who add to it or report it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..conventions import SUBJECT
from ..runtime.distributed import distributed, everyones
from ..runtime.provenance import without_folders

# The one stage after the results: what fails there leaves them as they are.
EXPORT_STAGE = "DICOM export"


@dataclass(frozen=True)
class Failure:
    """Why a subject has no result, or none as DICOM, and what to do; the columns of failed_cases.csv."""

    subject: str
    stage: str
    reason: str
    next_step: str

    @property
    def has_result(self) -> bool:
        """Whether the subject's NIfTI results and numbers stand all the same."""
        return self.stage == EXPORT_STAGE

    @classmethod
    def of_error(cls, subject: str, stage: str, error: Exception | str) -> Failure:
        """An error's text without folders, on one line; what follows "Fix: " becomes the next step."""
        reason, _, fix = without_folders(" ".join(str(error).split())).partition("Fix: ")
        return cls(subject, stage, reason.strip(), fix or "see the reason; run again")


class Ledger:
    """Results (the content of each result.json) and failures of one run; the lists stay the same objects throughout.

    Under torchrun each process has a ledger of its own until all of them gather.
    """

    def __init__(self) -> None:
        self.results: list[dict] = []
        self.failures: list[Failure] = []
        self._gathered = False

    def gather(self) -> None:
        """From here on every process knows the results and failures of all, sorted by subject.

        All processes must come to it, once; a second call does nothing, so that what comes later (an export that
        fails) stays with the process that saw it. Without torchrun nothing happens.
        """
        if self._gathered or not distributed():
            return
        self._gathered = True
        failures = [Failure(**fields) for fields in everyones([asdict(failure) for failure in self.failures])]
        self.results[:] = sorted(everyones(self.results), key=lambda result: result[SUBJECT])
        self.failures[:] = sorted(failures, key=lambda failure: failure.subject)
