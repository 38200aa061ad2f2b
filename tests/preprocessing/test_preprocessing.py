"""A subject's files become the item the network and the writers rely on."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from scripts import conventions
from scripts.preprocessing.labels import LabelError
from scripts.preprocessing.localisation import ROUND_BLOOD
from scripts.preprocessing.postprocessing import image_to_cine_grid
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.grids import GeometryError
from scripts.volumes.volume import VolumeError

CENTRE = np.array([10.0, 20.0, -30.0])


@pytest.fixture
def folder(tmp_path, make):
    return make.subject(tmp_path / "p1")


def test_item_holds_what_the_design_says(folder, make):
    make.json(folder / "meta.json", {"vendor": "Philips Medical Systems", "field_strength_t": 3.0})
    item = SubjectPreprocessing()(make.entry(folder))
    expected = {
        "image": ((4, 96, 96, 3), torch.float32), "available": ((2,), torch.float32),
        "available_slices": ((2, 3), torch.float32), "vendor": ((), torch.int64),
        "lge": ((1, 96, 96, 3), torch.float32),
        "label": ((1, 96, 96, 3), torch.uint8), "reference_slices": ((3,), torch.uint8),
        "cine_affine": ((4, 4), torch.float64), "cine_shape": ((3,), torch.int64), "phase": ((), torch.int64),
        "crop_to_cine": ((3, 3, 3), torch.float64), "cine_native": ((64, 64, 3), torch.float32),
        "t2_native": ((64, 64, 3), torch.float32), "label_native": ((64, 64, 3), torch.uint8),
        "label_codes": ((64, 64, 3), torch.uint8),
        "label_slices": ((3,), torch.uint8), "label_marks_infarct": ((), torch.bool),
        "label_groups": ((4,), torch.int64), "label_marks_lv": ((), torch.bool),
    }  # fmt: skip
    assert {k: (tuple(v.shape), v.dtype) for k, v in item.items() if isinstance(v, torch.Tensor)} == expected
    assert all(type(item[key]) is torch.Tensor for key in expected)
    texts = {key for key, value in item.items() if isinstance(value, str)}
    assert texts == {
        "subject", "phase_rule", "phase_check", "localisation", "warnings", "sources", "cine_file_grid", "flags",
        "reference_apart",
    }  # fmt: skip
    assert int(item["vendor"]) == conventions.VENDORS.index("philips") and int(item["phase"]) == 0
    assert json.loads(item["sources"]) == {k: f"{k}.nii.gz" for k in ("cine", "t2_stir", "lge", "label")}
    assert item["image"].min() == 0 and item["image"].max() == 1 and item["warnings"] == ""


def test_crop_is_centred_on_the_moving_heart(folder, make):
    item = SubjectPreprocessing()(make.entry(folder))
    blood = torch.nonzero(item["label"][0] == 1).float().mean(dim=0)[:2]
    assert (blood - 47.5).abs().max() < 4


def test_end_systole_and_end_diastole_are_shown_beside_the_matched_phase(folder, make):
    item = SubjectPreprocessing()(make.entry(folder))
    cine, _, diastole, systole = item["image"]
    blood = [(one > 0.6 * float(cine.max())).sum() for one in (diastole, systole)]
    assert blood[0] > blood[1] and (diastole - systole).abs().max() > 0.2


def test_a_cine_of_one_phase_has_no_motion_to_show_and_says_so(folder, make):
    image = nib.load(folder / "cine.nii.gz")
    still = np.asarray(image.dataobj)[..., 0]
    nib.save(nib.Nifti1Image(still, image.affine), folder / "cine.nii.gz")
    item = SubjectPreprocessing()(make.entry(folder))
    assert item["image"].shape[0] == 4 and not item["image"][2:].any() and item["image"][0].any()
    assert "the cine shows no motion" in item["warnings"] and json.loads(item["phase_check"])["static_cine"] is True
    off = SubjectPreprocessing(motion=False)(make.entry(folder))
    assert not off["image"][2:].any() and "motion" not in off["warnings"]
    assert json.loads(off["phase_check"])["static_cine"] is False


@pytest.mark.parametrize("key", ["lge", "t2_stir"])
def test_a_slice_of_one_value_is_no_image(folder, make, key):
    image = nib.load(folder / f"{key}.nii.gz")
    array = np.array(image.dataobj)
    array[..., 1] = 0
    make.write(folder / f"{key}.nii.gz", array, image.affine)
    item = SubjectPreprocessing()(make.entry(folder))
    covered = item["reference_slices"] if key == "lge" else item["available_slices"][1]
    assert covered.tolist() == [1, 0, 1]


def test_missing_t2_is_zeros_and_not_available(folder, make):
    (folder / "t2_stir.nii.gz").unlink()
    item = SubjectPreprocessing()(make.entry(folder))
    assert item["available"].tolist() == [1, 0] and item["available_slices"][1].tolist() == [0, 0, 0]
    assert not item["image"][1].any() and not item["t2_native"].any() and item["image"][0].any()


def test_references_are_optional_and_can_be_switched_off(folder, make):
    entry = make.entry(folder)
    assert "lge" not in SubjectPreprocessing(references=())(entry)
    (folder / "label.nii.gz").write_bytes(b"broken")
    assert "label" not in SubjectPreprocessing(references=())(entry)
    with pytest.raises(VolumeError, match="label.nii.gz"):
        SubjectPreprocessing()(entry)


def test_one_hot_pixel_does_not_rescale_the_image(folder, make, tmp_path):
    clean = SubjectPreprocessing()(make.entry(folder))["image"][1]
    matrix = make.affine((64, 64, 3))
    t2 = make.sample(make.heart, (64, 64, 3), matrix, CENTRE + 15 * make.right - 20 * make.down).astype(np.float32)
    t2[40, 20, 1] = 1e5
    make.write(folder / "t2_stir.nii.gz", t2, matrix)
    hot = SubjectPreprocessing()(make.entry(folder))["image"][1]
    assert (hot - clean).abs().mean() < 0.01


def test_percentiles_of_the_config_are_used(folder, make):
    wide = SubjectPreprocessing(percentiles=(0, 100))(make.entry(folder))["image"][0]
    narrow = SubjectPreprocessing(percentiles=(10, 80))(make.entry(folder))["image"][0]
    assert (narrow == 1).float().mean() > (wide == 1).float().mean() + 0.01


def test_a_t2_stir_of_its_own_range_keeps_the_contrast_of_its_brightest_tissue_and_changes_no_other(folder, make):
    matrix = make.affine((64, 64, 3))
    t2 = make.sample(make.heart, (64, 64, 3), matrix, CENTRE + 15 * make.right - 20 * make.down).astype(np.float32)
    t2[30:36, 30:36, 1] = t2.max() * np.linspace(1.2, 2.0, 6)[:, None]
    make.write(folder / "t2_stir.nii.gz", t2, matrix)
    like_cine = SubjectPreprocessing(percentiles=(0.5, 98.0), t2_stir_percentiles=None)
    usual = like_cine(make.entry(folder))["image"]
    whole = SubjectPreprocessing(percentiles=(0.5, 98.0), t2_stir_percentiles=(0.5, 100))(make.entry(folder))["image"]
    assert (usual[1] == 1).sum() > 5 * (whole[1] == 1).sum()
    assert torch.equal(usual[[0, 2, 3]], whole[[0, 2, 3]])


def test_phase_is_picked_by_trigger_time_and_shown(folder, make):
    meta = {"cine_trigger_times_ms": [0, 200, 400, 600], "lge_trigger_time_ms": 430}
    make.json(folder / "meta.json", meta)
    systole = SubjectPreprocessing()(make.entry(folder))
    (folder / "meta.json").unlink()
    diastole = SubjectPreprocessing()(make.entry(folder))
    assert int(systole["phase"]) == 2 and "lge at 430 ms" in systole["phase_rule"]
    bright = systole["cine_native"].max() * 0.6
    assert (systole["cine_native"] > bright).sum() < 0.8 * (diastole["cine_native"] > bright).sum()
    assert json.loads(systole["phase_check"]) == {
        "residual_ms": 30.0, "confidence": None, "doubt": "", "static_cine": False
    }  # fmt: skip


@pytest.mark.slow
def test_without_trigger_times_the_t2_stir_decides_on_the_phase_and_without_it_the_lge(tmp_path, make):
    folder = make.subject(tmp_path / "p", phases=10)
    image = nib.load(folder / "cine.nii.gz")
    frames = np.asarray(image.dataobj)
    make.write(folder / "cine.nii.gz", np.roll(frames, 3, axis=3), image.affine)
    for name in ("t2_stir", "lge"):
        item = SubjectPreprocessing()(make.entry(folder))
        check = json.loads(item["phase_check"])
        assert int(item["phase"]) in (2, 3, 4) and f"agrees best with {name}" in item["phase_rule"]
        assert check["confidence"] >= 0.8 and check["residual_ms"] is None and item["warnings"] == ""
        (folder / f"{name}.nii.gz").unlink()
    rest = SubjectPreprocessing()(make.entry(folder))
    assert rest["phase_rule"].startswith("mid-diastole")


def test_trigger_times_far_from_the_lge_leave_the_choice_to_the_images_and_are_said(folder, make):
    make.json(folder / "meta.json", {"cine_trigger_times_ms": [0, 200, 400, 600], "lge_trigger_time_ms": 1700})
    item = SubjectPreprocessing()(make.entry(folder))
    assert "1100 ms from the nearest cine phase" in item["warnings"] and "trigger time" not in item["phase_rule"]


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 2])
def test_the_motion_is_the_same_wherever_the_cine_starts(tmp_path, make, start):
    folder = make.subject(tmp_path / "p", phases=6)
    first = SubjectPreprocessing()(make.entry(folder))
    image = nib.load(folder / "cine.nii.gz")
    make.write(folder / "cine.nii.gz", np.roll(np.asarray(image.dataobj), -start, axis=3), image.affine)
    item = SubjectPreprocessing()(make.entry(folder))
    torch.testing.assert_close(item["image"][2:], first["image"][2:], atol=1e-3, rtol=0)


def test_3d_cine(tmp_path, make):
    item = SubjectPreprocessing()(make.entry(make.subject(tmp_path / "p", phases=1)))
    assert int(item["phase"]) == -1 and item["phase_rule"] == "3-D cine, one phase"
    assert item["localisation"] == ROUND_BLOOD


def test_t2_with_fewer_slices_is_reported_per_slice(folder, make):
    matrix = make.affine((64, 64, 1))
    t2 = make.sample(make.heart, (64, 64, 1), matrix, CENTRE).astype(np.float32)
    make.write(folder / "t2_stir.nii.gz", t2, matrix)
    item = SubjectPreprocessing()(make.entry(folder))
    assert item["available"].tolist() == [1, 1] and item["available_slices"][1].tolist() == [0, 1, 0]
    assert "covers 1 of 3 cine slices" in item["warnings"] and not item["image"][1, ..., 0].any()


def test_a_t2_slice_of_one_value_counts_as_missing(folder, make):
    matrix = make.affine((64, 64, 3))
    t2 = make.sample(make.heart, (64, 64, 3), matrix, CENTRE).astype(np.float32)
    t2[:, :, 2] = 0
    make.write(folder / "t2_stir.nii.gz", t2, matrix)
    assert SubjectPreprocessing()(make.entry(folder))["available_slices"][1].tolist() == [1, 1, 0]


def test_t2_on_another_space_stops_with_both_names(folder, make):
    matrix = make.affine((64, 64, 3), centre=CENTRE + 200 * make.normal)
    t2 = make.sample(make.heart, (64, 64, 3), matrix, CENTRE + 200 * make.normal).astype(np.float32)
    make.write(folder / "t2_stir.nii.gz", t2, matrix)
    with pytest.raises(GeometryError) as error:
        SubjectPreprocessing()(make.entry(folder))
    text = make.readable(error)
    assert "p1/t2_stir.nii.gz" in text and "p1/cine.nii.gz" in text and "slice_mm" in text


def test_unknown_label_value_stops(folder, make):
    matrix = make.affine((64, 64, 3))
    make.write(folder / "label.nii.gz", np.full((64, 64, 3), 200, np.int16), matrix)
    with pytest.raises(LabelError, match=r"200 \(12288 voxels\)"):
        SubjectPreprocessing()(make.entry(folder))
    item = SubjectPreprocessing(label_table="myops")(make.entry(folder))
    assert set(item["label"].unique().tolist()) <= {0, 2}


def test_image_that_is_flat_around_the_heart_stops(folder, make):
    matrix = make.affine((64, 64, 3))
    flat = np.zeros((64, 64, 3), np.float32)
    flat[0, 0, 0] = 1
    make.write(folder / "t2_stir.nii.gz", flat, matrix)
    with pytest.raises(VolumeError) as error:
        SubjectPreprocessing()(make.entry(folder))
    assert "found one value (0) around the heart" in make.readable(error)


def test_recorded_problem_of_the_datalist_is_raised():
    with pytest.raises(VolumeError, match="p3: no cine"):
        SubjectPreprocessing()({"subject": "p3", "problem": "p3: no cine.nii.gz. Fix: add it."})


@pytest.mark.slow
def test_unknown_vendor_is_said(folder, make):
    make.json(folder / "meta.json", {"vendor": "Hitachi"})
    item = SubjectPreprocessing()(make.entry(folder))
    assert int(item["vendor"]) == 0 and "vendor 'Hitachi' is not one of siemens" in item["warnings"]
    assert int(SubjectPreprocessing()(make.entry(folder) | {"vendor": "GE"})["vendor"]) == 3


def test_qform_that_differs_is_reported_and_the_sform_goes_to_the_output(tmp_path, make):
    folder = make.subject(tmp_path / "p", keys=())
    matrix, other = make.affine((64, 64, 3)), make.affine((64, 64, 3), centre=(0, 0, 0))
    frames = np.random.default_rng(0).normal(100, 9, (64, 64, 3, 4)).astype(np.float32)
    make.write(folder / "cine.nii.gz", frames, matrix, qform=other)
    item = SubjectPreprocessing()(make.entry(folder))
    np.testing.assert_allclose(item["cine_affine"], matrix, atol=1e-4)
    assert "sform is used" in item["warnings"]


def test_image_goes_back_to_the_cine_voxels(folder, make):
    item = SubjectPreprocessing()(make.entry(folder))
    back = image_to_cine_grid(item["image"], item["crop_to_cine"], item["cine_shape"])[0]
    native = item["cine_native"].numpy()
    inner = back[4:-4, 4:-4] > 0
    assert inner.mean() > 0.8
    assert np.corrcoef(back[4:-4, 4:-4][inner], native[4:-4, 4:-4][inner])[0, 1] > 0.99


@pytest.mark.parametrize(
    "keywords",
    [
        {"percentiles": (99, 1)},
        {"percentiles": 99},
        {"t2_stir_percentiles": (0.5, 101)},
        {"t2_stir_percentiles": ("low", "high")},
        {"spacing_mm": 0},
        {"crop_size": (4, 4)},
        {"crop_size": (64,)},
        {"label_table": "mine"},
    ],
)
def test_wrong_settings_are_config_errors(keywords):
    with pytest.raises(conventions.ConfigError, match="expected"):
        SubjectPreprocessing(**keywords)


@pytest.mark.slow
@pytest.mark.parametrize("without", ["cine", "label"])
def test_a_file_that_says_not_where_it_lies_is_taken_to_lie_on_the_other(folder, make, without):
    expected = SubjectPreprocessing()(make.entry(folder))
    image = nib.load(folder / f"{without}.nii.gz")
    header = image.header.copy()
    header["sform_code"] = header["qform_code"] = 0
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, header), folder / f"{without}.nii.gz")
    item = SubjectPreprocessing()(make.entry(folder))
    np.testing.assert_array_equal(item["label_native"], expected["label_native"])
    assert "p1/label.nii.gz is taken to lie on p1/cine.nii.gz" in item["warnings"]


def test_a_label_map_of_another_phase_changes_the_images_of_an_evaluation_and_of_no_inference(folder, make):
    make.json(folder / "meta.json", {"cine_trigger_times_ms": [0, 200, 400, 600], "lge_trigger_time_ms": 600})
    entry = make.entry(folder)
    drawn = entry | {"label_phase": 1}
    without = SubjectPreprocessing(at_label_phase=False)({k: v for k, v in entry.items() if k != "label"})
    inferred, evaluated = SubjectPreprocessing(at_label_phase=False)(drawn), SubjectPreprocessing()(drawn)
    assert (int(without["phase"]), int(inferred["phase"]), int(evaluated["phase"])) == (3, 3, 1)
    assert torch.equal(without["image"], inferred["image"]) and "drawn on phase 1" in inferred["reference_apart"]
    assert inferred["reference_apart"] in inferred["warnings"] and "doubt" not in inferred["warnings"]
    assert json.loads(inferred["phase_check"])["doubt"] == "" == evaluated["reference_apart"]
    same = SubjectPreprocessing(at_label_phase=False)(entry | {"label_phase": 3})
    assert same["reference_apart"] == "" == SubjectPreprocessing(at_label_phase=False)(entry)["reference_apart"]


def test_a_label_phase_that_is_none_concerns_the_label_map(folder, make):
    with pytest.raises(VolumeError, match="label_phase found 9") as error:
        SubjectPreprocessing(at_label_phase=False)(make.entry(folder) | {"label_phase": 9})
    assert error.value.sequence == "label"
