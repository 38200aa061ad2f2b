"""Subjects and slices as items: failures become records, random changes depend on seed, epoch and index only."""

import nibabel as nib
import numpy as np
import pytest
import torch
from scripts import conventions
from scripts.datasets.datalist import find_subjects
from scripts.datasets.datasets import SliceDataset, SubjectDataset, closed_rings
from scripts.preprocessing.labels import marks_lv
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.training.domain_randomisation.randomisation import DomainRandomisation, DrawnChanges
from torch.utils.data import DataLoader

pytestmark = pytest.mark.slow


@pytest.fixture
def transform():
    return SubjectPreprocessing(crop_size=(64, 64), spacing_mm=2.0)


def test_subjects_collate_one_by_one(cohort, transform):
    loader = DataLoader(SubjectDataset(find_subjects(cohort), transform), batch_size=1)
    batches = list(loader)
    assert [batch["subject"] for batch in batches] == [[f"p{n}"] for n in range(6)]
    assert batches[0]["image"].shape == (1, 4, 64, 64, 3) and batches[0]["warnings"] == [""]


def test_corrupt_subject_becomes_a_failure_item(cohort, transform):
    (cohort / "p1" / "cine.nii.gz").write_bytes((cohort / "p1" / "cine.nii.gz").read_bytes()[:3000])
    (cohort / "p2" / "cine.nii.gz").unlink()
    dataset = SubjectDataset(find_subjects(cohort, on_problem="record"), transform)
    items = [batch for batch in DataLoader(dataset, batch_size=1)]
    failed = [item for item in items if "failure" in item]
    assert len(items) == 6 and [item["subject"] for item in failed] == [["p1"], ["p2"]]
    assert set(failed[0]) == {
        "subject", "failure_stage", "failure", "failure_fix", "image", "available", "vendor",
    }  # fmt: skip
    assert failed[0]["failure_stage"] == ["read"] and failed[0]["image"].shape == (1, 2, 64, 64, 0)
    assert "p1/cine.nii.gz" in failed[0]["failure"][0] and "Fix:" not in failed[0]["failure"][0]
    assert failed[0]["failure_fix"][0].startswith("copy or export it again")
    assert "\n" not in failed[1]["failure"][0]


BROKEN_REFERENCES = {
    "lge cut short": ("lge", lambda path, make: path.write_bytes(path.read_bytes()[:900]), "cannot be read as NIfTI"),
    "lge elsewhere": (
        "lge",
        lambda path, make: make.write(path, _noise(), make.affine((64, 64, 3), centre=(300, 20, -30))),
        "nearest slice found",
    ),
    "unknown label": (
        "label",
        lambda path, make: make.write(path, np.full((64, 64, 3), 9, np.uint8), make.affine((64, 64, 3))),
        "9 (12288 voxels)",
    ),
}


def _noise():
    return np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)


@pytest.mark.parametrize(("key", "spoil", "reason"), BROKEN_REFERENCES.values(), ids=BROKEN_REFERENCES)
def test_a_broken_reference_is_left_out_of_inference_and_stops_evaluation(
    cohort, transform, make, key, spoil, reason, caplog
):
    other = "label" if key == "lge" else "lge"
    sound = transform(find_subjects(cohort)[0])
    spoil(cohort / "p0" / f"{key}.nii.gz", make)
    item = SubjectDataset(find_subjects(cohort), transform)[0]
    assert key not in item and "failure" not in item and torch.equal(item[other], sound[other])
    assert torch.equal(item["image"], sound["image"])
    (warning,) = item["warnings"].splitlines()
    assert warning.startswith(f"{key} not used: p0/{key}.nii.gz") and reason in warning and "Fix:" not in warning
    assert warning in caplog.text
    with pytest.raises(conventions.DataError) as error:
        SubjectDataset(find_subjects(cohort), transform, on_error="raise")[0]
    assert reason in make.readable(error)


def test_both_references_may_be_broken_but_a_broken_t2_stir_still_fails_the_subject(cohort, transform, make):
    for key in ("lge", "label"):
        (cohort / "p0" / f"{key}.nii.gz").write_bytes(b"")
    item = SubjectDataset(find_subjects(cohort), transform)[0]
    assert [line.split(":")[0] for line in item["warnings"].splitlines()] == ["lge not used", "label not used"]
    make.write(cohort / "p0" / "t2_stir.nii.gz", _noise(), make.affine((64, 64, 3), centre=(300, 20, -30)))
    failed = SubjectDataset(find_subjects(cohort), transform)[0]
    assert failed["failure_stage"] == "geometry" and failed["failure"].startswith("p0/t2_stir.nii.gz: nearest slice")


def test_a_listed_reference_that_is_not_there_is_missed_in_training_only(cohort, transform, make):
    listed = [{"subject": f"p{n}"} | {k: f"p{n}/{k}.nii.gz" for k in ("cine", "lge", "label")} for n in range(2)]
    listed[0]["lge"] = "p0/LGE.nii.gz"
    make.json(cohort / "dataset.json", {"training": listed})
    item = SubjectDataset(find_subjects(cohort, on_problem="record"), transform)[0]
    assert "lge" not in item and "lge not used: p0: lge file p0/LGE.nii.gz" in item["warnings"]
    with pytest.raises(conventions.DataError) as error:
        find_subjects(cohort, require=("cine", "lge"))
    assert "Nearest file: lge.nii.gz" in make.readable(error)


def test_on_error_raise_lets_the_error_through(cohort, transform):
    entries = find_subjects(cohort)
    (cohort / "p1" / "cine.nii.gz").unlink()
    with pytest.raises(conventions.DataError, match="p1/cine.nii.gz: file not found"):
        SubjectDataset(entries, transform, on_error="raise")[1]
    with pytest.raises(conventions.ConfigError, match="expected 'record' or 'raise'"):
        SubjectDataset(entries, transform, on_error="ignore")


def test_unreadable_for_want_of_memory_is_a_failure_item(cohort):
    def greedy(entry):
        raise MemoryError

    item = SubjectDataset(find_subjects(cohort), greedy)[0]
    assert item["failure"] == "MemoryError" and item["failure_fix"]


def test_slices_are_plain_2d_items(cohort, transform):
    dataset = SliceDataset(find_subjects(cohort), transform, DomainRandomisation())
    assert len(dataset) == 18
    batch = next(iter(DataLoader(dataset, batch_size=8)))
    expected = {
        "image": ((8, 4, 64, 64), torch.float32), "lge": ((8, 1, 64, 64), torch.float32),
        "label": ((8, 1, 64, 64), torch.uint8), "available": ((8, 2), torch.float32), "vendor": ((8,), torch.int64),
        "slice": ((8,), torch.int64),
        "known": ((8, 2), torch.bool), "label_groups": ((8, 4), torch.int64),
    }  # fmt: skip
    assert {k: (tuple(v.shape), v.dtype) for k, v in batch.items() if k not in ("subject", "augmentation")} == expected
    assert len(batch["augmentation"]) == 8 and batch["slice"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert all(type(batch[key]) is torch.Tensor for key in expected)
    assert batch["image"].min() >= 0 and batch["image"].max() <= 1 and batch["label"].max() == 3


def test_without_augmentation_slices_are_the_subject_item(cohort, transform):
    entries = find_subjects(cohort)
    item, dataset = transform(entries[1]), SliceDataset(entries, transform)
    torch.testing.assert_close(dataset[4]["image"], item["image"][..., 1], atol=1e-3, rtol=0)
    assert torch.equal(dataset[4]["label"], item["label"][..., 1]) and dataset[4]["subject"] == "p1"


def _epoch(dataset, epoch, workers, **keywords):
    dataset.set_epoch(epoch)
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, **keywords)
    return torch.cat([torch.cat([b["image"], b["lge"], b["label"].float()], dim=1) for b in loader])


def test_random_changes_do_not_depend_on_workers_or_order(cohort, transform):
    dataset = SliceDataset(find_subjects(cohort), transform, DomainRandomisation(), seed=5)
    first = _epoch(dataset, 1, 0)
    assert torch.equal(first, _epoch(dataset, 1, 2))
    backwards = torch.cat([dataset[n]["image"][None] for n in reversed(range(18))]).flip(0)
    assert torch.equal(first[:, :4], backwards)
    assert not torch.equal(first, _epoch(dataset, 2, 0))
    other_seed = SliceDataset(find_subjects(cohort), transform, DomainRandomisation(), seed=6)
    assert not torch.equal(first, _epoch(other_seed, 1, 0))


def test_epoch_reaches_workers_that_stay_alive(cohort, transform):
    dataset = SliceDataset(find_subjects(cohort), transform, DomainRandomisation())
    loader = DataLoader(dataset, batch_size=18, num_workers=1, persistent_workers=True)
    epochs = []
    for epoch in (1, 2):
        dataset.set_epoch(epoch)
        epochs.append(next(iter(loader))["image"])
    assert torch.equal(epochs[0], _epoch(dataset, 1, 0)[:, :4])
    assert torch.equal(epochs[1], _epoch(dataset, 2, 0)[:, :4])


def test_a_slice_s_record_makes_it_again_from_the_slice_as_it_was_read(cohort, transform):
    augmentation = DomainRandomisation(surroundings_prob=1, crop_pixels=48)
    dataset = SliceDataset(find_subjects(cohort), transform, augmentation)
    for index in range(0, 18, 2):
        item = dataset[index]
        changes = DrawnChanges.from_json(item["augmentation"])
        again = augmentation.apply(dataset.plain(index), changes, dataset.donors(index))
        for key in ("image", "lge", "label"):
            assert torch.equal(again[key].to(item[key].dtype), item[key]), key


def test_donors_are_the_slices_of_other_subjects(cohort, transform):
    dataset = SliceDataset(find_subjects(cohort), transform)
    donors = dataset.donors(4)
    assert len(donors) == 15 and torch.equal(donors[3]["lge"], dataset.plain(6)["lge"])
    assert not len(SliceDataset(find_subjects(cohort), transform, cache=False).donors(4))


def test_offering_donors_does_not_walk_the_list_of_subjects(cohort, transform):
    """It happens for every slice that is trained on; a large cohort must not make it slower."""

    class Walked(list):
        read = 0

        def __iter__(self):
            for one in super().__iter__():
                Walked.read += 1
                yield one

    dataset = SliceDataset(find_subjects(cohort), transform)
    dataset.data = Walked(dataset.data)
    assert len(dataset.donors(4)) == 15 and Walked.read == 0


def test_no_entry_of_the_same_subject_lends_to_another_of_it_wherever_it_stands_in_the_list(cohort, transform):
    """As where a subject has an entry for each phase with references."""
    first, second, third = find_subjects(cohort)[:3]
    dataset = SliceDataset([first, second, dict(first), third, dict(first)], transform)
    plain = [dataset.plain(n)["image"] for n in range(15)]
    for index, others in ((0, [3, 4, 5, 9, 10, 11]), (13, [3, 4, 5, 9, 10, 11]), (4, [*range(3), *range(6, 15)])):
        donors = dataset.donors(index)
        assert len(donors) == len(others)
        for donor, n in zip(donors, others, strict=True):
            assert torch.equal(donor["image"], plain[n])


def test_the_right_ventricle_of_the_labels_goes_along_to_the_augmentation_only(cohort, transform, make):
    image = nib.load(cohort / "p0" / "label.nii.gz")
    label = np.asarray(image.dataobj).copy()
    label[40:46, 40:46][label[40:46, 40:46] == 0] = 6
    make.write(cohort / "p0" / "label.nii.gz", label, image.affine)
    dataset = SliceDataset(find_subjects(cohort), transform)
    ventricle = dataset.plain(1)["right_ventricle"]
    assert ventricle.sum() > 0 and not (ventricle.bool() & (dataset.plain(1)["label"] > 0)).any()
    assert not dataset.plain(4)["right_ventricle"].any() and "right_ventricle" not in dataset[1]


def test_at_strength_0_image_lge_and_label_move_together_without_mirroring(cohort, transform):
    dataset = SliceDataset(find_subjects(cohort), transform, DomainRandomisation(strength=0))
    plain = SliceDataset(find_subjects(cohort), transform)
    for index in range(0, 18, 3):
        item, before = dataset[index], plain[index]
        label, lge = item["label"][0], item["lge"][0]
        # blood is brighter than scar, scar than muscle
        blood, muscle, scar = (lge[label == value].mean() for value in (1, 2, 3))
        assert blood > scar + 0.1 and scar > muscle + 0.1
        assert _turning_sense(label) == _turning_sense(before["label"][0]) != 0


def _turning_sense(label):
    """Which way round one walks from the middle of the scar to the end of it that is farther right or down."""
    blood, scar = (torch.nonzero(label == value).float().mean(0) for value in (1, 3))
    pixels = torch.nonzero(label == 3).float() - blood
    axis = scar - blood
    side = axis[0] * pixels[:, 1] - axis[1] * pixels[:, 0]
    skew = (side**3).mean()
    return int(torch.sign(skew)) if skew.abs() > 1 else 0


@pytest.mark.parametrize("key", ["lge", "label"])
def test_slices_without_reference_are_left_out(cohort, transform, make, key):
    function = make.heart if key == "lge" else make.heart_label
    matrix = make.affine((64, 64, 1))
    array = make.sample(function, (64, 64, 1), matrix, (10.0, 20, -30))
    make.write(cohort / "p0" / f"{key}.nii.gz", array, matrix)
    dataset = SliceDataset(find_subjects(cohort)[:1], transform)
    assert len(dataset) == 1 and dataset[0]["available"].tolist() == [1, 1]


def _darken_slice_by_slice(folder, make):
    """Makes the slices of a subject differ; returns its images as they are now."""
    images = {}
    for key in ("cine", "t2_stir", "lge", "label"):
        image = nib.load(folder / f"{key}.nii.gz")
        array = np.asarray(image.dataobj)
        if key != "label":
            array = array * np.linspace(1, 0.5, 3, dtype=np.float32).reshape((1, 1, 3) + (1,) * (array.ndim - 3))
        make.write(folder / f"{key}.nii.gz", array, image.affine)
        images[key] = (array, image.affine)
    return images


def test_only_usable_slices_are_trained_on_and_whole_subjects_keep_all(cohort, transform, make):
    files = [{key: f"p{n}/{key}.nii.gz" for key in ("cine", "t2_stir", "lge", "label")} for n in range(3)]
    listed = [{"subject": f"p{n}"} | its_files for n, its_files in enumerate(files)]
    listed[0]["usable_slices"], listed[1]["usable_slices"] = [2, 0], []
    _darken_slice_by_slice(cohort / "p0", make)
    make.json(cohort / "dataset.json", {"training": listed})
    entries = find_subjects(cohort)
    dataset, whole = SliceDataset(entries, transform), SubjectDataset(entries, transform)
    assert [dataset[n]["subject"] for n in range(len(dataset))] == ["p0", "p0", "p2", "p2", "p2"]
    for n, s in enumerate((0, 2)):
        torch.testing.assert_close(dataset[n]["image"], whole[0]["image"][..., s], atol=1e-3, rtol=0)
    assert [item["image"].shape[-1] for item in whole] == [3, 3, 3]


def test_every_slice_is_trained_on_when_all_are_asked_for(cohort, transform):
    entry = find_subjects(cohort)[0] | {"usable_slices": [1]}
    assert len(SliceDataset([entry], transform)) == 1
    assert len(SliceDataset([entry], transform, slices="all")) == 3
    with pytest.raises(conventions.ConfigError, match="usable"):
        SliceDataset([entry], transform, slices="every")


def test_a_usable_slice_without_reference_is_left_out(cohort, transform, make):
    matrix = make.affine((64, 64, 1))
    make.write(cohort / "p0" / "lge.nii.gz", make.sample(make.heart, (64, 64, 1), matrix, (10.0, 20, -30)), matrix)
    entry = find_subjects(cohort)[0]
    assert len(SliceDataset([entry | {"usable_slices": [0, 1]}], transform)) == 1
    with pytest.raises(conventions.DataError, match="no usable slice"):
        SliceDataset([entry | {"usable_slices": [0]}], transform)


def test_usable_slices_count_along_the_file_whichever_way_the_stack_runs(cohort, transform, make):
    flip = np.diag([1.0, 1, -1, 1])
    flip[2, 3] = 2
    for key, (array, affine) in _darken_slice_by_slice(cohort / "p0", make).items():
        make.write(cohort / "p1" / f"{key}.nii.gz", array[:, :, ::-1], affine @ flip)
    entries = find_subjects(cohort)
    first = SliceDataset([entries[0] | {"usable_slices": [2]}], transform)[0]
    last = SliceDataset([entries[1] | {"usable_slices": [0]}], transform)[0]
    middle = SliceDataset([entries[1] | {"usable_slices": [1]}], transform)[0]
    assert first["lge"].mean() < 0.9 * middle["lge"].mean()
    torch.testing.assert_close(first["lge"], last["lge"], atol=2e-3, rtol=0)


@pytest.mark.parametrize("listed", [[3], [-1], [0.5], [True], "all", {"0": 1}])
def test_usable_slices_that_cannot_be_are_named(cohort, transform, make, listed):
    with pytest.raises(conventions.DataError) as error:
        SliceDataset([find_subjects(cohort)[0] | {"usable_slices": listed}], transform)
    text = make.readable(error)
    assert text.startswith("p0: usable_slices found") and "from 0 to 2" in text


def test_slices_without_t2_count_as_unavailable(cohort, transform, make):
    matrix = make.affine((64, 64, 1))
    make.write(cohort / "p0" / "t2_stir.nii.gz", make.sample(make.heart, (64, 64, 1), matrix, (10.0, 20, -30)), matrix)
    dataset = SliceDataset(find_subjects(cohort)[:1], transform)
    assert [item["available"].tolist() for item in (dataset[n] for n in range(3))] == [[1, 0], [1, 1], [1, 0]]


def test_cache_off_gives_the_same_items(cohort, transform):
    entries = find_subjects(cohort)[:2]
    kept, read = SliceDataset(entries, transform), SliceDataset(entries, transform, cache=False)
    for index in (0, 4, 1):
        assert torch.equal(kept[index]["image"], read[index]["image"])


def test_unusable_training_subjects_are_all_named(cohort, transform, make):
    entries = find_subjects(cohort)
    (cohort / "p1" / "lge.nii.gz").write_bytes(b"")
    del entries[4]["label"]
    with pytest.raises(conventions.DataError) as error:
        SliceDataset(entries, transform)
    text = make.readable(error)
    assert text.startswith("2 subjects cannot be used") and "p1/lge.nii.gz" in text and "p4: label missing" in text


def test_no_subject_at_all_is_an_error(transform, make):
    with pytest.raises(conventions.DataError) as error:
        SliceDataset([], transform)
    assert "found 0 subjects" in make.readable(error)


def test_a_mask_is_not_learnt_from_labels_without_infarct_class_but_an_image_is(cohort, make):
    for folder in cohort.iterdir():
        ours = np.asarray(nib.load(folder / "label.nii.gz").dataobj)
        make.write(folder / "label.nii.gz", np.array([0, 3, 2, 2], np.uint8)[ours], make.affine((64, 64, 3)))
    acdc = SubjectPreprocessing(crop_size=(64, 64), spacing_mm=2.0, label_table="acdc")
    with pytest.raises(conventions.DataError) as error:
        SliceDataset(find_subjects(cohort), acdc)
    assert "no infarct class" in make.readable(error)
    assert len(SliceDataset(find_subjects(cohort), acdc, tasks=["lge"])) == 18


def test_training_stops_at_labels_of_another_data_set_and_inference_does_without_them(cohort, transform, make):
    ours = np.asarray(nib.load(cohort / "p2" / "label.nii.gz").dataobj)
    make.write(cohort / "p2" / "label.nii.gz", np.array([0, 3, 2, 2], np.uint8)[ours], make.affine((64, 64, 3)))
    with pytest.raises(conventions.DataError, match="set label_table to acdc"):
        SliceDataset(find_subjects(cohort), transform)
    item = SubjectDataset(find_subjects(cohort), transform)[2]
    assert "label" not in item and "label not used: p2/label.nii.gz" in item["warnings"]


def test_a_label_beside_the_cine_is_said_in_the_warnings(cohort, transform, make):
    label = np.asarray(nib.load(cohort / "p0" / "label.nii.gz").dataobj)
    make.write(cohort / "p0" / "label.nii.gz", label, make.affine((64, 64, 3), centre=(10.0, 24.0, -30.0)))
    warnings = SubjectDataset(find_subjects(cohort), transform)[0]["warnings"]
    assert "p0/label.nii.gz has the shape of p0/cine.nii.gz" in warnings or "of p0/lge.nii.gz" in warnings
    assert "4.0 mm" in warnings


def without(make, cohort, subject, *, lge=False, table):
    """A subject whose label map has another set's table; its LGE goes."""
    make.json(cohort / subject / "meta.json", {"label_table": table})
    if not lge:
        (cohort / subject / "lge.nii.gz").unlink()


def mark_lesions(make, folder, codes=(4, 5)):
    """A part of the wall of a label map gets each of these codes."""
    label = np.asarray(nib.load(folder / "label.nii.gz").dataobj).copy()
    wall = np.argwhere(label == 2)
    for n, code in enumerate(codes):
        label[tuple(wall[n :: len(codes) + 1].T)] = code
    make.write(folder / "label.nii.gz", label, make.affine((64, 64, 3)))


def test_partial_labels_let_subjects_teach_what_they_say(cohort, make):
    mark_lesions(make, cohort / "p0")
    without(make, cohort, "p1", table={"1": 1, "2": 2, "3": 2})
    without(make, cohort, "p4", lge=True, table={"1": 1, "2": 2, "3": 3, "4": 4})
    six = SubjectPreprocessing(crop_size=(64, 64), spacing_mm=2.0, num_classes=6)
    data = find_subjects(cohort, ("cine", "label"))
    with pytest.raises(conventions.DataError, match="LGE|lge"):
        SliceDataset(data, six, partial_labels=True, tasks=["lge"])
    dataset = SliceDataset(data, six, DomainRandomisation(), partial_labels="true")
    batch = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    said = dict(
        zip(batch["subject"], zip(batch["label_groups"].tolist(), batch["known"].tolist(), strict=True), strict=True)
    )
    assert said["p0"] == ([0, 1, 2, 3, 4, 5], [True, True])
    assert said["p1"] == ([0, 1, 2, 2, 2, 2], [True, False])
    assert said["p4"] == ([0, 1, 2, 3, 4, 2], [True, True])
    missing = torch.tensor([name == "p1" for name in batch["subject"]])
    assert all(one["lge"].any() for n in range(len(dataset)) for one in dataset.donors(n))
    assert set(batch["label"][missing].unique().tolist()) <= {0, 1, 2} and 3 in batch["label"][~missing]


def test_labels_that_lack_a_class_of_the_network_are_not_learnt_as_whole_ones(cohort, make):
    without(make, cohort, "p4", lge=True, table={"1": 1, "2": 2, "3": 3, "4": 4})
    data, options = find_subjects(cohort), {"crop_size": (64, 64), "spacing_mm": 2.0}
    assert len(SliceDataset(data, SubjectPreprocessing(**options))) == 18
    with pytest.raises(conventions.DataError) as error:
        SliceDataset(data, SubjectPreprocessing(**options, num_classes=6))
    text = make.readable(error)
    assert "p4" in text and "oedema" in text and "no_reflow" not in text and "partial_labels" in text


def test_the_augmentation_keeps_no_reflow_and_oedema(cohort, make):
    label = np.asarray(nib.load(cohort / "p0" / "label.nii.gz").dataobj).copy()
    wall = np.argwhere(label == 2)
    label[tuple(wall[: len(wall) // 3].T)] = 5
    label[tuple(wall[len(wall) // 3 : 2 * len(wall) // 3].T)] = 4
    make.write(cohort / "p0" / "label.nii.gz", label, make.affine((64, 64, 3)))
    six = SubjectPreprocessing(crop_size=(64, 64), spacing_mm=2.0, num_classes=6)
    dataset = SliceDataset(find_subjects(cohort)[:1], six, DomainRandomisation(strength=1.0))
    assert {0, 1, 2, 4, 5} <= {int(code) for n in range(3) for code in dataset[n]["label"].unique()}


@pytest.mark.parametrize("table", [{"1": 3}, {"1": 2, "2": 3}, {"1": 1, "2": 6}])
def test_a_label_map_without_blood_or_wall_is_not_learnt_from(cohort, make, table):
    options, entry = {"crop_size": (64, 64), "spacing_mm": 2.0}, find_subjects(cohort)[0]
    item = SubjectPreprocessing(**options)(entry)
    assert bool(item["label_marks_lv"])
    part = lambda given: item | {"label_marks_lv": torch.tensor(marks_lv(table))}  # noqa: E731
    with pytest.raises(conventions.DataError, match="no code for LV blood pool or for LV wall"):
        SliceDataset([entry], part, partial_labels=True)


@pytest.mark.parametrize(
    ("table", "unmarked", "refused"),
    [
        ({"1": 1, "2": 2, "3": 3}, ["no_reflow", "oedema"], False),
        ({"1": 1, "2": 2, "3": 3, "5": 5}, ["no_reflow"], False),
        ({"1": 1, "2": 2, "3": 2}, ["infarct", "no_reflow", "oedema"], True),
    ],
)
def test_a_class_that_no_folder_marks_is_told_and_an_infarct_is_asked_for(
    cohort, make, caplog, table, unmarked, refused
):
    for n in range(6):
        without(make, cohort, f"p{n}", lge=True, table=table)
    if "5" in table:
        mark_lesions(make, cohort / "p0", (5,))
    six = SubjectPreprocessing(crop_size=(64, 64), spacing_mm=2.0, num_classes=6)
    if refused:
        with pytest.raises(conventions.DataError) as error:
            SliceDataset(find_subjects(cohort), six, partial_labels=True)
        assert "no subject marks infarct, so" in make.readable(error)
    else:
        assert SliceDataset(find_subjects(cohort), six, partial_labels=True).unmarked_classes() == unmarked
        assert f"no subject marks {' or '.join(unmarked)}" in caplog.text
    (cohort / "p3" / "meta.json").unlink()
    mark_lesions(make, cohort / "p3")
    dataset = SliceDataset(find_subjects(cohort), six, partial_labels=True)
    assert len(dataset) == 18 and dataset.unmarked_classes() == []


@pytest.mark.parametrize("cache", [True, False])
def test_maps_of_four_classes_in_our_codes_do_not_teach_that_there_is_no_oedema(cohort, make, caplog, cache):
    for n in range(6):
        label = np.asarray(nib.load(cohort / f"p{n}" / "label.nii.gz").dataobj)
        codes = np.array([0, 1, 2, 3, 3, 2, 6], np.uint8)[label]
        make.write(cohort / f"p{n}" / "label.nii.gz", codes, make.affine((64, 64, 3)))
    six = SubjectPreprocessing(crop_size=(64, 64), spacing_mm=2.0, num_classes=6)
    dataset = SliceDataset(find_subjects(cohort), six, partial_labels=True, cache=cache)
    assert dataset[0]["label_groups"].tolist() == [0, 1, 2, 3, 3, 2]
    assert dataset.unmarked_classes() == ["no_reflow", "oedema"] and "no_reflow or oedema" in caplog.text


def ring(opening_degrees, size=48, inner=8, outer=12):
    """A slice of the LV whose wall is missing over some degrees."""
    x, y = np.indices((size, size)) - size / 2
    distance, angle = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
    plane = np.where(distance < inner, 1, np.where((distance < outer) & (angle >= opening_degrees), 2, 0))
    return torch.from_numpy(plane.astype(np.uint8))


def test_a_slice_whose_ring_is_open_is_learnt_as_one_without_lv():
    cap = torch.where(ring(0) == 1, 2, 0).to(torch.uint8)
    label = torch.stack([ring(180), ring(60), ring(20), ring(0), cap], dim=-1)[None]
    kept = [bool((closed_rings(label, 0.9)[..., s] != 0).any()) for s in range(5)]
    assert kept == [False, False, True, True, True]
    half = [bool((closed_rings(label, 0.6)[..., s] != 0).any()) for s in range(5)]
    assert half == [False, True, True, True, True]
    assert torch.equal(closed_rings(label, 0.9)[..., 2:], label[..., 2:])


def test_partial_rings_are_kept_unless_told_otherwise_and_the_label_map_itself_is_not_changed():
    label = ring(180)[None, ..., None]
    before = label.clone()
    assert closed_rings(label, 0.0) is label
    closed_rings(label, 0.9)
    assert torch.equal(label, before)


@pytest.mark.parametrize("fraction", [-0.1, 1.5, "0.9", True, float("nan")])
def test_a_share_of_the_ring_that_is_none_is_refused(cohort, transform, fraction):
    with pytest.raises(conventions.ConfigError, match="ring_fraction"):
        SliceDataset(find_subjects(cohort), transform, ring_fraction=fraction)
