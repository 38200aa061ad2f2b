"""Cines with label maps and no LGE: one entry per label map, by phase."""

import json

import numpy as np
import pytest
from scripts import conventions
from scripts.datasets.labelled_cines import DRAWN_ON, NOT_SAID, WHOSE, labelled_cines
from scripts.datasets.layout import DatalistError
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.entry_files import read_entry


def acdc_case(make, root, name="patient001", frames=(1, 3), info="ED: 1\nES: 3\n"):
    """A case of ACDC with four phases and a label map of each of ``frames``, which differ in the size of the wall."""
    folder, matrix = root / "training" / name, make.affine((32, 32, 3), spacing=(2.8, 2.8, 8.0))
    cine = np.random.default_rng(0).normal(100, 20, (32, 32, 3, 4)).astype(np.float32)
    make.write(folder / f"{name}_4d.nii.gz", cine, matrix)
    for frame in frames:
        label = np.zeros((32, 32, 3), np.uint8)
        label[7 + frame : 25 - frame, 8:24], label[12:20, 12:20], label[2:6, 12:20] = 2, 3, 1
        make.write(folder / f"{name}_frame{frame:02d}_gt.nii.gz", label, matrix)
    (folder / "Info.cfg").write_text(info)
    return folder


def test_both_label_maps_of_acdc_are_entries_of_one_subject_each_at_its_own_phase(make, tmp_path):
    acdc_case(make, tmp_path)
    ed, es = labelled_cines(tmp_path)
    assert [one["subject"] for one in (ed, es)] == ["patient001", "patient001/es"]
    assert [one[DRAWN_ON] for one in (ed, es)] == ["end-diastole", "end-systole"]
    assert {one[WHOSE] for one in (ed, es)} == {"patient001"}
    transform = SubjectPreprocessing(crop_size=(32, 32), spacing_mm=2.8)
    items = [transform(one) for one in (ed, es)]
    assert [int(item["phase"]) for item in items] == [0, 2]
    assert [int((item["label_codes"] == 2).sum()) for item in items] == [3 * (16 * 16 - 64), 3 * (12 * 16 - 64)]
    assert not any(item["label_marks_infarct"] for item in items)


@pytest.mark.parametrize(("phase", "name"), [("ed", "patient001"), ("es", "patient001/es")])
def test_one_phase_alone_can_be_asked_for(make, tmp_path, phase, name):
    acdc_case(make, tmp_path)
    assert [one["subject"] for one in labelled_cines(tmp_path, phases=[phase])] == [name]


def test_a_label_map_of_a_phase_that_the_cine_does_not_have_fails_where_it_is_read(make, tmp_path):
    acdc_case(make, tmp_path, frames=(1, 9), info="ED: 1\nES: 9\n")
    _, es = labelled_cines(tmp_path)
    with pytest.raises(conventions.DataError, match="label_phase found 8"):
        SubjectPreprocessing(crop_size=(32, 32))(es)


def test_both_maps_of_m_and_ms_are_read_out_of_one_file(make, tmp_path):
    matrix, folder = np.diag([2.0, 2.0, 9.0, 1.0]), tmp_path / "Labeled" / "A0S9V9"
    label = np.zeros((16, 16, 3, 4), np.uint8)
    label[4:12, 4:12, :, 2], label[6:10, 6:10, :, 2] = 2, 1
    label[5:11, 5:11, :, 0] = 2
    make.write(folder / "A0S9V9_sa.nii.gz", np.random.default_rng(0).random((16, 16, 3, 4), np.float32), matrix)
    make.write(folder / "A0S9V9_sa_gt.nii.gz", label, matrix)
    (tmp_path / "information.csv").write_text("External code,Vendor,ED,ES\nA0S9V9,A,2,0\n")
    ed, es = labelled_cines(tmp_path)
    for entry, phase in ((ed, 2), (es, 0)):
        assert entry["label_phase"] == phase
        np.testing.assert_array_equal(read_entry(entry, "label").array, label[..., phase])


def test_both_maps_of_m_and_ms_2_belong_to_the_phases_of_its_cine(make, tmp_path):
    matrix, folder = np.diag([2.0, 2.0, 9.0, 1.0]), tmp_path / "dataset" / "001"
    for name in ("SA_ED", "SA_ES", "SA_ED_gt", "SA_ES_gt"):
        make.write(folder / f"001_{name}.nii.gz", np.zeros((8, 8, 2), np.uint8), matrix)
    ed, es = labelled_cines(tmp_path)
    assert (ed["label_phase"], es["label_phase"]) == (0, 1)
    assert es["label"].endswith("001_SA_ES_gt.nii.gz") and es[DRAWN_ON] == "end-systole"


def test_our_layout_without_lge_is_taken_and_says_no_phase(make, tmp_path):
    make.subject(tmp_path / "a", keys=("label",))
    make.subject(tmp_path / "b", keys=())
    (entry,) = labelled_cines(tmp_path)
    assert (entry["subject"], entry[DRAWN_ON]) == ("a", NOT_SAID)
    (tmp_path / "a" / "meta.json").write_text(json.dumps({"label_phase": 1, "ed_phase": 0, "es_phase": 1}))
    assert labelled_cines(tmp_path)[0][DRAWN_ON] == "end-systole"
    (tmp_path / "a" / "meta.json").write_text("{")
    assert labelled_cines(tmp_path)[0][DRAWN_ON] == NOT_SAID


def test_a_folder_with_neither_label_nor_lge_is_refused(make, tmp_path):
    make.subject(tmp_path / "a", keys=())
    with pytest.raises(DatalistError) as error:
        labelled_cines(tmp_path)
    assert "label missing" in make.readable(error)


def test_label_maps_of_the_other_phase_only_are_refused(make, tmp_path):
    acdc_case(make, tmp_path, frames=(1,))
    with pytest.raises(DatalistError) as error:
        labelled_cines(tmp_path, phases="es")
    assert "none of es" in make.readable(error)


def test_a_section_is_that_of_the_split(make, tmp_path):
    for name in "abcdefgh":
        make.subject(tmp_path / name, keys=("label",), shape=(16, 16, 1), phases=1)
    parts = [
        {one["subject"] for one in labelled_cines(tmp_path, section)}
        for section in ("training", "validation", "testing")
    ]
    assert set().union(*parts) == set("abcdefgh") and sum(map(len, parts)) == 8


@pytest.mark.parametrize(
    "wrong",
    [{"section": "test"}, *({"phases": phases} for phases in (["end"], [], 3, None, [["ed"]]))],
)
def test_an_unknown_section_or_phase_is_refused(tmp_path, wrong):
    with pytest.raises(conventions.ConfigError, match=next(iter(wrong))):
        labelled_cines(tmp_path, **wrong)
