"""Owns how the processes of a torchrun share work: what only one may do, who takes which subject, one report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from ..conventions import SUBJECT, ConfigError
from .subject_writer import Failure, SubjectWriter

# A process may wait as long as another one works on its share; torch gives up after 10 to 30 minutes.
_PATIENCE = timedelta(days=30)


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

    def before(self, value: Any) -> Any:
        """``value``, once the action is done: whatever refers to it waits, and where nothing does, nothing runs."""
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


class Processes:
    """The processes of a torchrun over one list of subjects; all of them must come to each call.

    Alone, without torchrun, every call is allowed and does nothing.
    """

    @property
    def rank(self) -> int:
        """Number of this process, 0 where there is only one."""
        return process_number()

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

    def gather(self, writer: SubjectWriter) -> None:
        """Puts the results and failures of all into ``writer``, sorted by subject. As JSON, no pickle."""
        if _distributed():
            writer.results = sorted(_everyones(writer.results), key=lambda result: result[SUBJECT])
            failures = _everyones([asdict(failure) for failure in writer.failures])
            writer.failures = sorted((Failure(**fields) for fields in failures), key=lambda one: one.subject)

    def leave(self) -> None:
        """Parts when all are here: torchrun ends the others as soon as one ends with an error, and who is ended in the
        middle of an exchange aborts."""
        if _distributed():
            dist.barrier()
            dist.destroy_process_group()


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
