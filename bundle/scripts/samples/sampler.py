"""Draws LGE and label map of one subject: both, or the one that is not given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from ..conventions import IMAGE, LABEL, LGE, MASK, PAPER, PREDICTION, SUBJECT, ConfigError
from ..diffusion.inferers import SubjectSampler
from ..diffusion.prepare_batch import SubjectBatch
from ..evaluation.pairs import crop_affine
from ..preprocessing.one_heart import OneHeart
from ..preprocessing.postprocessing import SplitPrediction, ToCineGrid
from ..preprocessing.preprocessing import SubjectPreprocessing
from ..runtime.weights import load_network_weights, load_weights
from ..volumes.file_grid import FileGrid


@dataclass(frozen=True, eq=False)
class Sample:
    """LGE in 0..1 and label map of one subject, on the network's crop (I, J, S) and on the cine grid (X, Y, S).

    ``label_crop``: the paper's four classes. ``affine``: (4, 4), voxel to RAS mm, of the cine grid.
    """

    label_crop: np.ndarray
    lge_crop: np.ndarray
    label: np.ndarray
    lge: np.ndarray
    affine: np.ndarray
    file_grid: FileGrid
    seeds: str


class Sampler:
    """The network with what it needs to sample a subject.

    Args:
        network, preprocessing, inferer: of inference.json; the inferer's mask_step is "last", so that label map and
            LGE are of one sample.
        weights: the network's file, read at the first subject.
        num_classes: of the network. one_heart: as inference.json's. classes: as ToCineGrid's.
    Raises:
        ConfigError: no ``steps``.
    """

    def __init__(
        self,
        network: Any,
        preprocessing: SubjectPreprocessing,
        inferer: SubjectSampler,
        weights: str | Path,
        num_classes: int,
        one_heart: bool | str = True,
        classes: str = PAPER,
    ) -> None:
        if not inferer.pairs:
            raise ConfigError("steps: found 0, expected at least 1: without noise all samples are one. Fix: --steps 4")
        self.network, self.preprocessing, self.inferer, self.num_classes = network, preprocessing, inferer, num_classes
        self.weights, self.classes, self.prepare = Path(weights), classes, SubjectBatch()
        self._split, self._back = SplitPrediction(num_classes), ToCineGrid(classes, num_classes)
        self._one_heart = OneHeart(one_heart)
        self._ready = False

    @property
    def settings(self) -> list[Any]:
        """What a sample follows from beside weights, noise and files."""
        table = self.preprocessing.label_table
        return [self.preprocessing.settings, table, self.num_classes, self.classes, self._one_heart.on]

    def start(self) -> None:
        """Loads the weights.

        Raises:
            DataError: the file is missing, unreadable, or made for another network.
        """
        if not self._ready:
            load_network_weights(self.network, load_weights(self.weights), self.weights)
            self.network.eval()
            self._ready = True

    def draw(self, item: Mapping[str, Any], name: str, given: Mapping[str, torch.Tensor] | None = None) -> Sample:
        """A sample.

        Args:
            item: of the subject, as SubjectPreprocessing gives it.
            name: of the sample; with the seed it decides the noise.
            given: {"mask": (1, I, J, S)} or {"lge": (1, I, J, S)}, on the network's crop.
        """
        device = next(self.network.parameters()).device
        keys = (IMAGE, "available", "available_slices", "vendor")
        batch = default_collate([{key: item[key] for key in keys if key in item} | {SUBJECT: name}])
        image, _, _, arguments = self.prepare(batch, device)
        parts = {key: value[None].to(device) for key, value in given.items()} if given else None
        prediction = self.inferer(image, self.network, **arguments, given=parts)[0].cpu()
        kept = {key: value for key, value in item.items() if key not in (LGE, LABEL)}
        crops = self._split({**kept, PREDICTION: prediction})
        if not (given and MASK in given):
            crops = self._one_heart(crops)
        on_cine = self._back(crops)
        return Sample(
            label_crop=crops["label_crop"][0].numpy(),
            lge_crop=crops["virtual_lge"][0].numpy(),
            label=on_cine["label_map"],
            lge=on_cine["virtual_lge"],
            affine=item["cine_affine"].numpy().astype(np.float64),
            file_grid=FileGrid.from_text(item["cine_file_grid"]),
            seeds=self.inferer.seeds(name, image.shape[-1]),
        )

    @staticmethod
    def crop_affine(item: Mapping[str, Any]) -> np.ndarray:
        """(4, 4), voxel of the crop to RAS mm."""
        return crop_affine(item["cine_affine"].numpy(), item["crop_to_cine"].numpy())
