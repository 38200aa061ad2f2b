"""Batch inference through monai.bundle, from a folder of NIfTI to the output folder; tiny weights."""

import csv
import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from helpers.bundle_run import BUNDLE, run_bundle
from helpers.tiny_inference import (
    TINY,
    flags,
    images_of,
    remade,
    reordered,
    run_here,
    tiny_weights,
    write_subject,
    written,
)
from scripts import conventions
from scripts.preprocessing.phase_match import LEAST_CONFIDENCE
from scripts.runtime.weights import sha256_of

pytestmark = pytest.mark.slow

CANARY = "Canary^Jane"
META = {"vendor": "siemens", "PatientName": CANARY, "PatientID": f"{CANARY}-17"}


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def result_of(out, subject):
    return json.loads((out / subject / f"{subject}_result.json").read_text())


def volume_of(out, subject, kind):
    return nib.load(out / subject / f"{subject}_{kind}.nii.gz")


def marked(image):
    """The image with a patient's name in every header field that takes one."""
    image.header["descrip"] = image.header["intent_name"] = image.header["db_name"] = CANARY.encode()
    image.header["aux_file"] = CANARY.encode()
    return image


def two_forms(image):
    """The q-form says 3 mm beside the s-form."""
    image = remade(image, np.asarray(image.dataobj))
    image.set_sform(image.affine, 1)
    beside = image.affine.copy()
    beside[:3, 3] += 3
    image.set_qform(beside, 1)
    return image


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def images(phantom_folder):
    return images_of(phantom_folder / "phantom_0001")


@pytest.fixture(scope="module")
def variants(images, tmp_path_factory):
    """One heart stored in many ways, below a folder named after the patient."""
    root = tmp_path_factory.mktemp("in") / CANARY / "scans"
    cine, frame = images["cine"], images["cine"].slicer[..., 0]
    changed = {
        "flipped": {name: reordered(image) for name, image in images.items()},
        "odd": {name: image.slicer[3:116, 10:107, ::-1] for name, image in images.items()},
        "one_slice": {name: image.slicer[:, :, 1:2] for name, image in images.items()},
        "two_forms": {name: two_forms(image) for name, image in images.items()},
        "cine_3d": images | {"cine": remade(frame, np.asarray(frame.dataobj))},
        "no_t2": {"cine": cine},
    }
    for name, its_images in changed.items():
        write_subject(root / name, {key: marked(image) for key, image in its_images.items()}, META)
    return root


@pytest.fixture(scope="module")
def done(variants, weights, tmp_path_factory):
    """Output folder of one run over all variants."""
    out = tmp_path_factory.mktemp("out") / "results"
    assert run_here("inference.json", dataset_dir=variants, output_dir=out, ckpt_dir=weights) == 0
    return out


SUBJECTS = ("flipped", "odd", "one_slice", "two_forms", "cine_3d", "no_t2")


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS)
def test_results_lie_on_the_cine_grid_in_the_types_and_range_of_the_contract(done, variants, subject):
    cine = nib.load(variants / subject / "cine.nii.gz")
    lge, label = volume_of(done, subject, "virtual_lge"), volume_of(done, subject, "label")
    for image in (lge, label):
        assert image.shape == cine.shape[:3]
        np.testing.assert_allclose(image.affine, cine.affine, atol=1e-6)
        assert nib.aff2axcodes(image.affine) == nib.aff2axcodes(cine.affine)
        np.testing.assert_allclose(image.get_qform(), cine.get_qform(), atol=1e-3)
    assert (lge.get_data_dtype(), label.get_data_dtype()) == (np.float32, np.uint8)
    values = lge.get_fdata()
    assert 0 <= values.min() < values.max() <= 1
    assert set(np.unique(label.dataobj)) <= {0, 1, 2, 3}


def test_one_heart_stored_along_other_axes_gives_the_same_result(done, images, weights, tmp_path):
    write_subject(tmp_path / "in" / "flipped", images, META)
    run_here("inference.json", dataset_dir=tmp_path / "in", output_dir=tmp_path / "out", ckpt_dir=weights)
    plain, flipped = (volume_of(out, "flipped", "virtual_lge") for out in (tmp_path / "out", done))
    assert nib.aff2axcodes(plain.affine) != nib.aff2axcodes(flipped.affine)
    back = reordered(flipped, back=True)
    np.testing.assert_allclose(back.affine, plain.affine, atol=1e-3)
    np.testing.assert_allclose(back.get_fdata(), plain.get_fdata(), atol=0.02)


def test_what_was_used_and_how_is_in_result_json(done):
    flipped, without_t2, still = (result_of(done, name) for name in ("flipped", "no_t2", "cine_3d"))
    assert flipped["sequences"]["used"] == ["cine", "t2_stir"]
    assert flipped["vendor"] == "siemens" and 0 <= flipped["cine_phase"]["index"] < 4
    assert "t2_stir" in flipped["cine_phase"]["rule"] and flipped["cine_phase"]["residual_ms"] is None
    # three slices at four moments: the phase may be in doubt, which is then said and flagged
    doubt = [flag["message"] for flag in flipped["qc"] if flag["flag"] == "cine_phase_uncertain"]
    assert bool(doubt) == (flipped["cine_phase"]["confidence"] < LEAST_CONFIDENCE) and flipped["warnings"] == doubt
    assert without_t2["sequences"] == {"used": ["cine"], "missing": ["t2_stir"], "files": {"cine": "cine.nii.gz"}}
    assert "t2_stir_missing" in [flag["flag"] for flag in without_t2["qc"]]
    assert still["cine_phase"]["index"] is None and still["cine_phase"]["rule"] == "3-D cine, one phase"
    assert "no motion" in still["infarct_percent_lv"]["not_measurable"] and still["review_needed"] is True
    assert "value" in still["structures"]["lv_myocardium"]["mass"]
    assert "cine_static" in [flag["flag"] for flag in still["qc"]]
    assert still["localisation"] != flipped["localisation"]
    assert any("sform and qform differ" in line for line in result_of(done, "two_forms")["warnings"])
    assert {"infarct_percent_lv", "structures", "seeds", "seconds", "software", "weights"} <= set(flipped)
    assert set(flipped["structures"]["infarct"]) == {"volume", "mass"}
    assert "reference_infarct_percent_lv" in flipped and "reference_infarct_percent_lv" not in without_t2


def test_a_static_cine_is_measured_when_it_is_allowed_and_still_asks_for_a_review(images, weights, tmp_path, capsys):
    frame = images["cine"].slicer[..., 0]
    write_subject(tmp_path / "in" / "still", images | {"cine": remade(frame, np.asarray(frame.dataobj))}, META)
    places = {"dataset_dir": tmp_path / "in", "output_dir": tmp_path / "out", "ckpt_dir": weights}
    assert run_here("inference.json", **places, allow_static_cine="true") == 0
    found = result_of(tmp_path / "out", "still")
    numbers = [found["infarct_percent_lv"], *found["structures"]["infarct"].values()]
    assert not any("no motion" in one.get("not_measurable", "") for one in numbers)
    assert found["review_needed"] is True and "cine_static" in [flag["flag"] for flag in found["qc"]]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["allow_static_cine"] is not False
    assert run_here("inference.json", **places, allow_static_cine="perhaps") == 1
    assert "allow_static_cine: found 'perhaps', expected true or false" in capsys.readouterr().err


def test_run_json_has_the_keys_of_the_contract_and_lists_every_file(done):
    run = json.loads((done / "run.json").read_text())
    assert {"software", "config", "weights", "seed", "device", "outputs", "slices"} <= set(run)
    assert run["slices"] == 16 and run["seed"] == 7 and run["device"] == "cpu"
    assert 0 < run["seconds_network"] < run["seconds_total"]
    assert run["seconds_per_slice"] == pytest.approx(run["seconds_total"] / 16, rel=0.01)
    assert run["config"]["steps"] == 2 and run["config"]["sampler"] == "dpmpp_2m"
    assert len(run["weights"]["sha256"]) == 64
    assert set(run["outputs"]) == set(written(done))
    assert [row["subject"] for row in rows(done / "summary.csv")] == sorted(SUBJECTS)


def test_every_text_and_image_says_what_it_is(done):
    for name, path in written(done).items():
        if path.suffix in (".json", ".md"):
            assert conventions.DISCLAIMER in path.read_text(), name
        if path.suffix == ".html":
            assert conventions.SIDE_BY_SIDE.disclaimer in path.read_text(), name
        if path.suffix == ".gz":
            assert b"Research use only" in nib.load(path).header["descrip"].item(), name


def test_nothing_of_the_header_the_meta_file_or_the_folder_names_a_patient_in_the_output(done):
    files = written(done)
    assert len(files) == 5 + 4 * len(SUBJECTS)
    for name, path in files.items():
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        assert CANARY.encode() not in content and b"Jane" not in content, name


@pytest.mark.slow
def test_a_subject_gives_the_same_bytes_alone_again_and_among_others(done, variants, weights, tmp_path):
    write_subject(tmp_path / "in" / "no_t2", {"cine": nib.load(variants / "no_t2/cine.nii.gz")}, META)
    for options in ({}, {"overwrite": True}):
        run_here(
            "inference.json", dataset_dir=tmp_path / "in", output_dir=tmp_path / "out", ckpt_dir=weights, **options
        )
        for kind in ("virtual_lge.nii.gz", "label.nii.gz", "preview.png"):
            name = f"no_t2/no_t2_{kind}"
            assert (tmp_path / "out" / name).read_bytes() == (done / name).read_bytes(), kind
    assert result_of(tmp_path / "out", "no_t2")["seeds"] == result_of(done, "no_t2")["seeds"]


def test_several_samples_add_probability_uncertainty_and_spread(variants, weights, tmp_path):
    write_subject(tmp_path / "in" / "a", {"cine": nib.load(variants / "one_slice/cine.nii.gz")})
    out = tmp_path / "out"
    options = {"dataset_dir": tmp_path / "in", "output_dir": out, "ckpt_dir": weights, "samples": 3}
    assert run_here("inference.json", **options) == 0
    for kind in ("infarct_probability", "uncertainty"):
        image = volume_of(out, "a", kind)
        assert image.shape == volume_of(out, "a", "label").shape and image.get_data_dtype() == np.float32
        assert 0 <= image.get_fdata().min() < image.get_fdata().max() <= 1
    spread = result_of(out, "a")["infarct_percent_lv_samples"]
    assert spread["samples"] == 3 and spread["min"] <= spread["mean"] <= spread["max"]


@pytest.mark.slow
def test_one_corrupt_subject_of_five_gives_four_results_one_reason_and_exit_code_2(images, weights, tmp_path):
    for number in range(5):
        write_subject(tmp_path / "in" / f"p{number}", {"cine": images["cine"].slicer[:, :, :1]})
    broken = tmp_path / "in" / "p3" / "cine.nii.gz"
    broken.write_bytes(broken.read_bytes()[:20000])
    out = tmp_path / "out"
    settings = flags(**TINY, dataset_dir=tmp_path / "in", output_dir=out, ckpt_dir=weights)
    first = run_bundle(
        "--config_file", "bundle/configs/inference.json", "--bundle_root", "bundle", *settings, cwd=BUNDLE.parent
    )
    assert first.returncode == 2, first.stderr[-2000:]
    assert "Traceback" not in first.stdout + first.stderr
    states = {row["subject"]: row["status"] for row in rows(out / "summary.csv")}
    assert states == {"p0": "written", "p1": "written", "p2": "written", "p3": "failed", "p4": "written"}
    (failure,) = rows(out / "failed_cases.csv")
    assert (failure["subject"], failure["stage"]) == ("p3", "read")
    assert "p3/cine.nii.gz: cannot be read as NIfTI" in failure["reason"] and "copy" in failure["next_step"]
    assert failure["reason"] in first.stdout and not (out / "p3").exists()
    before = {name: path.stat().st_mtime_ns for name, path in written(out).items() if "/" in name}
    second = run_bundle("--config_file", "configs/inference.json", *settings)
    assert second.returncode == 2 and "Traceback" not in second.stdout + second.stderr
    assert "4 of 5 subjects are finished" in second.stdout
    assert {name: path.stat().st_mtime_ns for name, path in written(out).items() if "/" in name} == before
    assert [row["status"] for row in rows(out / "summary.csv")].count("written earlier") == 4
    third = {"dataset_dir": tmp_path / "in", "output_dir": out, "ckpt_dir": weights, "overwrite": True}
    assert run_here("inference.json", **third) == 2
    assert all(path.stat().st_mtime_ns > before[name] for name, path in written(out).items() if "/" in name)


def test_a_folder_that_is_finished_is_left_as_it_is(done, variants, weights, caplog):
    before = (done / "odd/odd_label.nii.gz").stat().st_mtime_ns
    caplog.set_level("INFO")
    assert run_here("inference.json", dataset_dir=variants, output_dir=done, ckpt_dir=weights) == 0
    assert "6 of 6 subjects are finished" in caplog.text
    assert (done / "odd/odd_label.nii.gz").stat().st_mtime_ns == before
    assert json.loads((done / "run.json").read_text())["subjects"]["written_earlier"] == 6


@pytest.fixture(scope="module")
def six_classes(variants, tmp_path_factory):
    """One heart read with a network of six classes: output folders of the paper's four and of every one."""
    weights = tiny_weights(tmp_path_factory.mktemp("six"))
    one = tmp_path_factory.mktemp("in")
    for name in ("odd", "no_t2"):
        (one / name).symlink_to(variants / name)
    out = {classes: tmp_path_factory.mktemp(classes) for classes in ("paper", "all")}
    for classes, folder in out.items():
        asked = {} if classes == "paper" else {"classes": classes}
        settings = {"dataset_dir": one, "output_dir": folder, "ckpt_dir": weights}
        assert run_here("inference.json", **settings, **asked) == 0
    return out


def test_six_classes_are_written_when_asked_for_and_measure_the_same_infarct(six_classes):
    paper, every = (volume_of(six_classes[classes], "odd", "label").get_fdata() for classes in ("paper", "all"))
    four, six = (result_of(six_classes[classes], "odd") for classes in ("paper", "all"))
    assert set(np.unique(paper)) <= {0, 1, 2, 3} and {4, 5} & set(np.unique(every))
    merged = np.array([0, 1, 2, 3, 3, 2])[every.astype(int)]
    np.testing.assert_array_equal(merged, paper)
    assert four["infarct_percent_lv"] == six["infarct_percent_lv"] and four["structures"] == six["structures"]
    assert "not_measurable" in four["infarct_percent_lv_without_no_reflow"]
    assert {"area_at_risk_percent_lv", "salvage_index", "no_reflow_percent_of_infarct"} <= set(six) - set(four)
    assert "T2-STIR" in result_of(six_classes["all"], "no_t2")["area_at_risk_percent_lv"]["not_measurable"]


def test_every_class_of_weights_that_know_four_is_refused_before_a_file_is_written(variants, tmp_path, capsys):
    out, settings = tmp_path / "out", {"dataset_dir": variants, "classes": "all"}
    four = tiny_weights(tmp_path / "four", num_classes=4)
    of_four = {"num_classes": 4, "network_def#num_classes": 4}
    assert run_here("inference.json", output_dir=out, ckpt_dir=four, **of_four, **settings) == 1
    unmarked = tiny_weights(tmp_path / "unmarked")
    record = {"unmarked_classes": ["oedema"], "weights_sha256": sha256_of(unmarked / "model.pt")}
    (unmarked / "training_record.json").write_text(json.dumps(record))
    assert run_here("inference.json", output_dir=out, ckpt_dir=unmarked, **settings) == 1
    said = capsys.readouterr().err
    assert said.count("classes: found all") == 2 and "had no oedema marked" in said
    assert not list(out.rglob("*.nii.gz"))
