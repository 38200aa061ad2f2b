"""Owns what MONAI Label sends back for a case: the label map, and beside it the virtual LGE on the server's disk."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform

from .. import conventions
from . import outputs
from .atomic import OutputError
from .predictor import SubjectResults
from .provenance import without_folders
from .subject_item import SubjectItem
from .subject_writer import SubjectWriter

# Below the folder of the studies: MONAI Label lists the files of that folder itself only, so these are no cases.
RESULTS_FOLDER = "virtual_lge"
RESULT_IMAGES = ("label", "virtual_lge")


class LabelResponse(Transform):
    """Last of post_transforms: ``pred`` becomes the image that is sent, ``result`` what the response's params say.

    The files of batch inference are written to ``<folder of the case>/virtual_lge/<case>/``, the virtual LGE among them
    as float32; not for an uploaded file, which has no place on the server. ``result`` holds virtual_lge (its path, or
    null), result_file, infarct_percent_lv, sequences, warnings and the disclaimer. With ``result_image: virtual_lge``
    among the request's params the virtual LGE is sent in place of the label map.

    Args:
        writer: SubjectWriter of inference.json: its weights, assessment and preview; its folder is not used.
    """

    def __init__(self, writer: SubjectWriter) -> None:
        self.writer = writer

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with ``pred`` (1, X, Y, S), uint8 codes or float32 in 0..1, and ``result``.

        Raises:
            DataError: the result cannot be used.
        """
        item = SubjectItem({key: value for key, value in data.items() if key != conventions.PREDICTION})
        prediction = self._results(data.get("model_filename")).prediction(item, data["started_s"])
        warnings = item.lines("warnings")
        wanted = str(data.get("result_image", RESULT_IMAGES[0]))
        if wanted not in RESULT_IMAGES:
            warnings.append(
                f"result_image {wanted[:40]!r} is none of {', '.join(RESULT_IMAGES)}; the label map is sent"
            )
        image = prediction.virtual_lge if wanted == RESULT_IMAGES[1] else prediction.label_map
        kept, problems = self._keep(Path(str(data.get("image_path", ""))), prediction)
        result = {
            conventions.SUBJECT: prediction.subject,
            **kept,
            "infarct_percent_lv": prediction.result["infarct_percent_lv"],
            "sequences": prediction.result["sequences"],
            "warnings": [without_folders(line) for line in [*warnings, *problems]],
            "disclaimer": conventions.DISCLAIMER,
        }
        return {**data, conventions.PREDICTION: np.ascontiguousarray(image)[None], "result": result}

    def _results(self, model_filename: str | list[str] | None) -> SubjectResults:
        """What makes the result; it names the weights that were chosen among those in the models folder."""
        chosen = model_filename[0] if isinstance(model_filename, list) and model_filename else model_filename
        own = self.writer.weights
        weights = own.with_name(Path(str(chosen)).name) if chosen else own
        weights = weights if weights.is_file() else own
        return SubjectResults(self.writer.output_dir, self.writer.assess, weights, self.writer.preview)

    def _keep(self, case: Path, prediction: Any) -> tuple[dict[str, str | None], list[str]]:
        """Paths of what was written, and why nothing was."""
        nothing = {"virtual_lge": None, "result_file": None}
        if not case.name or case.parent == Path(tempfile.gettempdir()):
            text = "an uploaded case: the virtual LGE is not kept; ask for it with result_image virtual_lge"
            return nothing, [text]
        try:
            folder = prediction.save(case.parent / RESULTS_FOLDER)
        except (OutputError, OSError) as error:
            return nothing, [f"the virtual LGE could not be kept: {error}"]
        names = {"virtual_lge": outputs.VIRTUAL_LGE, "result_file": outputs.RESULT}
        return {key: str(folder / f"{prediction.subject}_{kind}") for key, kind in names.items()}, []
