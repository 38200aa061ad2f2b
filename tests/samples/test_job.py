"""Samples lie in a folder of layout 1 that training takes, say where they come from, and never mix with patients."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from helpers.tiny_inference import run_here, tiny_weights
from scripts.datasets.datalist import find_subjects, split
from scripts.datasets.layouts import OURS, read_layout

PLAIN = {"lge_reader": False, "steps": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def dataset(phantom_folder, tmp_path_factory):
    """Two phantoms of ten, without lists."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("phantom_0001", "phantom_0002"):
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
        assert meta["label_table"] == {"0": 0, "1": 1, "2": 2, "3": 3} and "phantom" not in meta


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
    given = {nib.load(dataset / name / "label.nii.gz").get_fdata().astype(int).tobytes() for name in
             ("phantom_0001", "phantom_0002")}  # fmt: skip
    assert {nib.load(path).get_fdata().astype(int).tobytes() for path in out.glob("*/label.nii.gz")} == given
    assert all(meta["synthetic"]["label"] == "given" and "label_table" not in meta for meta in metas(out))


def test_a_given_lge_stays_acquired_and_its_file_is_that_of_the_subject(dataset, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights, mode="given_lge") == 0
    given = {(dataset / name / "lge.nii.gz").read_bytes() for name in ("phantom_0001", "phantom_0002")}
    assert {path.read_bytes() for path in out.glob("*/lge.nii.gz")} == given
    assert all(meta["synthetic"]["lge"] == "acquired" for meta in metas(out))


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


def test_samples_that_the_reader_does_not_confirm_are_counted_with_the_reason(dataset, weights, tmp_path):
    out = tmp_path / "out"
    assert augment(dataset, out, weights, lge_reader=True, tries=2) == 0
    record = json.loads((out / "samples.json").read_text())
    assert record["samples"]["kept"] == 0 and record["samples"]["rejected"] == 2 and record["filtered"]
    assert sum(record["samples"]["reasons"].values()) >= 2 and not list(out.glob("synthetic_*"))
    assert all(row["kept"] == "False" and row["tries"] == "2" and row["reasons"] for row in rows(out))


def test_subjects_kept_for_testing_are_left_out_unless_all_are_asked_for(phantom_folder, weights, tmp_path):
    wanted = len(split(phantom_folder, "training"))
    assert augment(phantom_folder, tmp_path / "training", weights) == 0
    assert len(rows(tmp_path / "training")) == wanted < 10


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
        ({"samples": 0}, "samples: found 0, expected a whole number from 1 to 1000"),
        ({"tries": 0}, "tries: found 0"),
        ({"section": "testing"}, "section: found 'testing', expected training or all"),
        ({"mode": "lesion", "lesion_percent_lv": 80}, "expected two numbers from 1 to 40"),
        ({"copies_of": "IN"}, "copies_of: found without lge_reader"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_the_range(settings, message, dataset, weights, tmp_path, capsys):
    assert augment(dataset, tmp_path / "out", weights, **settings) == 1
    assert message in " ".join(capsys.readouterr().err.split())
