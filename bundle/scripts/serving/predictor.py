"""One subject from Python: arrays or files in, arrays and numbers out, as batch inference gives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer
from monai.transforms import Transform
from torch import nn
from torch.utils.data import default_collate

from .. import conventions
from ..conventions import DataError
from ..diffusion.prepare_batch import SubjectBatch
from ..files import ensure_writable
from ..inference import outputs
from ..inference.result import SubjectResult, subject_result
from ..inference.subject_item import SubjectItem
from ..inference.subject_writer import write_result
from ..preprocessing.preprocessing import SubjectPreprocessing
from ..runtime.provenance import provenance
from ..runtime.weights import load_network_weights, load_weights
from ..volumes.arrays_as_files import meta_file, sequence_file

Source = np.ndarray | str | Path


@dataclass(frozen=True, eq=False)
class Prediction:
    """One subject's result, in memory.

    Args:
        subject: its name.
        virtual_lge: float32, 0..1, on the grid of the cine and in its order of axes, (x, y, slice) as a rule; 0 outside
            the crop the network sees.
        label_map: uint8, codes of conventions.LABEL_NAMES, same grid.
        affine: (4, 4) float64, voxel index to patient position in mm, RAS as nibabel gives it.
        result: the content of ``<subject>_result.json`` but for its list of files.
        infarct_probability: same grid, float32, 0..1; None with one sample.
        uncertainty: same grid, float32, SD of the virtual LGE over the samples; None with one sample.
        content: what ``save`` writes, whatever becomes of the arrays above. preview: whether it draws one too.
        started_s: time.perf_counter() when the work on the subject began.
    """

    subject: str
    virtual_lge: np.ndarray
    label_map: np.ndarray
    affine: np.ndarray
    result: dict[str, Any]
    infarct_probability: np.ndarray | None = None
    uncertainty: np.ndarray | None = None
    content: SubjectResult = field(kw_only=True, repr=False)
    preview: bool = field(kw_only=True, repr=False)
    started_s: float = field(kw_only=True, repr=False)

    @classmethod
    def of(cls, content: SubjectResult, preview: bool, started_s: float) -> Prediction:
        """The arrays and numbers of ``content``, copied."""
        grid, result = content.file_grid, deepcopy(content.record)
        volumes = {kind: np.array(grid.array(volume)) for kind, volume in content.volumes.items()}
        result["seconds"]["total"] = round(time.perf_counter() - started_s, 3)
        return cls(
            subject=content.subject,
            virtual_lge=volumes[outputs.VIRTUAL_LGE],
            label_map=volumes[outputs.LABEL],
            affine=grid.affine(content.affine),
            result=result,
            infarct_probability=volumes.get(outputs.INFARCT_PROBABILITY),
            uncertainty=volumes.get(outputs.UNCERTAINTY),
            content=content,
            preview=preview,
            started_s=started_s,
        )

    def save(self, folder: str | Path) -> Path:
        """Writes the files of batch inference to ``<folder>/<subject>``, replacing earlier ones.

        Returns:
            That folder.
        Raises:
            OutputError: it cannot be written.
        """
        ensure_writable(Path(folder))
        write_result(self.content, Path(folder), self.started_s, self.preview)
        return outputs.subject_file(Path(folder), self.subject, outputs.RESULT).parent


class Predictor:
    """Callable that turns one subject's cine, and T2-STIR where there is one, into a Prediction.

    The same parts, seeds and engine as batch inference: a subject of the same name gives the same arrays and numbers.
    Weights are read at the first call.

    Args:
        network, preprocessing, inferer, postprocessing, device: those of inference.json.
        weights: the network's file.
        prepare_batch: that of inference.json; None: nothing is hidden from the network.
        preview: whether ``save`` draws one.
        sample: callable for samples of LGE and label map (samples.arrays.ArraySampler), under this name.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: SubjectPreprocessing,
        inferer: Inferer,
        postprocessing: Transform,
        weights: str | Path,
        device: torch.device | str,
        preview: bool | str = True,
        prepare_batch: SubjectBatch | None = None,
        sample: Callable[..., Any] | None = None,
    ) -> None:
        self.sample = sample
        self.prepare_batch = SubjectBatch() if prepare_batch is None else prepare_batch
        self.network, self.preprocessing, self.weights = network, preprocessing, Path(weights)
        self.inferer, self.postprocessing, self.device = inferer, postprocessing, torch.device(device)
        self.preview = conventions.flag(preview, "preview")
        self._provenance: dict[str, dict[str, str]] = {}

    def __call__(
        self,
        cine: Source,
        t2_stir: Source | None = None,
        affine: np.ndarray | None = None,
        t2_stir_affine: np.ndarray | None = None,
        meta: Mapping[str, Any] | str | Path | None = None,
        subject: str = "case",
    ) -> Prediction:
        """Virtual LGE and label map of one subject; nothing stays on disk.

        Args:
            cine: (x, y, slice) or (x, y, slice, phase), any linear grey scale, or a NIfTI file.
            t2_stir: (x, y, slice), on the cine's grid or its own, or a NIfTI file; None where there is none.
            affine: (4, 4) of a cine given as an array, voxel index to mm, RAS as nibabel gives it.
            t2_stir_affine: the same of a T2-STIR array; None: that of the cine.
            meta: what meta.json of a subject folder may hold (vendor, trigger times), as a dict or a file.
            subject: its name; with the seed it decides the noise, and it names the files that ``save`` writes.
        Raises:
            DataError: an input, the weights or the name cannot be used; the message says which, and what to do.
        """
        started_s = time.perf_counter()
        outputs.subject_file(Path(), subject, outputs.RESULT)
        self._load_weights()
        with TemporaryDirectory(prefix=f"{conventions.BUNDLE_NAME}_") as folder:
            place = Path(folder) / subject
            entry = {conventions.SUBJECT: subject, "cine": sequence_file(place, "cine", cine, affine)}
            if t2_stir is not None:
                own = affine if t2_stir_affine is None and not isinstance(t2_stir, (str, Path)) else t2_stir_affine
                entry["t2_stir"] = sequence_file(place, "t2_stir", t2_stir, own)
            if meta is not None:
                entry["meta"] = meta_file(place, meta)
            item = self.preprocessing(entry)
        return Prediction.of(subject_result(self._inferred(item), self._provenance), self.preview, started_s)

    def _load_weights(self) -> None:
        if self._provenance:
            return
        if not self.weights.is_file():
            raise DataError(
                f"{self.weights}: no such weights file, so this bundle folder cannot predict.\n"
                "Expected: models/model.pt in the folder that create_workflow was given as bundle_root.\n"
                "Fix: correct bundle_root, unpack the released zip again, or name the folder of the weights: "
                "create_workflow(..., ckpt_dir=FOLDER)."
            )
        load_network_weights(self.network, load_weights(self.weights), self.weights)
        self._provenance = provenance(self.weights)

    def _inferred(self, item: dict) -> SubjectItem:
        """The preprocessed subject through the engine that batch inference runs."""
        evaluator = SupervisedEvaluator(
            device=self.device,
            val_data_loader=[default_collate([item])],
            network=self.network,
            prepare_batch=self.prepare_batch,
            inferer=self.inferer,
            postprocessing=self.postprocessing,
        )
        evaluator.run()
        return SubjectItem(evaluator.state.batch, evaluator.state.output)
