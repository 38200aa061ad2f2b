"""Writer of one subject's folder at the end of each iteration."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events

from .. import conventions
from ..conventions import DataError
from ..files import OutputError, ensure_writable, json_text, remove, write_bytes, write_text
from ..reports.preview import Panels, preview_png
from ..runtime.provenance import public_config, software_versions, weights_record, without_folders
from ..volumes.nifti_writing import nifti_bytes
from . import outputs
from .ledger import Failure
from .result import SCHEMA_VERSION, checked_volumes
from .subject_item import SubjectItem

logger = logging.getLogger(__name__)


class SubjectWriter:
    """Ignite handler: writes the folder of the subject of each iteration.

    Args:
        output_dir: made if missing.
        assess: called with the fields of clinical.assessment.SubjectArrays by name; returns the numbers as JSON values.
        weights: the checkpoint the network was loaded from; its hash goes into every result.
        preview: whether to draw ``<subject>_preview.png``.
    """

    def __init__(
        self, output_dir: str | Path, assess: Callable[..., dict], weights: str | Path, preview: bool = True
    ) -> None:
        self.output_dir = Path(output_dir)
        self.assess = assess
        self.weights = Path(weights)
        self.preview = conventions.flag(preview, "preview")
        self.results: list[dict] = []
        self.failures: list[Failure] = []
        self._started_s = time.perf_counter()
        self._provenance: dict | None = None

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start_clock)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def provenance(self) -> dict:
        """Versions and weights, the same for every subject of the run."""
        if self._provenance is None:
            self._provenance = {"software": software_versions(), "weights": weights_record(self.weights)}
        return self._provenance

    def started(self, engine: Engine) -> None:
        """Stops before the first subject when the folder or the weights are unusable."""
        ensure_writable(self.output_dir)
        self.provenance()

    def _start_clock(self, engine: Engine) -> None:
        self._started_s = time.perf_counter()

    def __call__(self, engine: Engine) -> None:
        item = SubjectItem(engine.state.batch, engine.state.output)
        position = f"subject {engine.state.iteration}/{engine.state.epoch_length} {item.subject}"
        failure = self._recorded_failure(item)
        if failure is None:
            try:
                result = self._write(item)
            except OutputError:
                raise
            except DataError as error:
                failure = Failure(item.subject, "results", without_folders(str(error)), "see the reason; run again")
        if failure is not None:
            self.failures.append(failure)
            logger.warning("%s: failed (%s): %s", position, failure.stage, failure.reason)
            return
        self.results.append(result)
        size, slices = result["infarct_percent_lv"], result["slices"]["total"]
        shown = f"{size['value']:.1f} %LV" if "value" in size else "not measurable"
        logger.info("%s: %d slices, infarct %s, %.1f s", position, slices, shown, result["seconds"]["total"])

    @staticmethod
    def _recorded_failure(item: SubjectItem) -> Failure | None:
        if not item.text("failure_stage") and not item.text("failure"):
            return None
        texts = (without_folders(item.text(key)) for key in ("failure_stage", "failure", "failure_fix"))
        return Failure(item.subject, *texts)

    def _write(self, item: SubjectItem) -> dict:
        affine = item.array("cine_affine", 2).astype(np.float64)
        volumes = checked_volumes(item)
        result = self._result(item, affine, volumes)
        files = {kind: nifti_bytes(volume, affine) for kind, volume in volumes.items()}
        if self.preview:
            files[outputs.PREVIEW] = preview_png(self._panels(item, volumes), affine, item.subject)
        paths = {kind: outputs.subject_file(self.output_dir, item.subject, kind) for kind in outputs.SUBJECT_FILES}
        # An old result.json would call the new, incomplete files finished: it goes first and comes back last.
        remove(paths[outputs.RESULT])
        for kind, path in paths.items():
            if kind in files:
                write_bytes(path, files[kind])
            else:
                remove(path)
        result["files"] = [paths[kind].name for kind in files] + [paths[outputs.RESULT].name]
        result["seconds"]["total"] = round(time.perf_counter() - self._started_s, 3)
        write_text(paths[outputs.RESULT], json_text(result))
        return result

    def _result(self, item: SubjectItem, affine: np.ndarray, volumes: dict[str, np.ndarray]) -> dict:
        used = item.sequences_used()
        numbers = self.assess(
            label=volumes[outputs.LABEL],
            virtual_lge=volumes[outputs.VIRTUAL_LGE],
            affine=affine,
            sequences_used=used,
            crop_to_cine=item.optional_array("crop_to_cine", 3),
            crop_size=item.array(conventions.IMAGE, 4).shape[1:3] if conventions.IMAGE in item else None,
            sample_infarct_percent=item.optional_array("sample_infarct_percent", 1),
            reference_label=item.optional_array("label_on_cine", 3),
            reference_slices=item.optional_array("label_slices", 1),
        )
        phase, network_s = item.optional_number("phase"), item.optional_number("seconds_network")
        return {
            "schema_version": SCHEMA_VERSION,
            conventions.SUBJECT: item.subject,
            "disclaimer": conventions.DISCLAIMER,
            **numbers,
            "sequences": {
                "used": list(used),
                "missing": [name for name in conventions.SEQUENCES if name not in used],
                "files": public_config(item.parsed("sources") or {}),
            },
            "vendor": conventions.VENDORS[int(item.optional_number(conventions.VENDOR) or 0)],
            "cine_phase": {
                "index": None if phase is None or phase < 0 else int(phase),
                "rule": item.text("phase_rule"),
            },
            "localisation": item.text("localisation"),
            "warnings": [without_folders(line) for line in item.lines("warnings")],
            "seeds": item.parsed("seeds"),
            "seconds": {"total": None, "network": None if network_s is None else round(network_s, 3)},
            **self.provenance(),
        }

    @staticmethod
    def _panels(item: SubjectItem, volumes: dict[str, np.ndarray]) -> Panels:
        return Panels(
            cine=item.array("cine_native", 3),
            t2_stir=item.array("t2_native", 3) if "t2_stir" in item.sequences_used() else None,
            virtual_lge=volumes[outputs.VIRTUAL_LGE],
            label=volumes[outputs.LABEL],
            real_lge=item.optional_array("lge_on_cine", 3),
            reference_label=item.optional_array("label_on_cine", 3),
            uncertainty=volumes.get(outputs.UNCERTAINTY),
        )
