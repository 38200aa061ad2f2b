"""Owns what only one process of a distributed run may do, while the others wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed as dist


class OnceOnRankZero:
    """Runs an action in process 0 only; the others go on when it is done.

    Args:
        action: what to do, such as writing a data set that all processes then read.
    """

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def run(self) -> None:
        """Runs the action and, in a distributed run, waits for it in every process."""
        distributed = dist.is_available() and dist.is_initialized()
        if not distributed or dist.get_rank() == 0:
            self.action()
        if distributed:
            dist.barrier()
