"""Samples from Python: arrays or files of one subject in, LGE and label maps out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..conventions import BUNDLE_NAME, LABEL, LGE, SUBJECT, ConfigError
from ..volumes.arrays_as_files import meta_file, sequence_file
from .lesion import LesionWish, lesion_wish
from .modes import PAIRED, disclaimer_of, draw, entry_for, known_evidence, known_mode
from .sampler import Sampler

Source = np.ndarray | str | Path


@dataclass(frozen=True, eq=False)
class ArraySample:
    """An LGE with its label map; both synthetic, but for the one that was given.

    lge: float32, 0..1, on the grid of the cine and in its order of axes; 0 outside the crop the network sees.
    label_map: uint8, codes of conventions.LABEL_NAMES, same grid. affine: (4, 4) float64, voxel index to mm, RAS.
    about: seeds, the lesion that was drawn, and the disclaimer.
    """

    lge: np.ndarray
    label_map: np.ndarray
    affine: np.ndarray
    about: dict[str, Any]


class ArraySampler:
    """Callable that samples one subject; the modes are those of configs/augment.json, without its filter.

    Args:
        sampler: network and what it needs.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def __call__(
        self,
        cine: Source,
        t2_stir: Source | None = None,
        mode: str = PAIRED,
        samples: int = 1,
        *,
        label: Source | None = None,
        lge: Source | None = None,
        affine: np.ndarray | None = None,
        t2_stir_affine: np.ndarray | None = None,
        meta: Mapping[str, Any] | str | Path | None = None,
        lesion: Mapping[str, Any] | None = None,
        subject: str = "case",
    ) -> list[ArraySample]:
        """Samples of one subject; nothing stays on disk.

        Args:
            cine, t2_stir, affine, t2_stir_affine, meta: as the predictor takes them.
            mode: "paired", "given_mask" (wants ``label``), "given_lge" (wants ``lge``) or "lesion".
            label: codes of conventions.LABEL_NAMES, (x, y, slice), and lge: on the grid of the cine where they are
                arrays. lesion: keywords of samples.lesion.lesion_wish, such as {"size_percent_lv": [5, 10]}.
            subject: its name; with the seed and the sample's number it decides the noise.
        Raises:
            DataError: an input cannot be used. ConfigError: a mode or a lesion that cannot be.
        """
        if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
            raise ConfigError(f"samples: found {samples!r}, expected a whole number of at least 1.")
        wish = lesion_wish(**lesion) if lesion else LesionWish()
        known_mode(mode)
        self.sampler.start()
        with TemporaryDirectory(prefix=f"{BUNDLE_NAME}_") as folder:
            entry = {SUBJECT: str(subject)}
            given = {"cine": cine, "t2_stir": t2_stir, LABEL: label, LGE: lge}
            for key, source in given.items():
                if source is not None:
                    own = t2_stir_affine if key == "t2_stir" and t2_stir_affine is not None else affine
                    is_file = isinstance(source, (str, Path)) and own is affine
                    entry[key] = sequence_file(Path(folder), key, source, None if is_file and key != "cine" else own)
            if meta is not None:
                entry["meta"] = meta_file(Path(folder), meta)
            item = self.sampler.preprocessing(entry_for(mode, entry))
        return [self._one(mode, item, f"{subject}/{number}", wish) for number in range(samples)]

    def _one(self, mode: str, item: dict, name: str, wish: LesionWish) -> ArraySample:
        digest = hashlib.sha256(f"{self.sampler.inferer.seed}/{name}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        sample, about = draw(mode, self.sampler, item, name, wish, rng, known_evidence(None, mode))
        grid = sample.file_grid
        return ArraySample(
            lge=np.array(grid.array(sample.lge)),
            label_map=np.array(grid.array(sample.label)),
            affine=grid.affine(sample.affine),
            about={**about, "mode": mode, "seeds": sample.seeds, "disclaimer": disclaimer_of(mode)},
        )
