"""The DICOM export of a result: what is read back is what went in, in place, marked as synthetic, and valid."""

import subprocess

import numpy as np
import pydicom
import pytest
from helpers import dicom_phantom
from helpers.dicom_phantom import files, stack, stacks_in
from helpers.programs import needs
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from scripts.conventions import DataError
from scripts.dicom.export_results import Results, export_results
from scripts.dicom.geometry import affine_from_stack
from scripts.phantom.dicom.writer import write_dicom_subject

SHAPE = (24, 20, 3)
DESCRIPTION = "VIRTUAL LGE - not acquired - research use only"
# Debian's dicom3tools of 2022 predates SyntheticData (2024b).
ONLY_ERROR = "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)"


def number(value, unit):
    return {"value": value, "unit": unit}


def result():
    names = ("lv_blood_pool", "lv_myocardium", "viable_myocardium", "infarct")
    structures = {
        name: {"volume": number(10.0 + k, "ml"), "mass": number(11.0 + k, "g")} for k, name in enumerate(names)
    }
    return {"infarct_percent_lv": number(20.5, "%"), "structures": structures, "review_needed": False, "qc": []}


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    lge = rng.random(SHAPE).astype(np.float32)
    lge[0, 0, 0], lge[1, 0, 0] = 0.0, 1.0
    return lge, rng.integers(0, 4, SHAPE).astype(np.uint8)


def sources(geometry="oblique", **changes):
    """Headers by hand, one per slice of ``dicom_phantom.stack``."""
    place, headers = stack(geometry), []
    for index in range(SHAPE[2]):
        header = Dataset()
        header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, f"2.25.10{index}"
        header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
        header.PatientName, header.PatientID, header.PatientSex, header.StudyDate = "Doe^Jane", "ID77", "F", "20200102"
        header.SeriesNumber, header.Manufacturer = 5, "SIEMENS"
        header.ImagePositionPatient = [f"{v:.8g}" for v in place.position_mm + index * place.slice_step_mm]
        header.ImageOrientationPatient = [f"{v:.8f}" for v in (*place.row_cosines, *place.column_cosines)]
        header.PixelSpacing, header.Rows, header.Columns = [place.spacing_mm[1], place.spacing_mm[0]], 20, 24
        for keyword, value in changes.items():
            setattr(header, keyword, value)
        headers.append(header)
    return headers


def export(folder, geometry="oblique", seed=0, headers=None, **options):
    lge, label = arrays(seed)
    affine = affine_from_stack(stack(geometry))
    return export_results(Results(lge, label, affine, result()), headers or sources(geometry), folder, **options)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(tmp_path_factory.mktemp("export"))


@pytest.mark.slow
@pytest.mark.parametrize("geometry", ["axial", "oblique", "reversed"])
def test_voxels_and_geometry_read_back_are_those_of_the_arrays_and_of_the_phantoms_cine(tmp_path, geometry):
    subject = dicom_phantom.subject("siemens", geometry)
    study = write_dicom_subject(subject, tmp_path)
    cine = {tuple(i.ImagePositionPatient): i for i in dicom_phantom.series_of(study, "cine_tf2d_retro_sax")}
    step = subject.stack.slice_step_mm
    headers = sorted(cine.values(), key=lambda image: step @ np.array(image.ImagePositionPatient, dtype=float))
    lge, label = arrays()
    export_results(Results(lge, label, subject.affine, result()), headers, tmp_path / "out")

    ((voxels, affine),) = stacks_in(tmp_path / "out" / "virtual_lge").values()
    one = pydicom.dcmread(files(tmp_path / "out" / "virtual_lge")[0])
    read = voxels[..., 0] * float(one.RescaleSlope) + float(one.RescaleIntercept)
    expected_affine = subject.affine.copy()
    if geometry == "reversed":  # the reader sorts along the normal, which runs against these slices
        read = read[:, :, ::-1]
        affine = affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, SHAPE[2] - 1], [0, 0, 0, 1.0]])
    assert np.abs(read - lge).max() < 2e-5
    np.testing.assert_allclose(affine, expected_affine, atol=1e-4)
    assert one.StudyInstanceUID == headers[0].StudyInstanceUID
    assert one.FrameOfReferenceUID == headers[0].FrameOfReferenceUID


@pytest.mark.slow
def test_files_are_one_image_per_slice_a_seg_and_a_report_and_say_that_they_are_synthetic(exported):
    assert [path.name for path in exported] == [
        *("IM_0001.dcm", "IM_0002.dcm", "IM_0003.dcm"),
        *("label_seg.dcm", "measurements_sr.dcm"),
    ]
    objects = [pydicom.dcmread(path) for path in exported]
    assert [one.Modality for one in objects] == ["MR", "MR", "MR", "SEG", "SR"]
    assert [one.SeriesNumber for one in objects] == [1005, 1005, 1005, 1006, 1007]
    assert {one.SyntheticData for one in objects} == {"YES"}
    assert {one.StudyInstanceUID for one in objects} == {"2.25.1"}
    assert all("research use only" in one.SeriesDescription for one in objects)
    assert all(len(one.SeriesDescription) <= 64 for one in objects)
    purposes = [
        [i.PurposeOfReferenceCodeSequence[0].CodeValue for i in one.ContributingEquipmentSequence] for one in objects
    ]
    assert purposes == [["109101", "109100"]] * 5
    assert len({one.SOPInstanceUID for one in objects} | {one.SeriesInstanceUID for one in objects}) == 5 + 3


def test_an_image_names_its_source_slice_and_is_derived_and_holds_no_burned_in_text(exported):
    for index, path in enumerate(exported[:3]):
        image = pydicom.dcmread(path)
        assert list(image.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert image.SeriesDescription == DESCRIPTION and DESCRIPTION in image.ImageComments
        assert image.SourceImageSequence[0].ReferencedSOPInstanceUID == f"2.25.10{index}"
        assert image.BurnedInAnnotation == "NO"
        assert image.SeriesInstanceUID != "2.25.2"


@needs("dciodvfy")
@pytest.mark.parametrize("deidentify", [False, True])
def test_dciodvfy_finds_one_error_the_tag_it_does_not_know(tmp_path, deidentify):
    for path in export(tmp_path, deidentify=deidentify, key=b"k" * 16):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False, timeout=60)
        errors = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "Error" in line]
        assert len(errors) == 1 and errors[0].startswith(ONLY_ERROR), (path.name, errors)


def test_the_same_input_gives_the_same_bytes_and_another_content_other_uids(tmp_path):
    first, again = export(tmp_path / "a"), export(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = export(tmp_path / "c", seed=1)
    uids = [{pydicom.dcmread(path).SOPInstanceUID for path in paths} for paths in (first, other)]
    assert not uids[0] & uids[1]


def test_attributes_of_the_source_that_are_not_copied_on_purpose_do_not_leak(tmp_path):
    changes = {
        "InstitutionName": "CANARY",
        "OperatorsName": "CANARY",
        "StationName": "CANARY",
        "PatientComments": "CANARY",
    }
    for path in export(tmp_path, headers=sources(DeviceSerialNumber="CANARY", RequestingPhysician="CANARY", **changes)):
        assert b"CANARY" not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Ødegård^Åse"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (None, "Müller^Jörg"),
    ],
)
def test_names_in_other_character_sets_survive_in_all_objects(tmp_path, charset, name):
    headers = sources()
    for header in headers:
        if charset:
            header.SpecificCharacterSet = charset
        header.PatientName = name
    for path in export(tmp_path, headers=headers):
        read = pydicom.dcmread(path)
        assert str(read.PatientName) == name
        expected = charset or "ISO_IR 192"
        assert read.SpecificCharacterSet == expected


def test_a_missing_frame_of_reference_is_derived_once_for_all_objects_with_a_warning(tmp_path, caplog):
    headers = sources()
    for header in headers:
        del header.FrameOfReferenceUID
    paths = export(tmp_path, headers=headers)
    assert "FrameOfReferenceUID missing" in caplog.text
    assert len({pydicom.dcmread(path).FrameOfReferenceUID for path in paths[:4]}) == 1


def broken(lge, label, headers, what):
    affine = affine_from_stack(stack("oblique"))
    if what == "shape":
        label = label[:, :, :2]
    elif what == "nan":
        lge[3, 3, 1] = np.nan
    elif what == "range":
        lge[3, 3, 1] = 1.5
    elif what == "float label":
        label = label.astype(np.float32)
    elif what == "code":
        label[0, 0, 0] = 9
    elif what == "count":
        headers = headers[:2]
    elif what == "order":
        headers = headers[::-1]
    elif what == "moved":
        headers[2].ImagePositionPatient[2] += 0.5
    elif what == "turned":
        affine[:, [0, 1]] = affine[:, [1, 0]]
    elif what == "size":
        headers[0].Rows = 21
    elif what == "no position":
        del headers[1].ImagePositionPatient
    elif what == "study":
        headers[1].StudyInstanceUID = "2.25.99"
    elif what == "patient":
        headers[1].PatientID = "ID78"
    return lge, label, affine, headers


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("shape", r"\(24, 20, 3\) and \(24, 20, 2\)"),
        ("nan", "1 NaN"),
        ("range", r"0\.\.1\.5"),
        ("float label", "found type float32"),
        ("code", r"codes \[9\]"),
        ("count", "found 2 cine headers, expected 3"),
        ("order", "slice 1: its corners lie 19.200 mm"),
        ("moved", "slice 3: its corners lie 0.500 mm"),
        ("turned", "its corners lie"),
        ("size", "found 24 x 21 pixels, expected 24 x 20"),
        ("no position", "source of slice 2: ImagePositionPatient missing"),
        ("study", "2 values of StudyInstanceUID"),
        ("patient", "2 values of PatientID"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_the_fix_and_nothing_is_written(tmp_path, what, message):
    lge, label, affine, headers = broken(*arrays(), sources(), what)
    with pytest.raises(DataError, match=message) as error:
        export_results(Results(lge, label, affine, result()), headers, tmp_path / "out")
    assert "Fix:" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_broken_date_of_the_source_is_a_data_error(tmp_path):
    headers = sources()
    for header in headers:
        header.add_new("PatientBirthDate", "LO", "some day")
    with pytest.raises(DataError, match="cannot be carried over"):
        export(tmp_path / "out", headers=headers)


def test_an_older_export_is_replaced_and_foreign_files_are_not(tmp_path):
    before = [path.read_bytes() for path in export(tmp_path, seed=1)]
    after = [path.read_bytes() for path in export(tmp_path)]
    assert before != after and len(files(tmp_path)) == 5
    (tmp_path / "virtual_lge" / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="mine.txt"):
        export(tmp_path, seed=1)
    assert {path.read_bytes() for path in files(tmp_path) if path.suffix == ".dcm"} == set(after)


def test_a_full_disk_leaves_the_older_export_and_nothing_half_written(tmp_path, monkeypatch):
    before = [path.read_bytes() for path in export(tmp_path)]
    write, written = type(tmp_path).write_bytes, []

    def fail(path, content):
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(type(tmp_path), "write_bytes", fail)
    with pytest.raises(DataError, match="No space left"):
        export(tmp_path, seed=1)
    monkeypatch.undo()
    assert sorted(path.read_bytes() for path in files(tmp_path)) == sorted(before)
