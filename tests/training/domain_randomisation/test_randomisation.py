"""One slice's changes: deterministic by seed, recorded, replayed, refused where a setting is impossible."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.drawn_heart import INFARCT, WALL, heart_item
from scripts.conventions import ConfigError
from scripts.training.domain_randomisation.randomisation import RECORD, DomainRandomisation, DrawnChanges

CONFIGS = Path(__file__).resolve().parents[3] / "bundle" / "configs"
DONORS = (heart_item(shift=6.0), heart_item(shift=-9.0, motion=False))
TENSORS = ("image", "lge", "label", "right_ventricle")


def made(seed, item=None, **settings):
    return DomainRandomisation(**settings)(item or heart_item(), np.random.default_rng(seed), DONORS)


def equal(a, b):
    return all(torch.equal(a[key], b[key]) for key in TENSORS)


def test_the_seed_decides():
    first = made(1)
    assert equal(first, made(1)) and first[RECORD] == made(1)[RECORD]
    assert not equal(first, made(2))


@pytest.mark.parametrize("seed", range(25))
def test_a_record_replayed_on_the_same_item_gives_the_same_tensors(seed):
    whole, augmentation = made(seed, crop_pixels=64), DomainRandomisation(crop_pixels=64)
    changes = DrawnChanges.from_json(whole[RECORD])
    assert changes.to_json() == whole[RECORD]
    assert equal(whole, augmentation.apply(heart_item(), changes, DONORS))
    assert DrawnChanges.from_json(json.loads(whole[RECORD])) == changes


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_drawn_the_item_stays_usable_and_the_infarct_readable(seed):
    item = made(seed)
    assert item["image"].shape == (4, 80, 80) and item["image"].dtype == item["lge"].dtype == torch.float32
    assert item["image"].isfinite().all() and item["image"].min() >= 0 and item["image"].max() <= 1
    assert set(item["label"].unique().tolist()) <= {0, 1, 2, 3}
    infarct, wall = (item["lge"][item["label"] == value] for value in (INFARCT, WALL))
    assert infarct.median() > wall.median() + 0.7
    image = item["image"][:, item["label"][0] == INFARCT], item["image"][:, item["label"][0] == WALL]
    assert image[0][1].median() > 1.1 * image[1][1].median()


@pytest.mark.parametrize("seed", range(10))
def test_what_is_not_available_stays_exactly_0_and_a_slice_without_heart_works(seed):
    item = made(seed, heart_item(motion=False, t2=False))
    assert not item["image"][1:].any() and item["image"][0].any()
    assert not made(seed, heart_item(heart=False))["label"].any()


def test_the_item_that_came_in_is_not_changed():
    item, copy = heart_item(), heart_item()
    made(3, item)
    assert equal(item, copy)


def test_strength_is_the_share_of_slices_that_are_changed_widely():
    def wide(strength):
        augmentation = DomainRandomisation(strength=strength)
        drawn = [augmentation.draw(np.random.default_rng(seed)) for seed in range(200)]
        return np.mean([changes.tissue_curve is not None for changes in drawn])

    assert wide(0) == 0 and wide(1) == 1 and 0.35 < wide(0.5) < 0.65


def test_at_strength_0_slices_are_nearly_what_they_were():
    for seed in range(20):
        changes = DomainRandomisation(strength=0).draw(np.random.default_rng(seed))
        done = json.loads(changes.to_json())
        assert set(done) <= {"geometry", "acquisition", "t2_acquisition"}
        assert not changes.geometry.mirrored and 0.9 <= changes.geometry.magnification <= 1.1


def test_settings_reach_what_is_drawn():
    augmentation = DomainRandomisation(
        mirror_prob=0, magnification=[1, 1], rotation="quarter_turns", surroundings_prob=0
    )
    for seed in range(30):
        changes = augmentation.draw(np.random.default_rng(seed))
        geometry = changes.geometry
        assert changes.surroundings is None and not geometry.mirrored and geometry.magnification == 1
        assert min(geometry.rotation_deg % 90, 90 - geometry.rotation_deg % 90) <= 15
    assert made(1, crop_pixels=48)["lge"].shape == (1, 48, 48)


def test_without_donors_surroundings_are_level_sets():
    augmentation = DomainRandomisation(surroundings_prob=1)
    for seed in range(6):
        changes = augmentation.draw(np.random.default_rng(seed))
        assert augmentation.apply(heart_item(), changes)["image"].isfinite().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 1.5}, "augmentation strength: found 1.5, expected a number from 0 to 1"),
        ({"strength": "much"}, "expected a number from 0 to 1"),
        ({"mirror_prob": -0.1}, "augmentation mirror_prob: found -0.1"),
        ({"surroundings_prob": True}, "augmentation surroundings_prob: found True"),
        ({"rotation": "none"}, "augmentation rotation: found 'none', expected one of any, quarter_turns"),
        ({"magnification": [1.5, 0.7]}, r"found \[1.5, 0.7\], expected two numbers from 0.25 to 4"),
        ({"magnification": 1.2}, "found 1.2, expected two numbers"),
        ({"magnification": [0.7, "x"]}, "expected two numbers"),
        ({"crop_pixels": 8}, "crop_pixels: found 8, expected null or a whole number of at least 16"),
        ({"crop_pixels": 96.5}, "crop_pixels: found 96.5"),
    ],
)
def test_impossible_settings_are_refused_with_the_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        DomainRandomisation(**settings)


@pytest.mark.parametrize(
    "text", ["", "[]", {}, {"geometry": 3}, '{"geometry": {"angle": 3}}', '{"halo": {}}', '{"tissue_curve": null}']
)
def test_a_text_that_is_no_record_is_refused(text):
    with pytest.raises(ConfigError, match="record of drawn changes"):
        DrawnChanges.from_json(text)


def test_only_training_slices_are_changed():
    """Neither the validation of training nor any job after it names the randomisation."""
    used = {path.name for path in CONFIGS.rglob("*.json") if "domain_randomisation" in path.read_text()}
    assert used == {"train.json"}
    train = json.loads((CONFIGS / "train.json").read_text())
    for section in ("validate", "preprocessing"):
        assert "augmentation" not in json.dumps(train[section])
    assert train["train"]["augmentation"]["strength"] > 0
