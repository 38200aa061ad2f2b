"""M&Ms and M&Ms-2: the phase of a label map from the csv, or from its name."""

import nibabel as nib
import numpy as np
import pytest
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layout import DatalistError
from scripts.datasets.layouts import read_layout
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.volume import VolumeError

HEAD = ",External code,VendorName,Vendor,Centre,ED,ES,Age,Pathology"
MATRIX = np.diag([2.0, 2.0, 9.0, 1.0])


def maps():
    """A 4-D label file as M&Ms has it: empty but for the two phases that were drawn."""
    label = np.zeros((16, 16, 3, 4), np.uint8)
    label[4:12, 4:12, :, 2], label[6:10, 6:10, :, 2], label[1:3, 6:10, :, 2] = 2, 1, 3
    label[5:11, 5:11, :, 0] = 2
    return label


@pytest.fixture
def first(tmp_path, make):
    """One subject of M&Ms; end-diastole is phase 2."""
    folder = tmp_path / "Training" / "Labeled" / "A0S9V9"
    cine = np.random.default_rng(0).normal(size=(16, 16, 3, 4)).astype(np.float32)
    make.write(folder / "A0S9V9_sa.nii.gz", cine, MATRIX)
    make.write(folder / "A0S9V9_sa_gt.nii.gz", maps(), MATRIX)
    (tmp_path / "information.csv").write_text(f"{HEAD}\n0,A0S9V9,Siemens,A,1,2,0,51,HCM\n")
    return tmp_path


def only(folder, **keywords):
    (entry,) = find_subjects(folder, **keywords)
    return entry


@pytest.mark.parametrize("name", ["A0S9V9_sa.nii.gz", "A0S9V9_sa_gt.nii.gz"])
def test_a_file_that_is_there_twice_fails_its_subject_and_both_are_named(first, name, make):
    copy = first / "Testing" / "A0S9V9" / name
    copy.parent.mkdir(parents=True)
    copy.write_bytes((first / "Training/Labeled/A0S9V9" / name).read_bytes())
    with pytest.raises(DatalistError) as error:
        find_subjects(first)
    assert "two files" in make.readable(error) and name in str(error.value)


def test_the_map_of_end_diastole_is_read_out_of_the_file_with_the_codes_of_the_set(first):
    entry = only(first)
    assert (entry["ed_phase"], entry["es_phase"], entry["label_phase"]) == (2, 0, 2)
    assert entry["vendor"] == "Siemens" and "51" not in str(entry)
    subject = CohortOnDisk(str(first)).load(entry)
    np.testing.assert_array_equal(subject.label, np.array([0, 1, 2, 6])[maps()[..., 2]])
    assert subject.label_phase == 2 and subject.images["cine"].shape == (16, 16, 3, 4)
    item = SubjectPreprocessing(crop_size=(16, 16), references=["label"], motion=False)(entry)
    assert set(np.unique(item["label_codes"])) == {0, 1, 2, 6}


def test_a_csv_with_semicolons_and_another_order_of_columns_says_the_same(first):
    wanted = only(first)
    (first / "information.csv").write_text("\ufeffES;ED;External code;VendorName\n0;2;A0S9V9;Siemens\n")
    assert only(first) == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no csv"),
        (f"{HEAD}\n0,B1,Siemens,A,1,2,0,51,HCM\n", "no row of A0S9V9"),
        (f"{HEAD}\n0,A0S9V9,Siemens,A,1,,0,51,HCM\n", "no ED"),
    ],
)
def test_without_the_phase_no_label_is_taken_and_the_cine_is_still_used(first, content, said, make):
    (first / "information.csv").unlink()
    if content:
        (first / "information.csv").write_text(content)
    assert "label" not in only(first)
    with pytest.raises(DatalistError) as error:
        only(first, require=("label",))
    text = make.readable(error)
    assert text.startswith("A0S9V9: ") and said in text and "External code" in text


def test_a_phase_beyond_the_file_is_refused(first, make):
    (first / "information.csv").write_text(f"{HEAD}\n0,A0S9V9,Siemens,A,1,9,0,51,HCM\n")
    with pytest.raises(VolumeError) as error:
        CohortOnDisk(str(first)).load(only(first))
    assert "A0S9V9_sa_gt.nii.gz: found shape (16, 16, 3, 4)" in make.readable(error)


@pytest.fixture
def second(tmp_path, make):
    """One subject of M&Ms-2 as published: a cine, two of its phases, their label maps, and long axes."""
    rng, folder = np.random.default_rng(0), tmp_path / "dataset" / "001"
    for name in ("ED", "ES", "CINE"):
        shape = (16, 16, 3, 4) if name == "CINE" else (16, 16, 3)
        make.write(folder / f"001_SA_{name}.nii.gz", rng.normal(size=shape).astype(np.float32), MATRIX)
        make.write(folder / f"001_LA_{name}.nii.gz", rng.normal(size=(16, 16, 1)).astype(np.float32), MATRIX)
    for name in ("ED", "ES"):
        make.write(folder / f"001_SA_{name}_gt.nii.gz", maps()[..., 2 if name == "ED" else 0], MATRIX)
    (tmp_path / "dataset_information.csv").write_text("SUBJECT_CODE,DISEASE,VENDOR,FIELD\n1,NOR,SIEMENS,1.5\n")
    return tmp_path


def test_end_diastole_and_end_systole_are_the_cine_that_the_label_belongs_to(second):
    layout = read_layout(second)
    (entry,) = layout.entries
    assert (entry["ed_phase"], entry["es_phase"], entry["label_phase"]) == (0, 1, 0)
    assert entry["vendor"] == "SIEMENS" and entry["field_strength_t"] == 1.5
    subject = CohortOnDisk(str(second)).load(entry)
    frame = np.asarray(nib.load(second / "dataset/001/001_SA_ED.nii.gz").dataobj)
    np.testing.assert_array_equal(subject.images["cine"][..., subject.label_phase], frame)
    assert set(np.unique(subject.label)) == {0, 1, 2, 6}
    assert layout.skipped == ("dataset/001: 3 image files not read, such as 001_LA_CINE.nii.gz",)


def test_a_subject_without_label_map_has_its_whole_cine(second):
    for path in (second / "dataset/001").glob("*_gt.nii.gz"):
        path.unlink()
    assert only(second)["cine"].endswith("001_SA_CINE.nii.gz")
