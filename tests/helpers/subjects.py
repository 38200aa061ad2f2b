"""Hand-made subjects: any physical function sampled on any grid, written as NIfTI."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

# A short-axis stack as planned on a scanner: normal towards the apex (left, anterior, inferior), RAS.
_NORMAL = np.array([-0.70, 0.45, -0.55]) / np.linalg.norm([-0.70, 0.45, -0.55])
_DOWN = np.array([0.0, 0.0, -1.0]) - (_NORMAL @ np.array([0.0, 0.0, -1.0])) * _NORMAL
_DOWN /= np.linalg.norm(_DOWN)
_RIGHT = np.cross(_NORMAL, _DOWN)


def affine(shape, spacing=(1.4, 1.4, 8.0), centre=(10.0, 20.0, -30.0), right=_RIGHT, down=_DOWN, turn=None):
    """(4, 4) voxel -> RAS; ``turn`` (2, 2) permutes and flips the in-plane axes, the middle stays in place."""
    in_plane = np.stack([right, down], axis=1) @ (np.eye(2) if turn is None else np.asarray(turn, float))
    matrix = np.eye(4)
    matrix[:3, :2] = in_plane * np.asarray(spacing[:2])
    matrix[:3, 2] = np.cross(right, down) * -spacing[2]
    matrix[:3, 3] = np.asarray(centre) - matrix[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return matrix


def heart(world, centre, contraction=0.0):
    """A ring of muscle, blood inside, and a scar at the screen's lower right: an image without any symmetry."""
    offset = world - np.asarray(centre)
    u, v = offset @ _RIGHT, offset @ _DOWN
    radius = np.hypot(u, v)
    inner = 20.0 * (1 - contraction)
    soft = np.clip((inner - radius) / 3 + 0.5, 0, 1) * 180 + np.clip((34 - radius) / 3 + 0.5, 0, 1) * 60
    return soft + 120 * np.exp(-((u - 20) ** 2 + (v - 14) ** 2) / 60) + 30 + 8 * np.sin(u / 25) + 8 * np.cos(v / 17)


def heart_label(world, centre):
    offset = world - np.asarray(centre)
    u, v = offset @ _RIGHT, offset @ _DOWN
    radius = np.hypot(u, v)
    label = np.where(radius < 20, 1, np.where(radius < 34, 2, 0))
    return np.where((label == 2) & (u > 8) & (v > 0), 3, label).astype(np.uint8)


def sample(function, shape, matrix, *args, **keywords):
    """Values of ``function(world)`` at every voxel centre."""
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return function(voxels @ matrix[:3, :3].T + matrix[:3, 3], *args, **keywords)


def write(path, array, matrix, sform_code=1, qform=None):
    image = nib.Nifti1Image(array, None)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(matrix, sform_code)
    image.set_qform(matrix if qform is None else qform, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def write_subject(folder, shape=(64, 64, 3), matrix=None, phases=4, centre=None, keys=("t2_stir", "lge", "label")):
    """A complete subject of layout 1; the heart lies 25 mm beside the middle of the field of view."""
    matrix = affine(shape) if matrix is None else matrix
    centre = np.array([10.0, 20.0, -30.0]) + 15 * _RIGHT - 20 * _DOWN if centre is None else centre
    beats = 0.35 * (1 - np.cos(2 * np.pi * np.arange(phases) / phases)) / 2
    frames = [sample(heart, shape, matrix, centre, contraction=beat) for beat in beats]
    cine = np.stack(frames, axis=-1) if phases > 1 else frames[0]
    write(folder / "cine.nii.gz", cine.astype(np.float32), matrix)
    for key in keys:
        array = sample(heart_label if key == "label" else heart, shape, matrix, centre)
        write(folder / f"{key}.nii.gz", array if key == "label" else array.astype(np.float32), matrix)
    return folder


def entry_of(folder):
    entry = {"subject": folder.name}
    for path in sorted(folder.glob("*.nii.gz")):
        entry[path.name.removesuffix(".nii.gz")] = str(path)
    if (folder / "meta.json").exists():
        entry["meta"] = str(folder / "meta.json")
    return entry


def readable(error):
    """The text of an error, checked: at most 10 lines, and it says what to do."""
    text = str(error.value)
    if len(text.splitlines()) > 10 or "Fix:" not in text:
        pytest.fail(f"not a readable message: {text}")
    return text


@pytest.fixture
def make():
    return SimpleNamespace(
        affine=affine, heart=heart, heart_label=heart_label, sample=sample, write=write, subject=write_subject,
        entry=entry_of, readable=readable, right=_RIGHT, down=_DOWN, normal=_NORMAL,
        json=lambda path, content: path.write_text(json.dumps(content)),
    )  # fmt: skip


@pytest.fixture
def cohort(tmp_path, make):
    """Six small subjects of layout 1 in one folder."""
    for n in range(6):
        make.subject(tmp_path / "cohort" / f"p{n}")
    return tmp_path / "cohort"
