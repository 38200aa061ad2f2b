"""The processes of a torchrun over one list of subjects: who writes, and one report of all."""

from __future__ import annotations

import os
from dataclasses import asdict

import torch
import torch.distributed as dist

from ..conventions import SUBJECT, ConfigError
from ..runtime.distributed import _PATIENCE, _distributed, _everyones, process_number
from .ledger import Failure
from .subject_writer import SubjectWriter


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
        """Leaves the group when all are here. torchrun ends the others as soon as one ends with an error, and a process
        that is ended in the middle of an exchange aborts."""
        if _distributed():
            dist.barrier()
            dist.destroy_process_group()
