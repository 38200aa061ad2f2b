"""Names and tags of each vendor's series and the form of its export folder, as data.

Modelled on headers of public data; Siemens and Philips are the best known, UIH the least. No habit of one vendor may be
relied on: a series per slice or per stack, magnitude and PSIR in one series or two, SequenceName present or not,
RepetitionTime of the pulse or of the segment, files with and without an extension.

Two styles: "classic", one file per image and names that tell series apart; "varied", what real exports also hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LOCALISER, CINE_LONG_AXIS, CINE, T2_STIR, LGE_PSIR, LGE_MAGNITUDE = ROLES = (
    "localiser",
    "cine_long_axis",
    "cine",
    "t2_stir",
    "lge_psir",
    "lge_magnitude",
)


@dataclass(frozen=True)
class SeriesStyle:
    """What tells one series of a vendor from another.

    ``description`` may hold {name}, the name of the view. The multi-valued code strings keep DICOM's backslash.
    ``sequence_name`` is None where the vendor leaves (0018,0024) out.
    """

    description: str
    image_type: str
    scanning_sequence: str
    sequence_variant: str
    scan_options: str
    sequence_name: str | None = None


@dataclass(frozen=True)
class Vendor:
    """Habits of one vendor.

    ``models``: name by field strength (T). ``series_step``: difference between series numbers; ``first_series``: the
    first. ``cine_series_per_slice``: each breath-hold of the short-axis cine is a series of its own.
    ``lge_in_one_series``: magnitude and PSIR share a series and differ in ImageType. ``segment_repetition_time``:
    RepetitionTime of a segmented gradient echo is the time of a segment (cine) or about a heartbeat (LGE).
    ``refocusing_flip_deg``: FlipAngle of the spin echo. ``file_name``: path in the study's folder, from ``number`` and
    ``description`` of the series, ``instance`` in the series and ``count`` in the study.

    ``exam_name``: ProtocolName of every series; "": that of each is its description. ``gradient_echo_train``:
    EchoTrainLength of gradient echoes, lines per segment for some. ``enhanced``: one Enhanced MR object per series.
    ``uncorrected_cine``: each cine series once more, without normalisation and distortion correction (ND).
    """

    manufacturer: str
    models: dict[float, str]
    first_series: int
    series_step: int
    cine_series_per_slice: bool
    lge_in_one_series: bool
    segment_repetition_time: bool
    refocusing_flip_deg: float
    file_name: str
    styles: dict[str, SeriesStyle]
    exam_name: str = ""
    gradient_echo_train: int = 1
    enhanced: bool = False
    uncorrected_cine: bool = False


_SIEMENS = Vendor(
    manufacturer="SIEMENS",
    models={1.5: "Aera", 3.0: "Skyra"},
    first_series=1,
    series_step=1,
    cine_series_per_slice=True,
    lge_in_one_series=False,
    segment_repetition_time=True,
    refocusing_flip_deg=180.0,
    file_name="{description}_{number:04d}/PHANTOM.MR.{number:04d}.{instance:04d}.IMA",
    styles={
        LOCALISER: SeriesStyle("localizer", r"ORIGINAL\PRIMARY\M\NORM\DIS2D", "GR", r"SK\SS", "PFP", "*tfi2d1_192"),
        CINE_LONG_AXIS: SeriesStyle(
            "cine_tf2d_retro_{name}", r"ORIGINAL\PRIMARY\M\RETRO\NORM\DIS2D", "GR", r"SK\SS", "CG", "*tfi2d1_15"
        ),
        CINE: SeriesStyle(
            "cine_tf2d_retro_sax", r"ORIGINAL\PRIMARY\M\RETRO\NORM\DIS2D", "GR", r"SK\SS", "CG", "*tfi2d1_15"
        ),
        T2_STIR: SeriesStyle(
            "t2_tirm_db_sax", r"ORIGINAL\PRIMARY\M\NORM\DIS2D", r"SE\IR", r"SK\SP\MP", r"CG\SFS", "*tir2d1_25"
        ),
        LGE_PSIR: SeriesStyle(
            "de_tfl2d_psir_sax_PSIR", r"ORIGINAL\PRIMARY\R\PSIR\NORM\DIS2D", r"GR\IR", r"SK\SP\MP", "CG", "*tfl2d1_25"
        ),
        LGE_MAGNITUDE: SeriesStyle(
            "de_tfl2d_sax_MAG", r"ORIGINAL\PRIMARY\M\MAG\NORM\DIS2D", r"GR\IR", r"SK\SP\MP", "CG", "*tfl2d1_25"
        ),
    },
)
_PHILIPS = Vendor(
    manufacturer="Philips Medical Systems",
    models={1.5: "Ingenia", 3.0: "Achieva"},
    first_series=101,
    series_step=100,
    cine_series_per_slice=False,
    lge_in_one_series=True,
    segment_repetition_time=False,
    refocusing_flip_deg=90.0,
    file_name="DICOM/IM_{count:04d}",
    styles={
        LOCALISER: SeriesStyle("SURVEY", r"ORIGINAL\PRIMARY\M_FFE\M\FFE", "GR", "SS", ""),
        CINE_LONG_AXIS: SeriesStyle("sBTFE_BH_{name}", r"ORIGINAL\PRIMARY\M_FFE\M\FFE", "GR", r"SK\SS", "CG"),
        CINE: SeriesStyle("sBTFE_BH_SA", r"ORIGINAL\PRIMARY\M_FFE\M\FFE", "GR", r"SK\SS", "CG"),
        T2_STIR: SeriesStyle("T2W_STIR_BB_SA", r"ORIGINAL\PRIMARY\M_IR\M\IR", "IR", "SK", r"CG\FS"),
        LGE_PSIR: SeriesStyle("PSIR_TFE_BH_SA", r"ORIGINAL\PRIMARY\R_IR\R\IR", r"GR\IR", r"SK\SP\MP", "CG"),
        LGE_MAGNITUDE: SeriesStyle("IR_TFE_BH_SA", r"ORIGINAL\PRIMARY\M_IR\M\IR", r"GR\IR", r"SK\SP\MP", "CG"),
    },
)
_GE = Vendor(
    manufacturer="GE MEDICAL SYSTEMS",
    models={1.5: "Optima MR450w", 3.0: "DISCOVERY MR750w"},
    first_series=1,
    series_step=1,
    cine_series_per_slice=False,
    lge_in_one_series=False,
    segment_repetition_time=False,
    refocusing_flip_deg=90.0,
    file_name="S{number:04d}/I{instance:04d}.dcm",
    styles={
        LOCALISER: SeriesStyle("3-pl Loc FIESTA", r"ORIGINAL\PRIMARY\OTHER", "GR", "SS", "FAST_GEMS"),
        CINE_LONG_AXIS: SeriesStyle(
            "{name} FIESTA CINE", r"ORIGINAL\PRIMARY\OTHER", "GR", r"SS\SK", r"FAST_GEMS\SEQ_GEMS\CG"
        ),
        CINE: SeriesStyle("SAX FIESTA CINE", r"ORIGINAL\PRIMARY\OTHER", "GR", r"SS\SK", r"FAST_GEMS\SEQ_GEMS\CG"),
        T2_STIR: SeriesStyle(
            "SAX Triple IR FSE", r"ORIGINAL\PRIMARY\OTHER", r"SE\IR", "SK", r"FAST_GEMS\SEQ_GEMS\TRF_GEMS\CG"
        ),
        LGE_PSIR: SeriesStyle("SAX PS:MDE", r"ORIGINAL\PRIMARY\OTHER", r"GR\IR", r"SK\SP\MP", r"FAST_GEMS\SEQ_GEMS\CG"),
        LGE_MAGNITUDE: SeriesStyle(
            "SAX 2D MDE", r"ORIGINAL\PRIMARY\OTHER", r"GR\IR", r"SK\SP\MP", r"FAST_GEMS\SEQ_GEMS\CG"
        ),
    },
)
_UIH = Vendor(
    manufacturer="UIH",
    models={1.5: "uMR 570", 3.0: "uMR 790"},
    first_series=101,
    series_step=100,
    cine_series_per_slice=False,
    lge_in_one_series=False,
    segment_repetition_time=False,
    refocusing_flip_deg=180.0,
    file_name="{number}_{description}/{instance:08d}.dcm",
    styles={
        LOCALISER: SeriesStyle("scout_3plane", r"ORIGINAL\PRIMARY\M\NONE", "GR", "SS", "", "gre_scout"),
        CINE_LONG_AXIS: SeriesStyle(
            "bssfp_cine_{name}_bh", r"ORIGINAL\PRIMARY\M\RETRO", "GR", r"SK\SS", "CG", "gre_bssfp_cine"
        ),
        CINE: SeriesStyle("bssfp_cine_sax_bh", r"ORIGINAL\PRIMARY\M\RETRO", "GR", r"SK\SS", "CG", "gre_bssfp_cine"),
        T2_STIR: SeriesStyle("t2_fse_stir_bb_sax", r"ORIGINAL\PRIMARY\M\NONE", r"SE\IR", r"SK\MP", "CG", "fse_bb"),
        LGE_PSIR: SeriesStyle(
            "gre_psir_lge_sax_psir", r"ORIGINAL\PRIMARY\R\PSIR", r"GR\IR", r"SK\SP\MP", "CG", "gre_psir"
        ),
        LGE_MAGNITUDE: SeriesStyle(
            "gre_lge_sax_mag", r"ORIGINAL\PRIMARY\M\NONE", r"GR\IR", r"SK\SP\MP", "CG", "gre_psir"
        ),
    },
)
VENDORS_BY_NAME = {"siemens": _SIEMENS, "philips": _PHILIPS, "ge": _GE, "uih": _UIH}

# Seen in public reports of real exports (SOURCES.md of the repository, Data sets and networks of others).
_SIEMENS_XA = replace(
    _SIEMENS,
    manufacturer="Siemens Healthineers",
    models={1.5: "MAGNETOM Sola", 3.0: "MAGNETOM Vida"},
    gradient_echo_train=15,
    enhanced=True,
    uncorrected_cine=True,
)
_VARIED = {
    "siemens": _SIEMENS_XA,
    "philips": replace(_PHILIPS, enhanced=True),
    "ge": replace(_GE, exam_name="CARDIAC STRESS PERFUSION AND VIABILITY"),
    "uih": _UIH,
}
CLASSIC, VARIED = "classic", "varied"
STYLES = {CLASSIC: VENDORS_BY_NAME, VARIED: _VARIED}
# Slices of each long-axis cine.
LONG_AXIS_SLICES = {CLASSIC: 1, VARIED: 3}
