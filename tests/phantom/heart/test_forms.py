"""Forms of the heart: sizes of each, which condition has which, mild to severe; what does not exist is refused."""

import numpy as np
import pytest
from scripts.phantom.heart.forms import FORMS, NORMAL, Form, draw_form, draw_sizes
from scripts.phantom.heart.shape import DEPTHS, draw_shape


def shape_of(name, seed, severity=1.0, sex="male"):
    return draw_shape(sex, 1.0, 1.0, np.random.default_rng(seed), Form(name, severity))


def drawn_forms(condition, ejection_fraction=55.0, count=400):
    rng = np.random.default_rng(0)
    return [draw_form(condition, ejection_fraction, rng) for _ in range(count)]


@pytest.mark.parametrize(("name", "cavity_mm", "wall_mm"), [
    ("dilated", (54, 76), (5, 10)), ("hypertrophic_concentric", (35, 48), (12, 20)),
    ("rv_overload", (36, 50), (4.5, 9)), ("normal", (40, 58), (4, 9))])  # fmt: skip
def test_sizes_at_the_base_are_those_of_the_form(name, cavity_mm, wall_mm):
    for seed in range(12):
        shape, basal = shape_of(name, seed), DEPTHS // 6
        assert cavity_mm[0] < 2 * shape.endo_mm[basal].mean() < cavity_mm[1]
        assert wall_mm[0] < (shape.epi_mm - shape.endo_mm)[basal].mean() < wall_mm[1]


def test_asymmetric_wall_is_thickest_in_one_place_and_13_to_25_mm_there():
    for seed in range(12):
        wall = shape_of("hypertrophic_asymmetric", seed).epi_mm - shape_of("hypertrophic_asymmetric", seed).endo_mm
        inner = wall[4 : int(0.85 * DEPTHS)]
        assert 12.0 < inner.max() < 30.0 and inner.max() > 1.35 * np.median(inner)


def test_dilated_heart_is_longer_and_has_more_mass_and_a_smaller_part_of_it_right():
    normal, dilated = ([shape_of(name, seed) for seed in range(10)] for name in ("normal", "dilated"))
    for measure in (lambda s: s.length_mm, lambda s: s.wall_volume.sum(), lambda s: (s.endo_mm**2).sum()):
        assert np.mean([measure(s) for s in dilated]) > 1.05 * np.mean([measure(s) for s in normal])


def test_overload_presses_the_septum_flat_and_thickens_the_right_wall():
    flat, thick = [], []
    for seed in range(10):
        shape = shape_of("rv_overload", seed)
        septal = int(np.rint(np.rad2deg(shape.septum_angle))) % 360
        mid = shape.epi_mm[DEPTHS // 2]
        flat.append(mid[septal] / np.roll(mid, -septal)[[60, 120, 180, 240, 300]].mean())
        thick.append(shape.rv_wall_mm)
    assert np.mean(flat) < 0.88 and min(thick) >= 4.0
    assert shape_of("normal", 1).rv_wall_mm < 4.0


def test_severity_lies_between_normal_and_the_full_form():
    diameters = [np.mean([2 * draw_sizes(Form("dilated", part), "male", 1.0, 1.0, np.random.default_rng(seed)).inner_mm
                          for seed in range(30)]) for part in (0.0, 0.5, 1.0)]  # fmt: skip
    assert diameters[0] < diameters[1] < diameters[2]


def test_condition_fixes_the_form_and_healthy_hearts_are_normal():
    assert set(drawn_forms("healthy")) == {NORMAL}
    assert {form.name for form in drawn_forms("dilated")} == {"dilated"}
    assert {form.name for form in drawn_forms("rv_overload")} == {"rv_overload"}
    assert {form.name for form in drawn_forms("hypertrophic")} == {"hypertrophic_concentric", "hypertrophic_asymmetric"}
    assert all(form.severity == 1.0 for form in drawn_forms("dilated"))


def test_infarct_patients_have_every_form_and_are_mostly_normal():
    names = [form.name for form in drawn_forms("acute_mi")]
    assert set(names) == set(FORMS) and 0.55 < names.count("normal") / len(names) < 0.75
    wide = [[form.name for form in drawn_forms("acute_mi", ef)].count("dilated") for ef in (35.0, 68.0)]
    assert wide[0] > 3 * wide[1]


@pytest.mark.parametrize("form", [Form("athlete"), Form("")])
def test_unknown_form_is_refused(form):
    with pytest.raises(KeyError):
        draw_sizes(form, "male", 1.0, 1.0, np.random.default_rng(0))
