"""A request of MONAI Label: the network's input, the weights that are used, and what is refused."""

import os
import zlib

import fastapi
import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scripts import conventions
from scripts.datasets.monai_label_cases import case_entry
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.serving.label_request import CaseRequest, for_client

SMALL = SubjectPreprocessing(crop_size=(48, 48), spacing_mm=2.8)
NETWORK = torch.nn.Linear(3, 2)


@pytest.fixture
def studies(tmp_path, make):
    """Ward_Miller/case.nii.gz and its T2-STIR; beside the folder models/ with model.pt and model_site.pt."""
    folder, studies = make.subject(tmp_path / "source"), tmp_path / "Ward_Miller"
    studies.mkdir()
    for key, name in (("cine", "case"), ("t2_stir", "case_t2_stir")):
        (folder / f"{key}.nii.gz").rename(studies / f"{name}.nii.gz")
    make.json(studies / "case_meta.json", {"vendor": "GE"})
    (tmp_path / "models").mkdir()
    for number, name in enumerate(("model", "model_site")):
        torch.save(NETWORK.state_dict(), tmp_path / f"models/{name}.pt")
        os.utime(tmp_path / f"models/{name}.pt", (number, number))
    return studies


def asked(studies, image="case.nii.gz", **params):
    request = CaseRequest(SMALL, NETWORK, studies.parent / "models/model.pt")
    return request({"image": str(studies / image) if image else "", "device": "cpu", **params})


def refused(studies, image="case.nii.gz", **params):
    """(status, text) of a refusal, which names no folder."""
    with pytest.raises(fastapi.HTTPException) as error:
        asked(studies, image, **params)
    assert studies.name not in error.value.detail and str(studies.parent) not in error.value.detail
    return error.value.status_code, error.value.detail


def test_the_request_becomes_the_network_input_with_what_the_sampler_must_know(studies):
    found = asked(studies, label_on_cine="a param of the client")
    image, item = found["image"], SMALL(case_entry(studies / "case.nii.gz"))
    assert isinstance(image, MetaTensor) and torch.equal(image.as_tensor(), item["image"])
    assert image.meta[conventions.SUBJECT] == ["case"]
    assert image.meta[conventions.VENDOR].tolist() == [conventions.VENDORS.index("ge")]
    assert image.meta[conventions.AVAILABLE].tolist() == [[[1.0] * 3] * 2]
    assert list(image.meta["spatial_shape"]) == [64, 64, 3]
    assert np.array_equal(image.meta["original_affine"], nib.load(studies / "case.nii.gz").affine)
    assert found["device"] == "cpu" and found["case"].keys() == item.keys() and found["case"]["warnings"] == ""


@pytest.mark.parametrize(
    ("image", "code", "text"),
    [
        ("", 404, "not found among the studies"),
        ("nobody.nii.gz", 404, "case nobody.nii.gz: not found"),
        ("n" * 300, 404, "File name too long"),
        ("case_t2_stir.nii.gz", 422, "the T2-STIR that belongs to a cine"),
        ("picture.png", 422, "expected a NIfTI file"),
        ("broken.nii.gz", 422, "cannot be read as NIfTI"),
        ("deflated.nii.gz", 422, "cannot be read as NIfTI"),
        ("header.nii", 422, "cannot be read as NIfTI"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason_and_without_a_folder(studies, image, code, text):
    (studies / "broken.nii.gz").write_bytes(b"not an image")
    (studies / "picture.png").write_bytes(b"")
    packed = bytearray((studies / "case.nii.gz").read_bytes())
    packed[20:200] = bytes(180)
    (studies / "deflated.nii.gz").write_bytes(packed)
    raw = bytearray(zlib.decompress((studies / "case.nii.gz").read_bytes(), 31))
    raw[70:72] = (9999).to_bytes(2, "little")  # of the data type
    (studies / "header.nii").write_bytes(raw)
    found_code, found_text = refused(studies, image)
    assert (found_code, text in found_text) == (code, True), found_text


def test_an_image_that_is_no_name_is_refused(studies):
    with pytest.raises(fastapi.HTTPException) as error:
        CaseRequest(SMALL, NETWORK, studies)({"image": np.zeros((8, 8))})
    assert error.value.status_code == 422 and "found a ndarray, expected the name of a case" in error.value.detail
    with pytest.raises(fastapi.HTTPException) as error:
        CaseRequest(SMALL, NETWORK, studies)({"image": "a\0b"})
    assert error.value.status_code == 422


def test_warnings_name_no_folder(studies):
    image = nib.load(studies / "case.nii.gz")
    image.header["qform_code"] = image.header["sform_code"] = 0
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), studies / "plain.nii.gz")
    warnings = asked(studies, "plain.nii.gz")["case"]["warnings"]
    assert "plain.nii.gz has no orientation" in warnings and studies.name not in warnings
    assert for_client("Ward/a.nii and My Ward/b, /x/y/Ward/c", studies / "../Ward/a") == "a.nii and My b, c"


def test_without_the_server_the_same_refusal_is_a_data_error(studies, monkeypatch):
    monkeypatch.setattr("scripts.serving.label_request.optional_import", lambda *args, **options: (None, False))
    with pytest.raises(conventions.DataError, match="not found among the studies"):
        asked(studies, "nobody.nii.gz")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "used"),
    [(None, "model.pt"), ([], "model.pt"), (["model_site.pt", "model.pt"], "model_site.pt"), ("model.pt", "model.pt")],
)
def test_the_weights_are_those_that_were_chosen(studies, chosen, used):
    assert asked(studies, model_filename=chosen)["model_filename"] == used


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["none.pt", "../models/model_site.pt", "../Ward_Miller/x.pt"])
def test_weights_from_elsewhere_are_refused_with_what_there_is(studies, chosen):
    (studies / "x.pt").write_bytes((studies.parent / "models/model.pt").read_bytes())
    with pytest.raises(fastapi.HTTPException, match="expected one of model.pt, model_site.pt") as error:
        asked(studies, model_filename=chosen)
    assert error.value.status_code == 422


@pytest.mark.slow
@pytest.mark.parametrize("state", [torch.nn.Linear(4, 2).state_dict(), {"module.weight": torch.ones(2, 3)}])
def test_weights_of_another_network_are_refused_where_the_server_would_go_on_with_random_ones(studies, state):
    torch.save(state, studies.parent / "models/other.pt")
    code, text = refused(studies, model_filename="other.pt")
    assert code == 422 and "other.pt: not weights of this network (" in text


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [7, 1.5, True, {"model.pt": 1}, [None], [["model.pt"]], [{}], "\0", "n" * 9999])
def test_a_name_of_weights_of_any_type_is_refused_and_never_a_failure_of_the_server(studies, chosen):
    code, text = refused(studies, model_filename=chosen)
    assert code == 422 and "expected one of model.pt, model_site.pt" in text and len(text) < 400


@pytest.mark.slow
def test_links_that_lead_nowhere_or_to_themselves_do_not_stand_in_the_way(studies):
    models = studies.parent / "models"
    (models / "loop.pt").symlink_to(models / "loop.pt")
    (models / "nowhere.pt").symlink_to(models / "gone.pt")
    assert asked(studies)["model_filename"] == "model.pt"
    assert refused(studies, model_filename="loop.pt")[0] == 422


META = [[], 7, "text", {"cine_trigger_times_ms": {}}, {"vendor": [1]}, {"field_strength_t": {}}, {"phantom": 3},
        {"cine_trigger_times_ms": [[1]], "lge_trigger_time_ms": "x"}, {"flags": [7]}, {"label_phase": []}]  # fmt: skip


@pytest.mark.parametrize("content", META)
def test_a_meta_file_of_any_shape_is_used_or_refused(studies, make, content):
    make.json(studies / "case_meta.json", content)
    try:
        assert asked(studies)["model_filename"] == "model.pt"
    except fastapi.HTTPException as refusal:
        assert refusal.status_code == 422 and "fault of the program" not in refusal.detail


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1e30, 1e-30, 1.0, 1.0])])
def test_a_matrix_of_any_values_is_refused(studies, matrix):
    image = nib.load(studies / "case.nii.gz")
    data, header = np.asanyarray(image.dataobj), image.header.copy()
    header["sform_code"], header["qform_code"] = 1, 0
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        header[name] = matrix[row]
    nib.Nifti1Image(data, None, header).to_filename(studies / "case.nii.gz")
    code, text = refused(studies)
    assert code == 422 and "fault of the program" not in text, text


def test_two_files_the_server_cannot_tell_apart_are_refused(studies):
    os.utime(studies.parent / "models/model.pt", (1, 1))
    code, text = refused(studies)
    assert code == 422 and "model.pt: written at the same time as model_site.pt" in text and "touch one" in text
