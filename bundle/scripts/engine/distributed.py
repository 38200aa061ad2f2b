"""Owns how the processes of a torchrun share work: what only one may do, who takes which subject, one report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch.distributed as dist
from monai.utils import string_list_all_gather

from ..conventions import SUBJECT
from .subject_writer import Failure, SubjectWriter

_BETWEEN = "\t"  # JSON escapes it, so that no text holds one


class OnceOnRankZero:
    """Runs an action in process 0 only; the others go on when it is done.

    Args:
        action: what to do, such as writing a data set that all processes then read.
    """

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def run(self) -> None:
        """Runs the action and, in a distributed run, waits for it in every process."""
        if process_number() == 0:
            self.action()
        if _distributed():
            dist.barrier()


def own_share(entries: Sequence[Any]) -> list[Any]:
    """Every n-th of ``entries`` for the process that asks, n processes; each entry belongs to exactly one of them.

    Waits for all, so that no process writes results while another still looks which subjects have none.
    """
    if not _distributed():
        return list(entries)
    dist.barrier()
    return list(entries)[dist.get_rank() :: dist.get_world_size()]


class Processes:
    """What a report has to know of the other processes; all of them must come to each call."""

    @property
    def rank(self) -> int:
        """Number of this process, 0 where there is only one."""
        return process_number()

    def gather(self, writer: SubjectWriter) -> None:
        """Puts the results and failures of all into ``writer``, sorted by subject. As JSON, no pickle."""
        if _distributed():
            writer.results = sorted(_everyones(writer.results), key=lambda result: result[SUBJECT])
            failures = _everyones([asdict(failure) for failure in writer.failures])
            writer.failures = sorted((Failure(**fields) for fields in failures), key=lambda one: one.subject)

    def wait(self) -> None:
        """Until all are here: torchrun ends the others as soon as one process ends with an error."""
        if _distributed():
            dist.barrier()


def process_number() -> int:
    """Rank of this process, 0 where there is only one."""
    return dist.get_rank() if _distributed() else 0


def _everyones(items: list[dict]) -> list[dict]:
    texts = string_list_all_gather([json.dumps(items)], delimiter=_BETWEEN)
    return [item for text in texts for item in json.loads(text)]


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
