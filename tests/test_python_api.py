"""The bundle from Python: what batch inference writes is what the predictor returns; docs/PYTHON.md runs as written."""

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from helpers.tiny_inference import TINY, images_of, run_here, tiny_weights, write_subject, written
from monai.bundle import create_workflow
from scripts.conventions import ConfigError, DataError
from scripts.volumes.arrays_as_files import meta_file, sequence_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "bundle"
PAGE = ROOT / "docs" / "PYTHON.md"
META = {"vendor": "siemens", "cine_trigger_times_ms": [0, 200, 400, 600], "lge_trigger_time_ms": 410}
KINDS = ("virtual_lge", "label", "infarct_probability", "uncertainty")


def predictor(ckpt_dir, **settings):
    configs = [str(BUNDLE / "configs" / name) for name in ("inference.json", "predict.json")]
    settings = TINY | {"bundle_root": str(BUNDLE), "ckpt_dir": str(ckpt_dir)} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workflow = create_workflow(config_file=configs, workflow_type="infer", logging_file=False, **settings)
    (predict,) = workflow.run()
    return predict


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def images(phantom_folder):
    """Cine of 4 phases and T2-STIR, 3 slices, none of the references; both forms as of an array."""
    found = images_of(phantom_folder / "phantom_0001")
    for image in found.values():
        image.set_sform(image.affine, 1)
        image.set_qform(image.affine, 1)
    return {name: found[name] for name in ("cine", "t2_stir")}


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    root = tmp_path_factory.mktemp("in")
    write_subject(root / "both", images, META)
    write_subject(root / "cine_only", {"cine": images["cine"]})
    return root


@pytest.fixture(scope="module")
def batch(folder, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("batch")
    assert run_here("inference.json", dataset_dir=folder, output_dir=out, ckpt_dir=weights, samples=2) == 0
    return out


@pytest.fixture(scope="module")
def predict(weights):
    return predictor(weights, samples=2)


def arrays_of(prediction):
    fields = ("virtual_lge", "label_map", "infarct_probability", "uncertainty")
    return [getattr(prediction, field) for field in fields]


def assert_is_batch_result(prediction, out, subject):
    for kind, array in zip(KINDS, arrays_of(prediction), strict=True):
        image = nib.load(out / subject / f"{subject}_{kind}.nii.gz")
        stored = np.asarray(image.dataobj)
        assert (stored.dtype, stored.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(stored, array)
        np.testing.assert_allclose(image.affine, prediction.affine, atol=1e-5)
    result = json.loads((out / subject / f"{subject}_result.json").read_text())
    for numbers in (result, prediction.result):
        numbers["seconds"] = None
    result.pop("files")
    assert json.loads(json.dumps(prediction.result)) == result


@pytest.mark.slow
def test_files_give_what_batch_inference_writes(predict, batch, folder):
    place = folder / "both"
    prediction = predict(place / "cine.nii.gz", str(place / "t2_stir.nii.gz"), meta=place / "meta.json", subject="both")
    assert prediction.result["cine_phase"]["index"] == 2
    assert_is_batch_result(prediction, batch, "both")


@pytest.mark.slow
def test_a_sequence_that_the_config_hides_is_hidden_here_too(weights, folder):
    place = folder / "both"
    files = {"cine": place / "cine.nii.gz", "t2_stir": place / "t2_stir.nii.gz", "subject": "both"}
    shown, hidden = (predictor(weights, **{"prepare_batch::hidden": one})(**files) for one in ([], ["t2_stir"]))
    assert not np.array_equal(shown.virtual_lge, hidden.virtual_lge)


def test_arrays_give_what_the_same_files_give(predict, batch, images):
    arrays = [np.asarray(images[name].dataobj) for name in ("cine", "t2_stir")]
    affines = {"affine": images["cine"].affine, "t2_stir_affine": images["t2_stir"].affine}
    prediction = predict(*arrays, **affines, meta=META, subject="both")
    assert prediction.result["sequences"].pop("files") == {"cine": "cine.nii", "t2_stir": "t2_stir.nii"}
    prediction.result["sequences"]["files"] = {"cine": "cine.nii.gz", "t2_stir": "t2_stir.nii.gz"}
    assert_is_batch_result(prediction, batch, "both")


def test_a_cine_alone_gives_what_batch_inference_writes(predict, batch, folder):
    prediction = predict(folder / "cine_only" / "cine.nii.gz", subject="cine_only")
    assert prediction.result["sequences"]["missing"] == ["t2_stir"]
    assert_is_batch_result(prediction, batch, "cine_only")


@pytest.mark.slow
def test_nothing_is_written_until_save_which_writes_what_batch_inference_does(
    predict, batch, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    image = nib.load(folder / "cine_only" / "cine.nii.gz")
    prediction = predict(np.asarray(image.dataobj), affine=image.affine, subject="cine_only")
    assert written(tmp_path) == {}
    assert prediction.save(tmp_path / "out") == tmp_path / "out" / "cine_only"
    ours, theirs = written(tmp_path / "out"), written(batch / "cine_only")
    assert list(ours) == [f"cine_only/{name}" for name in theirs]
    for name, path in theirs.items():
        if not name.endswith("result.json"):
            assert ours[f"cine_only/{name}"].read_bytes() == path.read_bytes()
    names = json.loads(ours["cine_only/cine_only_result.json"].read_text())["files"]
    assert sorted(names) == sorted(theirs)


@pytest.mark.slow
def test_the_name_decides_the_noise_and_one_sample_has_no_spread(weights, folder):
    predict = predictor(weights)
    first, again, other = (predict(folder / "cine_only" / "cine.nii.gz", subject=s) for s in ("a", "a", "b"))
    np.testing.assert_array_equal(first.virtual_lge, again.virtual_lge)
    assert not np.array_equal(first.virtual_lge, other.virtual_lge)
    assert first.uncertainty is None and first.infarct_probability is None


def test_a_folder_without_weights_says_so_at_the_call(tmp_path, folder):
    predict = predictor(tmp_path)
    with pytest.raises(DataError, match="(?s)model.pt: no such weights file.*unpack the released zip"):
        predict(folder / "both" / "cine.nii.gz")


def test_weights_of_another_network_are_refused_not_half_loaded(tmp_path, folder):
    predict = predictor(tiny_weights(tmp_path, token_channels=32))
    with pytest.raises(DataError, match="do not fit the network"):
        predict(folder / "both" / "cine.nii.gz")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"cine": "nowhere/cine.nii.gz"}, "nowhere/cine.nii.gz: file not found"),
        ({"cine": np.ones((16, 16, 2))}, "cine: found an array without affine"),
        ({"cine": np.ones((16, 16, 2)), "affine": np.eye(3)}, r"cine: affine: found shape \(3, 3\)"),
        ({"cine": np.ones((16, 16, 2)), "affine": "eye"}, "cine: affine: found str"),
        ({"cine": np.ones((16, 16, 2)), "affine": np.eye(4)}, r"case/cine.nii: found one value \(1\)"),
        ({"cine": np.arange(4.0), "affine": np.eye(4)}, r"shape \(4,\)"),
        ({"cine": np.full((16, 16, 2), np.nan), "affine": np.eye(4)}, "NaN or infinite"),
        ({"cine": np.ones((16, 16, 2), complex), "affine": np.eye(4)}, "complex128"),
        ({"cine": None, "affine": np.eye(4)}, "cine: found NoneType"),
        ({"cine": "GOOD", "affine": np.eye(4)}, "found a file and an affine"),
        ({"cine": "GOOD", "t2_stir": np.ones((16, 16, 2))}, "t2_stir: found an array without affine"),
        ({"cine": "GOOD", "subject": "../a"}, "may hold no slash"),
        ({"cine": "GOOD", "meta": 3}, "meta: found a int"),
        ({"cine": "GOOD", "meta": "nowhere.json"}, "meta: nowhere.json not found"),
        ({"cine": "GOOD", "meta": META | {"cine_trigger_times_ms": [1, 2]}}, "holds 2 values, expected 4"),
    ],
)
def test_bad_input_raises_a_readable_message(predict, folder, arguments, expected):
    if isinstance(arguments["cine"], str) and arguments["cine"] == "GOOD":
        arguments = arguments | {"cine": folder / "both" / "cine.nii.gz"}
    with pytest.raises(DataError, match=expected) as caught:
        predict(**arguments)
    assert len(str(caught.value).splitlines()) <= 10


def test_after_bad_input_the_predictor_works_on(predict, batch, folder):
    with pytest.raises(DataError):
        predict("nowhere.nii.gz")
    assert_is_batch_result(predict(folder / "cine_only" / "cine.nii.gz", subject="cine_only"), batch, "cine_only")


def test_an_array_becomes_a_file_of_its_values_and_place(tmp_path):
    array, affine = np.arange(512, dtype=np.int16).reshape(16, 16, 2), np.diag([-1.5, 1.5, 8.0, 1.0])
    image = nib.load(sequence_file(tmp_path, "cine", array, affine))
    np.testing.assert_array_equal(np.asarray(image.dataobj), array)
    np.testing.assert_array_equal(image.affine, affine)


def test_meta_may_hold_numpy_values_and_refuses_what_json_cannot_hold(tmp_path):
    path = meta_file(tmp_path, {"cine_trigger_times_ms": np.array([0, 50]), "lge_trigger_time_ms": np.float64(3)})
    assert json.loads(Path(path).read_text()) == {"cine_trigger_times_ms": [0, 50], "lge_trigger_time_ms": 3.0}
    with pytest.raises(DataError, match="meta: "):
        meta_file(tmp_path, {"vendor": object()})


def code_blocks():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_first_block_of_the_page_is_ten_lines():
    assert len(code_blocks()[0].strip().splitlines()) <= 10


@pytest.mark.slow
def test_the_page_runs_as_written_with_the_shipped_weights(images, tmp_path):
    for name, image in images.items():
        nib.save(image, tmp_path / f"{name}.nii.gz")
    (tmp_path / "bundle").symlink_to(BUNDLE)
    (tmp_path / "page.py").write_text("\n".join(code_blocks()))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "page.py"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    shape, sequences, sample = done.stdout.strip().splitlines()[-3:]
    assert sample.startswith(f"{images['cine'].shape[:3]} {{") and "'territory': 'LAD'" in sample
    assert shape.startswith(f"{images['cine'].shape[:3]} uint8 {{'value': ")
    assert sequences == "['cine', 't2_stir'] ['t2_stir']"
    files = written(tmp_path / "results" / "case")
    assert {"case_virtual_lge.nii.gz", "case_label.nii.gz", "case_result.json", "case_preview.png"} == set(files)
    label = nib.load(files["case_label.nii.gz"])
    assert set(np.unique(label.dataobj)) >= {0, 1, 2}


# Samples.


@pytest.fixture(scope="module")
def sampling(weights, phantom_folder):
    """The predictor, and cine, T2-STIR, LGE and label map of a subject as arrays on one grid."""
    images = images_of(phantom_folder / "phantom_0001")
    arrays = {name: np.asarray(image.dataobj) for name, image in images.items()}
    return predictor(weights), arrays, images["cine"].affine


def test_samples_of_one_subject_differ_and_come_again_with_the_same_name(sampling):
    predict, arrays, affine = sampling
    first = predict.sample(arrays["cine"], arrays["t2_stir"], samples=2, affine=affine, subject="p01")
    again = predict.sample(arrays["cine"], arrays["t2_stir"], samples=1, affine=affine, subject="p01")
    assert len(first) == 2 and not np.array_equal(first[0].lge, first[1].lge)
    assert np.array_equal(first[0].lge, again[0].lge) and np.array_equal(first[0].label_map, again[0].label_map)
    assert first[0].lge.shape == first[0].label_map.shape == arrays["cine"].shape[:3]
    assert np.allclose(first[0].affine, affine) and "Synthetic" in first[0].about["disclaimer"]


def test_a_given_label_map_stays_and_a_given_lge_is_the_image(sampling):
    predict, arrays, affine = sampling
    given = {"affine": affine, "subject": "p01"}
    label = np.zeros_like(arrays["label"])
    label[20:108, 20:108] = 2
    label[40:88, 40:88] = 1
    (drawn,) = predict.sample(arrays["cine"], arrays["t2_stir"], "given_mask", label=label, **given)
    assert np.array_equal(drawn.label_map, label)
    (read,) = predict.sample(arrays["cine"], arrays["t2_stir"], "given_lge", lge=arrays["lge"], **given)
    inside = read.lge > 0.02
    assert np.corrcoef(read.lge[inside], arrays["lge"][inside])[0, 1] > 0.8


def test_a_sample_that_cannot_be_is_refused_and_the_predictor_goes_on(sampling):
    predict, arrays, affine = sampling
    for wrong, error in (
        ({"mode": "given_mask"}, DataError),
        ({"mode": "pairs"}, ConfigError),
        ({"samples": 0}, ConfigError),
        ({"mode": "lesion", "lesion": {"size_percent_lv": 90}}, ConfigError),
    ):
        with pytest.raises(error):
            predict.sample(arrays["cine"], arrays["t2_stir"], affine=affine, **wrong)
    with pytest.raises(DataError, match="t2_stir"):
        predict.sample(arrays["cine"], affine=affine)
    assert predict.sample(arrays["cine"], arrays["t2_stir"], affine=affine)
