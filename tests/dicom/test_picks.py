"""Series picked for many studies from a table: the right study gets them, and each wrong line is named."""

import pytest
from helpers.dicom_phantom import DESCRIPTIONS, SLICES, series_of
from helpers.dicom_study import copy_series, read, write_study
from scripts.conventions import ConfigError
from scripts.dicom.picks import read_picks
from scripts.dicom.study import Study, StudyReader, UnreadableStudy


@pytest.fixture
def two_studies(tmp_path):
    """Both with a cine taken twice, series 4 and 104."""

    def brighter(image):
        image.PixelData = (image.pixel_array + 1).astype("<u2").tobytes()

    for name in ("first", "second"):
        copy_series(write_study(tmp_path / "in" / name, "ge", site=name), "cine", brighter, "ge")
    return tmp_path / "in"


def table(tmp_path, *lines, heading="study,role,series"):
    path = tmp_path / "picks.csv"
    path.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return str(path)


def studies(folder, tmp_path, picks=None):
    return list(StudyReader(folder, key_file=tmp_path / "site.key", picks=picks).studies())


def cine_numbers(study):
    rows = [row for row in study.report["not_used"] if row["tried"] == "cine" and row["slices"] == SLICES]
    return sorted(row["series_number"] for row in rows)


@pytest.mark.slow
def test_each_study_gets_its_picks_by_name_hash_or_folder(two_studies, tmp_path):
    refused = studies(two_studies, tmp_path)
    assert all(isinstance(one, UnreadableStudy) for one in refused)
    for one, other in (refused, refused[::-1]):
        later, earlier = cine_numbers(one)[-1], cine_numbers(other)[0]
        picks = table(tmp_path, f"{one.name},cine,{later}", f"{other.report['study']},CINE,{earlier}", "")
        found = {study.name: study for study in studies(two_studies, tmp_path, picks)}
        assert found[one.name].report["used"]["cine"]["series_numbers"] == [later]
        assert found[other.name].report["used"]["cine"]["series_numbers"] == [earlier]
        assert found[one.name].picked == {"cine": str(later), "t2_stir": None, "lge": None}
    picks = table(tmp_path, "second;cine;104", "first/;cine;4", heading="\ufeffStudy;Role;Series")
    assert all(isinstance(study, Study) for study in studies(two_studies, tmp_path, picks))


@pytest.mark.slow
def test_a_study_without_a_line_is_read_by_the_rules(two_studies, tmp_path):
    found = studies(two_studies, tmp_path, table(tmp_path, "first,cine,104"))
    assert sorted(type(one).__name__ for one in found) == ["Study", "UnreadableStudy"]


@pytest.mark.slow
def test_a_series_that_a_study_lacks_costs_that_study_and_names_the_line(two_studies, tmp_path):
    found = studies(two_studies, tmp_path, table(tmp_path, "first,cine,104", "second,cine,77"))
    (refused,) = (one for one in found if isinstance(one, UnreadableStudy))
    assert "picks, line 3: cine_series: found '77'" in str(refused.error)
    assert len(found) == 2 and refused.report["not_used"]


@pytest.mark.parametrize(
    ("line", "series"),
    [('a,cine,"5,6,7"', "5,6,7"), ("a,cine,5,6,7", "5,6,7"), ("a,cine,5 6 7", "5,6,7"), ("a, lge ,1.2.3", "1.2.3")],
)
def test_several_series_stand_in_one_cell_however_they_are_written(tmp_path, line, series):
    (pick,) = read_picks(table(tmp_path, line)).picks
    assert (pick.study, pick.series, pick.line) == ("a", series, 2)


@pytest.mark.parametrize(
    ("lines", "heading", "message"),
    [
        (["a,cine,5"], "study,role,number", "found the columns study, role, number, expected .*series missing"),
        (["a,t1,5"], "study,role,series", "line 2: found study 'a', role 't1'.*cine, t2_stir, lge"),
        (["a,cine,"], "study,role,series", "line 2: .*series ''"),
        ([",cine,5"], "study,role,series", "line 2: found study ''"),
        (["a,lge,7", "a,cine,SAX stack"], "study,role,series", "line 3: .*series 'SAX stack'.*Fix: "),
        (['a,cine,"5,6', "b,cine,7"], "study,role,series", "line 3: found study 'a'.*Fix: "),
        ([f"a,cine,{'5,' * 70000}", f'a,cine,"{"5," * 70000}"'], "study,role,series", "no CSV.*Fix: "),
    ],
)
def test_a_line_that_says_nothing_stops_before_any_file_is_read(tmp_path, lines, heading, message):
    with pytest.raises(ConfigError, match=f"picks.*{message}"):
        StudyReader(tmp_path / "nowhere", picks=table(tmp_path, *lines, heading=heading))


def test_a_table_that_cannot_be_read_names_the_file_and_its_columns(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read \(No such file.*study, role, series"):
        read_picks(str(tmp_path / "none.csv"))
    (tmp_path / "latin.csv").write_bytes(b"study,role,series\nM\xfcller,cine,5\n")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        read_picks(str(tmp_path / "latin.csv"))


@pytest.mark.slow
def test_a_line_that_names_no_study_or_several_or_one_twice_stops(two_studies, tmp_path):
    with pytest.raises(ConfigError, match=r"line 2: 'third' names 0 studies.*Fix: .*study_"):
        studies(two_studies, tmp_path, table(tmp_path, "third,cine,4"))
    with pytest.raises(ConfigError, match="'phantom_0012' names 2 studies"):
        studies(two_studies, tmp_path, table(tmp_path, "phantom_0012,cine,4"))
    with pytest.raises(ConfigError, match="line 3: picks the cine of a study that line 2 picks"):
        studies(two_studies, tmp_path, table(tmp_path, "first,cine,4", "first,cine,104"))


def test_a_table_and_a_flag_together_are_refused(two_studies, tmp_path):
    with pytest.raises(ConfigError, match="found together with --lge_series"):
        StudyReader(two_studies, {"lge": "7"}, picks=table(tmp_path, "first,cine,4"))


def test_a_uid_of_a_table_is_recorded_as_its_hash(tmp_path):
    folder = write_study(tmp_path / "in", "ge")
    uid = series_of(folder, DESCRIPTIONS["ge"][0])[0].SeriesInstanceUID
    study = read(folder, picks=table(tmp_path, f"phantom_0012,cine,{uid}"))
    assert study.report["used"]["cine"]["why"] == "chosen on the command line"
    assert [study.picked["cine"]] == study.report["used"]["cine"]["series"] != [uid]


def test_a_uid_that_a_study_lacks_is_in_no_report(two_studies, tmp_path):
    uid = "1.2.840.99999.20261130.123"
    found = studies(two_studies, tmp_path, table(tmp_path, f"first,cine,{uid}"))
    texts = [f"{one.error} {one.report}" for one in found]
    assert any("picks, line 2: cine_series" in text for text in texts) and not any(uid in text for text in texts)
