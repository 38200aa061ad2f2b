"""The packaged bundle in a real MONAI Label server: both ways of two sequences, what comes back, refusals, training."""

import json
import runpy
import shutil
import time
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests
import torch
from helpers.bundle_run import BUNDLE
from helpers.label_server import MODEL, PYTHON, label_server, stock_app
from helpers.programs import missing
from helpers.tiny_inference import images_of
from scripts.runtime.weights import load_weights

if not PYTHON.is_file():
    pytest.skip(missing("MONAI Label", "make label-venv (8 GB)"), allow_module_level=True)


@pytest.fixture(scope="module")
def studies(phantom_folder, tmp_path_factory):
    """Cases of a flat folder: case (T2-STIR and LGE beside it, labelled), alone, pair and its wrong order."""
    folder = tmp_path_factory.mktemp("studies")
    images = images_of(phantom_folder / "phantom_0001")
    cine, t2_stir = images["cine"], images["t2_stir"]
    nib.save(cine, folder / "case.nii.gz")
    for name in ("t2_stir", "lge"):
        nib.save(images[name], folder / f"case_{name}.nii.gz")
    (folder / "labels/final").mkdir(parents=True)
    nib.save(images["label"], folder / "labels/final/case.nii.gz")
    nib.save(cine, folder / "alone.nii.gz")
    frames = [cine.get_fdata(dtype=np.float32)[..., 0], t2_stir.get_fdata(dtype=np.float32)]
    for name, order in (("pair", frames), ("wrong", frames[::-1])):
        nib.save(nib.Nifti1Image(np.stack(order, axis=-1), cine.affine), folder / f"{name}.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"not an image")
    (folder / "linked.nii.gz").symlink_to(folder / "case_t2_stir.nii.gz")
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The stock app with the released zip unpacked in its model folder."""
    folder = tmp_path_factory.mktemp("app")
    packed = runpy.run_path(str(BUNDLE.parent / "tools/make_bundle.py"))["make_bundle"](BUNDLE, folder)
    app = stock_app(folder)
    zipfile.ZipFile(packed).extractall(app / "model")
    return app


@pytest.fixture(scope="module")
def server(app, studies, tmp_path_factory):
    with label_server(app, studies, tmp_path_factory.mktemp("log") / "server.log") as address:
        yield address


def infer(server, case, output="json", **params):
    return requests.post(
        f"{server}/infer/{MODEL}", params={"image": case, "output": output},
        data={"params": json.dumps({"device": "cpu", **params})}, timeout=120,
    )  # fmt: skip


def test_the_server_lists_the_bundle_its_labels_and_its_trainer(server):
    info = requests.get(f"{server}/info/", timeout=30).json()
    model = info["models"][MODEL]
    assert model["type"] == "segmentation" and MODEL in info["trainers"]
    assert {name: model["labels"][name] for name in ("lv_blood_pool", "myocardium", "infarct")} == {
        "lv_blood_pool": 1, "myocardium": 2, "infarct": 3,
    }  # fmt: skip
    assert model["config"]["model_filename"][0] == "model.pt"


def test_a_case_is_answered_with_its_label_map_and_the_virtual_lge_is_kept_as_float(server, studies, tmp_path):
    reply, said = infer(server, "case", "image"), infer(server, "case").json()
    assert reply.status_code == 200
    (tmp_path / "mask.nii.gz").write_bytes(reply.content)
    mask, cine = nib.load(tmp_path / "mask.nii.gz"), nib.load(studies / "case.nii.gz")
    assert mask.shape == cine.shape[:3] and np.allclose(mask.affine, cine.affine, atol=1e-4)
    kept = nib.load(said["virtual_lge"])
    assert kept.get_data_dtype() == np.float32 and kept.shape == mask.shape and np.ptp(kept.get_fdata()) > 0.5
    written = nib.load(studies / "virtual_lge/case/case_label.nii.gz")
    assert np.array_equal(mask.get_fdata(), written.get_fdata()) and set(np.unique(mask.get_fdata())) >= {0, 1, 2}
    assert said["warnings"] == [] and said["sequences"]["used"] == ["cine", "t2_stir"]
    cases = requests.get(f"{server}/datastore/?output=all", timeout=30).json()["objects"]
    assert not [name for name in cases if "virtual_lge" in name]


def test_two_channels_are_served_too_and_their_wrong_order_is_warned_of(server):
    right, wrong = infer(server, "pair").json(), infer(server, "wrong").json()
    assert right["sequences"]["used"] == ["cine", "t2_stir"] and not any("swapped" in w for w in right["warnings"])
    assert any("look swapped" in line for line in wrong["warnings"])


def test_a_missing_t2_stir_is_served_with_a_warning(server):
    reply = infer(server, "alone")
    assert reply.status_code == 200 and any("T2-STIR missing" in line for line in reply.json()["warnings"])


def test_the_virtual_lge_itself_can_be_asked_for(server, tmp_path):
    (tmp_path / "lge.nii.gz").write_bytes(infer(server, "case", "image", result_image="virtual_lge").content)
    kept = nib.load(infer(server, "case").json()["virtual_lge"])
    sent = nib.load(tmp_path / "lge.nii.gz")
    assert sent.get_data_dtype() == np.float32 and np.array_equal(sent.get_fdata(), kept.get_fdata())


@pytest.mark.parametrize(
    ("case", "code", "text"),
    [
        ("nobody", 404, "not found among the studies"),
        ("case_t2_stir", 422, "Fix: ask for case case."),
        ("broken", 422, "cannot be read as NIfTI"),
        ("linked", 422, "the T2-STIR that belongs to a cine"),
    ],
)
def test_a_refusal_has_a_reason_and_the_server_goes_on(server, studies, case, code, text):
    reply = infer(server, case)
    assert reply.status_code == code and text in reply.json()["detail"] and studies.name not in reply.text
    assert requests.get(f"{server}/info/", timeout=30).status_code == 200


def test_weights_that_are_not_there_are_refused(server):
    reply = infer(server, "case", model_filename="../output/training/checkpoints/model.pt")
    assert reply.status_code == 422 and "expected one of model.pt" in reply.json()["detail"]


def test_a_file_given_by_its_path_is_answered_and_nothing_is_kept(server, studies, tmp_path):
    shutil.copy(studies / "alone.nii.gz", tmp_path / "mine.nii.gz")
    said = infer(server, tmp_path / "mine.nii.gz").json()
    assert (
        said["virtual_lge"] is None
        and said["infarct_percent_lv"]
        and list(tmp_path.iterdir()) == [tmp_path / "mine.nii.gz"]
    )


def test_training_from_the_client_makes_its_steps_and_its_weights_can_be_chosen(server, app):
    shipped = (app / f"model/{MODEL}/models/model.pt").read_bytes()
    settings = {"max_epochs": 1, "val_split": 0, "device": "cpu", "multi_gpu": False, "run_id": ""}
    assert requests.post(f"{server}/train/{MODEL}", json=settings, timeout=60).status_code == 200
    until, task = time.monotonic() + 240, {"status": "SUBMITTED"}
    while time.monotonic() < until and task["status"] in ("SUBMITTED", "RUNNING"):
        time.sleep(2)
        task = requests.get(f"{server}/train/", timeout=30).json()
    assert task["status"] == "DONE" and sum("epoch 1/1" in line for line in task["details"]) == 1, task["details"]
    folder = app / f"model/{MODEL}"
    trained = folder / "output/training/checkpoints/model.pt"
    assert (folder / "models/model.pt").read_bytes() == shipped
    before, after = (load_weights(path) for path in (folder / "models/model.pt", trained))
    moved = torch.cat([(after[name] - value).float().abs().flatten() for name, value in before.items()])
    assert 0 < moved.mean() < 1e-2  # a step or two away, not from random weights
    shutil.copy(trained, folder / "models/model_site.pt")
    said = infer(server, "case", model_filename="model_site.pt").json()
    result = json.loads(Path(said["result_file"]).read_text())
    assert result["weights"]["file"] == "model_site.pt" and said["infarct_percent_lv"] == result["infarct_percent_lv"]


def test_a_bundle_without_weights_is_named_in_the_log_and_the_server_stays_up(app, studies, tmp_path):
    shutil.copytree(app, tmp_path / "monaibundle")
    (tmp_path / f"monaibundle/model/{MODEL}/models/model.pt").unlink()
    with label_server(tmp_path / "monaibundle", studies, tmp_path / "log") as address:
        assert infer(address, "case").status_code == 500
        assert MODEL not in requests.get(f"{address}/info/", timeout=30).json()["models"]
    assert "as neither model.pt nor model.ts exists" in (tmp_path / "log").read_text()
