"""Inference with a tiny network on small phantoms: weights, subjects cut out of a cohort, a run in this process."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from scripts.networks.trunk import TrunkUNet
from scripts.runtime.startup import show_message
from scripts.runtime.weights import save_network_weights

from helpers.bundle_run import BUNDLE

NETWORK = {
    "num_classes": 6,
    "trunk_channels": [16, 16],
    "trunk_attention_levels": [False, True],
    "channels": [16, 16],
    "attention_levels": [False, True],
    "num_head_channels": 8,
    "token_channels": 16,
}
TINY = {f"network_def#{key}": value for key, value in NETWORK.items()} | {
    "process::trained_steps": 0,
    "preprocessing::crop_size": [32, 32],
    "preprocessing::spacing_mm": 5.6,
    "steps": 2,
    "device": "cpu",
}
# meta.json of a phantom of four phases that leaves no doubt about the one that is used.
TIMED = {"cine_trigger_times_ms": [0, 200, 400, 600], "t2_stir_trigger_time_ms": 590}
WITH_NETWORK = ("inference.json", "train.json", "augment.json")


def tiny_weights(folder, **changes):
    """Folder of a model.pt for TINY; what it predicts means nothing."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TrunkUNet(**(NETWORK | changes))
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
                module.reset_parameters()  # the denoiser starts as nothing: what goes into it would not show
        save_network_weights(network, Path(folder) / "model.pt")
    return folder


def flags(**settings):
    """The settings as they stand on a command line."""
    return [part for key, value in settings.items() for part in (f"--{key}", str(value))]


def run_here(*configs, **settings):
    """Runs the job of these configs in this process; returns the exit code of ``python -m monai.bundle run``.

    A mistake of the user's is shown as the program's top-level hook shows it, on stderr.
    """
    files = [str(BUNDLE / "configs" / name) for name in configs]
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    overrides = (TINY if configs[0] in WITH_NETWORK else {}) | {"bundle_root": str(BUNDLE)} | settings
    hook = sys.excepthook
    try:
        workflow = ConfigWorkflow(files, logging_file=False, workflow_type="infer", **overrides)
        workflow.initialize()
        workflow.run()
    except SystemExit as stop:
        return stop.code
    except Exception as error:
        show_message(type(error), error, error.__traceback__)
        return 1
    finally:
        sys.excepthook = hook
    return 0


def images_of(folder, slices=slice(2, 5), window=slice(64, 192)):
    """{sequence: image} of a phantom subject, cut in plane and to a few slices."""
    return {
        path.name.removesuffix(".nii.gz"): nib.load(path).slicer[window, window, slices]
        for path in sorted(Path(folder).glob("*.nii.gz"))
    }


def write_subject(folder, images, meta=None):
    """Layout 1; the s-form and q-form of the images as they are."""
    folder.mkdir(parents=True)
    for name, image in images.items():
        nib.save(image, folder / f"{name}.nii.gz")
    if meta is not None:
        (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def remade(image, array, affine=None):
    """Another image with this array, on the same affine unless told otherwise."""
    return nib.Nifti1Image(array, image.affine if affine is None else affine)


def reordered(image, back=False):
    """The same voxels in patient space with x and y exchanged and one of them flipped; ``back`` undoes it."""
    turned = image.as_reoriented(np.array([[1, 1], [0, -1], [2, 1]] if back else [[1, -1], [0, 1], [2, 1]]))
    return remade(image, np.ascontiguousarray(turned.dataobj), turned.affine)


def written(folder):
    """Every file below a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(Path(folder).rglob("*")) if path.is_file()}
