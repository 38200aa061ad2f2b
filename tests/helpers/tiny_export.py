"""A tiny network of one level and its export, made once per test run: torch.export takes its time."""

import torch
from monai.bundle import ConfigParser
from scripts.export.job import NetworkExport
from scripts.networks.trunk import TrunkUNet

from helpers.bundle_run import BUNDLE
from helpers.made_once import made_once
from helpers.tiny_inference import NETWORK, TINY, tiny_weights

ONE_LEVEL = {
    "trunk_channels": [16], "trunk_attention_levels": [True], "channels": [16], "attention_levels": [True],
    "num_classes": 4,
}  # fmt: skip
TINY_EXPORT = {f"network_def#{key}": value for key, value in ONE_LEVEL.items()} | {"num_classes": 4}


def tiny_folders():
    """Folder of model.pt and folder of its export in both formats; read-only for tests."""
    root = made_once("tiny_export", _write)
    return root / "weights", root / "export"


def _write(root):
    (root / "weights").mkdir(parents=True)
    tiny_weights(root / "weights", **ONE_LEVEL)
    job(root / "weights", root / "export").run()


def tiny_network():
    """The network whose export lies in ``tiny_folders``, with its weights."""
    network = TrunkUNet(**(NETWORK | ONE_LEVEL))
    network.load_state_dict(torch.load(tiny_folders()[0] / "model.pt", weights_only=True))
    return network.eval()


def inferer():
    """The sampler of inference.json with the settings of TINY."""
    return _parts().get_parsed_content("inferer")


def job(weights, output_dir, formats=("torchscript", "onnx"), **changes):
    """The export job of configs/export.json on the tiny network."""
    parser = _parts()
    arguments = {
        "network": TrunkUNet(**(NETWORK | ONE_LEVEL)),
        "ckpt_path": weights / "model.pt",
        "output_dir": output_dir,
        "formats": formats,
        "inferer": parser.get_parsed_content("inferer"),
        "preprocessing": parser.get_parsed_content("preprocessing"),
    }
    return NetworkExport(**(arguments | changes))


def _parts():
    parser = ConfigParser(ConfigParser.load_config_file(str(BUNDLE / "configs/inference.json")))
    for key, value in (TINY | TINY_EXPORT | {"bundle_root": str(BUNDLE)}).items():
        parser[key.replace("#", "::")] = value
    return parser
