"""The independent reader with a stand-in for its networks."""

from types import SimpleNamespace

import numpy as np
import pytest
from scripts.conventions import ConfigError, NotMeasurable
from scripts.phantom.realism import reader
from scripts.phantom.realism.subject import Measures
from scripts.phantom.realism.targets import judge


class Threshold:
    """A network of two classes by brightness; keeps what it was given."""

    def __init__(self, classes):
        self.classes, self.seen = classes, []

    def get_inputs(self):
        return [SimpleNamespace(name="image")]

    def run(self, _, feed):
        (picture,) = feed.values()
        self.seen.append(picture)
        scores = np.zeros((1, self.classes, *picture.shape[2:]), np.float32)
        scores[:, 1], scores[:, 0] = picture[:, 0], 0.5
        return [scores]


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


def test_a_constant_picture_is_not_measurable():
    with pytest.raises(NotMeasurable, match="constant"):
        reader.segment(np.full((40, 40, 2), 7.0), Threshold(5), "emidec", (0, 0, 40))


def test_the_field_lies_around_the_heart_and_inside_the_picture(heart):
    assert reader.field_box(heart(), 1.5, 90.0) == (18, 18, 60)
    assert reader.field_box(np.roll(heart(), 20, axis=0), 1.5, 90.0)[0] == 36
    assert reader.field_box(heart(), 1.5, None) == (0, 0, 96)
    assert reader.field_box(np.zeros((90, 60, 2)), 1.5, 60.0) == (15, 0, 60)


def test_agreement_of_known_overlap():
    label, found = np.zeros((10, 10, 1), int), np.zeros((10, 10, 1), int)
    label[:4], found[2:6] = 3, 4
    assert reader.agreement(found, label) == {"wall": pytest.approx(0.5), "infarct": pytest.approx(0.5)}


def test_a_reader_that_is_not_installed_is_skipped_with_the_reason(tmp_path, cohort_of):
    for folder, reason in (("", "reader_dir is empty"), (tmp_path, "holds no tiramisu_acdc")):
        with pytest.raises(NotMeasurable, match=reason):
            reader.IndependentReader(folder)
    rows = [judge(target, cohort_of([{}])) for target in reader.reader_targets("not installed")]
    assert len(rows) == 8 and {(row.verdict, row.reason) for row in rows} == {("not measurable", "not installed")}


def test_a_reader_without_onnxruntime_is_skipped(tmp_path, monkeypatch):
    for name in reader.FILES.values():
        (tmp_path / name).write_bytes(b"")

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(reader.importlib, "import_module", absent)
    with pytest.raises(NotMeasurable, match="onnxruntime is not installed"):
        reader.IndependentReader(tmp_path)


def test_a_reader_dir_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="reader_dir"):
        reader.IndependentReader(tmp_path / "absent")


def test_reader_rows(cohort_of):
    values = [{"infarct": s, "area_at_risk": s, "reader_infarct": s + 2, "reader_lge_infarct": d}
              for s, d in ((0, 0), (4, 0.1), (10, 0.7), (20, 0.7), (30, 0.7), (35, 0.7), (40, 0.7))]  # fmt: skip
    rows = {row.target.quantity: row for row in (judge(t, cohort_of(values)) for t in reader.reader_targets())}
    assert rows["infarct size, R with the truth"].realised.value == pytest.approx(1.0)
    assert "bias +2.0" in rows["infarct size, R with the truth"].realised.detail
    assert rows["LGE infarct above 8 %LV, Dice, mean"].realised.value == pytest.approx(0.7)
    assert rows["cine RV, Dice, mean"].verdict == "not measurable"


def test_a_subject_is_read_with_both_networks(tmp_path, monkeypatch, heart):
    for name in reader.FILES.values():
        (tmp_path / name).write_bytes(b"")
    stand_in = SimpleNamespace(
        SessionOptions=SimpleNamespace,
        InferenceSession=lambda path, *_, **__: Threshold(4 if "acdc" in path else 5),
    )
    monkeypatch.setattr(reader.importlib, "import_module", lambda name: stand_in)
    label = heart()
    bright = np.where(label == 1, 300.0, 20.0)
    subject = SimpleNamespace(
        label=label, affine=np.diag([2.0, 2.0, 8.0, 1.0]), label_phase=1, missing={},
        images={"cine": np.stack([bright * 0 + 1, bright], axis=-1), "lge": bright},
    )  # fmt: skip
    measures = Measures("a", {})
    reader.IndependentReader(tmp_path).read(subject, measures)
    # The stand-in finds the bright blood and no muscle: it calls it RV in the cine, LV blood in the LGE.
    assert measures.values["reader_lge_blood"] > 0.97 and measures.values["reader_cine_blood"] == 0
    assert measures.values["reader_lge_wall"] == 0 and "no LV wall" in measures.reasons["reader_infarct"]


def test_the_lge_reader_sees_165_mm_in_the_middle_and_loads_its_network_once(monkeypatch):
    loaded, network = [], Threshold(5)

    def stand_in(reader_dir, threads):
        loaded.append((reader_dir, threads))
        return SimpleNamespace(networks={"emidec": network})

    monkeypatch.setattr(reader, "IndependentReader", stand_in)
    lge = np.full((128, 128, 2), 0.2)
    lge[50:70, 50:70], lge[0, 0] = 0.9, 0.9
    read = reader.LgeReader("folder")
    found = [read(lge, (1.5, 1.5, 10.0)) for _ in range(2)]
    assert loaded == [("folder", 1)] and np.array_equal(*found)
    assert found[0][60, 60].tolist() == [1, 1]
    assert not found[0][:9].any() and not found[0][0, 0].any()  # 110 of 128 pixels are 165 mm


def test_an_lge_reader_that_is_not_installed_says_so_when_it_is_used():
    read = reader.LgeReader("")
    with pytest.raises(NotMeasurable, match="reader_dir is empty"):
        read(np.zeros((8, 8, 1)), (1.0, 1.0, 1.0))
