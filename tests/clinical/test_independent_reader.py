"""The independent reader with a stand-in for its networks."""

import numpy as np
import pytest
from helpers import onnx_stand_in
from helpers.onnx_stand_in import Threshold
from scripts.clinical import independent_reader as reader
from scripts.conventions import ConfigError, NotMeasurable


def test_segments_lie_where_they_were_seen_and_carry_disk_codes():
    volume = np.full((80, 60, 2), 10.0)
    volume[40:60, 20:40] = 200.0
    network = Threshold(4)
    found = reader.segment(volume, network, "acdc", (20, 10, 40))
    assert network.seen[0].shape == (1, 1, 256, 256) and network.seen[0].dtype == np.float32
    assert set(np.unique(found)) == {0, 6}  # the first class of ACDC is the RV
    wanted = np.zeros(volume.shape, bool)
    wanted[40:60, 20:40] = True
    assert ((found == 6) & wanted).sum() / wanted.sum() > 0.97 and not ((found == 6) & ~wanted).any()


def test_a_constant_image_is_not_measurable():
    with pytest.raises(NotMeasurable, match="constant"):
        reader.segment(np.full((40, 40, 2), 7.0), Threshold(5), "emidec", (0, 0, 40))


def test_the_field_lies_around_the_heart_and_inside_the_image():
    label = np.zeros((96, 96, 3), np.uint8)
    label[38:58, 38:58] = 2
    label[43:53, 43:53] = 1
    label[5:10, 5:10] = 6  # the RV does not move the field
    assert reader.field_box(label, 1.5, 90.0) == (18, 18, 60)
    assert reader.field_box(np.roll(label, 36, axis=0), 1.5, 90.0)[0] == 36
    assert reader.field_box(label, 1.5, None) == (0, 0, 96)
    assert reader.field_box(np.zeros((90, 60, 2)), 1.5, 60.0) == (15, 0, 60)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Folder of networks that are stand-ins, and how often they were loaded."""
    loads = []

    def module(name):
        loads.append(name)
        return onnx_stand_in.onnxruntime()

    for name in reader.FILES.values():
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(reader.importlib, "import_module", module)
    return tmp_path, loads


def test_what_is_not_installed_is_not_measurable_when_it_is_used(tmp_path):
    for folder, reason in (("", "reader_dir is empty"), (tmp_path, "holds no tiramisu_acdc")):
        absent = reader.IndependentReader(str(folder))
        with pytest.raises(NotMeasurable, match=reason):
            absent.load()
        with pytest.raises(NotMeasurable, match=reason):
            absent.read_lge(np.zeros((8, 8, 1)), (1.0, 1.0, 1.0))


def test_without_onnxruntime_there_is_no_reader(installed, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(reader.importlib, "import_module", absent)
    with pytest.raises(NotMeasurable, match="onnxruntime is not installed"):
        reader.IndependentReader(str(installed[0])).load()


def test_a_reader_dir_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="reader_dir"):
        reader.IndependentReader(str(tmp_path / "absent")).load()


def test_an_lge_is_seen_165_mm_around_its_middle_and_the_networks_are_loaded_once(installed):
    folder, loads = installed
    lge = np.full((128, 128, 2), 0.2)
    lge[50:70, 50:70], lge[0, 0] = 0.9, 0.9
    own = reader.IndependentReader(str(folder))
    found = [own.read_lge(lge, (1.5, 1.5, 10.0)) for _ in range(2)]
    assert len(loads) == 1 and np.array_equal(*found)
    assert found[0][60, 60].tolist() == [1, 1]
    assert not found[0][:9].any() and not found[0][0, 0].any()  # 110 of 128 pixels are 165 mm
