"""DICOM export of a subject: the voxels and places of its NIfTI, marked as phantom, valid, the same bytes again."""

import hashlib
import subprocess
import warnings
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import COLUMNS, ROWS, SLICES, VENDORS, files, images, stack_of, subject
from helpers.programs import needs
from scripts.conventions import DataError
from scripts.phantom.dicom.writer import COMMENT, write_dicom_subject

pytestmark = pytest.mark.slow


def digests(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files(folder)}


def errors_of(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("geometry", ["axial", "oblique", "reversed"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_dicom_and_nifti_have_the_same_voxels_at_the_same_place_in_the_patient(tmp_path, vendor, geometry):
    one = subject(vendor, geometry)
    folder = write_dicom_subject(one, tmp_path)
    for sequence in ("cine", "t2_stir", "lge"):
        nib.save(nib.Nifti1Image(one.volumes[sequence], one.affine), tmp_path / "volume.nii.gz")
        nifti = nib.load(tmp_path / "volume.nii.gz")
        expected = np.asarray(nifti.dataobj).reshape(COLUMNS, ROWS, SLICES, -1)
        voxels, affine = stack_of(folder, vendor, sequence)
        assert voxels.shape == expected.shape
        for index in np.ndindex(COLUMNS, ROWS, SLICES):
            place = nifti.affine @ [*index, 1]
            found = np.linalg.inv(affine) @ place
            nearest = np.rint(found).astype(int)
            assert np.abs(affine @ nearest - place).max() < 1e-3
            np.testing.assert_array_equal(voxels[tuple(nearest[:3])], expected[index])


def test_breath_hold_shifts_leave_the_prescribed_positions_alone(tmp_path):
    at_rest = subject("ge", breath_hold_shifts_mm={})
    moved, still = write_dicom_subject(subject("ge"), tmp_path / "a"), write_dicom_subject(at_rest, tmp_path / "b")
    for one, other in zip(images(moved), images(still), strict=True):
        assert one.ImagePositionPatient == other.ImagePositionPatient and one.SliceLocation == other.SliceLocation


@pytest.mark.parametrize("kind", ["psir", "magnitude"])
@pytest.mark.parametrize("field_strength_t", [1.5, 3.0])
@pytest.mark.parametrize("vendor", VENDORS)
@needs("dciodvfy")
def test_every_file_is_valid_under_dciodvfy(tmp_path, vendor, field_strength_t, kind):
    folder = write_dicom_subject(subject(vendor, kind=kind, field_strength_t=field_strength_t), tmp_path)
    assert {str(path): errors_of(path) for path in files(folder)} == {str(path): [] for path in files(folder)}


@needs("dciodvfy")
def test_dciodvfy_would_tell_a_file_that_is_not_valid(tmp_path):
    path = files(write_dicom_subject(subject(), tmp_path))[0]
    image = pydicom.dcmread(path)
    del image.ImageType
    image.save_as(path)
    assert any("ImageType" in line for line in errors_of(path))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_image_says_that_it_is_a_phantom_and_belongs_to_one_study(tmp_path, vendor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom warns of values and keywords that are not DICOM
        found = images(write_dicom_subject(subject(vendor), tmp_path))
    for image in found:
        assert image.PatientName == "PHANTOM^0012^NOT A PATIENT" and image.PatientID == "PHANTOM-7-0012"
        assert image.PatientComments == image.ImageComments == COMMENT
        assert image.QualityControlImage == "YES" and image.PatientSex == "F"
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "Manufacturer", "ManufacturerModelName"):
        assert len({image[keyword].value for image in found}) == 1
    assert len({image.SOPInstanceUID for image in found}) == len(found) == 2 + 8 + 12 + 3 + 3 + 3
    assert len({image.SeriesInstanceUID for image in found}) == len({image.SeriesNumber for image in found})


@pytest.mark.parametrize("vendor", VENDORS)
def test_instances_count_from_one_in_each_series_and_acquisitions_do_not_go_back(tmp_path, vendor):
    series = defaultdict(list)
    for image in images(write_dicom_subject(subject(vendor), tmp_path)):
        series[image.SeriesInstanceUID].append(image)
    for group in series.values():
        assert sorted(image.InstanceNumber for image in group) == list(range(1, len(group) + 1))
        assert len({image.SeriesTime for image in group}) == 1
    first = sorted((group[0] for group in series.values()), key=lambda image: image.SeriesNumber)
    assert [image.SeriesTime for image in first] == sorted(image.SeriesTime for image in first)


@pytest.mark.parametrize("vendor", VENDORS)
def test_same_subject_gives_the_same_bytes_and_replaces_its_older_export(tmp_path, vendor):
    first = digests(write_dicom_subject(subject(vendor), tmp_path))
    (tmp_path / ".phantom_0012.part").mkdir()
    (tmp_path / ".phantom_0012.part" / "left_over").write_text("")
    assert digests(write_dicom_subject(subject(vendor), tmp_path)) == first
    assert [path.name for path in tmp_path.iterdir()] == ["phantom_0012"]


def test_subject_made_with_other_parameters_is_another_study(tmp_path):
    one, other = (images(write_dicom_subject(subject(aligned=a), tmp_path / str(a))) for a in (True, False))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert not {image[keyword].value for image in one} & {image[keyword].value for image in other}


def test_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "phantom_0012").mkdir()
    (tmp_path / "phantom_0012" / "cine.nii.gz").write_text("mine")
    with pytest.raises(DataError, match=r"phantom_0012: found cine\.nii\.gz.*Fix"):
        write_dicom_subject(subject(), tmp_path)
    assert (tmp_path / "phantom_0012" / "cine.nii.gz").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_disk_that_cannot_be_written_is_a_readable_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"phantom_0012: .*No space left.*Fix:"):
        write_dicom_subject(subject(), tmp_path)
    assert list(tmp_path.iterdir()) == []
