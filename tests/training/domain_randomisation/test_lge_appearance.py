"""The look of an LGE changes, its infarct stays readable, and only where a network reads the LGE."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_heart import BLOOD, INFARCT, WALL, heart_item
from scripts.conventions import ConfigError
from scripts.training.domain_randomisation.heart_slice import from_item
from scripts.training.domain_randomisation.lge_appearance import LgeAppearance
from scripts.training.domain_randomisation.randomisation import DomainRandomisation, DrawnChanges
from scripts.training.domain_randomisation.recipe import MILD, Recipe

STILL = LgeAppearance(
    blood=0.0,
    wall=0.0,
    least_contrast=0.0,
    infarct_contrast=1.0,
    outside=1.0,
    texture_sd=0.0,
    texture_weights=(0.5, 0.5, 0.5, 0.5),
    texture_seed=1,
    bias=0.0,
    bias_seed=2,
    blur_pixels=0.0,
    half_resolution=0.0,
    noise_sd=0.0,
    noise_seed=3,
    gamma=1.0,
)


def medians(slice_):
    label = slice_.anatomy.label
    return {name: float(np.median(slice_.lge[label == code])) for name, code in
            {"blood": BLOOD, "wall": WALL, "infarct": INFARCT}.items()}  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("recipe", [Recipe(), MILD])
def test_cine_t2_stir_and_labels_stay_and_the_infarct_stays_the_brightest_of_the_wall(recipe, seed):
    before = from_item(heart_item())
    after = LgeAppearance.draw(np.random.default_rng(seed), recipe).apply(before)
    assert after.anatomy is before.anatomy
    assert np.array_equal(after.cine, before.cine) and np.array_equal(after.t2, before.t2)
    assert after.lge.dtype == np.float32 and 0 <= after.lge.min() <= after.lge.max() <= 1
    assert not np.array_equal(after.lge, before.lge)
    found = medians(after)
    assert found["infarct"] > found["wall"] + 0.15 and found["blood"] > found["wall"]


def test_the_mild_recipe_leaves_the_tissues_where_they_are():
    before = from_item(heart_item())
    for seed in range(10):
        drawn = LgeAppearance.draw(np.random.default_rng(seed), MILD)
        after = replace(drawn, gamma=1.0).apply(before)
        assert all(abs(value - medians(before)[name]) < 0.12 for name, value in medians(after).items())


def test_each_tissue_by_itself():
    before = from_item(heart_item())
    still = medians(STILL.apply(before))
    darker = medians(replace(STILL, blood=-0.2).apply(before))
    assert darker["blood"] < still["blood"] - 0.1 and darker["wall"] == pytest.approx(still["wall"], abs=0.03)
    paler = medians(replace(STILL, infarct_contrast=0.5, outside=2.0).apply(before))
    assert paler["infarct"] < still["infarct"] - 0.2
    lifted = medians(replace(STILL, wall=0.15, outside=2.0).apply(before))
    assert lifted["wall"] > medians(replace(STILL, outside=2.0).apply(before))["wall"] + 0.1


def test_blood_is_not_darkened_below_the_wall():
    found = medians(replace(STILL, blood=-0.9, least_contrast=0.1).apply(from_item(heart_item())))
    assert found["blood"] > found["wall"] + 0.05


def test_noise_is_rougher_and_blur_smoother():
    before = from_item(heart_item())

    def roughness(**change):
        return np.abs(np.diff(replace(STILL, **change).apply(before).lge, axis=0)).mean()

    assert roughness(blur_pixels=1.0) < roughness() < roughness(noise_sd=0.05)
    assert roughness(half_resolution=1.0) < roughness()
    assert roughness(texture_sd=0.05) > roughness()


def test_a_slice_without_heart_and_a_black_lge_are_no_obstacle():
    for seed in range(5):
        drawn = LgeAppearance.draw(np.random.default_rng(seed), Recipe())
        assert np.isfinite(drawn.apply(from_item(heart_item(heart=False))).lge).all()
        black = heart_item() | {"lge": np.zeros((1, 80, 80), np.float32)}
        assert np.isfinite(drawn.apply(from_item(black)).lge).all()


def test_it_is_drawn_only_when_asked_for_and_changes_nothing_else_that_is_drawn():
    with_it, without = DomainRandomisation(lge_appearance=True), DomainRandomisation()
    for seed in range(5):
        drawn = with_it.draw(np.random.default_rng(seed))
        plain = without.draw(np.random.default_rng(seed))
        assert plain.lge_appearance is None and drawn.lge_appearance is not None
        assert replace(drawn, lge_appearance=None) == plain
        assert DrawnChanges.from_json(drawn.to_json()) == drawn
    with pytest.raises(ConfigError, match="lge_appearance"):
        DomainRandomisation(lge_appearance="sometimes")
