"""The network that inference runs on: PyTorch with its weights file, or a checked export of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from torch import nn

from ..conventions import ConfigError
from ..diffusion.process import JointProcess
from ..runtime.provenance import weights_record
from ..runtime.weights import WeightsLoader
from .exported_network import FORMATS, ExportedNetwork
from .record import RECORD, check_fits, exported_files, process_constants, read_record

logger = logging.getLogger(__name__)

TORCH = "torch"
BACKENDS = (TORCH, *FORMATS)


class NetworkSource:
    """The network of a run, whatever it runs on; as a handler it loads what has to be loaded before the first subject.

    Args:
        backend: "torch", "torchscript" or "onnx".
        export_dir: folder of the export; not looked at with "torch".
        ckpt_path: weights of "torch"; an export brings its own.
        network: network_def of the config; what an export must have been made from.
        process: that of the config; what an export must have been made for.
        device: of the run; an export runs on the CPU only.
    Raises:
        ConfigError: the backend is not known or cannot run here, or the process is another one than the export's.
        DataError: the export is missing, incomplete, of another version or of other weights.
    """

    def __init__(
        self,
        backend: str,
        export_dir: str,
        ckpt_path: str,
        network: nn.Module,
        process: JointProcess,
        device: torch.device | str,
    ) -> None:
        if backend not in BACKENDS:
            raise ConfigError(
                f"backend: found '{backend}', expected one of {', '.join(BACKENDS)}. Fix: --backend {TORCH}"
            )
        self.backend, self.folder, self.ckpt_path = backend, Path(export_dir), Path(ckpt_path)
        device = torch.device(device)
        if backend == TORCH:
            self.network = network.to(  # type: ignore[call-overload]  # torch's stubs leave memory_format out
                device=device, memory_format=torch.channels_last
            )
            self.weights, self.record = self.ckpt_path, {"name": backend}
            return
        if device.type != "cpu":
            raise ConfigError(
                f"device: found '{device}' with backend '{backend}', expected cpu. "
                "Fix: --device cpu, or --backend torch"
            )
        self._open(network, process_constants(process))

    def _open(self, network: nn.Module, process: dict[str, Any]) -> None:
        record = read_record(self.folder)
        check_fits(record, self.folder, network, process)
        files = exported_files(record, self.folder, self.backend)
        self.network = ExportedNetwork(files, self.backend, record["signature"], record["size_divisor"])
        self.weights = files["denoiser"]
        self.record = {"name": self.backend, "files": record["files"][self.backend], "weights": record["weights"]}
        self._compare_weights(record["weights"]["sha256"])

    def _compare_weights(self, exported: str) -> None:
        if self.ckpt_path.is_file() and weights_record(self.ckpt_path)["sha256"] != exported:
            logger.warning(
                "%s: the export is of other weights (sha256 %s...) than %s here. "
                "Fix: export again (configs/export.json), unless that is what you want.",
                self.folder / RECORD,
                exported[:12],
                self.ckpt_path.name,
            )

    def attach(self, engine: Engine) -> None:
        """PyTorch: loads the weights at the start of the run; an export has its own."""
        if self.backend == TORCH:
            WeightsLoader(str(self.ckpt_path), self.network).attach(engine)
