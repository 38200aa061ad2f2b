"""What a run did: results written and subjects that failed."""

from __future__ import annotations

from dataclasses import dataclass

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
