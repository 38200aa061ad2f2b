"""Rows from evaluations of networks trained on the phantom: means over seeds, gains seed by seed, bad folders."""

import json

import pytest
from scripts.conventions import ConfigError, DataError, NotMeasurable
from scripts.phantom.realism.trained_networks import BOTH, CINE, EVALUATIONS, network_targets, read_evaluations


def written(folder, auc, r, dice):
    folder.mkdir()
    content = {"all": {"presence_auc": auc, "infarct_size_r": r, "mean_dice_infarct": dice}}
    (folder / "evaluation.json").write_text(json.dumps(content))
    return str(folder)


@pytest.fixture
def rows(tmp_path):
    cine = [written(tmp_path / f"cine{n}", 0.90, 0.78 + 0.02 * n, 0.50) for n in range(2)]
    both = [written(tmp_path / f"both{n}", 0.93, 0.84, 0.55) for n in range(2)]
    targets = network_targets(read_evaluations({CINE: cine, BOTH: both}))
    return {target.quantity: target for target in targets}


def test_mean_over_seeds_and_each_seed_in_the_detail(rows):
    found = rows["cine alone: infarct size, R"].measure([])
    assert found.value == pytest.approx(0.79) and found.count == 2 and "0.780, 0.800" in found.detail


def test_gain_is_taken_seed_by_seed(rows):
    assert rows["gain by T2-STIR: infarct size, R"].measure([]).value == pytest.approx(0.05)
    assert rows["gain by T2-STIR: infarct Dice, mean"].measure([]).value == pytest.approx(0.05)


def test_without_evaluations_every_row_says_which_key_was_empty():
    for target in network_targets(read_evaluations({})):
        with pytest.raises(NotMeasurable, match="evaluations"):
            target.measure([])


def test_another_number_of_seeds_gives_no_gain(tmp_path):
    numbers = {CINE: [{"infarct_size_r": 0.8}], BOTH: [{"infarct_size_r": 0.8}] * 2}
    gain = next(target for target in network_targets(numbers) if target.quantity == "gain by T2-STIR: infarct size, R")
    with pytest.raises(NotMeasurable, match="as many"):
        gain.measure([])


def test_a_folder_without_evaluation_and_a_text_for_a_list_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"evaluation\.json"):
        read_evaluations({EVALUATIONS[0]: [str(tmp_path)]})
    (tmp_path / "evaluation.json").write_text('{"all": {"presence_auc": "high"}}')
    with pytest.raises(DataError):
        read_evaluations({EVALUATIONS[0]: [str(tmp_path)]})
    with pytest.raises(ConfigError, match="list"):
        read_evaluations({EVALUATIONS[0]: "OUT"})
