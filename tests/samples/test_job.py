"""Samples lie in a folder of layout 1 that training takes, say where they come from, and never mix with patients."""

import csv
import gzip
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from helpers.tiny_inference import run_here, tiny_weights
from scripts.datasets.datalist import find_subjects, split
from scripts.datasets.layouts import OURS, read_layout
from scripts.runtime.provenance import is_phantom

PLAIN = {"lge_reader": False, "steps": 1, "section": "all"}


NAMES = ("phantom_0001", "phantom_0002")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def dataset(phantom_folder, tmp_path_factory):
    """Two phantoms of ten, without lists."""
    folder = tmp_path_factory.mktemp("data")
    for name in NAMES:
        shutil.copytree(phantom_folder / name, folder / name)
    return folder


def augment(dataset, out, weights, **settings):
    return run_here("augment.json", dataset_dir=dataset, output_dir=out, ckpt_dir=weights, **(PLAIN | settings))


def rows(out):
    with (out / "samples.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def metas(out):
    return [json.loads(path.read_text()) for path in sorted(out.glob("*/meta.json"))]


@pytest.fixture(scope="module")
def paired(dataset, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("paired") / "out"
    assert augment(dataset, out, weights, samples=2) == 0
    return out


def test_paired_samples_are_a_folder_that_training_takes(paired, dataset):
    layout = read_layout(paired)
    assert layout.name == OURS and len(layout.entries) == 4
    for entry in find_subjects(paired, require=("cine", "t2_stir", "lge", "label")):
        lge, label, cine = (nib.load(entry[key]) for key in ("lge", "label", "cine"))
        assert np.allclose(lge.affine, cine.affine) and lge.shape == label.shape == cine.shape[:3]
        assert "Synthetic" in str(lge.header["descrip"]) and set(np.unique(label.dataobj)) <= {0, 1, 2, 3}
    names = {entry["subject"] for entry in split(dataset, "training", extra_dirs=[paired])}
    assert sum(name.startswith("synthetic_") for name in names) == 4


def test_two_samples_of_a_subject_differ_and_say_how_they_were_made(paired):
    first, second = (np.asarray(nib.load(path).dataobj) for path in sorted(paired.glob("*/lge.nii.gz"))[:2])
    assert not np.array_equal(first, second)
    for meta in metas(paired):
        origin = meta["synthetic"]
        assert origin["lge"] == origin["label"] == "synthetic" and origin["weights"]["sha256"]
        assert origin["seeds"]["seed"] == 7 and "Synthetic" in origin["disclaimer"]
        assert meta["label_table"] == {"0": 0, "1": 1, "2": 2, "3": 3} and is_phantom(meta)


def test_nothing_of_a_sample_names_its_subject(paired):
    text = "".join(path.read_text() for path in paired.rglob("*") if path.suffix in (".json", ".csv"))
    assert "phantom_0001" not in text and "phantom_0002" not in text


def test_the_same_command_gives_the_same_bytes_and_goes_on_where_it_ended(paired, dataset, weights, tmp_path):
    out = tmp_path / "again"
    assert augment(dataset, out, weights, samples=1) == 0 and len(rows(out)) == 2
    assert augment(dataset, out, weights, samples=2) == 0
    assert rows(out) == rows(paired)
    for path in paired.glob("*/*.nii.gz"):
        assert (out / path.relative_to(paired)).read_bytes() == path.read_bytes()


def test_a_given_mask_comes_back_as_it_was_drawn(dataset, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights, mode="given_mask") == 0
    given = {nib.load(dataset / name / "label.nii.gz").get_fdata().astype(int).tobytes() for name in NAMES}
    assert {nib.load(path).get_fdata().astype(int).tobytes() for path in out.glob("*/label.nii.gz")} == given
    assert all(meta["synthetic"]["label"] == "given" and "label_table" not in meta for meta in metas(out))


def test_a_given_lge_stays_what_it_is(dataset, paired, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights, mode="given_lge") == 0
    given = {nib.load(dataset / name / "lge.nii.gz").get_fdata().tobytes() for name in NAMES}
    assert {nib.load(path).get_fdata().tobytes() for path in out.glob("*/lge.nii.gz")} == given
    for meta in metas(out):
        assert meta["synthetic"]["lge"] == "phantom" and "ynthetic image" not in meta["synthetic"]["disclaimer"]
    assert "ynthetic image" not in json.loads((out / "samples.json").read_text())["disclaimer"]
    # what the network drew is no LGE to segment as an acquired one
    assert augment(paired, tmp_path / "again", weights, mode="given_lge") == 2 and not rows(tmp_path / "again")


def test_a_lesion_is_drawn_into_the_subject_s_wall_without_the_images_that_do_not_show_it(dataset, weights, tmp_path):
    out = tmp_path / "out"
    code = augment(dataset, out, weights, mode="lesion", lesion_percent_lv=[10, 12], lesion_territory="LAD",
                   **{"preprocessing::spacing_mm": 2.8, "preprocessing::crop_size": [64, 64]})  # fmt: skip
    assert code == 0
    for folder in sorted(out.glob("synthetic_*")):
        assert sorted(path.name for path in folder.iterdir()) == ["label.nii.gz", "lge.nii.gz", "meta.json"]
        origin = json.loads((folder / "meta.json").read_text())["synthetic"]
        assert origin["lesion"]["territory"] == "LAD" and not origin["images_fit_label"]
        label = np.asarray(nib.load(folder / "label.nii.gz").dataobj)
        share = (label == 3).sum() / (label >= 2).sum()
        assert 0.07 < share < 0.16


def test_a_given_mask_may_be_drawn_without_what_speaks_against_it(dataset, weights, tmp_path):
    images = {}
    for evidence in ("all", "anatomy"):
        assert augment(dataset, tmp_path / evidence, weights, mode="given_mask", evidence=evidence) == 0
        images[evidence] = [nib.load(path).get_fdata() for path in sorted((tmp_path / evidence).glob("*/lge.nii.gz"))]
        assert {meta["synthetic"]["evidence"] for meta in metas(tmp_path / evidence)} == {evidence}
    assert not any(np.array_equal(*pair) for pair in zip(*images.values(), strict=True))


def test_samples_that_the_reader_does_not_confirm_are_counted_with_the_reason(dataset, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights, lge_reader=True, tries=2) == 0
    record = json.loads((out / "samples.json").read_text())
    assert record["samples"]["kept"] == 0 and record["samples"]["rejected"] == 2 and record["filtered"]
    assert sum(record["samples"]["reasons"].values()) >= 2 and not list(out.glob("synthetic_*"))
    assert all(row["kept"] == "False" and row["tries"] == "2" and row["reasons"] for row in rows(out))


def test_subjects_kept_for_testing_are_left_out_unless_all_are_asked_for(phantom_folder, weights, tmp_path):
    wanted = len(split(phantom_folder, "training"))
    assert augment(phantom_folder, tmp_path / "training", weights, section="training") == 0
    assert len(rows(tmp_path / "training")) == wanted < 10


def test_without_lists_those_are_left_out_that_a_training_would_not_learn_from(phantom_folder, weights, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(phantom_folder, folder, ignore=shutil.ignore_patterns("dataset.json"))
    learnt = {entry["subject"] for entry in split(folder, "training")}
    assert augment(folder, tmp_path / "out", weights, section="training") == 0
    given = {nib.load(folder / name / "cine.nii.gz").get_fdata().tobytes() for name in learnt}
    assert {nib.load(path).get_fdata().tobytes() for path in (tmp_path / "out").glob("*/cine.nii.gz")} == given


def test_a_subject_without_t2_stir_fails_alone_with_what_is_expected(dataset, weights, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(dataset, folder)
    (folder / "phantom_0002" / "t2_stir.nii.gz").unlink()
    assert augment(folder, tmp_path / "out", weights) == 2
    with (tmp_path / "out" / "failed_cases.csv").open(encoding="utf-8") as file:
        (failed,) = csv.DictReader(file)
    assert failed["subject"] == "phantom_0002" and "expects cine, t2_stir" in failed["reason"]
    assert len(rows(tmp_path / "out")) == 1


def test_a_mask_beside_the_cine_fails_alone(dataset, weights, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(dataset, folder)
    path = folder / "phantom_0001" / "label.nii.gz"
    image = nib.load(path)
    affine = image.affine.copy()
    affine[:3, 3] += 400
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)
    assert augment(folder, tmp_path / "out", weights, mode="given_mask") == 2
    assert len(rows(tmp_path / "out")) == 1


def subject(folder, dataset, name="phantom_0001"):
    """A copy of one subject that a test may change."""
    shutil.copytree(dataset / name, folder / name)
    return folder / name


def test_what_a_person_put_into_a_sample_s_folder_stays_when_it_is_made_again(dataset, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights) == 0
    folder = next(out.glob("synthetic_*"))
    (folder / "mine").mkdir()
    (folder / "mine/contour.csv").write_text("1,2")
    (folder / "label.nii.gz").unlink()
    assert augment(dataset, out, weights, overwrite=True) == 0
    assert (folder / "mine/contour.csv").read_text() == "1,2" and (folder / "label.nii.gz").is_file()


def test_a_sample_that_is_made_again_and_not_kept_is_gone_but_for_what_a_person_put_there(dataset, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights) == 0
    first, second = sorted(out.glob("synthetic_*"))
    (first / "contour.csv").write_text("1,2")
    assert augment(dataset, out, weights, lge_reader=True, tries=1, overwrite=True) == 0
    assert not list(out.glob("synthetic_*")) and not second.exists()
    assert [path.name for path in (out / f"_{first.name}.kept").iterdir()] == ["contour.csv"]
    assert all(row["kept"] == "False" for row in rows(out))


def test_samples_of_other_settings_are_not_taken_for_those_of_this_run(dataset, weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert augment(dataset, out, weights) == 0
    assert augment(dataset, out, weights, seed=8) == 1
    assert "made with other settings or weights" in " ".join(capsys.readouterr().err.split())
    assert augment(dataset, out, weights, seed=8, overwrite=True) == 0
    assert {meta["synthetic"]["seeds"]["seed"] for meta in metas(out)} == {8}


def test_two_masks_of_one_cine_are_two_samples_and_a_corrected_mask_is_a_new_one(dataset, weights, tmp_path):
    folder = tmp_path / "data"
    one, other = subject(folder, dataset), folder / "corrected"
    shutil.copytree(one, other)
    image = nib.load(other / "label.nii.gz")
    codes = np.asarray(image.dataobj).copy()
    codes[(codes == 3) | (codes == 4)] = 2
    nib.save(nib.Nifti1Image(codes, image.affine), other / "label.nii.gz")
    assert augment(folder, tmp_path / "out", weights, mode="given_mask") == 0
    found = {nib.load(path).get_fdata().astype(int).tobytes() for path in (tmp_path / "out").glob("*/label.nii.gz")}
    assert found == {codes.astype(int).tobytes(), nib.load(one / "label.nii.gz").get_fdata().astype(int).tobytes()}


def test_a_mask_of_some_slices_gives_a_pair_of_these_slices(dataset, weights, tmp_path):
    place = subject(tmp_path / "data", dataset)
    image = nib.load(place / "label.nii.gz").slicer[:, :, 2:5]
    codes = np.asarray(image.dataobj)
    nib.save(nib.Nifti1Image(codes, image.affine), place / "label.nii.gz")
    assert augment(tmp_path / "data", tmp_path / "out", weights, mode="given_mask") == 0
    (folder,) = (tmp_path / "out").glob("synthetic_*")
    lge, label = (nib.load(folder / f"{name}.nii.gz") for name in ("lge", "label"))
    assert lge.shape == label.shape == image.shape and np.allclose(lge.affine, image.affine, atol=1e-3)
    assert np.array_equal(np.asarray(label.dataobj), codes)


def test_the_label_table_of_a_given_mask_says_what_it_cannot_show(dataset, weights, tmp_path):
    place = subject(tmp_path / "data", dataset)
    meta = json.loads((place / "meta.json").read_text())
    image = nib.load(place / "label.nii.gz")
    codes = np.asarray(image.dataobj).copy()
    codes[codes == 5] = 2
    nib.save(nib.Nifti1Image(codes, image.affine), place / "label.nii.gz")
    table = {str(code): str(code) for code in (0, 1, 2, 3, 4, 6)}
    (place / "meta.json").write_text(json.dumps(meta | {"label_table": {key: int(v) for key, v in table.items()}}))
    assert augment(tmp_path / "data", tmp_path / "out", weights, mode="given_mask") == 0
    (written,) = metas(tmp_path / "out")
    assert set(written["label_table"]) == {"0", "1", "2", "3", "4", "6"}


def test_no_name_of_a_header_or_of_a_text_in_meta_goes_along(dataset, weights, tmp_path):
    place = subject(tmp_path / "data", dataset)
    image = nib.load(place / "cine.nii.gz")
    image.header["descrip"], image.header["db_name"] = b"Canaria Vogel", b"Vogel"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Canaria Vogel"))
    nib.save(image, place / "cine.nii.gz")
    meta = json.loads((place / "meta.json").read_text())
    (place / "meta.json").write_text(json.dumps(meta | {"field_strength_t": "Vogel", "lge_trigger_time_ms": None}))
    assert augment(tmp_path / "data", tmp_path / "out", weights) == 0
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Vogel" not in (gzip.decompress(content) if path.suffix == ".gz" else content), path.name


def test_a_given_lge_needs_no_t2_stir_that_can_be_read(dataset, weights, tmp_path):
    place = subject(tmp_path / "data", dataset)
    (place / "t2_stir.nii.gz").write_bytes(b"damaged")
    assert augment(tmp_path / "data", tmp_path / "out", weights, mode="given_lge") == 0
    assert len(rows(tmp_path / "out")) == 1


def test_nnunet_raw_made_of_samples_says_that_they_are_synthetic(paired, tmp_path):
    assert run_here("convert.json", dataset_dir=paired, output_dir=tmp_path / "raw", to="nnunet") == 0
    for path in (tmp_path / "raw").rglob("*_0002.nii.gz"):
        assert b"Synthetic" in bytes(nib.load(path).header["descrip"].item())


def test_an_output_folder_with_a_table_of_somebody_else_is_refused(dataset, weights, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/samples.csv").write_text("blood,1")
    assert augment(dataset, tmp_path / "out", weights) == 1
    assert "found samples.csv, expected nothing but samples" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("mode", ["label map", "cine", "assumed"])
def test_the_septum_is_where_the_label_map_or_the_cine_has_the_rv(mode, dataset):
    from scripts.datasets.datalist import find_subjects
    from scripts.preprocessing.preprocessing import SubjectPreprocessing
    from scripts.samples.modes import septum_degrees

    true = []
    for entry in find_subjects(dataset):
        item = SubjectPreprocessing()(entry)
        codes, label = item["label_codes"].numpy(), item["label"][0].numpy()
        middle = codes.shape[-1] // 2
        away = np.argwhere(codes[..., middle] == 6).mean(axis=0) - np.argwhere(codes[..., middle] == 1).mean(axis=0)
        x, y = np.linalg.inv(item["crop_to_cine"][0].numpy()[:2, :2]) @ away
        true.append(np.degrees(np.arctan2(y, x)) % 360)
        if mode != "label map":
            item.pop("label_codes")
        if mode == "assumed":
            item["image"] = item["image"] * 0
        degrees, source = septum_degrees(item, label)
        assert source == mode or (mode == "cine" and source == "assumed")
        assert abs(degrees - true[-1]) < {"label map": 20, "cine": 60, "assumed": 70}[mode]


@pytest.mark.parametrize("place", ["", "inside"])
def test_samples_are_never_written_among_acquired_subjects(place, dataset, weights, tmp_path, capsys):
    folder = tmp_path / "data"
    shutil.copytree(dataset, folder)
    assert augment(folder, folder / place, weights) == 1
    assert "samples and acquired subjects do not mix" in " ".join(capsys.readouterr().err.split())


def test_an_output_folder_with_other_subjects_is_refused(dataset, weights, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(dataset / "phantom_0001", out / "p01")
    assert augment(dataset, out, weights) == 1
    assert "found p01, expected nothing but samples" in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in out.iterdir()) == ["p01"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "pairs"}, "mode: found 'pairs', expected one of paired, given_mask, given_lge, lesion"),
        ({"evidence": "anatomy"}, "evidence: found anatomy with mode paired"),
        ({"evidence": "none"}, "evidence: found 'none', expected all or anatomy"),
        ({"samples": 0}, "samples: found 0, expected a whole number from 1 to 1000"),
        ({"tries": 0}, "tries: found 0"),
        ({"steps": 0}, "steps: found 0, expected at least 1"),
        ({"section": "testing"}, "section: found 'testing', expected training or all"),
        ({"mode": "lesion", "lesion_percent_lv": 80}, "expected two numbers from 1 to 40"),
        ({"copies_of": "IN"}, "copies_of: found without lge_reader"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_the_range(settings, message, dataset, weights, tmp_path, capsys):
    assert augment(dataset, tmp_path / "out", weights, **settings) == 1
    assert message in " ".join(capsys.readouterr().err.split())
