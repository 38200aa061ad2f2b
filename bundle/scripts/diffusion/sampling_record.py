"""Record of how a subject was sampled: seeds and seconds, taken from the inferer right after its work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.transforms import Transform

from ..conventions import IMAGE, SUBJECT
from .inferers import SubjectSampler


class AddSamplingRecord(Transform):
    """Adds ``seeds`` (JSON) and ``seconds_network`` to the item; first in postprocessing, before the next subject runs.

    Args:
        inferer: the sampler that just ran.
    """

    def __init__(self, inferer: SubjectSampler) -> None:
        self.inferer = inferer

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with the two entries added."""
        seeds = self.inferer.seeds(str(data.get(SUBJECT, "")), data[IMAGE].shape[-1])
        return {**data, "seeds": seeds, "seconds_network": self.inferer.seconds_network}
