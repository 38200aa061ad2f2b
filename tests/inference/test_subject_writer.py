"""What one subject's folder holds, read back; and that nothing half-written stays when the disk fails."""

import errno
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.inference_run import AFFINE, failed_item, run_inference, subject_item
from scripts import conventions
from scripts.conventions import ConfigError, DataError, OutputError


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_written_images_lie_on_the_cine_grid_voxel_for_voxel(out):
    item = subject_item()
    run_inference(out, [item])
    lge = nib.load(out / "case_a/case_a_virtual_lge.nii.gz")
    label = nib.load(out / "case_a/case_a_label.nii.gz")
    for image in (lge, label):
        assert image.shape == tuple(item["virtual_lge"].shape)
        np.testing.assert_array_equal(image.affine, AFFINE)
        np.testing.assert_allclose(image.get_qform(), AFFINE, atol=1e-4)
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert b"Research use only" in bytes(image.header["descrip"])
    assert (lge.get_data_dtype(), label.get_data_dtype()) == (np.float32, np.uint8)
    np.testing.assert_array_equal(np.asarray(lge.dataobj), item["virtual_lge"].numpy())
    np.testing.assert_array_equal(np.asarray(label.dataobj), item["label_map"].numpy())


def test_a_sheared_affine_is_kept_in_the_sform_and_never_contradicted_by_the_qform(out):
    sheared = AFFINE.copy()
    sheared[:3, 2] += (0.5, -2.0, 0.25)
    run_inference(out, [subject_item(cine_affine=torch.from_numpy(sheared))])
    image = nib.load(out / "case_a/case_a_label.nii.gz")
    np.testing.assert_array_equal(image.affine, sheared)
    assert int(image.header["qform_code"]) == 0


def test_result_says_what_was_measured_used_and_run(out):
    run_inference(out, [subject_item(t2_stir=False, warnings="/data/Jane Doe/cine.nii.gz: odd gap")], preview=True)
    text = (out / "case_a/case_a_result.json").read_text()
    result = json.loads(text)
    assert result["disclaimer"] == conventions.DISCLAIMER
    assert result["infarct_percent_lv"]["value"] == pytest.approx(16.67, rel=0.02)
    assert set(result["structures"]["lv_myocardium"]) == {"volume", "mass"}
    assert result["sequences"] == {"used": ["cine"], "missing": ["t2_stir"], "files": {"cine": "cine.nii.gz"}}
    assert result["cine_phase"] == {
        "index": 4, "rule": "trigger time nearest to 620 ms", "residual_ms": 12.5, "confidence": None
    }  # fmt: skip
    assert result["seeds"] == {"base": 7, "slices": [1, 2, 3]}
    assert result["seconds"]["network"] == 0.25 and result["seconds"]["total"] > 0
    assert {"monai", "torch", "numpy", conventions.BUNDLE_NAME} <= set(result["software"])
    assert len(result["weights"]["sha256"]) == 64
    assert [flag["flag"] for flag in result["qc"]] == ["t2_stir_missing"]
    assert sorted(result["files"]) == sorted(path.name for path in (out / "case_a").iterdir())
    assert "Jane" not in text


def test_several_samples_add_probability_uncertainty_and_the_spread(out):
    item = subject_item()
    extra = {name: torch.rand(item["virtual_lge"].shape) for name in ("infarct_probability", "uncertainty")}
    run_inference(out, [{**item, **extra, "sample_infarct_percent": torch.tensor([14.0, 18.0])}])
    for name, volume in extra.items():
        written = nib.load(out / f"case_a/case_a_{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(written.dataobj), volume.numpy())
    assert json.loads((out / "case_a/case_a_result.json").read_text())["infarct_percent_lv_samples"]["mean"] == 16.0


@pytest.mark.slow
def test_doing_a_subject_again_with_one_sample_leaves_no_file_of_the_first_run(out):
    item = subject_item()
    run_inference(out, [{**item, "uncertainty": torch.rand(item["virtual_lge"].shape)}])
    run_inference(out, [item])
    assert not (out / "case_a/case_a_uncertainty.nii.gz").exists()


@pytest.mark.slow
def test_the_same_subject_gives_the_same_bytes_in_any_order(tmp_path):
    a, b = subject_item("case_a"), subject_item("case_b", seed=1)
    run_inference(tmp_path / "first", [a, b], preview=True)
    run_inference(tmp_path / "second", [b, a], preview=True)
    for kind in ("virtual_lge.nii.gz", "label.nii.gz", "preview.png"):
        name = f"case_a/case_a_{kind}"
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    timestamp = (tmp_path / "first/case_a/case_a_label.nii.gz").read_bytes()[4:8]
    assert timestamp == bytes(4)


def test_a_label_without_a_heart_is_written_with_reasons_and_a_review_flag(out):
    item = subject_item()
    run_inference(out, [{**item, "label_map": torch.zeros_like(item["label_map"])}], preview=True)
    result = json.loads((out / "case_a/case_a_result.json").read_text())
    assert "no viable LV myocardium" in result["infarct_percent_lv"]["not_measurable"]
    assert result["review_needed"] is True


def test_arrays_are_taken_with_or_without_the_batch_axis(out):
    item = subject_item()
    run_inference(out, [{**item, "virtual_lge": item["virtual_lge"][None], "label_map": item["label_map"][None]}])
    assert nib.load(out / "case_a/case_a_label.nii.gz").shape == tuple(item["label_map"].shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"virtual_lge": torch.full((95, 96, 3), float("nan"))}, "NaN or infinite"),
        ({"virtual_lge": torch.full((95, 96, 3), 1.5)}, "is in 1.5..1.5, expected 0..1"),
        ({"label_map": torch.full((95, 96, 3), 9, dtype=torch.uint8)}, "holds codes .9., expected 0..6"),
        ({"label_map": torch.zeros((95, 96, 2), dtype=torch.uint8)}, "different grids"),
        ({"virtual_lge": torch.zeros((2, 95, 96, 3))}, "expected 3 axes"),
        ({"virtual_lge": torch.zeros((95, 96, 0))}, "at least one slice"),
    ],
)
def test_a_wrong_result_is_a_failure_of_that_subject_and_the_next_is_written(out, change, message):
    report = run_inference(out, [subject_item("bad", **change), subject_item("good")])
    assert not (out / "bad").exists()
    assert (out / "good/good_result.json").is_file()
    (failure,) = report.ledger.failures
    assert failure.subject == "bad"
    assert pytest.raises(DataError, match=message).matches(DataError(failure.reason))


def test_a_subject_name_that_leaves_the_folder_is_refused(out):
    report = run_inference(out, [subject_item("../evil")])
    assert "may hold no slash" in report.ledger.failures[0].reason
    assert not (out.parent / "evil").exists()


def test_an_unreadable_subject_is_recorded_without_its_folder(out):
    report = run_inference(out, [failed_item(), subject_item()])
    (failure,) = report.ledger.failures
    assert (failure.subject, failure.stage, failure.next_step) == ("broken", "reading", "copy the file again")
    assert failure.reason == "cine.nii.gz: truncated"
    assert not (out / "broken").exists()


def test_a_missing_postprocessing_stops_with_the_key(out):
    item = subject_item()
    del item["label_map"]
    with pytest.raises(ConfigError, match="'label_map': not found"):
        run_inference(out, [item])


def test_two_subjects_in_a_batch_stop_with_the_key(out):
    from scripts.inference.subject_item import SubjectItem

    with pytest.raises(ConfigError, match="batch_size: found 2"):
        SubjectItem({"subject": ["a", "b"]})


def test_missing_weights_stop_the_run_before_the_first_subject(out):
    with pytest.raises(DataError, match="model.pt: weights not found.*--ckpt_dir"):
        run_inference(out, [subject_item()], weights=out / "none/model.pt")
    assert files(out) == []


@pytest.mark.slow
@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "free space"), (errno.EROFS, "can be written")])
@pytest.mark.parametrize("nth", [2, 3, 4])
def test_a_full_or_read_only_disk_stops_the_run_and_leaves_only_whole_files(out, monkeypatch, code, words, nth):
    calls, replace = [], Path.replace

    def failing(self, target):
        calls.append(target)
        if len(calls) == nth:
            raise OSError(code, "No space left on device" if code == errno.ENOSPC else "Read-only file system")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match=f"(?s)case_a/case_a_.*{words}.*--output_dir"):
        run_inference(out, [subject_item()])
    left = files(out)
    assert not any(".part" in name or "result" in name for name in left)
    for name in left:
        nib.load(out / name).get_fdata()


def test_a_disk_that_fills_while_writing_leaves_no_part(out, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        run_inference(out, [subject_item()])
    assert files(out) == []


def test_an_interrupted_second_run_does_not_look_finished(out, monkeypatch):
    run_inference(out, [subject_item()])
    monkeypatch.setattr("scripts.inference.subject_writer.ensure_writable", lambda folder: None)
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OutputError):
        run_inference(out, [subject_item()])
    assert not (out / "case_a/case_a_result.json").exists()


def test_an_output_folder_that_is_a_file_is_named_before_any_computing(out):
    out.write_text("in the way")
    with pytest.raises(OutputError, match="out: could not be written"):
        run_inference(out, [subject_item()])
    assert out.read_text() == "in the way"


@pytest.mark.parametrize(("pieces", "flags"), [(0, []), (2, ["lv_elsewhere"])])
def test_lv_that_was_found_beside_the_heart_asks_for_a_review(out, pieces, flags):
    run_inference(out, [subject_item(lv_pieces_removed=pieces)])
    result = json.loads((out / "case_a/case_a_result.json").read_text())
    assert [flag["flag"] for flag in result["qc"]] == flags
    assert result["review_needed"] is bool(flags)


def test_a_t2_stir_with_bright_blood_asks_for_a_review_in_the_result_and_on_the_page(out):
    plain = subject_item()
    run_inference(out, [{**plain, "t2_native": plain["cine_native"]}])
    result = json.loads((out / "case_a/case_a_result.json").read_text())
    assert [flag["flag"] for flag in result["qc"]] == ["t2_stir_blood_bright"] and result["review_needed"]
    assert "Review: the T2-STIR did not suppress blood" in (out / "index.html").read_text()
