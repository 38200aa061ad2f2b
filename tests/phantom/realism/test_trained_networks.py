"""Rows from evaluations of networks trained on the phantom: means over seeds, gains seed by seed, bad folders."""

import json

import numpy as np
import pytest
from scripts.conventions import ConfigError, DataError, NotMeasurable
from scripts.evaluation.subject_rows import summarise
from scripts.phantom.realism.trained_networks import BOTH, CINE, EVALUATIONS, STIR, network_targets, read_evaluations


def written(folder, auc, r, dice, dice_of_infarcts=None):
    """evaluation.json with numbers as evaluate.json writes them; None: not measurable."""
    folder.mkdir()
    numbers = {
        "presence_auc": auc,
        "infarct_size_r": r,
        "mean_dice_infarct": dice,
        "mean_dice_infarct_where_there_is_one": dice_of_infarcts,
    }
    entries = {
        name: {"not_measurable": "too few"} if value is None else {"value": value, "subjects": 82, "low": 0, "high": 1}
        for name, value in numbers.items()
    }
    (folder / "evaluation.json").write_text(json.dumps({"all": entries}))
    return str(folder)


@pytest.fixture
def rows(tmp_path):
    cine = [written(tmp_path / f"cine{n}", 0.90, 0.78 + 0.02 * n, 0.50, 0.60) for n in range(2)]
    both = [written(tmp_path / f"both{n}", 0.93, 0.84, 0.55, 0.68) for n in range(2)]
    targets = network_targets(read_evaluations({CINE: cine, BOTH: both}))
    return {target.quantity: target for target in targets}


def test_mean_over_seeds_and_each_seed_in_the_detail(rows):
    found = rows["cine alone: infarct size, R"].measure([])
    assert found.value == pytest.approx(0.79) and found.count == 2 and "0.780, 0.800" in found.detail


def test_gain_is_taken_seed_by_seed(rows):
    assert rows["gain by T2-STIR: infarct size, R"].measure([]).value == pytest.approx(0.05)
    assert rows["gain by T2-STIR: infarct Dice, mean"].measure([]).value == pytest.approx(0.05)
    assert rows["gain by T2-STIR: infarct Dice of hearts with one, mean"].measure([]).value == pytest.approx(0.08)


def test_a_lesion_that_is_invented_does_not_count_in_the_dice_of_hearts_with_one(tmp_path):
    stir = [written(tmp_path / "stir", 0.9, 0.7, 0.3, 0.6)]
    rows = {target.quantity: target for target in network_targets(read_evaluations({STIR: stir}))}
    lesion = rows["T2-STIR alone: Dice of hearts with infarct or oedema, mean"]
    assert lesion.measure([]).value == pytest.approx(0.6)


def test_without_evaluations_every_row_says_which_key_was_empty():
    for target in network_targets(read_evaluations({})):
        with pytest.raises(NotMeasurable, match="evaluations"):
            target.measure([])


def test_another_number_of_seeds_gives_no_gain(tmp_path):
    numbers = {CINE: [{"infarct_size_r": 0.8}], BOTH: [{"infarct_size_r": 0.8}] * 2}
    with pytest.raises(NotMeasurable, match="as many"):
        gain_of(numbers).measure([])


def test_seeds_that_miss_the_number_in_another_place_are_not_paired(tmp_path):
    cine = [written(tmp_path / f"cine{n}", 0.9, r, 0.5) for n, r in enumerate((0.7, None))]
    both = [written(tmp_path / f"both{n}", 0.9, r, 0.5) for n, r in enumerate((None, 0.9))]
    with pytest.raises(NotMeasurable, match="all of them"):
        gain_of(read_evaluations({CINE: cine, BOTH: both})).measure([])


def gain_of(numbers):
    return next(target for target in network_targets(numbers) if target.quantity == "gain by T2-STIR: infarct size, R")


def test_what_evaluate_writes_is_read(tmp_path):
    sizes = np.linspace(0.0, 30.0, 8)
    rows = [
        {"dice_infarct": 0.5, "infarct_percent_lv": s + n % 3, "infarct_score": s, "reference_infarct_percent_lv": s}
        for n, s in enumerate(sizes)
    ]
    (tmp_path / "evaluation.json").write_text(json.dumps(summarise(rows)))
    found = read_evaluations({CINE: [str(tmp_path)]})[CINE][0]
    assert found["presence_auc"] == 1.0 and found["mean_dice_infarct"] == 0.5 and 0.9 < found["infarct_size_r"] < 1


def test_a_folder_without_evaluation_and_a_text_for_a_list_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"evaluation\.json"):
        read_evaluations({EVALUATIONS[0]: [str(tmp_path)]})
    for number in (0.9, "NaN", '{"value": "high"}', '{"value": NaN}'):
        numbers = ", ".join(f'"{name}": {number}' for name in ("presence_auc", "infarct_size_r", "mean_dice_infarct"))
        (tmp_path / "evaluation.json").write_text(f'{{"all": {{{numbers}}}}}')
        with pytest.raises(DataError):
            read_evaluations({EVALUATIONS[0]: [str(tmp_path)]})
    with pytest.raises(ConfigError, match="list"):
        read_evaluations({EVALUATIONS[0]: "OUT"})


def test_a_folder_given_twice_is_no_second_seed(tmp_path):
    one = written(tmp_path / "one", 0.9, 0.8, 0.5)
    with pytest.raises(ConfigError, match="once"):
        read_evaluations({CINE: [one, f"{one}/"]})


def test_a_transfer_evaluation_is_no_evaluation_of_infarcts(tmp_path):
    (tmp_path / "evaluation.json").write_text('{"all": {"subjects": 3, "mean_dice_lv_blood_pool": {"value": 0.9}}}')
    with pytest.raises(DataError, match="no evaluation"):
        read_evaluations({CINE: [str(tmp_path)]})
