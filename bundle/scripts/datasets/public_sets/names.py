"""Words by which data sets call our sequences and structures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...conventions import LABEL_NAMES

# Written without capitals, spaces and signs. Sources: channel_names and labels of the conversion scripts of nnU-Net for
# ACDC, M&Ms and EMIDEC; file names of MyoPS; names of the DICOM import.
_SEQUENCES = {
    "cine": "cine cinemri cinesax cinesa saxcine sacine c0 bssfp ssfp cinessfp cinebssfp trufi truefisp fiesta",
    "t2_stir": "t2 t2stir stir t2w t2weighted t2wstir t2mri",
    "lge": "lge de dhe mde psir lgemri lateenhancement delayedenhancement lategadoliniumenhancement lgepsir",
}
_STRUCTURES = {
    "background": "background bg",
    "lv_blood_pool": "lv lvc lvbp lvcavity lvbloodpool lvpool lvblood lvcav cavity bloodpool leftventricle "
    "leftventricularcavity leftventricularbloodpool leftventriclecavity leftventriclebloodpool",
    "myocardium": "myo myocardium lvm mlv lvmyo lvmyocardium lvwall myocardiumnotinfarcted normalmyocardium "
    "healthymyocardium viablemyocardium lvnormalmyocardium leftventricularmyocardium leftventricularnormalmyocardium",
    "infarct": "infarct infarction scar mi myocardialinfarction myocardialinfarct lvscar lvmyocardialscar "
    "leftventricularmyocardialscar",
    "no_reflow": "noreflow mvo microvascularobstruction noreflowmvo",
    "oedema": "oedema edema lvoedema lvedema lvmyocardialoedema lvmyocardialedema leftventricularmyocardialedema",
    "rv_blood_pool": "rv rvc rvbp rvcavity rvbloodpool rvpool rvblood rightventricle rightventricularcavity "
    "rightventricularbloodpool rightventriclecavity rightventriclebloodpool",
}


def _by_word(words: Mapping[str, str]) -> dict[str, str]:
    return {word: name for name, listed in words.items() for word in listed.split()}


_SEQUENCE_OF, _STRUCTURE_OF = _by_word(_SEQUENCES), _by_word(_STRUCTURES)


def sequence_named(word: object) -> str:
    """cine, t2_stir or lge, for a channel's name in any spelling; "" when it is none of them."""
    return _SEQUENCE_OF.get(_plain(word), "")


def table_from_names(labels: Mapping[str, object], absent: Sequence[str] = ()) -> dict[int, int] | str:
    """Label table {value: our code} of ``labels``, {name: value} (nnU-Net) or {value: name} (Decathlon).

    Args:
        absent: names that get no row.
    Returns:
        The table, or what is wrong with the first entry that says nothing to us.
    """
    table = {}
    for left, right in labels.items():
        name, value = (right, left) if str(left).strip().isdecimal() else (left, right)
        structure = _STRUCTURE_OF.get(_plain(name), "")
        if not structure or not str(value).strip().isdecimal():
            return f"'{str(name)[:40]}': {str(value)[:40]}"
        if str(name) not in absent:
            table[int(str(value))] = LABEL_NAMES.index(structure)
    return table or "no label at all"


def _plain(word: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(word).lower())
