"""One heart in files with other headers and axes: the same result, written as its own cine is stored; tiny weights."""

import json

import nibabel as nib
import numpy as np
import pytest
from helpers.tiny_inference import images_of, remade, run_here, tiny_weights, write_subject

META = {"vendor": "siemens"}
NAME = "heart"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def images(phantom_folder):
    return {key: image for key, image in images_of(phantom_folder / "phantom_0001").items() if key != "lge"}


@pytest.fixture(scope="module")
def plain(images, weights, tmp_path_factory):
    return inferred(images, weights, tmp_path_factory.mktemp("plain"))


def inferred(images, weights, folder):
    write_subject(folder / "in" / NAME, images, META)
    assert run_here("inference.json", dataset_dir=folder / "in", output_dir=folder / "out", ckpt_dir=weights) == 0
    return folder / "out" / NAME


def label_and_record(folder):
    record = json.loads((folder / f"{NAME}_result.json").read_text())
    return nib.load(folder / f"{NAME}_label.nii.gz"), record


def with_header(image, change):
    """The voxels with a changed copy of the header, as it is."""
    header = remade(image, np.asarray(image.dataobj)).header.copy()
    header.set_sform(image.affine, 1)
    change(header, image.affine)
    return nib.Nifti1Image(np.asarray(image.dataobj), None, header)


def unit_sform(header, affine):
    unit = affine.copy()
    unit[:3, :3] /= np.linalg.norm(affine[:3, :3], axis=0)
    header.set_sform(unit, 2)


def no_codes(header, affine):
    header["sform_code"] = header["qform_code"] = 0


def unit_voxels(header, affine):
    header.set_qform(np.eye(4), 0)
    header.set_sform(np.eye(4), 2)


def same_header(result, cine):
    assert result.shape == cine.shape[:3]
    np.testing.assert_array_equal(result.affine, cine.affine)
    for form in ("sform", "qform"):
        np.testing.assert_allclose(getattr(result, f"get_{form}")(), getattr(cine, f"get_{form}")(), atol=1e-5)
        assert result.header[f"{form}_code"] == cine.header[f"{form}_code"]


@pytest.mark.slow
def test_an_sform_of_unit_columns_gives_the_numbers_of_pixdim_and_stays_in_the_results(
    images, plain, weights, tmp_path
):
    changed = {key: with_header(image, unit_sform) for key, image in images.items()}
    label, record = label_and_record(inferred(changed, weights, tmp_path))
    true_label, true_record = label_and_record(plain)
    np.testing.assert_array_equal(label.dataobj, true_label.dataobj)
    assert record["structures"] == true_record["structures"]
    assert "in the sform" in record["warnings"][0] and "in pixdim" in record["warnings"][0]
    same_header(label, nib.load(tmp_path / f"in/{NAME}/cine.nii.gz"))


@pytest.mark.slow
def test_slices_on_the_second_axis_give_the_same_result_on_that_axis(images, plain, weights, tmp_path):
    changed = {}
    for key, image in images.items():
        array = np.asarray(image.dataobj).swapaxes(1, 2)
        changed[key] = remade(image, np.ascontiguousarray(array), image.affine[:, [0, 2, 1, 3]])
    label, record = label_and_record(inferred(changed, weights, tmp_path))
    true_label, true_record = label_and_record(plain)
    np.testing.assert_array_equal(np.asarray(label.dataobj).swapaxes(1, 2), true_label.dataobj)
    assert record["structures"] == true_record["structures"] and record["slices"] == true_record["slices"]
    same_header(label, nib.load(tmp_path / f"in/{NAME}/cine.nii.gz"))


@pytest.mark.slow
def test_a_header_without_orientation_stays_without(images, weights, tmp_path):
    changed = {key: with_header(image, no_codes) for key, image in images.items()}
    label, record = label_and_record(inferred(changed, weights, tmp_path))
    same_header(label, nib.load(tmp_path / f"in/{NAME}/cine.nii.gz"))
    assert "no orientation" in record["warnings"][0]


@pytest.mark.slow
def test_voxels_of_no_known_size_ask_for_a_review(images, weights, tmp_path):
    changed = {key: with_header(image, unit_voxels) for key, image in images.items()}
    label, record = label_and_record(inferred(changed, weights, tmp_path))
    assert record["review_needed"] is True
    assert {"identity_affine", "slice_distance_implausible"} <= {flag["flag"] for flag in record["qc"]}
    same_header(label, nib.load(tmp_path / f"in/{NAME}/cine.nii.gz"))


@pytest.mark.slow
def test_one_slice_stored_as_a_movie_of_slices_asks_for_a_review(phantom_folder, weights, tmp_path):
    cine = nib.load(phantom_folder / "phantom_0001" / "cine.nii.gz")
    movie = np.ascontiguousarray(np.asarray(cine.dataobj)[:, :, 3, :])
    _, record = label_and_record(inferred({"cine": remade(cine, movie)}, weights, tmp_path))
    assert record["review_needed"] is True
    assert "phases_stored_as_slices" in {flag["flag"] for flag in record["qc"]}
