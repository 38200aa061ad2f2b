"""A request of MONAI Label: the network's input, or a refusal with a reason."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import optional_import
from torch import nn

from .. import conventions
from ..datasets.monai_label_cases import CaseReader
from ..preprocessing.preprocessing import SubjectPreprocessing
from ..runtime.provenance import without_folders
from ..runtime.weights import load_weights, misfits, not_finite
from ..subject_faults import ProgramFaultError, subject_problem
from ..volumes.file_grid import FileGrid

NOT_FOUND, UNUSABLE = 404, 422
logger = logging.getLogger(__name__)


class CaseRequest(Transform):
    """MONAI Label's request -> the same dict, ``image`` being the network's input and ``case`` the subject-level item.

    ``image`` is a MetaTensor (C, I, J, S) in 0..1. Its meta says what the inferer would else be told by prepare_batch
    (available, vendor, subject), and the grid on which the server returns the label map (the cine's). ``case`` holds
    nothing of the request. ``model_filename`` is the name of a file that is there and fits the network: MONAI Label
    itself goes on with random weights where names do not fit. ``started_s`` is time.perf_counter() at the start.

    Args:
        preprocessing: that of inference.json.
        network: what the weights must fit.
        weights: the default, in the folder of all that can be chosen.
    """

    def __init__(self, preprocessing: SubjectPreprocessing, network: nn.Module, weights: str | Path) -> None:
        self.read_case, self.network, self.weights = CaseReader(preprocessing), network, Path(weights)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the case.

        Raises:
            HTTPException: (the server's own; elsewhere DataError) 404 for an unknown case, 422 for an unusable one or
                weights that cannot be used.
        """
        started_s, image = time.perf_counter(), data.get(conventions.IMAGE, "")
        if not isinstance(image, (str, Path)) or "\0" in str(image):
            found = f"a {type(image).__name__}" if not isinstance(image, (str, Path)) else repr(str(image)[:100])
            raise server_error(UNUSABLE, f"image: found {found}, expected the name of a case.")
        path, status = Path(image), NOT_FOUND
        try:
            status = UNUSABLE if path.is_file() else NOT_FOUND
            item, chosen = self.read_case(str(image)), self._chosen_weights(data.get("model_filename"))
        except Exception as error:
            raise server_error(status, for_client(refusal(error), path)) from error
        item["warnings"] = "\n".join(for_client(line, path) for line in item["warnings"].splitlines())
        return {
            **data, conventions.IMAGE: _network_input(item), "case": item, "model_filename": chosen,
            "started_s": started_s,
        }  # fmt: skip

    def _chosen_weights(self, wanted: Any) -> str:
        """Name of the chosen file, whatever a client sends; MONAI Label's own list begins with the default."""
        if isinstance(wanted, (list, tuple)) or wanted is None:
            wanted = wanted[0] if wanted else self.weights.name
        # a link that leads to itself or nowhere is no file
        files = {file.name: file for file in self.weights.parent.glob("*.pt") if file.is_file()}
        if not isinstance(wanted, str) or wanted not in files:
            raise conventions.DataError(
                f"model_filename: found {str(wanted)[:100]!r}, expected one of {', '.join(sorted(files)) or 'none'}.\n"
                "Fix: choose one of these, or copy the weights into the models folder."
            )
        state = load_weights(files[wanted])
        problems = misfits(self.network, state) or [
            f"{name}: NaN or infinite numbers" for name in not_finite(self.network, state)
        ]
        if problems:
            raise conventions.DataError(
                f"{wanted}: not weights of this network ({len(problems)} differences, such as {problems[0]}).\n"
                f"Fix: choose {self.weights.name}, or weights that this bundle's train.json made."
            )
        written = files[wanted].stat().st_mtime
        twins = [name for name, file in files.items() if name != wanted and file.stat().st_mtime == written]
        if twins:
            raise conventions.DataError(
                f"{wanted}: written at the same time as {', '.join(sorted(twins))}, and by its time alone MONAI Label "
                "tells one file from another; it could answer with the wrong one.\nFix: touch one of them."
            )
        return wanted


def refusal(error: Exception) -> str:
    """Why a case is refused, whatever it raised; a server answers the next one all the same."""
    try:
        problem = subject_problem(error)
    except conventions.SSDiffError as own:
        return str(own)
    if isinstance(problem, ProgramFaultError):
        logger.error("a fault of this program, answered as a case that cannot be used", exc_info=error)
    return str(problem)


def server_error(status: int, text: str) -> Exception:
    """The exception that MONAI Label's server answers with ``status`` and ``text``; a DataError where it is absent."""
    http_exception, found = optional_import("fastapi", name="HTTPException")
    return http_exception(status_code=status, detail=text) if found else conventions.DataError(text)


def for_client(text: str, case: Path) -> str:
    """An error or warning without folders: a client needs the file's name only, a folder may be named for a patient."""
    text = without_folders(text)
    return re.sub(rf"(?<!\w){re.escape(case.parent.name)}/", "", text) if case.parent.name else text


def _network_input(item: Mapping[str, Any]) -> MetaTensor:
    file_grid = FileGrid.from_text(item["cine_file_grid"])
    affine, shape = file_grid.affine(item["cine_affine"].numpy()), item["cine_shape"].numpy()
    meta = {
        conventions.AVAILABLE: item["available_slices"][None],
        conventions.VENDOR: item[conventions.VENDOR][None],
        conventions.SUBJECT: [item[conventions.SUBJECT]],
        "spatial_shape": shape[np.argsort(file_grid.axes)],
        "original_affine": affine,
    }
    return MetaTensor(item[conventions.IMAGE], affine=torch.as_tensor(affine), meta=meta)
