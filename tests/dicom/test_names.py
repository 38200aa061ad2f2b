"""Names of series, as hospitals and vendors write them, in the languages they write in."""

import time

import pytest
from scripts.dicom.names import SeriesNames, exam_names
from scripts.dicom.words import CINE, LGE, LONG_AXIS, OTHER_PART, ROLES, SHORT_AXIS, STACK, T2_STIR


def words(text):
    return text.split("|")


SHORT = words(
    "SAX|cine_tf2d_retro_sax|sBTFE_BH_SA|SAX FIESTA CINE|CINE_segmented_SAX_b10|Short_Ax_Mid|short axis|ShortAxis|"
    "cineSAX|SAXCINE|RVSAX_FIESTA_BH|SA5|sax_2|Kurzachse|kurze Achse|Cine KA|ciné petit axe|axe court|eje corto|"
    "EJE CORTO DE BASE A APEX|asse corto|eixo curto|korte as|kortaxel|kort akse|oś krótka|krátká osa|kısa aks|"
    "rövid tengely|ax scurt|короткая ось|по короткой оси|短轴|短軸像|단축"
)
LONG = words(
    "4CH|LV3CH_STACK_FIESTA_BH|P4CH_FIESTA_BH|VLAX_(LV3CH)_FIESTA_BH|HLAX|HLA (4CH)|vLA|LVOT|RVOT_FIESTA|2 chamber|"
    "four chamber|FourChamber|Funct_4_Chamber|A4C|CINE 4 CAM|ap4ch|2-CH|2CV|cine4ch|4chcine|CH4|tf2d_la|long-axis|"
    "CINE_segmented_LAX_2Ch|2DDel Enh 250 4 C|Outlet_FIESTA_BH|4-Kammer-Blick|Vierkammerblick|zwei Kammer|4KB|2KBL|"
    "lange Achse|Langachse|LV Ausflusstrakt|quatre cavités|4 cavités|grand axe|cuatro cámaras|4 cámaras|eje largo|"
    "quattro camere|asse lungo|quatro câmaras|4 cavidades|eixo longo|vier kamer|lange as|långaxel|lang akse|oś długa|"
    "uzun aks|dört boşluk|длинная ось|4-камерная|4-х камерн|четырехкамерная|长轴|四腔心|四腔"
)
NEITHER = words(
    "cine|FIESTA|perfect|salsa|destiny|relax|message|pilates|Schwarzachse|axial stack|cine tra stack|cine la base|"
    "T2 ch|1.2 c|tf2d12_retro|2d cine|3d|SAX 4ch plan"
)


@pytest.mark.parametrize(
    ("plane", "names"),
    [
        (SHORT_AXIS, SHORT),
        (LONG_AXIS, LONG),
        (OTHER_PART, ["aortic valve", "Ao cine", "AV cine", "cine atria"]),
        (STACK, ["stack", "SSFP stack", "cine Stapel"]),
        ("", NEITHER),
    ],
)
def test_the_plane_is_told_by_whole_words(plane, names):
    assert [name for name in names if SeriesNames(name).plane != plane] == []


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (
            CINE,
            "cine_tf2d_retro_sax|sBTFE_BH_SA|b-TFE|bTFE|BFFE|B-FFE|FIESTA|TrueFISP|TRUFI|True FISP|SSFP|bSSFP|"
            "retro sax|CS_CINE|CINESAX|ciné petit axe|FiestaCINE_kt|Funct_Short_Axis|Film|kino|电影",
        ),
        (
            T2_STIR,
            "STIR|T2W_STIR_BB_SA|TIRM_SA|t2_tirm_db|SAX Triple IR FSE|Triple-IR|AX_FS_TIRFSE_BH|t2stir|T2_STIR|STIRBB",
        ),
        (
            LGE,
            "LGE|PSIR_TFE_BH_SA|de_tfl2d_psir_sax|DE SAX|SAX DE|2D_DE_sax|4CH_DE_TI_300_BH|DHE|SAX 2D MDE|"
            "PS:SAX_SS_PSMDE|SAX_SSHMDE_FIESTA_TI=180|SAX_IrP-FGRE_TI=240|SAX_DELAY_TI=260_BH|Delayed enhancement|"
            "late gad|Viability|rehaussement tardif|realce tardío|Spätaufnahme|"
            "viabilidad|vitalità|late aankleuring|延迟增强|遅延造影",
        ),
    ],
)
def test_the_sequence_is_told_by_whole_words(role, names):
    assert [name for name in words(names) if not SeriesNames(name).says(role)] == []


@pytest.mark.parametrize(
    "name",
    words(
        "NOSTIR|no STIR|ohne STIR|sans stir|without STIR|w/o STIR|destiny|deflow|destination|perfect|model|slate|delta|"
        "scarf|retroperitoneum|eje corto de base|AX_T2_DIRFSE_BH|T2W_SPAIR_BB"
    ),
)
def test_parts_of_words_and_what_was_left_out_name_no_sequence(name):
    assert not any(SeriesNames(name).says(role) for role in ROLES)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (CINE, "SAX FIESTA post perfusion"),
        (CINE, "cine sax post stress perf"),
        (CINE, "FIESTA SAX after flow"),
        (CINE, "cine SAX pre/post contrast"),
        (CINE, "cine sax nach Perfusion"),
        (CINE, "ciné petit axe après perfusion"),
        (CINE, "cine SAX stress perfusion"),
        (CINE, "cine sax flow comp"),
        (CINE, "SAX FIESTA PC"),
        (CINE, "cine_sax_workflow"),
        (CINE, "inflow cine"),
        (CINE, "cine sax perfect"),
        (CINE, "cine sax without tagging"),
        (LGE, "LGE SAX post perfusion"),
        (LGE, "LGE post T1 map"),
        (LGE, "3D LGE whole heart"),
        (T2_STIR, "STIR pre perfusion"),
    ],
)
def test_a_word_of_the_context_does_not_exclude_what_the_tags_say(role, name):
    assert SeriesNames(name).other_technique(role) == ""


@pytest.mark.parametrize(
    ("role", "name", "technique"),
    [
        (CINE, "SAX stress perfusion", "perfusion"),
        (CINE, "perfusie sax", "perfusion"),
        (None, "TFL dynamic perf", "perfusion"),
        (CINE, "cine flow", "flow"),
        (CINE, "PC cine", "flow"),
        (CINE, "Ao_FastPC_V=250_BH", "flow"),
        (CINE, "AX_4DF_v250_vdrq", "flow"),
        (CINE, "cine_tag_sax", "tagging"),
        (CINE, "SAX_MTAG_grid-tag_BH", "tagging"),
        (CINE, "CINE_IR", "inversion time"),
        (LGE, "8_min_IR_TFE_LL_BH", "inversion time"),
        (LGE, "Pre MOLLI", "map"),
        (LGE, "SMART1Map_SAX-mid_T1Map_ARC_POST_BH", "map"),
        (T2_STIR, "T2 STIR mapping", "map"),
        (T2_STIR, "SAX_ME_T2*_TE_8", "map"),
        (LGE, "coronary MRA", "angiography"),
    ],
)
def test_a_technique_that_looks_like_the_wanted_one_excludes_a_series(role, name, technique):
    assert technique in SeriesNames(name).other_technique(role)


def test_siemens_code_of_a_flow_sequence_tells_flow():
    assert "flow" in SeriesNames("cine sax", sequence="*fl2d1_v150in").other_technique(CINE)
    assert SeriesNames("cine sax", sequence="*tfi2d1_15").other_technique(CINE) == ""


def test_the_description_outranks_the_protocol():
    names = SeriesNames("cine 4ch", "SAX STIR")
    assert names.plane == LONG_AXIS and names.says(CINE) and not names.says(T2_STIR)
    assert SeriesNames("", "SAX STIR").plane == SHORT_AXIS


def test_a_name_on_several_techniques_or_on_every_series_is_that_of_the_exam():
    study = [("CARDIAC", "", "sax"), ("CARDIAC", "inverted", "lge"), ("cine", "", "sax"), ("", "spin", "t2")]
    assert exam_names(study) == {"CARDIAC"}
    assert exam_names([("CARDIAC", "", "sax"), ("CARDIAC", "", "4ch")]) == {"CARDIAC"}
    assert exam_names([("cine_sax", "", "sax")] * 8) == set()
    assert exam_names([("cine_sax", "", "sax"), ("cine_4ch", "", "4ch")]) == set()


@pytest.mark.parametrize("piece", ["sax_", "pre_", "post ", "saxsaxsax "])
def test_a_name_longer_than_dicom_allows_takes_no_longer(piece):
    began = time.perf_counter()
    names = SeriesNames("cine stack " + piece * 2000 + "zz")
    assert names.says(CINE) and not names.other_technique(LGE) and not names.localiser and not names.early
    assert time.perf_counter() - began < 2
