"""The JSON form: every number has a unit, every missing number a reason."""

import json

import numpy as np
import pytest
from ring_heart import oblique_affine, ring_label
from scripts.clinical.assessment import assess_subject, spread


def assess(label, **more):
    lge = np.random.default_rng(0).uniform(0.1, 1.0, label.shape)
    fields = {"affine": oblique_affine(), "sequences_used": ("cine", "t2_stir"), **more}
    return assess_subject(label=label, virtual_lge=lge, **fields)


def measurements(result):
    yield result["infarct_percent_lv"]
    for numbers in result["structures"].values():
        yield from numbers.values()


def test_every_number_of_a_good_heart_has_a_value_and_a_unit():
    result = assess(ring_label())
    assert all(set(m) == {"value", "unit"} for m in measurements(result))
    assert result["infarct_percent_lv"]["value"] == pytest.approx(16.67, rel=0.01)
    assert result["structures"]["infarct"]["mass"]["unit"] == "g"
    assert result["slices"] == {"total": 4, "with_myocardium": 3, "with_infarct": 3}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_empty_label_gives_reasons_and_no_zero():
    result = assess(np.zeros((16, 16, 3), np.uint8))
    assert all(set(m) == {"not_measurable"} for m in measurements(result))
    assert result["review_needed"] is True


def test_a_reference_label_gives_its_infarct_size_beside_ours():
    result = assess(ring_label(infarct=False), reference_label=ring_label())
    assert result["infarct_percent_lv"]["value"] == 0.0
    assert result["reference_infarct_percent_lv"]["value"] == pytest.approx(16.67, rel=0.01)


def test_spread_of_samples_counts_those_without_a_wall_apart():
    found = spread(np.array([10.0, 14.0, np.nan]))
    assert (found["mean"], found["samples"], found["samples_measured"]) == (12.0, 3, 2)
    assert found["sd"] == pytest.approx(np.sqrt(8), abs=1e-3)


def test_spread_of_one_sample_is_not_measurable():
    assert "needs 2" in spread(np.array([10.0]))["not_measurable"]


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="colour"):
        assess(ring_label(), colour=1)
