"""Words of other data sets for our sequences and structures."""

import pytest
from scripts.datasets.public_sets.names import sequence_named, table_from_names


@pytest.mark.parametrize(
    ("word", "sequence"),
    [("cineMRI", "cine"), ("b-SSFP", "cine"), ("C0", "cine"), ("T2 STIR", "t2_stir"), ("t2w", "t2_stir")]
    + [("Late gadolinium enhancement", "lge"), ("DE", "lge"), ("MRI", ""), ("T1 map", ""), (None, ""), ("", "")],
)
def test_a_sequence_is_told_by_its_name_or_not_at_all(word, sequence):
    assert sequence_named(word) == sequence


@pytest.mark.parametrize(
    ("labels", "table"),
    [
        ({"background": 0, "RV": 1, "MLV": 2, "LVC": 3}, {0: 0, 1: 6, 2: 2, 3: 1}),
        ({"background": 0, "LVBP": 1, "LVM": 2, "RV": 3}, {0: 0, 1: 1, 2: 2, 3: 6}),
        (
            {"background": 0, "cavity": 1, "normal_myocardium": 2, "myocardial_infarction": 3, "no_reflow": 4},
            {0: 0, 1: 1, 2: 2, 3: 3, 4: 4},
        ),
        ({"0": "background", "1": "edema", "2": "Scar"}, {0: 0, 1: 5, 2: 3}),
    ],
)
def test_tables_follow_the_names_of_other_sets_in_both_directions(labels, table):
    assert table_from_names(labels) == table


@pytest.mark.parametrize("labels", [{"background": 0, "heart": 1}, {"LV": [1, 2]}, {"1": "2"}, {}])
def test_a_name_that_says_nothing_gives_no_table(labels):
    assert isinstance(table_from_names(labels), str)
