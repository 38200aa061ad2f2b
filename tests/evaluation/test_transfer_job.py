"""Transfer as one command: phantoms in the layout of ACDC, without T2-STIR, LGE and infarct class."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from helpers.tiny_inference import images_of, remade, run_here, tiny_weights, written

pytestmark = pytest.mark.slow
CONFIGS = ("train.json", "transfer.json")
# Our codes as ACDC writes them: RV 1, wall 2, LV blood 3; infarct, no-reflow and oedema are wall there.
TO_ACDC = np.array([0, 3, 2, 2, 2, 2, 1], np.uint8)
FRAMES = {"ED": 1, "ES": 3}


def write_acdc(root, phantoms, names, label=True):
    """Phantoms as ACDC writes patients; the label map of end-systole lacks the first slice."""
    for source, name in zip(phantoms, names, strict=True):
        images, folder = images_of(source), root / "training" / name
        folder.mkdir(parents=True)
        nib.save(images["cine"], folder / f"{name}_4d.nii.gz")
        codes = TO_ACDC[np.asarray(images["label"].dataobj).astype(int)]
        for phase, frame in FRAMES.items():
            drawn = codes.copy()
            drawn[..., : int(phase == "ES")] = 0
            if label:
                nib.save(remade(images["label"], drawn), folder / f"{name}_frame{frame:02d}_gt.nii.gz")
        (folder / "Info.cfg").write_text("".join(f"{phase}: {frame}\n" for phase, frame in FRAMES.items()))
    return root


@pytest.fixture(scope="module")
def phantoms(phantom_folder):
    return sorted(path for path in phantom_folder.iterdir() if path.is_dir())[:3]


@pytest.fixture(scope="module")
def run(phantoms, tmp_path_factory):
    """(input, transfer, inference): both jobs over the same two patients, with the same weights, at the same phase."""
    folder = tmp_path_factory.mktemp("transfer")
    data = write_acdc(folder / "in", phantoms[:2], ["patient001", "patient002"])
    weights = tiny_weights(folder / "weights")
    settings = {"dataset_dir": data, "ckpt_dir": weights}
    assert run_here(*CONFIGS, output_dir=folder / "out", **settings) == 0
    here = settings | {"preprocessing::at_label_phase": True}
    assert run_here("inference.json", output_dir=folder / "results", preview=False, **here) == 0
    return data, folder / "out", folder / "results"


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def overlap(found, wanted):
    return 2 * (found & wanted).sum() / (found.sum() + wanted.sum())


def test_every_label_map_of_acdc_is_a_row_and_nothing_is_said_of_infarct_and_lge(run):
    _, out, _ = run
    rows = rows_of(out / "label_maps.csv")
    assert [(row["subject"], row["label_drawn_on"], row["cine_phase"]) for row in rows] == [
        (name, phase, frame)
        for name in ("patient001", "patient002")
        for phase, frame in (("end-diastole", "1"), ("end-systole", "3"))
    ]
    summary = json.loads((out / "evaluation.json").read_text())
    assert "no infarct class" in summary["infarct"]["not_measurable"]
    assert "no LGE" in summary["virtual_lge"]["not_measurable"]
    files = set(written(out))
    assert files == {"label_maps.csv", "slices.csv", "evaluation.json", "index.html", "methods.md"} | {
        f"panels/{rank}.png" for rank in ("best", "median", "worst")
    }


def test_the_numbers_are_those_of_the_label_maps_that_inference_writes(run):
    data, out, results = run
    row = rows_of(out / "label_maps.csv")[0]
    found = np.asarray(nib.load(results / "patient001" / "patient001_label.nii.gz").dataobj)
    truth = np.asarray(nib.load(data / "training/patient001/patient001_frame01_gt.nii.gz").dataobj)
    assert float(row["dice_lv_myocardium"]) == pytest.approx(overlap(np.isin(found, (2, 3)), truth == 2))
    assert float(row["dice_lv_blood_pool"]) == pytest.approx(overlap(found == 1, truth == 3))
    assert float(row["lv_slices"]) == ((truth == 3).sum((0, 1)) > 20).sum()


def test_the_comparison_of_methods_refuses_it_since_the_phases_would_be_mixed(run, tmp_path, capsys):
    _, out, _ = run
    assert run_here("compare.json", runs={"ours": str(out)}, output_dir=tmp_path / "compared") == 1
    assert "no subjects.csv" in capsys.readouterr().err


def test_a_slice_without_heart_in_the_label_map_of_end_systole_is_asked_for_in_none(run):
    _, out, _ = run
    rows = [row for row in rows_of(out / "slices.csv") if row["label_drawn_on"] == "end-systole"]
    assert [row["slice"] for row in rows[:3]] == ["1", "2", "3"]
    assert rows[0]["reference_blood_pixels"] == "0.0" and rows[0]["missed"] == "0.0"
    assert rows[0]["dice_lv_blood_pool"] == "" and "no lv_blood_pool" in rows[0]["not_measurable"]


def test_a_patient_that_cannot_be_read_is_named_and_the_exit_code_is_2(phantoms, tmp_path, capsys):
    data = write_acdc(tmp_path / "in", phantoms[:2], ["patient001", "patient002"])
    broken = data / "training/patient002/patient002_frame01_gt.nii.gz"
    image = nib.load(broken)
    nib.save(remade(image, np.where(np.asarray(image.dataobj) == 3, 9, 0).astype(np.uint8)), broken)
    settings = {"ckpt_dir": tiny_weights(tmp_path / "weights"), "output_dir": tmp_path / "out", "phases": ["ed"]}
    assert run_here(*CONFIGS, dataset_dir=data, **settings) == 2
    summary = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert list(summary["failed"]) == ["patient002"] and "9 " in summary["failed"]["patient002"]
    assert summary["all"]["label_maps"] == 1


def test_patients_without_label_map_and_lge_are_refused_in_words(phantoms, tmp_path, capsys):
    data = write_acdc(tmp_path / "in", phantoms[:1], ["patient001"], label=False)
    settings = {"ckpt_dir": tiny_weights(tmp_path / "weights"), "output_dir": tmp_path / "out"}
    assert run_here(*CONFIGS, dataset_dir=data, **settings) == 1
    text = capsys.readouterr().err
    assert "patient001" in text and "label" in text and "Fix:" in text and "Traceback" not in text
    assert not (tmp_path / "out").exists()


def test_phantoms_of_our_layout_are_measured_as_well_and_told_where_the_rest_is(phantoms, tmp_path):
    for source in phantoms[:1]:
        folder = tmp_path / "in" / source.name
        folder.mkdir(parents=True)
        for name, image in images_of(source).items():
            nib.save(image, folder / f"{name}.nii.gz")
    settings = {"ckpt_dir": tiny_weights(tmp_path / "weights"), "output_dir": tmp_path / "out"}
    assert run_here(*CONFIGS, dataset_dir=tmp_path / "in", **settings) == 0
    summary = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert "evaluate.json" in summary["infarct"]["not_measurable"]
    assert list(summary["by"]["label_drawn_on"]) == ["phase not said"]


def test_a_variant_that_gives_no_mask_is_refused(phantoms, tmp_path, capsys):
    data = write_acdc(tmp_path / "in", phantoms[:1], ["patient001"])
    configs = ("train.json", "variants/synthesis_only.json", "transfer.json")
    weights = tiny_weights(tmp_path / "weights")
    assert run_here(*configs, dataset_dir=data, ckpt_dir=weights, output_dir=tmp_path / "out") == 1
    assert "tasks" in capsys.readouterr().err
