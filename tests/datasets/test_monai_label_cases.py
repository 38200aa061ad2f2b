"""A case of MONAI Label: its partners by name, its channels, its own name, and what is none."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scripts import conventions
from scripts.datasets.datasets import SliceDataset, SubjectDataset
from scripts.datasets.monai_label_cases import CaseReader, as_entry, case_entry
from scripts.inference.outputs import subject_file
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.reading import read_volume
from scripts.volumes.volume import VolumeError

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
    assert trained["subject"] == "case_cine" and trained["lge"] == str(studies / "case_lge.nii.gz")
    assert trained["label"] == str(studies / "drawn.nii.gz") and "t2_stir" in trained
    assert as_entry(entry) == entry


def test_a_partner_may_be_packed_otherwise_than_its_case(studies):
    nib.save(nib.load(studies / "case_t2_stir.nii.gz"), studies / "alone_t2_stir.nii")
    assert case_entry(studies / "alone.nii.gz")["t2_stir"] == str(studies / "alone_t2_stir.nii")


def test_channels_before_a_last_axis_of_length_1_are_read_as_channels(studies):
    path = two_channels(studies)
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32)[..., None], image.affine), studies / "five.nii.gz")
    assert nib.load(studies / "five.nii.gz").shape[3:] == (2, 1)
    assert torch.equal(SMALL(case_entry(studies / "five.nii.gz"))["image"], SMALL(case_entry(path))["image"])


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
    with pytest.raises(VolumeError, match=r"found shape \(64, 64, 3\)"):
        read_volume(studies / "case_t2_stir.nii.gz", channel=1)


def test_a_missing_t2_stir_is_said_with_the_name_it_would_have(studies):
    (studies / "alone.nii.gz").rename(studies / "alone#2_cine.nii.gz")
    item = CaseReader(SMALL)(studies / "alone#2_cine.nii.gz")
    assert "T2-STIR missing" in item["warnings"] and "put alone#2_t2_stir.nii.gz beside" in item["warnings"]
    assert item["available_slices"][1].sum() == 0
    assert CaseReader(SMALL)(studies / "case.nii.gz")["warnings"] == ""


@pytest.mark.parametrize("name", ["..Ward 3: bed#2", "a#1", "a?1", "a:1", "心" * 80, "x" * 200, "#"])
def test_a_name_that_is_no_folder_name_is_made_one_that_no_other_case_has(studies, name):
    (studies / "alone.nii.gz").rename(studies / f"{name}.nii.gz")
    found = case_entry(studies / f"{name}.nii.gz")["subject"]
    (studies / f"{name}.nii.gz").rename(studies / "a_1.nii.gz")
    assert case_entry(studies / "a_1.nii.gz")["subject"] == "a_1"
    assert found != "a_1" and subject_file(Path(), found, "result.json").parent.name == found
    assert len(found.encode()) < 100 and found == found.strip(". ")
    other = hashlib.sha256(name.encode()).hexdigest()[:8]
    assert found.endswith(f"_{other}")


def test_a_case_and_another_with_cine_in_its_name_are_two(studies):
    (studies / "alone.nii.gz").rename(studies / "case_cine.nii.gz")
    assert [case_entry(studies / f"{name}.nii.gz")["subject"] for name in ("case", "case_cine")] == [
        "case",
        "case_cine",
    ]


def test_partners_are_found_whatever_the_case_of_their_letters_and_by_the_names_of_a_subject_folder(studies):
    (studies / "case_t2_stir.nii.gz").rename(studies / "Case_T2_STIR.NII.GZ")
    assert case_entry(studies / "case.nii.gz")["t2_stir"] == str(studies / "Case_T2_STIR.NII.GZ")
    (studies / "Case_T2_STIR.NII.GZ").rename(studies / "t2_stir.nii.gz")
    (studies / "case.nii.gz").rename(studies / "cine.nii.gz")
    entry = case_entry(studies / "cine.nii.gz")
    assert entry["subject"] == "studies" and entry["t2_stir"] == str(studies / "t2_stir.nii.gz")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("case_t2_stir.nii.gz", "case case"), ("case_T2_STIR.NII.GZ", "case case"), ("t2_stir.nii.gz", "case cine"),
        ("_lge.nii.gz", "case cine"),
    ],
)  # fmt: skip
def test_the_file_of_another_sequence_is_no_case(tmp_path, name, fix):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(VolumeError, match=f"belongs to a cine, not a case of its own.\nFix: ask for {fix}\\."):
        case_entry(tmp_path / name)


@pytest.mark.slow
def test_both_datasets_take_the_list_of_the_server(studies):
    data = [{"image": str(studies / "case.nii.gz"), "label": str(studies / "drawn.nii.gz")}]
    assert len(SliceDataset(data, SMALL)) == 3 and SubjectDataset(data, SMALL)[0]["subject"] == "case"
    alone = [{"image": str(studies / "alone.nii.gz"), "label": str(studies / "drawn.nii.gz")}]
    with pytest.raises(conventions.DataError, match="alone: lge missing, needed for training"):
        SliceDataset(alone, SMALL)
    partner = [{"image": str(studies / "case_lge.nii.gz"), "label": str(studies / "drawn.nii.gz")}]
    with pytest.raises(conventions.DataError, match="2 subjects cannot be used(?s:.*)case_lge(?s:.*)alone"):
        SliceDataset([*partner, *data, *alone], SMALL)
    recorded = SubjectDataset([*partner, *data], SMALL)
    assert "belongs to a cine" in recorded[0]["failure"] and recorded[1]["subject"] == "case"
