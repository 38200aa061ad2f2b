"""Work shared by the processes of a torchrun: what only one may do, who takes which subject."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist

# A process may wait as long as another one works on its share; torch gives up after 10 to 30 minutes.
_PATIENCE = timedelta(days=30)
T = TypeVar("T")


class Job(Protocol):
    """Something that is run once."""

    def run(self) -> object:
        """Does it."""


class OnceOnRankZero:
    """Runs a job in process 0 only; the others go on when it is done.

    Args:
        job: what to do, such as writing a data set that all processes then read.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def run(self) -> None:
        """Runs the job and, in a distributed run, waits for it in every process."""
        if process_number() == 0:
            self.job.run()
        if _distributed():
            dist.barrier()

    def before(self, value: T) -> T:
        """``value``, once the job is done: whatever refers to it waits, and where nothing does, nothing runs."""
        self.run()
        return value


def own_share(entries: Sequence[Any]) -> list[Any]:
    """Every n-th of ``entries`` for the process that asks, n processes; each entry belongs to exactly one of them.

    Waits for all, so that no process writes results while another still looks which subjects have none.
    """
    if not _distributed():
        return list(entries)
    dist.barrier()
    return list(entries)[dist.get_rank() :: dist.get_world_size()]


def process_number() -> int:
    """Rank of this process, 0 where there is only one."""
    return dist.get_rank() if _distributed() else 0


def process_count() -> int:
    """How many processes of a torchrun work together; 1 without."""
    return dist.get_world_size() if _distributed() else 1


def _everyones(items: list[dict]) -> list[dict]:
    """The items of all processes, by rank.

    Not monai.utils.string_list_all_gather: for it ignite opens a group of its own, which waits for a process that
    has died as long as for one that works. In the group that all have joined, a dead process is a closed connection.
    """
    text = torch.tensor(bytearray(json.dumps(items), "utf-8"), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(dist.get_world_size())]
    dist.all_gather(lengths, torch.tensor([len(text)]))
    padded = torch.zeros(int(max(lengths)), dtype=torch.uint8)
    padded[: len(text)] = text
    texts = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(texts, padded)
    return [item for one, n in zip(texts, lengths, strict=True) for item in json.loads(bytes(one[: int(n)].tolist()))]


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
