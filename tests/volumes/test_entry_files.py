"""The image behind a key of an entry: a file, a volume of a file, or a file per phase."""

from pathlib import Path

import numpy as np
import pytest
from scripts.volumes.entry_files import read_entry
from scripts.volumes.volume import VolumeError

SHAPE = (16, 16, 3)


@pytest.fixture
def frames(tmp_path, make):
    """Three files of one phase each."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=SHAPE).astype(np.float32) for _ in range(3)]
    paths = [make.write(tmp_path / f"{n}.nii.gz", array, make.affine(SHAPE)) for n, array in enumerate(arrays)]
    return [str(path) for path in paths], np.stack(arrays, axis=-1)


def test_files_of_one_phase_each_are_a_cine_in_their_order(frames):
    paths, cine = frames
    volume = read_entry({"cine": paths[0], "cine_frames": paths}, "cine")
    np.testing.assert_array_equal(volume.array, cine)
    turned = read_entry({"cine": paths[2], "cine_frames": paths[::-1]}, "cine")
    np.testing.assert_array_equal(turned.array, cine[..., ::-1])


def test_one_frame_is_a_cine_of_one_phase(frames):
    paths, cine = frames
    volume = read_entry({"cine": paths[0], "cine_frames": paths[:1]}, "cine")
    np.testing.assert_array_equal(volume.array, cine[..., :1])


def test_frames_that_lie_elsewhere_are_no_cine(frames, make):
    paths, cine = frames
    make.write(Path(paths[1]), cine[..., 1], make.affine(SHAPE, centre=(0, 0, 0)))
    with pytest.raises(VolumeError) as error:
        read_entry({"cine": paths[0], "cine_frames": paths}, "cine")
    assert "1.nii.gz: found another place, expected that of" in make.readable(error)


def test_one_volume_of_a_file_is_the_label(tmp_path, make):
    label = np.zeros((*SHAPE, 3), np.uint8)
    label[..., 1] = 2
    path = str(make.write(tmp_path / "gt.nii.gz", label, make.affine(SHAPE)))
    assert (read_entry({"label": path, "channels": {"label": 1}}, "label").array == 2).all()
    assert not read_entry({"label": path, "channels": {"label": 0}}, "label").array.any()
    with pytest.raises(VolumeError) as error:
        read_entry({"label": path, "channels": {"label": 3}}, "label")
    assert "gt.nii.gz: found shape (16, 16, 3, 3), expected a fourth axis of at least 4" in make.readable(error)
