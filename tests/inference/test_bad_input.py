"""Bad input as a user meets it: each mistake ends in a few lines that name file or key, and in the right exit code."""

import csv
import errno
import json
import os
import pickle

import nibabel as nib
import numpy as np
import pytest
from helpers.bundle_run import message, run_bundle
from helpers.tiny_inference import TIMED, images_of, remade, run_here, tiny_weights, write_subject, written

INFERENCE, EVALUATION = ("inference.json",), ("train.json", "evaluate.json")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def images(phantom_folder):
    """One slice of one subject, every sequence."""
    return images_of(phantom_folder / "phantom_0001", slice(3, 4))


@pytest.fixture(scope="module")
def good(images, tmp_path_factory):
    """Folder of one sound subject."""
    write_subject(tmp_path_factory.mktemp("good") / "a", images)
    return tmp_path_factory.getbasetemp() / "good0"


def with_voxels(image, change):
    array = np.asarray(image.dataobj, dtype=np.float32)
    change(array)
    return remade(image, array)


def moved(image, millimetres):
    affine = image.affine.copy()
    affine[:3, 3] += millimetres
    return remade(image, np.asarray(image.dataobj), affine)


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def nothing(folder):
    """Leaves the folder away."""


def one_subject_directly(folder):
    folder.mkdir()
    (folder / "cine.nii.gz").write_bytes(b"")


def foreign_files(folder):
    (folder / "patient").mkdir(parents=True)
    (folder / "patient" / "IM0001.dcm").write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (nothing, "found nothing; nearest existing folder is"),
        (lambda folder: folder.mkdir(), "the folder is empty"),
        (lambda folder: folder.write_text(""), "found a file, expected a folder"),
        (foreign_files, "found DICOM, such as patient/"),
        (one_subject_directly, "so this is one subject"),
    ],
    ids=["missing", "empty", "a file", "not recognised", "one subject"],
)
def test_a_folder_that_cannot_be_used_is_named_and_nothing_is_written(make, found, weights, tmp_path, capsys):
    make(tmp_path / "given")
    options = {"dataset_dir": tmp_path / "given", "output_dir": tmp_path / "out", "ckpt_dir": weights}
    assert run_here(*INFERENCE, **options) == 1
    text = message(capsys.readouterr().err)
    assert text.startswith("dataset_dir ") and "given" in text and found in text
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def spoilt(images, weights, tmp_path_factory):
    """A run over one sound subject and one of each kind of broken ones: output folder, exit code, failures by name."""
    root = tmp_path_factory.mktemp("spoilt")
    cine, t2_stir, label = images["cine"], images["t2_stir"], images["label"]
    still = cine.slicer[..., 0]
    unknown = np.asarray(label.dataobj).copy()
    unknown[:5, :5] = 9

    def not_a_number(array):
        array[3, 4, 0] = np.nan

    subjects = {
        "constant": {"cine": with_voxels(still, lambda array: array.fill(7))},
        "deep": {"cine": still},
        "endless_number": {"cine": cine},
        "label_9": images | {"label": remade(label, unknown)},
        "lge_broken": images,
        "nan": {"cine": with_voxels(still, not_a_number)},
        "no_cine": {"t2_stir": t2_stir},
        "pipe": {"t2_stir": t2_stir},
        "sound": images,
        "t2_elsewhere": {"cine": cine, "t2_stir": moved(t2_stir, 400)},
        "t2_turned": {"cine": cine, "t2_stir": nib.Nifti1Image(np.asarray(t2_stir.dataobj), np.diag([2, 2, 8, 1]))},
        "truncated": {"cine": cine},
    }
    for name, its_images in subjects.items():
        write_subject(root / "in" / name, its_images, TIMED)
    cut_short(root / "in/truncated/cine.nii.gz")
    cut_short(root / "in/lge_broken/lge.nii.gz")
    os.mkfifo(root / "in/pipe/cine.nii.gz")
    (root / "in/deep/meta.json").write_text("[" * 100_000)
    (root / "in/endless_number/meta.json").write_text(json.dumps(TIMED | {"lge_trigger_time_ms": 10**400}))
    (root / "in" / os.fsdecode(b"latin_\xe9")).mkdir()
    code = run_here(*INFERENCE, dataset_dir=root / "in", output_dir=root / "out", ckpt_dir=weights)
    with (root / "out/failed_cases.csv").open(newline="") as stream:
        return root / "out", code, {row["subject"]: row for row in csv.DictReader(stream)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subject", "stage", "reason"),
    [
        ("constant", "read", "constant/cine.nii.gz: found one value (7) in all"),
        ("deep", "read", "deep/meta.json: not valid JSON"),
        ("endless_number", "read", "endless_number/meta.json: trigger times must be numbers"),
        ("latin_\\udce9", "read", "latin_\\udce9: the name of the folder is not UTF-8"),
        ("pipe", "read", "pipe: cine.nii.gz is no plain file"),
        ("nan", "read", "nan/cine.nii.gz: found 1 of {voxels} voxels NaN or infinite"),
        ("no_cine", "read", "no_cine: no cine.nii.gz; found t2_stir.nii.gz"),
        ("t2_elsewhere", "geometry", "t2_elsewhere/t2_stir.nii.gz: "),
        ("t2_turned", "geometry", "t2_turned/t2_stir.nii.gz: slice normal"),
        ("truncated", "read", "truncated/cine.nii.gz: cannot be read as NIfTI"),
    ],
)
def test_a_subject_that_cannot_be_used_has_its_reason_and_a_next_step(spoilt, subject, stage, reason):
    out, code, failures = spoilt
    assert code == 2
    voxels = np.prod(nib.load(out.parent / "in/nan/cine.nii.gz").shape)
    reason = reason.format(voxels=voxels)
    assert failures[subject]["stage"] == stage and failures[subject]["reason"].startswith(reason)
    told = ("no_cine", "pipe", "deep", "endless_number", "latin_\\udce9")
    assert "expected" in failures[subject]["reason"].lower() or subject in told
    assert len(failures[subject]["next_step"]) > 10 and not (out / subject).exists()


@pytest.mark.slow
def test_the_others_are_written_and_a_broken_reference_is_a_warning_only(spoilt):
    out, _, failures = spoilt
    assert len(failures) == 10
    results = {name: json.loads((out / name / f"{name}_result.json").read_text()) for name in spoilt_but_written}
    assert results["sound"]["warnings"] == [] and "reference_dice" in results["sound"]
    (label_9,), (lge_broken,) = (results[name]["warnings"] for name in ("label_9", "lge_broken"))
    assert label_9.startswith("label not used: label_9/label.nii.gz: found label values not in table 'ours': 9 (25 ")
    assert lge_broken.startswith("lge not used: lge_broken/lge.nii.gz: cannot be read as NIfTI")
    assert "reference_dice" not in results["label_9"] and "reference_dice" in results["lge_broken"]


spoilt_but_written = ("label_9", "lge_broken", "sound")


@pytest.mark.parametrize("configs", [EVALUATION, ("train.json",)], ids=["evaluation", "training"])
def test_a_label_value_that_is_not_in_the_table_stops(configs, images, weights, tmp_path, capsys):
    unknown = np.asarray(images["label"].dataobj).copy()
    unknown[0, :3] = 9
    lists = {}
    for section in ("training", "validation", "testing"):
        write_subject(tmp_path / "in" / section, images | {"label": remade(images["label"], unknown)})
        files = {key: f"{section}/{key}.nii.gz" for key in images}
        lists[section] = [{"subject": section, **files}]
    (tmp_path / "in/dataset.json").write_text(json.dumps(lists))
    options = {"dataset_dir": tmp_path / "in", "output_dir": tmp_path / "out", "ckpt_dir": weights}
    assert run_here(*configs, **options) == 1
    text = message(capsys.readouterr().err)
    assert "label.nii.gz: found label values not in table 'ours': 9 (3 voxels)" in text and "label_table" in text


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def no_file(path):
    """Leaves the file away."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (no_file, "model.pt: no such weights file"),
        (lambda path: tiny_weights(path.parent, channels=[16, 24]), "weights do not fit the network"),
        (lambda path: tiny_weights(path.parent, num_classes=4), "shape (16,) in the file, (24,) in the network"),
        (lambda path: path.write_bytes(pickle.dumps(Evil())), "not a readable weights file"),
        (lambda path: path.write_bytes(b"<!doctype html>"), "model.pt: "),
    ],
    ids=["missing", "other width", "other channel count", "pickle", "web page"],
)
def test_weights_that_cannot_be_used_stop_before_anything_is_written(make, found, good, tmp_path, capsys):
    make(tmp_path / "model.pt")
    options = {"dataset_dir": good, "output_dir": tmp_path / "out", "ckpt_dir": tmp_path}
    assert run_here(*INFERENCE, **options) == 1
    assert found in message(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_stops_and_leaves_the_file(good, weights, tmp_path, capsys):
    # Root may write into a read-only folder, so that a file in the way stands for one.
    (tmp_path / "out").write_text("in the way")
    assert run_here(*INFERENCE, dataset_dir=good, output_dir=tmp_path / "out", ckpt_dir=weights) == 1
    text = message(capsys.readouterr().err)
    assert "could not be written" in text and "--output_dir" in text
    assert (tmp_path / "out").read_text() == "in the way"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "free space on that disk"), (errno.EROFS, "can be written")]
)
@pytest.mark.parametrize("good_writes", [0, 2])
def test_a_disk_that_fails_stops_with_its_reason_and_nothing_half_written(
    good, weights, tmp_path, capsys, monkeypatch, code, words, good_writes
):
    calls = []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) > good_writes:
            raise OSError(code, "the disk says no")

    monkeypatch.setattr("os.fsync", failing)
    assert run_here(*INFERENCE, dataset_dir=good, output_dir=tmp_path / "out", ckpt_dir=weights) == 1
    text = message(capsys.readouterr().err)
    assert "could not be written: the disk says no" in text and words in text
    left = written(tmp_path / "out")
    # The first write is the test of the folder; a subject counts as finished by its result.json, written last.
    assert len(left) == max(0, good_writes - 1) and not any("result" in name or ".part" in name for name in left)
    for path in left.values():
        nib.load(path).get_fdata()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"steps": -1}, "steps: found -1"),
        ({"samples": 0}, "samples: found 0"),
        ({"sampler": "euler"}, "sampler: found 'euler', expected one of ddpm, ddim, dpmpp_2m"),
        ({"overwrite": "maybe"}, "overwrite: found 'maybe'"),
        ({"preprocessing#label_table": "mine"}, "label_table: found 'mine'"),
    ],
)
def test_a_value_that_is_not_possible_is_named_with_what_is(settings, found, good, weights, tmp_path, capsys):
    options = {"dataset_dir": good, "output_dir": tmp_path / "out", "ckpt_dir": weights, **settings}
    assert run_here(*INFERENCE, **options) == 1
    assert found in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_key_that_does_not_exist_ends_the_command_with_the_nearest_one(good, tmp_path):
    done = run_bundle(
        "--config_file", "configs/inference.json", "--dataset_dir", good, "--output_dir", tmp_path / "out",
        "--stepz", "3",
    )  # fmt: skip
    assert done.returncode == 1
    assert "--stepz: no such key in inference.json.\nDid you mean --steps?" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "out").exists()
