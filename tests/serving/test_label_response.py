"""inference.json as MONAI Label uses it: transforms, sampler and network one by one, without an evaluator."""

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import fastapi
import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.bundle_run import BUNDLE
from helpers.tiny_inference import TIMED, TINY, images_of, run_here, tiny_weights, write_subject
from monai.bundle import ConfigParser
from scripts.runtime.weights import load_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studies(phantom_folder, tmp_path_factory):
    """A subject folder for batch inference, its results, and the same files as a case of a flat folder."""
    root = tmp_path_factory.mktemp("label")
    for name in ("models", "studies"):
        (root / name).mkdir()
    weights = tiny_weights(root / "models")
    images = images_of(phantom_folder / "phantom_0001")
    write_subject(root / "in" / "case", {key: images[key] for key in ("cine", "t2_stir")}, TIMED)
    (root / "studies/case_meta.json").write_text(json.dumps(TIMED))
    nib.save(images["cine"], root / "studies/case.nii.gz")
    nib.save(images["t2_stir"], root / "studies/case_t2_stir.nii.gz")
    done = run_here("inference.json", dataset_dir=root / "in", output_dir=root / "out", ckpt_dir=weights)
    assert done in (0, None)
    return root


def served(root, image, change=lambda data: None, **request):
    """What the server does with a request: tasks/infer of MONAI Label 0.8.5, but for its writer."""
    parser = ConfigParser(json.loads((BUNDLE / "configs/inference.json").read_text()))
    overrides = TINY | {"bundle_root": str(root), "ckpt_dir": str(root / "models")}
    parser.update({key.replace("#", "::"): value for key, value in overrides.items()})
    data = {**request, "image": str(image), "image_path": str(image)}
    for transform in parser.get_parsed_content("pre_transforms"):
        data = transform(data)
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(load_weights(root / "models/model.pt"))
    with torch.no_grad():
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], network.eval())[0]
    change(data)
    for transform in parser.get_parsed_content("post_transforms"):
        data = transform(data)
    return data


def test_the_server_sends_the_label_map_of_batch_inference_and_keeps_its_files_beside_the_case(studies):
    data = served(studies, studies / "studies/case.nii.gz")
    batch = nib.load(studies / "out/case/case_label.nii.gz")
    assert data["pred"].shape == (1, *batch.shape) and data["pred"].dtype == np.uint8
    assert (data["pred"][0] != np.asarray(batch.dataobj)).mean() < 1e-3
    result, folder = data["result"], studies / "studies/virtual_lge/case"
    assert result["virtual_lge"] == str(folder / "case_virtual_lge.nii.gz")
    kept, wanted = nib.load(result["virtual_lge"]), nib.load(studies / "out/case/case_virtual_lge.nii.gz")
    assert kept.get_data_dtype() == np.float32 and np.array_equal(kept.affine, wanted.affine)
    assert np.allclose(kept.get_fdata(), wanted.get_fdata(), atol=1e-3)
    written = json.loads((folder / "case_result.json").read_text())
    assert result["infarct_percent_lv"] == written["infarct_percent_lv"] and result["warnings"] == []
    assert written["seeds"]["first_slice"] and "not for diagnosis" in result["disclaimer"].lower()
    json.dumps(result, allow_nan=False)


def test_the_seconds_of_the_result_count_from_the_request_on(studies, monkeypatch):
    clock = iter(range(1000, 2000, 10))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    served(studies, studies / "studies/case.nii.gz")
    asked, answered = 1000.0, float(next(clock))
    written = json.loads((studies / "studies/virtual_lge/case/case_result.json").read_text())
    assert written["seconds"]["total"] == answered - 10 - asked > 30


def test_the_virtual_lge_itself_is_sent_when_asked_for_and_another_wish_is_answered_with_a_warning(studies):
    data = served(studies, studies / "studies/case.nii.gz", result_image="virtual_lge")
    kept = nib.load(data["result"]["virtual_lge"])
    assert data["pred"].dtype == np.float32 and np.array_equal(data["pred"][0], np.asarray(kept.dataobj))
    data = served(studies, studies / "studies/case.nii.gz", result_image="heart")
    assert data["pred"].dtype == np.uint8 and "'heart' is none of label, virtual_lge" in data["result"]["warnings"][0]


def test_a_file_that_is_no_case_of_the_list_leaves_nothing_behind(studies, tmp_path):
    nib.save(nib.load(studies / "studies/case.nii.gz"), tmp_path / "tmpabc.nii.gz")
    result = served(studies, tmp_path / "tmpabc.nii.gz", save_label=False)["result"]
    assert result["virtual_lge"] is None and any("nothing is kept" in line for line in result["warnings"])
    assert any("T2-STIR missing" in line for line in result["warnings"])
    assert [path.name for path in tmp_path.rglob("*")] == ["tmpabc.nii.gz"]


def test_a_case_that_is_a_link_to_elsewhere_leaves_nothing_there(studies, tmp_path, monkeypatch):
    settings = SimpleNamespace(MONAI_LABEL_STUDIES=str(studies / "studies"))
    monkeypatch.setattr("scripts.serving.label_response.optional_import", lambda *names, **options: (settings, True))
    assert served(studies, studies / "studies/case.nii.gz")["result"]["virtual_lge"]
    nib.save(nib.load(studies / "studies/case.nii.gz"), tmp_path / "case.nii.gz")
    assert served(studies, tmp_path / "case.nii.gz")["result"]["virtual_lge"] is None
    assert [path.name for path in tmp_path.rglob("*")] == ["case.nii.gz"]


def test_params_of_the_client_are_no_measurements(studies):
    label = nib.load(studies / "out/case/case_label.nii.gz").get_fdata().tolist()
    request = {"label_on_cine": label, "label_slices": [1], "failure": "x", "lge": "y", "uncertainty": "z"}
    result = served(studies, studies / "studies/case.nii.gz", **request)["result"]
    written = json.loads(Path(result["result_file"]).read_text())
    assert result["warnings"] == [] and "reference_dice" not in json.dumps(written)


def test_a_result_that_cannot_be_used_is_an_error_with_its_reason(studies):
    with pytest.raises(fastapi.HTTPException, match="NaN or infinite") as error:
        served(studies, studies / "studies/case.nii.gz", lambda data: data["pred"].fill_(float("nan")))
    assert error.value.status_code == 422


def test_a_place_that_cannot_be_written_costs_the_copy_not_the_answer(studies, tmp_path):
    for name in ("alone.nii.gz", studies / "studies/alone.nii.gz"):
        nib.save(nib.load(studies / "studies/case.nii.gz"), tmp_path / name)
    (tmp_path / "virtual_lge").write_text("a file where the folder would be")
    data = served(studies, tmp_path / "alone.nii.gz")
    wanted = served(studies, studies / "studies/alone.nii.gz")
    assert np.array_equal(data["pred"], wanted["pred"]) and data["result"]["virtual_lge"] is None
    kept = [line for line in data["result"]["warnings"] if "could not be kept" in line]
    assert len(kept) == 1 and "output_dir" not in kept[0]


def test_the_result_names_the_weights_that_were_chosen(studies):
    other = studies / "models/model_site.pt"
    torch.save(load_weights(studies / "models/model.pt") | {"extra": torch.zeros(1)}, other)
    os.utime(other, (1, 1))
    with pytest.raises(fastapi.HTTPException, match="model_site.pt: not weights of this network"):
        served(studies, studies / "studies/case.nii.gz", model_filename="model_site.pt")
    torch.save({key: value + 0 for key, value in load_weights(studies / "models/model.pt").items()}, other)
    os.utime(other, (1, 1))
    data = served(studies, studies / "studies/case.nii.gz", model_filename="model_site.pt")
    weights = json.loads(Path(data["result"]["result_file"]).read_text())["weights"]
    assert weights == {"file": "model_site.pt", "sha256": hashlib.sha256(other.read_bytes()).hexdigest()}
    other.unlink()
