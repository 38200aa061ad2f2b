"""Whether a sampled LGE is an image of the training set again: nearest neighbours in another network's features."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ..conventions import LGE, DataError
from ..datasets.datalist import split
from ..datasets.datasets import SubjectDataset

logger = logging.getLogger(__name__)
# Of the held-out subjects, those that lie nearer to the training set than a copy is allowed to.
_HELD_OUT_SHARE = 0.025
_FEWEST = 5
# Images (S, 1, H, W), 0..1, to features (S, F).
Features = Callable[[torch.Tensor], torch.Tensor]


class CopyCheck:
    """Distance of an LGE from the nearest ones of a training set, against that of held-out subjects.

    The number of a stack is the median over its slices of the distance, by cosine, to the nearest training slice. A
    sample is a copy where it is below that of all but 2.5 % of the validation subjects.

    Args:
        dataset_dir: the folder that the network was trained on, in any layout; "" checks nothing.
        preprocessing: of the network, for cine and LGE.
    """

    def __init__(self, dataset_dir: str, preprocessing: Callable[[dict], dict]) -> None:
        self.dataset_dir, self.preprocessing = str(dataset_dir), preprocessing
        self._slices = torch.zeros(0, 0)
        self.threshold: float | None = None

    @property
    def on(self) -> bool:
        """Whether there is a training set to compare with."""
        return bool(self.dataset_dir)

    def start(self, features: Features) -> None:
        """Reads the training set once.

        Raises:
            DataError: it has fewer than five validation subjects with an LGE, or cannot be read.
        """
        if not self.on:
            return
        training, held_out = (
            self._features(split(self.dataset_dir, section, require=("cine", LGE)), features)
            for section in ("training", "validation")
        )
        if len(held_out) < _FEWEST:
            raise DataError(
                f"copies_of {self.dataset_dir}: found {len(held_out)} validation subjects with an LGE, expected at "
                f'least {_FEWEST} to tell how near a new heart comes. Fix: --copies_of "", or a larger folder.'
            )
        self._slices = torch.cat(training)
        distances = [self.distance(rows) for rows in held_out]
        self.threshold = float(np.quantile(distances, _HELD_OUT_SHARE))
        logger.info(
            "copies: compared with %d training slices; nearer than %.4f is a copy", len(self._slices), self.threshold
        )

    def distance(self, rows: torch.Tensor) -> float:
        """That of one stack, features (S, F)."""
        return float((1 - (_unit(rows) @ self._slices.T).amax(dim=1)).median())

    def _features(self, entries: Sequence[Mapping], features: Features) -> list[torch.Tensor]:
        kept = [{key: value for key, value in entry.items() if key != "label"} for entry in entries]
        dataset = SubjectDataset(kept, self.preprocessing)
        found = []
        for number in range(len(dataset)):
            item = dataset[number]
            if LGE in item:
                found.append(_unit(features(item[LGE].movedim(-1, 0))))
        return found


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows.double(), dim=1)
