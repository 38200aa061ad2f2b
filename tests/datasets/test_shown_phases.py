"""Training slices at each phase a cine can be shown at: drawn by slice and epoch, references of the phase shown."""

import shutil
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
import torch
from scripts.conventions import ConfigError, DataError
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layout import DatalistError
from scripts.datasets.shown_phases import ShownPhases
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from torch.utils.data import DataLoader

ED, ES = 0, 2  # of the four phases of the hand-made subjects


@pytest.fixture
def transform():
    return SubjectPreprocessing(crop_size=(48, 48), spacing_mm=2.5)


@pytest.fixture
def timed(tmp_path, make):
    """Two subjects whose LGE belongs to phase 1; the first has references at end-diastole and end-systole, too."""
    root, listed = tmp_path / "timed", []
    for n in range(2):
        folder = make.subject(root / f"p{n}")
        make.json(folder / "meta.json", {"cine_trigger_times_ms": [0, 200, 400, 600], "lge_trigger_time_ms": 200})
        listed.append({"subject": f"p{n}", "meta": f"p{n}/meta.json"})
        listed[-1] |= {key: f"p{n}/{key}.nii.gz" for key in ("cine", "t2_stir", "lge", "label")}
    label = nib.load(root / "p0" / "label.nii.gz")
    for name, wall in (("ed", 2), ("es", 0)):  # no infarct at end-diastole, no heart at end-systole: to tell them apart
        codes = np.asarray(label.dataobj)
        changed = np.where(codes == 3, wall, codes if name == "ed" else 0)
        make.write(root / "p0" / f"label_{name}.nii.gz", changed.astype(np.uint8), label.affine)
        shutil.copy(root / "p0" / "t2_stir.nii.gz", root / "p0" / f"lge_{name}.nii.gz")
    listed[0]["key_references"] = {
        words: {"lge": f"p0/lge_{name}.nii.gz", "label": f"p0/label_{name}.nii.gz", "label_phase": phase}
        for name, words, phase in (("ed", "end_diastole", ED), ("es", "end_systole", ES))
    }
    make.json(root / "dataset.json", {"training": listed})
    return root


def slices(folder, transform, **shown):
    return ShownPhases(find_subjects(folder), transform, shown=shown)


def test_a_slice_is_counted_once_however_many_phases_have_references(timed, transform):
    assert len(slices(timed, transform, lge=0.5, end_diastole=0.5)) == 6 == len(slices(timed, transform, lge=1))


def test_at_the_phase_of_the_lge_nothing_is_changed(timed, transform):
    plain = [transform(entry) for entry in find_subjects(timed)]
    dataset = slices(timed, transform, lge=1)
    for n in range(6):
        item, subject = dataset[n], plain[n // 3]
        torch.testing.assert_close(item["image"], subject["image"][..., n % 3], atol=1e-3, rtol=0)
        assert torch.equal(item["label"], subject["label"][..., n % 3])
        assert item["shown_phase"] == item["shown_reference"] == "lge"
        assert not torch.equal(item["image"][0], item["image"][2])


@pytest.mark.parametrize(("phase", "channel", "codes"), [("end_diastole", 2, {0, 1, 2}), ("end_systole", 3, {0})])
def test_a_labelled_phase_is_shown_with_its_own_references(timed, transform, phase, channel, codes):
    item, usual = slices(timed, transform, **{phase: 1})[1], slices(timed, transform, lge=1)[1]
    assert item["subject"] == "p0" and item["shown_reference"] == phase
    assert torch.equal(item["image"][0], item["image"][channel]) and set(item["label"].unique().tolist()) == codes
    torch.testing.assert_close(item["image"][0], usual["image"][channel], atol=0.1, rtol=0)
    assert torch.equal(item["image"][1], usual["image"][1])


def test_without_references_of_its_own_a_cine_of_two_phases_shows_one_of_them_twice(timed, transform):
    item, usual = slices(timed, transform, end_diastole=1)[4], slices(timed, transform, lge=1)[4]
    assert item["subject"] == "p1" and (item["shown_phase"], item["shown_reference"]) == ("end_diastole", "lge")
    assert torch.equal(item["image"][2], usual["image"][0]) and torch.equal(item["label"], usual["label"])
    assert torch.equal(item["image"][[0, 1, 3]], usual["image"][[0, 1, 3]])
    systole = slices(timed, transform, end_systole=1)[4]
    assert systole["shown_reference"] == "lge" and torch.equal(systole["image"], usual["image"])


def test_a_cine_of_one_phase_stays_without_motion(timed, transform, make):
    image = nib.load(timed / "p1" / "cine.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[..., 1], image.affine), timed / "p1" / "cine.nii.gz")
    item = slices(timed, transform, end_diastole=1)[4]
    assert item["image"][0].any() and not item["image"][2:].any()


def test_the_draw_follows_from_seed_epoch_and_slice_and_has_the_shares(timed, transform):
    dataset = slices(timed, transform, lge=0.5, end_diastole=0.3, end_systole=0.2)
    drawn = []
    for epoch in range(60):
        dataset.set_epoch(epoch)
        drawn += [dataset[n]["shown_phase"] for n in range(6)]
    counts = Counter(drawn)
    assert [counts[one] / 360 for one in ("lge", "end_diastole", "end_systole")] == pytest.approx(
        [0.5, 0.3, 0.2], abs=0.08
    )
    dataset.set_epoch(3)
    again = [one for batch in DataLoader(dataset, batch_size=2, num_workers=2) for one in batch["shown_phase"]]
    assert again == drawn[18:24]


def test_shares_that_add_up_to_1_but_for_rounding_are_drawn(timed, transform):
    dataset = slices(timed, transform, **dict.fromkeys(("lge", "end_diastole", "end_systole"), 0.3333333))
    assert dataset[0]["shown_phase"] in dataset.shown


def test_a_label_map_of_another_phase_than_the_one_that_is_shown_is_not_learnt(timed, make):
    """As with the setting of inference, by which a label map decides nothing."""
    elsewhere = SubjectPreprocessing(crop_size=(48, 48), spacing_mm=2.5, at_label_phase=False)
    with pytest.raises(DataError) as error:
        slices(timed, elsewhere, lge=0.5, end_diastole=0.5)
    assert "drawn on phase 0" in make.readable(error) and "at_label_phase true" in make.readable(error)
    assert len(slices(timed, elsewhere, lge=1)) == 6


@pytest.mark.parametrize(
    "shown",
    [
        {"diastole": 1.0},
        {"lge": 0.5},
        {"lge": 1.5, "end_diastole": -0.5},
        {"lge": "1"},
        {"lge": True},
        {"lge": float("nan")},
        {},
        ["lge"],
    ],
)
def test_shares_that_cannot_be_are_refused_with_what_is_allowed(timed, transform, shown):
    with pytest.raises(ConfigError, match="shown: found .*lge, end_diastole, end_systole from 0 that add up to 1"):
        ShownPhases(find_subjects(timed), transform, shown=shown)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], "expected end_diastole or end_systole"),
        ({"mid": {}}, "expected end_diastole or end_systole"),
        ({"end_systole": {"lge": "p0/lge.nii.gz"}}, "each with lge, label and label_phase"),
        ({"end_systole": {"lge": "../a.nii.gz", "label": "p0/label.nii.gz", "label_phase": 0}}, "'../a.nii.gz'"),
    ],
)
def test_key_references_that_cannot_be_are_named(timed, make, given, found):
    listed = {"subject": "p0", "cine": "p0/cine.nii.gz", "key_references": given}
    make.json(timed / "dataset.json", {"training": [listed]})
    with pytest.raises(DatalistError) as error:
        find_subjects(timed)
    assert found in make.readable(error) and "key_references" in str(error.value)


def test_a_key_reference_that_is_not_there_stops_the_training_that_shows_it_and_nothing_else(timed, transform):
    (timed / "p0" / "lge_ed.nii.gz").unlink()
    assert [entry["subject"] for entry in find_subjects(timed)] == ["p0", "p1"]
    assert len(slices(timed, transform, lge=0.5, end_systole=0.5)) == 6
    with pytest.raises(DataError, match="p0/lge_ed.nii.gz: file not found"):
        slices(timed, transform, lge=0.5, end_diastole=0.5)


def test_a_labelled_phase_that_the_cine_does_not_have_is_named(timed, transform, make):
    entries = find_subjects(timed)
    entries[0]["key_references"]["end_systole"]["label_phase"] = 4
    with pytest.raises(Exception, match=r"label_phase found 4, expected a whole number from 0 to 3"):
        ShownPhases(entries, transform)
