"""CSV files, read back."""

import csv
import io

import pytest
from scripts.reports.tables import as_text, csv_text, write_table

ROWS = [{"subject": "a,b", "x": 1.5}, {"subject": 'c"d', "reason": "two\nlines"}]


def test_a_table_has_the_columns_of_all_rows_and_empty_cells_for_what_is_missing(tmp_path):
    write_table(tmp_path / "t.csv", ROWS)
    with (tmp_path / "t.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["subject", "x", "reason"]
    assert found[0] == {"subject": "a,b", "x": "1.5", "reason": ""}
    assert found[1] == {"subject": 'c"d', "x": "", "reason": "two\nlines"}


def test_given_columns_keep_their_order_also_without_rows():
    assert csv_text([], ["b", "a"]) == "b,a\n"
    assert next(csv.reader(io.StringIO(csv_text(ROWS, ["x", "subject", "reason"])))) == ["x", "subject", "reason"]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(name, tmp_path):
    write_table(tmp_path / "t.csv", [{"subject": name, "x": -1.5}])
    with (tmp_path / "t.csv").open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert found == {"subject": f"'{name}", "x": "-1.5"}


@pytest.mark.parametrize("value", [-1.5, "-1.5", "-3e-05", "-", "p-1", "", "-inf"])
def test_numbers_and_other_texts_stay_as_they_are(value):
    ((_, cell),) = csv.reader(io.StringIO(csv_text([{"a": "p1", "x": value}]).partition("\n")[2]))
    assert cell == str(value)


@pytest.mark.parametrize("text", ["-1.9 (-3.6 to -0.4)", "-0.8 ± 0.8", "-15.1", "+3.4", "-"])
def test_a_number_with_its_interval_is_no_formula(text):
    assert as_text(text) == text


@pytest.mark.parametrize("text", ["-1+1", "-1.9 (=1 to 2)", "-1 (2 to 3)+cmd|' /C calc'!A0", "=1", "-a"])
def test_what_only_begins_like_a_number_gets_its_quote(text):
    assert as_text(text) == f"'{text}"
