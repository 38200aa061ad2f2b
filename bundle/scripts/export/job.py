"""The export job: files of a network with its weights, a comparison with PyTorch, export.json last."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import conventions
from ..conventions import ConfigError, DataError
from ..diffusion.inferers import SubjectSampler
from ..files import ensure_writable, json_text, remove, write_bytes, write_text
from ..networks.joint_unet import JointUNet
from ..preprocessing.preprocessing import SubjectPreprocessing
from ..runtime.provenance import software_versions, weights_record
from ..runtime.weights import load_network_weights, load_weights
from .check import MASK_SHARE, TOLERANCE, ExportCheck, excess
from .exported_network import ONNX, PARTS, TORCHSCRIPT, ExportedNetwork
from .formats import serialise, signature
from .record import (
    FORMAT_VERSION,
    RECORD,
    exported_files,
    postprocessing_constants,
    preprocessing_constants,
    process_constants,
    sampling_constants,
    weights_structure,
)

logger = logging.getLogger(__name__)

_SUFFIXES = {TORCHSCRIPT: ".ts", ONNX: ".onnx"}


class NetworkExport:
    """Writes encoder and denoiser as TorchScript and ONNX, checks them, and says in export.json how to use them.

    Args:
        network: gets the weights; exported in eval mode, on the CPU.
        ckpt_path: its weights; none, no export.
        output_dir: made if missing.
        formats: "torchscript", "onnx" or both; as a list or with commas.
        inferer: samples with both networks for the comparison; its settings go into export.json.
        preprocessing: its settings go into export.json.
    Raises:
        ConfigError: a format is not known.
    """

    def __init__(
        self,
        network: JointUNet,
        ckpt_path: str,
        output_dir: str,
        formats: str | Sequence[str],
        inferer: SubjectSampler,
        preprocessing: SubjectPreprocessing,
    ) -> None:
        names = formats.split(",") if isinstance(formats, str) else formats
        self.formats = [name.strip() for name in names]
        if not self.formats or set(self.formats) - set(_SUFFIXES):
            raise ConfigError(
                f"formats: found {formats!r}, expected one or both of {', '.join(_SUFFIXES)}. "
                "Fix: --formats torchscript,onnx"
            )
        self.network, self.ckpt_path, self.folder = network, Path(ckpt_path), Path(output_dir)
        self.inferer, self.preprocessing = inferer, preprocessing

    def run(self) -> None:
        """Loads, writes, compares.

        Raises:
            DataError: no weights that fit, or an export that differs from PyTorch by more than check.excess accepts.
            OutputError: the folder cannot be written.
        """
        load_network_weights(self.network, load_weights(self.ckpt_path), self.ckpt_path)
        self.network = self.network.cpu().eval()
        ensure_writable(self.folder)
        record = self._record()
        # an old record would call the new files complete: it goes first and comes back last
        remove(self.folder / RECORD)
        check = ExportCheck(self.network, self.inferer, self.preprocessing.crop_size)
        record["difference"]["pytorch_float64"] = check.rounding()
        for file_format in _SUFFIXES:
            if file_format in self.formats:
                record["files"][file_format] = self._write(file_format, record)
                record["difference"][file_format] = self._compare(file_format, record, check)
            else:
                self._remove(file_format)
        write_text(self.folder / RECORD, json_text(record))
        logger.info("%s: %s. %s", self.folder / RECORD, ", ".join(record["files"]), conventions.DISCLAIMER)

    def _record(self) -> dict[str, Any]:
        structure = weights_structure(self.network)
        return {
            "format_version": FORMAT_VERSION,
            "bundle": conventions.BUNDLE_NAME,
            "bundle_version": conventions.BUNDLE_VERSION,
            "disclaimer": conventions.DISCLAIMER,
            "weights": {**weights_record(self.ckpt_path), "structure": structure},
            "files": {},
            "difference": {},
            "tolerance": {"virtual_lge": TOLERANCE, "mask": TOLERANCE, "mask_share_beyond": MASK_SHARE},
            "signature": signature(self.network),
            "size_divisor": self.network.size_divisor,
            "value_ranges": {
                "image": [-1, 1],
                "available": [0, 1],
                "vendor": [0, len(conventions.VENDORS) - 1],
                "timesteps": [0, self.inferer.process.num_train_timesteps - 1],
            },
            "preprocessing": preprocessing_constants(self.preprocessing),
            "process": process_constants(self.inferer.process),
            "sampling": sampling_constants(self.inferer),
            "postprocessing": postprocessing_constants(self.inferer.process.num_classes),
            "software": software_versions(),
        }

    def _write(self, file_format: str, record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Files of one format; name and hash of each part's."""
        logger.info("%s: exporting.", file_format)
        metadata = {key: str(record[key]) for key in ("format_version", "bundle", "bundle_version", "disclaimer")}
        metadata["weights_sha256"] = record["weights"]["sha256"]
        files = {}
        for part, content in serialise(self.network, file_format, metadata).items():
            name = part + _SUFFIXES[file_format]
            write_bytes(self.folder / name, content)
            files[part] = {"file": name, "sha256": hashlib.sha256(content).hexdigest()}
        return files

    def _remove(self, file_format: str) -> None:
        """Files of an earlier export that would be of other weights than the rest."""
        for part in PARTS:
            remove(self.folder / (part + _SUFFIXES[file_format]))

    def _compare(self, file_format: str, record: Mapping[str, Any], check: ExportCheck) -> dict[str, dict[str, float]]:
        """Differences from PyTorch of the files as they lie in the folder."""
        files = exported_files(record, self.folder, file_format)
        exported = ExportedNetwork(files, file_format, record["signature"], self.network.size_divisor)
        found = check.differences(exported)
        logger.info("%s: difference from PyTorch: %s.", file_format, json.dumps(found))
        if wrong := excess(found):
            raise DataError(
                f"{self.folder.name}: {file_format} differs from PyTorch: found {', '.join(wrong)}, expected no more. "
                f"{RECORD} is not written. Fix: export with the versions in constraints.txt, or leave this format out "
                "with --formats."
            )
        return found
