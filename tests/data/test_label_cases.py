"""A case of MONAI Label: its partners by name, its channels, the network's input, and what is refused."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scripts import conventions
from scripts.data.datasets import SliceDataset, SubjectDataset
from scripts.data.label_cases import CaseRequest, as_entry, case_entry
from scripts.data.preprocessing import SubjectPreprocessing
from scripts.data.volumes import VolumeError, read_volume

SMALL = SubjectPreprocessing(crop_size=(48, 48), spacing_mm=2.8)


@pytest.fixture
def studies(tmp_path, make):
    """The flat folder MONAI Label lists: case with T2-STIR, LGE and meta; one beside it without partners."""
    folder = make.subject(tmp_path / "source")
    make.subject(tmp_path / "alone_source", keys=())
    studies = tmp_path / "studies"
    studies.mkdir()
    for key, name in (("cine", "case"), ("t2_stir", "case_t2_stir"), ("lge", "case_lge"), ("label", "drawn")):
        (folder / f"{key}.nii.gz").rename(studies / f"{name}.nii.gz")
    (tmp_path / "alone_source/cine.nii.gz").rename(studies / "alone.nii.gz")
    make.json(studies / "case_meta.json", {"vendor": "GE"})
    return studies


def two_channels(studies, name="pair.nii.gz", vector=False):
    """One frame of the cine and the T2-STIR in one file; ``vector``: as ITK writes channels, on the fifth axis."""
    cine, t2_stir = nib.load(studies / "case.nii.gz"), nib.load(studies / "case_t2_stir.nii.gz")
    array = np.stack([cine.get_fdata()[..., 0], t2_stir.get_fdata()], axis=-1).astype(np.float32)
    nib.save(nib.Nifti1Image(array[..., None, :] if vector else array, cine.affine), studies / name)
    return studies / name


def test_partners_are_found_by_name_and_the_lge_only_beside_a_label(studies):
    entry = case_entry(studies / "case.nii.gz")
    assert entry == {
        "subject": "case", "cine": str(studies / "case.nii.gz"), "t2_stir": str(studies / "case_t2_stir.nii.gz"),
        "meta": str(studies / "case_meta.json"),
    }  # fmt: skip
    (studies / "case.nii.gz").rename(studies / "case_cine.nii.gz")
    trained = as_entry({"image": str(studies / "case_cine.nii.gz"), "label": str(studies / "drawn.nii.gz")})
    assert trained["subject"] == "case" and trained["lge"] == str(studies / "case_lge.nii.gz")
    assert trained["label"] == str(studies / "drawn.nii.gz") and "t2_stir" in trained
    assert as_entry(entry) == entry


def test_a_partner_may_be_packed_otherwise_than_its_case(studies):
    nib.save(nib.load(studies / "case_t2_stir.nii.gz"), studies / "alone_t2_stir.nii")
    assert case_entry(studies / "alone.nii.gz")["t2_stir"] == str(studies / "alone_t2_stir.nii")


@pytest.mark.parametrize("vector", [False, True])
def test_two_channels_are_read_as_the_two_files_would_be(studies, vector):
    path = two_channels(studies, vector=vector)
    first, second = (read_volume(path, channel=channel).array for channel in (0, 1))
    assert np.array_equal(first, nib.load(studies / "case.nii.gz").get_fdata()[..., 0].astype(np.float32))
    assert np.array_equal(second, nib.load(studies / "case_t2_stir.nii.gz").get_fdata().astype(np.float32))
    whole = SMALL(case_entry(path))["image"]
    for name, array in (("frame", first), ("frame_t2_stir", second)):
        nib.save(nib.Nifti1Image(array, nib.load(path).affine), studies / f"{name}.nii.gz")
    assert torch.equal(whole, SMALL(case_entry(studies / "frame.nii.gz"))["image"])


def test_a_cine_of_two_phases_is_no_pair_when_its_t2_stir_lies_beside_it(studies):
    path = two_channels(studies, "case.nii.gz")
    assert "channels" not in case_entry(path)
    with pytest.raises(VolumeError, match=r"found shape \(64, 64, 3\), expected one channel per sequence"):
        read_volume(studies / "case_t2_stir.nii.gz", channel=1)


def test_the_request_becomes_the_network_input_with_what_the_sampler_must_know(studies):
    data = {"image": str(studies / "case.nii.gz"), "device": "cpu"}
    asked = CaseRequest(SMALL)(data)
    image, item = asked["image"], SMALL(case_entry(studies / "case.nii.gz"))
    assert isinstance(image, MetaTensor) and torch.equal(image.as_tensor(), item["image"])
    assert image.meta[conventions.SUBJECT] == ["case"]
    assert image.meta[conventions.VENDOR].tolist() == [conventions.VENDORS.index("ge")]
    assert image.meta[conventions.AVAILABLE].tolist() == [[[1.0] * 3] * 2]
    assert list(image.meta["spatial_shape"]) == [64, 64, 3]
    assert np.array_equal(image.meta["original_affine"], nib.load(studies / "case.nii.gz").affine)
    assert asked["device"] == "cpu" and asked["warnings"] == ""


def test_a_missing_t2_stir_is_said_with_the_name_it_would_have(studies):
    asked = CaseRequest(SMALL)({"image": str(studies / "alone.nii.gz")})
    assert "T2-STIR missing" in asked["warnings"] and "alone_t2_stir.nii.gz" in asked["warnings"]
    assert asked["image"].meta[conventions.AVAILABLE][0, 1].sum() == 0


@pytest.mark.parametrize(
    ("image", "code", "text"),
    [
        ("", 404, "not found among the studies"),
        ("nobody.nii.gz", 404, "case nobody.nii.gz: not found"),
        ("case_t2_stir.nii.gz", 422, "the T2-STIR that belongs to a cine"),
        ("case_lge.nii.gz", 422, "Fix: ask for case case."),
        ("broken.nii.gz", 422, "cannot be read as NIfTI"),
        ("picture.png", 422, "expected a NIfTI file"),
        (np.zeros((8, 8)), 422, "found a ndarray, expected the name of a case"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason_and_without_the_folder(studies, image, code, text):
    fastapi = pytest.importorskip("fastapi")
    (studies / "broken.nii.gz").write_bytes(b"not an image")
    (studies / "picture.png").write_bytes(b"")
    asked = str(studies / image) if isinstance(image, str) and image else image
    with pytest.raises(fastapi.HTTPException) as error:
        CaseRequest(SMALL)({"image": asked})
    assert error.value.status_code == code and text in error.value.detail
    assert str(studies) not in error.value.detail


def test_without_the_server_the_same_refusal_is_a_data_error(studies, monkeypatch):
    monkeypatch.setattr("scripts.data.label_cases.optional_import", lambda *args, **options: (None, False))
    with pytest.raises(conventions.DataError, match="not found among the studies"):
        CaseRequest(SMALL)({"image": str(studies / "nobody.nii.gz")})


def test_a_case_name_that_is_no_folder_name_is_made_one(studies):
    (studies / "alone.nii.gz").rename(studies / "..Ward 3: bed#2.nii.gz")
    assert case_entry(studies / "..Ward 3: bed#2.nii.gz")["subject"] == "Ward 3_ bed_2"


def test_both_datasets_take_the_list_of_the_server(studies):
    data = [{"image": str(studies / "case.nii.gz"), "label": str(studies / "drawn.nii.gz")}]
    assert len(SliceDataset(data, SMALL)) == 3 and SubjectDataset(data, SMALL)[0]["subject"] == "case"
    alone = [{"image": str(studies / "alone.nii.gz"), "label": str(studies / "drawn.nii.gz")}]
    with pytest.raises(conventions.DataError, match="alone: lge missing, needed for training"):
        SliceDataset(alone, SMALL)
