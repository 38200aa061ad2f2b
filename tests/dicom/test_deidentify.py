"""Pseudonyms of exported objects: no canary in any byte, the same key the same names, references still meet."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import stack
from helpers.dicom_study import cine_headers
from pydicom.dataset import Dataset
from scripts.conventions import DataError
from scripts.dicom.deidentify import basic_profile
from scripts.dicom.export_results import Results, export_results
from scripts.dicom.geometry import affine_from_stack

SHAPE = (8, 6, 3)
KEY = b"0123456789abcdef"
CANARY = "Zyxwvutsrq"
OLD_UIDS = {"2.25.1", "2.25.2", "2.25.3", *(f"2.25.10{k}" for k in range(SHAPE[2]))}
TEXTS = {
    **{
        "PatientName": f"{CANARY}^Jane",
        "PatientID": f"{CANARY}1",
        "IssuerOfPatientID": CANARY,
        "AccessionNumber": CANARY,
    },
    **{"ReferringPhysicianName": f"{CANARY}^Dr", "StudyID": CANARY, "StudyDescription": f"Heart of {CANARY}"},
    **{"InstitutionName": CANARY, "InstitutionAddress": CANARY, "StationName": CANARY, "OperatorsName": CANARY},
    **{"PerformingPhysicianName": CANARY, "DeviceSerialNumber": CANARY, "ProtocolName": CANARY},
    **{"PatientComments": CANARY, "ImageComments": CANARY, "SeriesDescription": CANARY},
}
DATES = {"PatientBirthDate": "19610203", "StudyDate": "20210304", "StudyTime": "112233", "ContentDate": "20210304"}


def number(value, unit):
    return {"value": value, "unit": unit}


def result(message="the stack ends above the apex"):
    structures = {
        name: {"volume": number(10.0, "ml"), "mass": number(11.0, "g")}
        for name in ("lv_blood_pool", "lv_myocardium", "viable_myocardium", "infarct")
    }
    structures["infarct"]["mass"] = {"not_measurable": "no infarct was found in any slice"}
    flags = [{"flag": "apex", "message": message}]
    return {"infarct_percent_lv": number(20.5, "%"), "structures": structures, "qc": flags, "review_needed": True}


def sources(**changes):
    headers = cine_headers(SHAPE)
    for header in headers:
        header.PatientSex, header.PatientAge, header.PatientWeight, header.Manufacturer = "F", "060Y", 71.5, "SIEMENS"
        for keyword, value in (TEXTS | DATES | changes).items():
            setattr(header, keyword, value)
        header.private_block(0x0029, CANARY, create=True).add_new(1, "LO", CANARY)
    return headers


def export(folder, deidentify=True, key=KEY, outcome=None, **changes):
    rng = np.random.default_rng(0)
    lge, label = rng.random(SHAPE).astype(np.float32), rng.integers(0, 4, SHAPE).astype(np.uint8)
    affine = affine_from_stack(stack("oblique"))
    return export_results(Results(lge, label, affine, outcome or result()), sources(**changes), folder, deidentify, key)


def uids_in(dataset):
    """Every UID below 2.25, by keyword."""
    found = {}
    for element in dataset.iterall():
        if element.VR == "UI" and element.value and not str(element.value).startswith("1.2.840.10008."):
            found.setdefault(element.keyword, set()).add(str(element.value))
    return found


def everywhere(dataset):
    return {uid for uids in uids_in(dataset).values() for uid in uids}


@pytest.mark.slow
def test_no_canary_date_or_uid_of_the_source_is_left_in_any_byte(tmp_path):
    plain = b"".join(path.read_bytes() for path in export(tmp_path / "plain", deidentify=False))
    assert CANARY.encode() in plain and b"19610203" in plain  # they would be seen
    for path in export(tmp_path / "out"):
        content = path.read_bytes()
        for canary in (CANARY, "Jane", *DATES.values(), "060Y", "71.5"):
            assert canary.encode() not in content, (path.name, canary)
        dataset = pydicom.dcmread(path)
        assert not everywhere(dataset) & OLD_UIDS
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert not [element for element in dataset.iterall() if element.tag.is_private]


def test_objects_say_that_and_how_identity_was_removed_and_still_that_they_are_synthetic(tmp_path):
    for path in export(tmp_path):
        dataset = pydicom.dcmread(path)
        assert dataset.PatientIdentityRemoved == "YES"
        assert "PS3.15" in dataset.DeidentificationMethod
        assert [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence] == ["113100", "113105", "113104"]
        assert dataset.LongitudinalTemporalInformationModified == "REMOVED"
        assert dataset.SyntheticData == "YES" and "research use only" in dataset.SeriesDescription
        assert (dataset.StudyDate, dataset.PatientSex, dataset.PatientBirthDate) == ("", "", "")
        assert dataset.ContentDate == "19000101"


def test_references_between_the_objects_still_meet(tmp_path):
    *images, seg, report = [pydicom.dcmread(path) for path in export(tmp_path)]
    image_uids = {image.SOPInstanceUID for image in images}
    assert len(image_uids) == SHAPE[2]
    assert (
        image_uids | {i.SourceImageSequence[0].ReferencedSOPInstanceUID for i in images}
        == uids_in(seg)["ReferencedSOPInstanceUID"]
    )
    assert image_uids | {seg.SOPInstanceUID} <= uids_in(report)["ReferencedSOPInstanceUID"]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName"):
        assert len({one.get(keyword) for one in (*images, seg, report)}) == 1
    assert {image.FrameOfReferenceUID for image in images} == {seg.FrameOfReferenceUID}
    assert {image.SeriesInstanceUID for image in images} <= uids_in(seg)["SeriesInstanceUID"]


def test_voxels_geometry_and_numbers_are_untouched(tmp_path):
    plain, hidden = export(tmp_path / "a", deidentify=False), export(tmp_path / "b")
    for one, other in zip(map(pydicom.dcmread, plain[:4]), map(pydicom.dcmread, hidden[:4]), strict=True):
        np.testing.assert_array_equal(one.pixel_array, other.pixel_array)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        assert pydicom.dcmread(plain[1])[keyword] == pydicom.dcmread(hidden[1])[keyword]
    values = [
        [float(e.value) for e in pydicom.dcmread(paths[-1]).iterall() if e.keyword == "NumericValue"]
        for paths in (plain, hidden)
    ]
    assert values[0] == values[1] and len(values[0]) == 7


@pytest.mark.slow
def test_the_same_key_gives_the_same_patient_and_another_key_another(tmp_path):
    read = [
        pydicom.dcmread(export(tmp_path / name, key=key, **changes)[0])
        for name, key, changes in (
            ("a", KEY, {}),
            ("b", KEY, {"StudyDate": "20220505"}),
            ("c", KEY[::-1], {}),
            ("d", KEY, {"PatientID": "other"}),
        )
    ]
    first, again, other_key, other_patient = (one.PatientID for one in read)
    assert first == again
    assert len({first, other_key, other_patient}) == 3
    assert read[0].StudyInstanceUID == read[1].StudyInstanceUID != read[2].StudyInstanceUID


def test_our_remarks_and_reasons_stay_and_one_with_the_patients_name_does_not(tmp_path):
    def texts(name, message):
        report = pydicom.dcmread(export(tmp_path / name, outcome=result(message))[-1])
        return [element.value for element in report.iterall() if element.keyword == "TextValue"]

    kept = texts("a", "the stack ends above the apex")
    assert "apex: the stack ends above the apex" in kept and "removed" not in kept
    assert "structures infarct mass: not measurable: no infarct was found in any slice" in kept
    leaking = texts("b", f"file of {CANARY.lower()} is short")
    assert leaking.count("removed") == 1 and not [text for text in leaking if CANARY.lower() in text]


@pytest.mark.parametrize(
    ("name", "text", "stays"),
    [
        ("Lee^Ann", "the patient is asleep", True),
        ("Lee^Ann", "cine of lee, short axis", False),
        ("山田^太郎", "山田のシネ", False),
        ("Not^Found", "not found", False),
    ],
)
def test_a_text_is_checked_for_the_name_as_a_word(name, text, stays):
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.PatientName, dataset.PatientID, dataset.TextValue = (
        "ISO_IR 192",
        name,
        "1",
        text,
    )
    assert basic_profile(dataset, KEY, result_texts=[text]).TextValue == (text if stays else "removed")


def test_what_is_on_no_allow_list_is_removed_at_any_depth_and_the_input_stays_as_it_was():
    inner, dataset = Dataset(), Dataset()
    inner.CodeValue, inner.InstitutionName, inner.PersonName, inner.DateTime = "1", CANARY, CANARY, "20200101"
    dataset.SOPInstanceUID, dataset.PatientName, dataset.PatientID = "2.25.7", CANARY, CANARY
    dataset.ConceptCodeSequence, dataset.RequestAttributesSequence = [inner], [inner]
    dataset.SeriesDescription, dataset.EncryptedContent, dataset.EthnicGroup = "not ours", b"secret", CANARY
    before = dataset.to_json()
    cleaned = basic_profile(dataset, KEY)
    assert dataset.to_json() == before
    assert [element.keyword for element in cleaned.ConceptCodeSequence[0]] == ["CodeValue"]
    kept = {element.keyword for element in cleaned}
    assert not kept & {"RequestAttributesSequence", "SeriesDescription", "EncryptedContent", "EthnicGroup"}
    assert CANARY not in cleaned.to_json()


@pytest.mark.parametrize(("key", "found"), [(None, "NoneType"), ("0123456789abcdef", "str"), (b"short", "5 bytes")])
def test_a_key_that_protects_nobody_is_refused_before_anything_is_written(tmp_path, key, found):
    with pytest.raises(DataError, match=f"key: found {found}, expected at least 16 bytes.*Fix:"):
        export(tmp_path / "out", key=key)
    assert not (tmp_path / "out").exists()
