"""CSV files, read back."""

import csv
import io

from scripts.reports.tables import csv_text, write_table

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
