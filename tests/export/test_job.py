"""The export job and inference on what it wrote: the same results, a complete export.json, clear refusals."""

import hashlib
import json
import logging
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.bundle_run import BUNDLE, message, run_bundle
from helpers.tiny_export import TINY_EXPORT, job, tiny_folders, tiny_network
from helpers.tiny_inference import NETWORK, images_of, run_here, write_subject, written
from scripts import conventions
from scripts.conventions import ConfigError, DataError
from scripts.export.check import excess
from scripts.networks.trunk import TrunkUNet

pytestmark = pytest.mark.slow

CONFIGS = ("inference.json", "backend.json")


@pytest.fixture(scope="module")
def dataset(phantom_folder, tmp_path_factory):
    """Five slices of one subject."""
    folder = tmp_path_factory.mktemp("in")
    write_subject(folder / "a", images_of(phantom_folder / "phantom_0001", slice(1, 6)))
    return folder


def infer(dataset, out, **settings):
    weights, export_dir = tiny_folders()
    given = {"dataset_dir": dataset, "output_dir": out, "ckpt_dir": weights, "export_dir": export_dir, "preview": False}
    return run_here(*CONFIGS, **(TINY_EXPORT | given | settings))


@pytest.fixture
def copy(tmp_path):
    """An export that may be damaged."""
    return shutil.copytree(tiny_folders()[1], tmp_path / "export")


def changed(folder, **values):
    path = folder / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def by_torch(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("torch")
    assert infer(dataset, out, backend="torch") == 0
    return out


@pytest.mark.parametrize(("backend", "file"), [("torchscript", "denoiser.ts"), ("onnx", "denoiser.onnx")])
def test_inference_on_an_export_writes_what_pytorch_writes(backend, file, dataset, by_torch, tmp_path):
    assert infer(dataset, tmp_path, backend=backend) == 0
    assert set(written(tmp_path)) == set(written(by_torch))
    for kind in ("virtual_lge", "label"):
        found, wanted = (nib.load(out / f"a/a_{kind}.nii.gz").get_fdata() for out in (tmp_path, by_torch))
        assert wanted.std() > 0 and np.abs(found - wanted).max() <= 1e-4, kind
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["weights"] == {"file": file, "sha256": sha256(tiny_folders()[1] / file)}
    backend_record = run["config"]["backend"]
    assert backend_record["name"] == backend and backend_record["files"]["denoiser"] == run["weights"]
    assert backend_record["weights"]["sha256"] == sha256(tiny_folders()[0] / "model.pt")


def test_with_torch_the_run_is_that_of_inference_json_alone(dataset, by_torch, tmp_path):
    given = {"dataset_dir": dataset, "output_dir": tmp_path, "ckpt_dir": tiny_folders()[0], "preview": False}
    assert run_here("inference.json", **TINY_EXPORT, **given) == 0
    for name in ("a/a_virtual_lge.nii.gz", "a/a_label.nii.gz"):
        assert (tmp_path / name).read_bytes() == (by_torch / name).read_bytes()
    assert json.loads((by_torch / "run.json").read_text())["weights"]["file"] == "model.pt"


def test_the_handlers_of_a_backend_are_those_of_inference_but_for_the_weights():
    plain, other = (json.loads((BUNDLE / "configs" / name).read_text())["handlers"] for name in CONFIGS)
    loader, *rest = plain
    assert loader["_target_"].endswith("WeightsLoader")
    assert other == ["@source", *rest]


def test_export_json_holds_what_other_software_needs():
    weights, folder = tiny_folders()
    record = json.loads((folder / "export.json").read_text())
    assert record["disclaimer"] == conventions.DISCLAIMER
    assert (record["bundle_version"], record["format_version"]) == (conventions.BUNDLE_VERSION, 1)
    assert record["weights"]["sha256"] == sha256(weights / "model.pt")
    assert record["process"]["schedule"] == "cosine" and record["process"]["num_train_timesteps"] == 1000
    sampling, pre = record["sampling"], record["preprocessing"]
    assert sampling["steps"] == 2 == len(sampling["timesteps"]) == len(sampling["signal_scale"])
    assert sampling["sampler"] == "dpmpp_2m" and sampling["infarct_log_odds"] == 0.0
    assert np.square(sampling["signal_scale"]) + np.square(sampling["noise_scale"]) == pytest.approx([1, 1])
    assert pre["crop_size"] == [32, 32] and pre["percentiles"] == [0.5, 99.5]
    assert pre["channels"] == list(conventions.IMAGE_CHANNELS)
    assert record["postprocessing"]["classes"] == list(conventions.NETWORK_CLASSES)
    assert set(record["difference"]) == {"torchscript", "onnx", "pytorch_float64"}
    for file_format, files in record["files"].items():
        for found in record["difference"][file_format].values():
            assert max(found["virtual_lge"], found["mask"]) <= 1e-4 and found["mask_beyond_tolerance"] == 0
        assert all(one["sha256"] == sha256(folder / one["file"]) for one in files.values())


def test_onnx_of_the_shipped_weights_is_within_1e_4_of_pytorch_in_every_value(tmp_path):
    configs = "['configs/inference.json','configs/export.json']"
    size = ("--preprocessing#crop_size", "[64,64]")
    done = run_bundle("--config_file", configs, "--output_dir", tmp_path, "--formats", "['onnx']", *size)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "export.json").read_text())["difference"]["onnx"]
    assert set(found) == {"one_step", "sampled"}
    assert all(0 < one[name] <= 1e-4 for one in found.values() for name in ("mask", "virtual_lge")), found


def test_each_file_says_itself_what_it_is():
    import onnxruntime

    _, folder = tiny_folders()
    extra = {"disclaimer": "", "bundle_version": ""}
    torch.jit.load(str(folder / "denoiser.ts"), _extra_files=extra)
    meta = onnxruntime.InferenceSession(str(folder / "denoiser.onnx")).get_modelmeta().custom_metadata_map
    assert extra["disclaimer"].decode() == meta["disclaimer"] == conventions.DISCLAIMER
    assert extra["bundle_version"].decode() == meta["bundle_version"] == conventions.BUNDLE_VERSION


def test_the_job_runs_from_its_config_and_takes_away_a_format_it_does_not_make(copy, caplog):
    caplog.set_level(logging.INFO)
    given = {"ckpt_dir": tiny_folders()[0], "output_dir": copy, "formats": "torchscript"}
    assert run_here("inference.json", "export.json", **TINY_EXPORT, **given) == 0
    assert set(written(copy)) == {"encoder.ts", "denoiser.ts", "export.json"}
    assert "torchscript: difference from PyTorch" in caplog.text and conventions.DISCLAIMER in caplog.text


@pytest.mark.parametrize(
    ("key", "found"), [("bundle_version", "0.0.9"), ("format_version", 99), ("bundle", "another"), ("bundle", None)]
)
def test_an_export_of_another_version_is_refused(key, found, copy, dataset, tmp_path, capsys):
    assert infer(dataset, tmp_path / "out", export_dir=changed(copy, **{key: found}), backend="onnx") == 1
    text = message(capsys.readouterr().err)
    assert f"export.json: an export of another version: found {key} {found!r}, expected" in text


def foreign_file(folder):
    (folder / "denoiser.onnx").write_bytes((folder / "encoder.onnx").read_bytes())


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (foreign_file, "denoiser.onnx: a file of another version: found sha256"),
        (lambda folder: (folder / "encoder.onnx").unlink(), "encoder.onnx: not found. Expected: every file of"),
        (lambda folder: (folder / "export.json").unlink(), "export.json: not found. Expected: a complete export"),
        (lambda folder: (folder / "export.json").write_text("{"), "export.json: cannot be read as JSON"),
        (lambda folder: changed(folder, files={}), "export.json: found no format, expected onnx"),
    ],
    ids=["foreign", "missing", "no record", "broken record", "no format"],
)
def test_an_incomplete_or_mixed_export_is_refused(damage, expected, copy, dataset, tmp_path, capsys):
    damage(copy)
    assert infer(dataset, tmp_path / "out", export_dir=copy, backend="onnx") == 1
    assert expected in message(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"backend": "tensorrt"}, "backend: found 'tensorrt', expected one of torch, torchscript, onnx. Fix: "),
        ({"network_def#channels": [32]}, "exported from weights of another structure"),
        ({"process#schedule": "linear_beta"}, "process::schedule: found 'linear_beta', expected 'cosine'"),
        ({"device": "cuda:0"}, "device: found 'cuda:0' with backend 'onnx', expected cpu. Fix: --device cpu"),
    ],
)
def test_a_config_an_export_was_not_made_for_is_refused(settings, expected, dataset, tmp_path, capsys):
    assert infer(dataset, tmp_path / "out", **settings) == 1
    assert expected in message(capsys.readouterr().err)


def test_an_export_of_other_weights_of_the_same_network_is_used_with_a_warning(dataset, tmp_path, caplog):
    torch.save(TrunkUNet(**NETWORK).state_dict(), tmp_path / "model.pt")
    assert infer(dataset, tmp_path / "out", ckpt_dir=tmp_path, backend="torchscript") == 0
    assert "the export is of other weights" in caplog.text


def test_an_export_needs_no_weights_file(dataset, tmp_path):
    assert infer(dataset, tmp_path / "out", ckpt_dir=tmp_path, backend="torchscript") == 0


def test_no_weights_no_export(tmp_path):
    with pytest.raises(DataError, match="no such weights file"):
        job(tmp_path, tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


def test_unknown_formats_are_refused(tmp_path):
    for formats in ("tflite", [], "onnx,tflite"):
        with pytest.raises(ConfigError, match="expected one or both of torchscript, onnx. Fix:"):
            job(tmp_path, tmp_path, formats)


class Off:
    """A network whose step answers differently."""

    def __init__(self, change):
        self.network, self.change = tiny_network(), change

    def encode(self, *arguments):
        return self.network.encode(*arguments)

    def denoise(self, *arguments):
        return self.change(self.network.denoise(*arguments))


def shifted(channels, by):
    def change(output):
        output[:, channels] += by
        return output

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (shifted(slice(4, 5), 1e-3), "one_step virtual_lge 0.0005"),
        (shifted(slice(3, 4), 0.1), "one_step mask_beyond_tolerance"),
        (lambda output: output * float("nan"), "one_step virtual_lge nan"),
    ],
    ids=["LGE", "mask", "not a number"],
)
def test_an_export_that_differs_from_pytorch_is_not_completed(change, expected, copy, monkeypatch):
    weights, _ = tiny_folders()
    monkeypatch.setattr("scripts.export.job.ExportedNetwork", lambda *_: Off(change))
    with pytest.raises(DataError, match="torchscript differs from PyTorch: found") as caught:
        job(weights, copy, ["torchscript"]).run()
    assert expected in str(caught.value) and "Fix:" in str(caught.value)
    assert not (copy / "export.json").exists()


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ((9e-5, 0.5, 9e-4), False),
        ((2e-4, 0.0, 0.0), True),
        ((0.0, 0.5, 2e-3), True),
        ((float("nan"), 0.0, 0.0), True),
    ],
)
def test_the_lge_may_differ_nowhere_and_the_mask_at_few_voxels(values, refused):
    names = ("virtual_lge", "mask", "mask_beyond_tolerance")
    assert bool(excess({"sampled": dict(zip(names, values, strict=True))})) is refused
