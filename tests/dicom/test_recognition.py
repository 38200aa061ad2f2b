"""Roles of series from their tags, where a specific tag contradicts a general one, or a name contradicts a tag."""

import pytest
from helpers.dicom_headers import CINE, LGE, STRIPPED, T2_STIR, group, series
from scripts.dicom.recognition import recognise_groups


def role(folder, base, phases=1, **tags):
    return group(folder, base | tags, phases=phases).role


@pytest.mark.parametrize("echo_train", [1, 5, 15, 25])
def test_gradient_echo_outranks_the_echo_train(tmp_path, echo_train):
    (tmp_path / "lge").mkdir()
    assert role(tmp_path, CINE, 4, EchoTrainLength=echo_train) == "cine"
    assert role(tmp_path / "lge", LGE, EchoTrainLength=echo_train) == "lge"


@pytest.mark.parametrize(
    ("base", "tags", "expected"),
    [
        (LGE, {"ScanningSequence": "IR", "EchoTrainLength": 25}, "lge"),
        (LGE, {"ScanningSequence": "RM", "EchoTrainLength": 25}, "lge"),
        (LGE, {"ScanningSequence": ["EP", "GR"]}, "lge"),
        (T2_STIR, {"ScanningSequence": "IR", "EchoTrainLength": 25}, "t2_stir"),
        (T2_STIR, {"ScanningSequence": "RM", "EchoTrainLength": None}, "t2_stir"),
        (T2_STIR, {"ScanningSequence": ["SE", "GR"], "SeriesDescription": "T2 STIR"}, "t2_stir"),
        (T2_STIR, {"ScanningSequence": ["EP", "SE"]}, None),
    ],
)
def test_the_echo_time_decides_where_no_tag_names_the_echo(tmp_path, base, tags, expected):
    assert role(tmp_path, base, **tags) == expected


@pytest.mark.parametrize("contrast", ["T1", "T2", "T2_STAR"])
@pytest.mark.parametrize(("base", "phases"), [(CINE, 4), (T2_STIR, 1), (LGE, 1)])
def test_a_contrast_of_an_original_image_is_no_map(tmp_path, contrast, base, phases):
    assert role(tmp_path, base, phases, ImageType=["ORIGINAL", "PRIMARY", contrast, "NONE"]) is not None


@pytest.mark.parametrize(
    ("image_type", "description", "reason"),
    [
        (["DERIVED", "PRIMARY", "T1", "NONE"], "", "map"),
        (["DERIVED", "PRIMARY", "T2_STAR", "QUANTITY"], "", "map"),
        (["ORIGINAL", "PRIMARY", "T1 MAP", "ND"], "", "map"),
        (["DERIVED", "PRIMARY", "T1", "NONE"], "PSIR sax", ""),
        (["DERIVED", "PRIMARY", "VOLUME", "NONE"], "", ""),
        (["DERIVED", "SECONDARY", "VOLUME", "NONE"], "", "reformatted"),
        (["ORIGINAL", "PRIMARY", "PERFUSION", "NONE"], "", "perfusion"),
        (["ORIGINAL", "PRIMARY", "FLOW_ENCODED", "NONE"], "", "flow"),
        (["ORIGINAL", "PRIMARY", "TAGGING", "NONE"], "", "tagging"),
    ],
)
def test_a_flavour_of_the_image_type_that_is_not_wanted_is_the_reason(tmp_path, image_type, description, reason):
    found = group(tmp_path, LGE | {"ImageType": image_type, "SeriesDescription": description})
    assert (found.role is None and reason in found.reason) if reason else found.role == "lge"


@pytest.mark.parametrize("name", ["LGE", "PSIR sax", "DE sax", "DHE", "SAX 2D MDE", "realce tardío"])
@pytest.mark.parametrize(
    "tags",
    [{"InversionTime": 900.0}, {"InversionTime": 20.0}, {"InversionTime": None, "ScanningSequence": "GR"}],
)
def test_an_unusual_or_missing_inversion_time_does_not_lose_what_is_named_lge(tmp_path, name, tags):
    found = group(tmp_path, LGE | tags | {"SeriesDescription": name})
    assert found.role == "lge" and found.doubtful


def test_an_unusual_or_missing_inversion_time_is_no_lge_without_a_name(tmp_path):
    assert "LGE has" in group(tmp_path, LGE | {"InversionTime": 900.0, "SeriesDescription": "sax"}).reason
    (tmp_path / "2").mkdir()
    found = group(tmp_path / "2", LGE | {"InversionTime": None, "ScanningSequence": "GR", "SeriesDescription": "sax"})
    assert found.role is None and "image per slice" in found.reason


@pytest.mark.slow
def test_many_images_of_one_slice_with_one_inversion_time_are_no_lge(tmp_path):
    found = group(tmp_path, LGE | {"TriggerTime": 300.0}, phases=40)
    assert found.role is None and "40 images per slice" in found.reason


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("SAX STIR", {"InversionTime": None, "ScanningSequence": "SE"}, "t2_stir"),
        ("SAX STIR", {"InversionTime": 650.0}, "t2_stir"),
        ("SAX NOSTIR", {"InversionTime": 650.0}, None),
        ("T2W_SPAIR_BB", {"InversionTime": None, "ScanningSequence": "SE", "SequenceName": "*tir2d1_25"}, None),
        ("", {"InversionTime": None, "ScanningSequence": "SE", "SequenceName": "*tir2d1_25"}, "t2_stir"),
        ("SAX DIR FSE", {"InversionTime": 0.0}, None),
        ("", {"InversionTime": None, "ImageType": ["ORIGINAL", "PRIMARY", "STIR", "NONE"]}, "t2_stir"),
    ],
)
def test_fat_nulling_is_told_by_time_name_or_flavour(tmp_path, name, tags, expected):
    assert role(tmp_path, T2_STIR, SeriesDescription=name, **tags) == expected


def test_an_inversion_without_time_or_name_says_so(tmp_path):
    reason = group(tmp_path, T2_STIR | {"InversionTime": None}).reason
    assert "with inversion, but neither" in reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phases", "name", "expected"),
    [
        (4, "sBTFE_BH_SA", "cine"),
        (4, "TrueFISP Kurzachse", "cine"),
        (4, "eje corto de base a apex retro", "cine"),
        (4, "cine eje corto de la base", "cine"),
        (1, "TIRM petit axe", "t2_stir"),
        (1, "DE sax", "lge"),
        (1, "FIESTA localizer", None),
        (1, "destiny", None),
        (4, "perfect", None),
        (20, "SSFP sax post perfusion", "cine"),
        (20, "SSFP stress perfusion", None),
    ],
)
def test_names_decide_where_the_tags_are_stripped(tmp_path, phases, name, expected):
    assert role(tmp_path, STRIPPED, phases, SeriesDescription=name, TriggerTime=None) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("SAX", "cine"), ("SA stack", "cine"), ("short axis", "cine"), ("4CH", "cine"), ("x", None)]
)
def test_phases_with_trigger_times_and_a_plane_are_a_cine_where_the_tags_are_stripped(tmp_path, name, expected):
    assert role(tmp_path, STRIPPED, 4, SeriesDescription=name) == expected


def test_a_cine_without_trigger_times_is_known_by_its_name_and_not_without(tmp_path):
    (tmp_path / "2").mkdir()
    assert role(tmp_path, CINE, 12, TriggerTime=None, SeriesDescription="ciné petit axe") == "cine"
    assert role(tmp_path / "2", CINE, 12, TriggerTime=None, SeriesDescription="petit axe") is None


def exam(folder, **tags):
    shared = {"ProtocolName": "x"} | tags
    frames = series(folder, 1, CINE | {"SeriesDescription": "SAX FIESTA"} | shared, 4)
    frames += series(folder, 2, T2_STIR | {"SeriesDescription": "SAX STIR"} | shared)
    frames += series(folder, 3, LGE | {"SeriesDescription": "SAX MDE"} | shared)
    return [one.role for one in recognise_groups(frames)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["CARDIAC STRESS PERFUSION", "MYOCARDITIS T1 MAP STIR LGE", "CARDIAC PC FLOW", "Cardiac MRA + viability"]
)
def test_the_name_of_the_exam_excludes_no_series_and_names_none(tmp_path, name):
    assert exam(tmp_path, ProtocolName=name, StudyDescription=name) == ["cine", "t2_stir", "lge"]
    assert exam(tmp_path, ProtocolName="", SeriesDescription=name) == ["cine", "t2_stir", "lge"]
    assert exam(tmp_path, ProtocolName=name, ImageType=["DERIVED", "SECONDARY"]) == ["cine", "t2_stir", "lge"]


def test_a_protocol_of_one_series_counts_where_it_has_no_description(tmp_path):
    frames = series(tmp_path, 1, CINE | {"ProtocolName": "cine sax"}, 4)
    frames += series(tmp_path, 2, CINE | {"ProtocolName": "perfusion"}, 4)
    assert [one.role for one in recognise_groups(frames)] == ["cine", None]


@pytest.mark.parametrize("tags", [{"SeriesDescription": "FIESTA SAX post perfusion"}, {"ProtocolName": "after flow"}])
def test_a_context_word_does_not_exclude_a_cine(tmp_path, tags):
    assert role(tmp_path, CINE, 4, **tags) == "cine"


@pytest.mark.parametrize("tags", [{"PhaseContrast": "YES"}, {"Tagging": "GRID"}])
def test_attributes_of_an_enhanced_pulse_sequence_tell_another_technique(tmp_path, tags):
    assert role(tmp_path, CINE, 4, SeriesDescription="cine sax", **tags) is None
