"""Parameters: what is refused, with the allowed range in the message; what difficulty means; what is recorded."""

import json

import pytest
from scripts.conventions import ConfigError
from scripts.phantom.parameters import DIFFICULTIES, PhantomParameters


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("ejection_fraction_percent", 91.0, "numbers from 10 to 80"),
        ("ejection_fraction_percent", float("nan"), "numbers from 10 to 80"),
        ("infarct_percent_lv", 60.5, "numbers from 0.5 to 60"),
        ("infarct_percent_lv", 0.0, "numbers from 0.5 to 60"),
        ("infarct_percent_lv", "20", "numbers from 0.5 to 60"),
        ("slice_gap_mm", -0.1, "numbers from 0 to 4"),
        ("slice_gap_mm", True, "numbers from 0 to 4"),
        ("phases", 0, "whole numbers from 1 to 60"),
        ("phases", 61, "whole numbers from 1 to 60"),
        ("phases", 25.0, "whole numbers from 1 to 60"),
        ("phases", True, "whole numbers from 1 to 60"),
        ("slices", 2, "whole numbers from 3 to 16"),
        ("condition", "infarction", "acute_mi, healthy, stunning, old_scar, takotsubo"),
        ("territory", "lad", "LAD, RCA, LCX"),
        ("vendor", "unknown", "siemens, philips, ge, uih"),
        ("field_strength_t", 7.0, "1.5, 3.0"),
        ("sex", "f", "female, male"),
        ("stored_phases", "es", "all, key"),
        ("labelled_phases", "all", "lge, key"),
        ("timing", "sent", "complete, as_sent"),
        ("site", "inside", "any, internal, external"),
        ("difficulty", "harder", "clean, easy, realistic, hard or a number from 0 to 2"),
        ("difficulty", 2.1, "a number from 0 to 2"),
        ("difficulty", True, "a number from 0 to 2"),
    ],
)
def test_impossible_value_is_refused_with_the_allowed_ones(key, value, allowed):
    with pytest.raises(ConfigError) as refused:
        PhantomParameters(**{key: value})
    message = str(refused.value)
    assert message.startswith(f"{key}: found {value!r}") and allowed in message
    assert "Fix: " in message and f"--{key}" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [("ejection_fraction_percent", 10.0), ("ejection_fraction_percent", 80), ("infarct_percent_lv", 60.0),
     ("infarct_percent_lv", 0.5), ("slice_gap_mm", 0.0), ("slice_gap_mm", 4), ("phases", 1), ("slices", 16),
     ("difficulty", 0.0), ("difficulty", 2)],
)  # fmt: skip
def test_ends_of_the_allowed_range_are_taken(key, value):
    assert getattr(PhantomParameters(**{key: value}), key) == value


@pytest.mark.parametrize("condition", ["healthy", "stunning", "takotsubo"])
@pytest.mark.parametrize(("key", "value"), [("infarct_percent_lv", 20.0), ("territory", "LAD")])
def test_infarct_of_a_heart_without_infarct_is_refused(condition, key, value):
    with pytest.raises(ConfigError, match=rf"{key}: found .* with condition '{condition}'"):
        PhantomParameters(condition=condition, **{key: value})


@pytest.mark.parametrize(
    ("parameters", "found", "allowed"),
    [
        ({"territory": "LCX", "infarct_percent_lv": 60.0}, "infarct_percent_lv: found 60.0 with territory 'LCX'",
         "numbers from 0.5 to 38"),
        ({"territory": "LAD", "infarct_percent_lv": 55.0}, "infarct_percent_lv: found 55.0 with territory 'LAD'",
         "numbers from 0.5 to 51"),
        ({"condition": "healthy", "ejection_fraction_percent": 20.0},
         "ejection_fraction_percent: found 20.0 with condition 'healthy'", "numbers from 40 to 80"),
        ({"condition": "takotsubo", "ejection_fraction_percent": 70.0},
         "ejection_fraction_percent: found 70.0 with condition 'takotsubo'", "numbers from 10 to 50"),
        ({"infarct_percent_lv": 40.5, "ejection_fraction_percent": 75.0},
         "ejection_fraction_percent: found 75.0 with infarct_percent_lv 40.5", "numbers from 10 to 60"),
    ],
)  # fmt: skip
def test_lesion_and_ejection_fraction_that_exclude_each_other_are_refused(parameters, found, allowed):
    with pytest.raises(ConfigError) as refused:
        PhantomParameters(**parameters)
    message = str(refused.value)
    assert message.startswith(found) and allowed in message and "Fix: --" in message


@pytest.mark.parametrize("parameters", [
    {"territory": "LCX", "infarct_percent_lv": 38.0, "ejection_fraction_percent": 61.0},
    {"condition": "old_scar", "infarct_percent_lv": 60.0, "ejection_fraction_percent": 50.0},
    {"condition": "takotsubo", "ejection_fraction_percent": 50.0},
    {"condition": "dilated", "ejection_fraction_percent": 10.0},
])  # fmt: skip
def test_ends_of_what_goes_together_are_taken(parameters):
    assert PhantomParameters(**parameters).recorded().items() >= parameters.items()


@pytest.mark.parametrize(
    ("parameters", "allowed"),
    [
        ({"timing": "as_sent", "stored_phases": "key"}, "allowed is all"),
        ({"timing": "as_sent", "labelled_phases": "key"}, "allowed is lge"),
        ({"phases": 7, "labelled_phases": "key"}, "allowed are 8 to 60 phases"),
    ],
)
def test_phases_that_exclude_each_other_are_refused_with_what_is_allowed(parameters, allowed):
    with pytest.raises(ConfigError, match=f"_phases: found 'key' with .*{allowed}.*Fix: "):
        PhantomParameters(**parameters)


def test_unknown_key_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"found \['infarct', 'patients'\], allowed are .*'infarct_percent_lv'"):
        PhantomParameters.from_mapping({"patients": 4, "infarct": 3.0, "phases": 4})
    assert PhantomParameters.from_mapping({"phases": 4}) == PhantomParameters(phases=4)


def test_difficulty_rises_from_clean_to_hard():
    levels = [PhantomParameters(difficulty=name).level for name in DIFFICULTIES]
    assert list(DIFFICULTIES) == ["clean", "easy", "realistic", "hard"]
    assert levels[0] == 0.0 and levels[2] == 1.0 and levels == sorted(set(levels))
    assert PhantomParameters(difficulty=0.7).level == 0.7


def test_record_names_the_generator_and_what_was_given_and_survives_json():
    record = json.loads(json.dumps(PhantomParameters(phases=9, vendor="ge").recorded()))
    assert record["phases"] == 9 and record["vendor"] == "ge" and record["difficulty"] == "realistic"
    assert isinstance(record["generator"], int) and "territory" not in record
