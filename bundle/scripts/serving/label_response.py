"""The answer to MONAI Label: the label map, and the virtual LGE on the server's disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform
from monai.utils import optional_import

from .. import conventions
from ..inference import outputs
from ..inference.result import subject_result
from ..inference.subject_item import SubjectItem
from ..runtime.provenance import provenance
from .label_request import UNUSABLE, for_client, refusal, server_error
from .predictor import Prediction

# Below the folder of the studies: MONAI Label lists the files of that folder itself only, so these are no cases.
RESULTS_FOLDER = "virtual_lge"
RESULT_IMAGES = ("label", "virtual_lge")


class LabelResponse(Transform):
    """All of post_transforms: ``pred`` becomes the image that is sent, ``result`` what the response's params say.

    The files of batch inference are written to ``<folder of the studies>/virtual_lge/<case>/``, the virtual LGE among
    them as float32; only for a case of the server's own list, not for an upload, a session's file or another path.
    ``result`` holds virtual_lge (its path, or null), result_file, infarct_percent_lv, sequences, warnings and the
    disclaimer. With ``result_image: virtual_lge`` among the request's params the virtual LGE is sent instead.

    Args:
        postprocessing: that of inference.json.
        weights: the default, in the folder of all that can be chosen.
        preview: whether to draw ``<case>_preview.png``.
    """

    def __init__(self, postprocessing: Callable[[dict], dict], weights: str | Path, preview: bool | str = True) -> None:
        self.postprocessing, self.weights = postprocessing, Path(weights)
        self.preview = conventions.flag(preview, "preview")

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with ``pred`` (1, X, Y, S), uint8 codes or float32 in 0..1, and ``result``.

        Raises:
            HTTPException: (the server's own; elsewhere DataError) 422, the result cannot be used.
        """
        path = Path(str(data.get("image_path", "")))
        try:
            prediction, warnings = self._prediction(data)
        except Exception as error:
            raise server_error(UNUSABLE, for_client(refusal(error), path)) from error
        wanted = str(data.get("result_image", RESULT_IMAGES[0]))
        if wanted not in RESULT_IMAGES:
            warnings.append(
                f"result_image {wanted[:40]!r} is none of {', '.join(RESULT_IMAGES)}; the label map is sent"
            )
        image = prediction.virtual_lge if wanted == RESULT_IMAGES[1] else prediction.label_map
        # The server says so itself when it was given a file instead of the name of a case.
        kept, problems = _keep(path if data.get("save_label") is not False else None, prediction)
        result = {
            conventions.SUBJECT: prediction.subject,
            **kept,
            "infarct_percent_lv": prediction.result["infarct_percent_lv"],
            "sequences": prediction.result["sequences"],
            "warnings": [*warnings, *problems],
            "disclaimer": conventions.DISCLAIMER,
        }
        return {**data, conventions.PREDICTION: np.ascontiguousarray(image)[None], "result": result}

    def _prediction(self, data: Mapping[str, Any]) -> tuple[Prediction, list[str]]:
        """The result, named after the weights that were chosen, with its warnings."""
        case = self.postprocessing({**data["case"], conventions.PREDICTION: data[conventions.PREDICTION]})
        item = SubjectItem({key: value for key, value in case.items() if key != conventions.PREDICTION})
        result = subject_result(item, provenance(self.weights.with_name(data["model_filename"])))
        return Prediction.of(result, self.preview, data["started_s"]), item.lines("warnings")


def _keep(case: Path | None, prediction: Prediction) -> tuple[dict[str, str | None], list[str]]:
    """Paths of what was written, or why nothing was. ``case``: its file, None where it is none of the server's."""
    nothing: dict[str, str | None] = {"virtual_lge": None, "result_file": None}
    studies = _studies()
    if case is None or (studies is not None and case.parent != studies):
        text = "not a case in the folder of the studies: nothing is kept; ask for the virtual LGE with result_image"
        return nothing, [text]
    try:
        folder = prediction.save(case.parent / RESULTS_FOLDER)
    except (conventions.SSDiffError, OSError):
        return nothing, [f"the virtual LGE could not be kept: {RESULTS_FOLDER} beside the case cannot be written"]
    names = {"virtual_lge": outputs.VIRTUAL_LGE, "result_file": outputs.RESULT}
    return {key: str(folder / f"{prediction.subject}_{kind}") for key, kind in names.items()}, []


def _studies() -> Path | None:
    """The server's folder of studies; None where it has none (DICOMweb) or there is no server."""
    settings, found = optional_import("monailabel.config", name="settings")
    folder = Path(settings.MONAI_LABEL_STUDIES) if found and settings.MONAI_LABEL_STUDIES else None
    return folder.resolve() if folder is not None and folder.is_dir() else None
