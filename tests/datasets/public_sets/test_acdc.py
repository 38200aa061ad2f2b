"""ACDC: frames, Info.cfg, and the phase of the cine that a label map belongs to."""

import nibabel as nib
import numpy as np
import pytest
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layout import DatalistError
from scripts.datasets.layouts import read_layout
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.volume import VolumeError

INFO = "ED: 2\nES: 4\nGroup: MINF\nHeight: 168.0\nNbFrame: 5\nWeight: 99.0\n"
# Values of ACDC, and ours: right ventricle, wall, left ventricle.
ACDC, OURS = (0, 1, 2, 3), (0, 6, 2, 1)


@pytest.fixture
def case(tmp_path, make):
    """A cine of five phases, each of its own brightness, with label maps of frames 2 (end-diastole) and 4."""
    matrix = make.affine((32, 32, 3), spacing=(2.8, 2.8, 8.0))
    picture = make.sample(make.heart, (32, 32, 3), matrix, (10.0, 20.0, -30.0)).astype(np.float32)
    folder = tmp_path / "training" / "patient007"
    cine = np.stack([picture * (1 + n / 10) for n in range(5)], axis=-1)
    make.write(folder / "patient007_4d.nii.gz", cine, matrix)
    label = np.zeros((32, 32, 3), np.uint8)
    label[8:24, 8:24], label[12:20, 12:20], label[2:6, 12:20] = 2, 3, 1
    for frame in (2, 4):
        make.write(folder / f"patient007_frame{frame:02d}.nii.gz", cine[..., frame - 1], matrix)
        make.write(folder / f"patient007_frame{frame:02d}_gt.nii.gz", label, matrix)
    (folder / "Info.cfg").write_text(INFO)
    return folder


def only(folder, **keywords):
    (entry,) = find_subjects(folder.parents[1], **keywords)
    return entry


def test_the_label_of_end_diastole_is_tied_to_its_phase_counted_from_0(case):
    entry = only(case)
    assert entry["label"].endswith("patient007_frame02_gt.nii.gz")
    assert (entry["ed_phase"], entry["es_phase"], entry["label_phase"]) == (1, 3, 1)
    assert not {"Group", "Height", "Weight", "meta"} & set(entry)


def test_label_values_are_those_of_acdc_without_being_told(case):
    codes = CohortOnDisk(str(case.parents[1])).load(only(case))
    assert codes.label_phase == 1
    values = np.asarray(nib.load(case / "patient007_frame02_gt.nii.gz").dataobj)
    np.testing.assert_array_equal(codes.label, np.array(OURS)[values])
    item = SubjectPreprocessing(crop_size=(32, 32), references=["label"])(only(case))
    assert set(np.unique(item["label_codes"])) == set(OURS)
    told = CohortOnDisk(str(case.parents[1]), {0: 0, 1: 0, 2: 2, 3: 1}).load(only(case))
    assert (told.label == 1).sum() == (values == 3).sum() and 6 not in told.label


@pytest.mark.parametrize("name", ["patient007_4d.nii.gz", "patient007_frame02_gt.nii.gz"])
def test_a_file_that_is_there_twice_fails_its_subject_and_both_are_named(case, name, make):
    copy = case.parents[1] / "resampled" / "patient007" / name
    copy.parent.mkdir(parents=True)
    copy.write_bytes((case / name).read_bytes())
    with pytest.raises(DatalistError) as error:
        find_subjects(case.parents[1])
    assert "two files" in make.readable(error) and name in str(error.value)


def test_a_map_of_end_systole_alone_is_read_and_said_to_be_one(case):
    assert CohortOnDisk(str(case.parents[1])).load(only(case)).warnings == ()
    (case / "patient007_frame02_gt.nii.gz").unlink()
    (text,) = CohortOnDisk(str(case.parents[1])).load(only(case)).warnings
    assert "patient007_frame04_gt.nii.gz" in text and "end-systole" in text


def test_frames_alone_make_a_cine_in_their_order(case):
    (case / "patient007_4d.nii.gz").unlink()
    entry = only(case)
    assert (entry["ed_phase"], entry["es_phase"], entry["label_phase"]) == (0, 1, 0)
    subject = CohortOnDisk(str(case.parents[1])).load(entry)
    assert subject.images["cine"].shape == (32, 32, 3, 2) and subject.label_phase == 0
    frame = np.asarray(nib.load(case / "patient007_frame04.nii.gz").dataobj)
    np.testing.assert_array_equal(subject.images["cine"][..., 1], frame)


def test_a_label_map_whose_frame_is_missing_is_not_laid_on_another_frame(case, make):
    for name in ("patient007_4d.nii.gz", "patient007_frame02.nii.gz"):
        (case / name).unlink()
    entry = only(case)
    assert entry["label"].endswith("patient007_frame04_gt.nii.gz") and entry["label_phase"] == 0
    (case / "patient007_frame04_gt.nii.gz").unlink()
    assert "label" not in only(case)
    with pytest.raises(DatalistError) as error:
        only(case, require=("cine", "label"))
    assert "no patient007_frame02.nii.gz" in make.readable(error)


def test_frames_of_unequal_shape_are_no_cine(case, make):
    (case / "patient007_4d.nii.gz").unlink()
    picture = np.random.default_rng(0).normal(size=(32, 32, 4)).astype(np.float32)
    make.write(case / "patient007_frame04.nii.gz", picture, make.affine((32, 32, 4)))
    with pytest.raises(VolumeError) as error:
        CohortOnDisk(str(case.parents[1])).load(only(case))
    text = make.readable(error)
    assert "patient007_frame04.nii.gz: found shape (32, 32, 4), expected shape (32, 32, 3)" in text


def test_a_frame_number_that_the_cine_does_not_have_is_refused(case, make):
    (case / "Info.cfg").write_text(INFO.replace("ED: 2", "ED: 12"))
    (case / "patient007_frame02_gt.nii.gz").rename(case / "patient007_frame12_gt.nii.gz")
    with pytest.raises(VolumeError) as error:
        CohortOnDisk(str(case.parents[1])).load(only(case))
    assert "label_phase found 11, expected a whole number from 0 to 4" in make.readable(error)


@pytest.mark.parametrize("info", [None, "Group: DCM\n"])
def test_without_ed_no_label_is_taken_and_the_cine_is_still_used(case, info, make):
    (case / "Info.cfg").unlink()
    if info:
        (case / "Info.cfg").write_text(info)
    entry = only(case)
    assert "cine" in entry and "label" not in entry
    with pytest.raises(DatalistError) as error:
        only(case, require=("cine", "label"))
    text = make.readable(error)
    assert text.startswith("patient007: ") and "ED: 1" in text and ("no Info.cfg" in text) == (info is None)


def test_the_only_label_map_needs_no_info(case):
    (case / "Info.cfg").unlink()
    (case / "patient007_frame04_gt.nii.gz").unlink()
    assert only(case)["label_phase"] == 1


def test_a_subject_whose_files_have_other_names_fails_and_is_not_left_out(case, make):
    (case.parent / "patient009").mkdir()
    (case.parent / "patient009" / "patient009_cine.nii.gz").touch()
    with pytest.raises(DatalistError) as error:
        find_subjects(case.parents[1])
    text = make.readable(error)
    assert text.startswith("patient009: found patient009_cine.nii.gz, expected <case>_4d.nii.gz")
    assert read_layout(case.parents[1]).skipped == ()


def test_info_serves_the_one_case_of_a_folder_whatever_the_folder_is_called(case, make):
    case.rename(case.parent / "first")
    assert read_layout(case.parents[1]).entries[0]["label_phase"] == 1
    picture = np.random.default_rng(0).normal(size=(32, 32, 3)).astype(np.float32)
    make.write(case.parent / "first" / "patient008_4d.nii.gz", picture, make.affine((32, 32, 3)))
    assert "label" not in read_layout(case.parents[1]).entries[0]


def test_info_files_named_after_the_case_serve_a_folder_of_many(case):
    flat = case.parents[1]
    for path in sorted(case.iterdir()):
        path.rename(flat / path.name.replace("Info.cfg", "Info-patient007.cfg"))
    case.rmdir()
    case.parent.rmdir()
    (entry,) = read_layout(flat).entries
    assert entry["label_phase"] == 1
