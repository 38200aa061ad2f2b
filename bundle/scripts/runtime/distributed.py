"""Processes of a torchrun: what only one may do, who takes which subject, what all of them know."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist

from ..conventions import ConfigError

# A process may wait as long as another one works on its share; torch gives up after 10 to 30 minutes.
_PATIENCE = timedelta(days=30)
T = TypeVar("T")


class Job(Protocol):
    """Something that is run once."""

    def run(self) -> object:
        """Does it."""


class Processes:
    """The processes of a torchrun over one list of subjects; all of them must come to each call.

    Alone, without torchrun, every call is allowed and does nothing.
    """

    @property
    def device(self) -> torch.device:
        """The GPU of this process, one per local rank; the CPU where there is none.

        Raises:
            ConfigError: more processes on this machine than GPUs.
        """
        found, local_rank = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", "0"))
        if local_rank >= found > 0:
            raise ConfigError(
                f"torchrun: no GPU for local process {local_rank}; found {found}, expected one per process.\n"
                f"Fix: --nproc_per_node={found}, or --device cpu."
            )
        return torch.device("cuda", local_rank) if found else torch.device("cpu")

    def join(self) -> None:
        """Meets the others. Gloo with GPUs too: the processes exchange a few lines of text, never images or weights."""
        if dist.is_available() and dist.is_torchelastic_launched():
            dist.init_process_group("gloo", timeout=_PATIENCE)

    def leave(self) -> None:
        """Leaves the group when all are here. torchrun ends the others as soon as one ends with an error, and a process
        that is ended in the middle of an exchange aborts."""
        if distributed():
            dist.barrier()
            dist.destroy_process_group()


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
        meet()

    def before(self, value: T) -> T:
        """``value``, once the job is done: whatever refers to it waits, and where nothing does, nothing runs."""
        self.run()
        return value


def own_share(entries: Sequence[Any]) -> list[Any]:
    """Every n-th of ``entries`` for the process that asks, n processes; each entry belongs to exactly one of them.

    Waits for all, so that no process writes results while another still looks which subjects have none.
    """
    meet()
    return list(entries)[process_number() :: process_count()]


def meet() -> None:
    """Waits until all processes are here; alone, does nothing."""
    if distributed():
        dist.barrier()


def process_number() -> int:
    """Rank of this process, 0 where there is only one."""
    return dist.get_rank() if distributed() else 0


def process_count() -> int:
    """How many processes of a torchrun work together; 1 without."""
    return dist.get_world_size() if distributed() else 1


def everyones(items: list[dict]) -> list[dict]:
    """The items of all processes of a torchrun, by rank; all must come to it. As JSON, no pickle.

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


def distributed() -> bool:
    """Whether this process works together with others."""
    return dist.is_available() and dist.is_initialized()
