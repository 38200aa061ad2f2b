"""What the names of a series say: sequence, technique that looks like it, plane. In the languages of hospitals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

CINE, T2_STIR, LGE = ROLES = ("cine", "t2_stir", "lge")
SHORT_AXIS, LONG_AXIS, OTHER_PART, STACK = "short axis", "long axis", "other part", "stack"

# Words that names run together with others: "cinesax", "psirsax", "stirbb".
_GLUED = r"(?:cines?|sax|lax|lge|psir|stir|tirm|ssfp|trufi|fiesta|fast|tse|fse|moco|mag|post|pre|bh|fb|bb|cs|rt)"
_BEFORE, _AFTER = rf"(?<![a-z])(?:{_GLUED}[ _-]?)*", rf"(?:[ _-]?{_GLUED})*(?![a-z])"

# Names of sequences: the vendors' own, and delayed enhancement in the languages of hospitals. "de" is a word of its own
# in four of them, so that it counts first, last, or before the name of a sequence or a plane.
_DE_BEFORE = (
    r"tfl|tfi|trufi|fl|flash|psir|ir|sax?|lax?|ssfp|ss|seg|moco|hr|high|overview|mag|ph|[23] ?d|[234] ?ch|short|long|"
    r"fb|bh|nav|single|dark|db|ti"
)
_SEQUENCES = {
    T2_STIR: (
        r"(?:t2w?)?stir|tirm|turbo.?irm?|(?:triple|tripel|3).?ir|(?:triple|tripel).?inversion|tir.?[ft]se|tir|"
        r"t2w?_?ir|fettsuppr\w*.?stir|短反转|短反轉"
    ),
    LGE: (
        r"d?lge|[a-z]{0,4}mde|dhe|psir|delay(?:ed)?|(?<![a-z])late|late.?(?:enh|gad|gd)\w*|emory|scars?|viab\w*|irp|"
        r"ir.?prep\w*|spaet\w*|spat\w*|nachanreich\w*|rehauss?e?\w*|tardi\w*|viabil\w*|vitalita\w*|ritardat\w*|"
        r"aankleur\w*|sen.?uppladdning|pozne.?wzmocn\w*|gec.?kontrast\w*|отсроч\w*|延迟|延遲|遅延|지연|"
        rf"de(?=[ _-]+(?:{_DE_BEFORE})(?![a-z]))|(?<=^)de|de(?=\s*$)|(?<=_)de(?=_psir)"
    ),
    CINE: (
        r"cines?|kine|kino|film|b?.?ssfp|tru.?fi(?:sp)?|true.?(?:fisp|ssfp)|fiesta|s?b.?tfe|s?b.?ffe|tf2d|tfi2d|basg|"
        r"retro|funct?(?:ion)?|funktion\w*|fonction\w*|funcion\w*|funzion\w*|кино|电影|電影|シネ|시네"
    ),
}
_BALANCED = r"b?.?ssfp|tru.?fi(?:sp)?|true.?(?:fisp|ssfp)|fiesta|s?b.?tfe|s?b.?ffe|tf2d|tfi2d"

_PERFUSION, _FLOW, _TAGGING = "perfusion", "flow", "tagging"
_MAPPING, _SCOUT, _ANGIOGRAPHY = (
    "a parametric map or its raw images", "a scout for the inversion time", "angiography"
)  # fmt: skip


@dataclass(frozen=True)
class _Technique:
    """A technique whose images can be mistaken. ``like``: the roles that its tags cannot be told from."""

    reason: str
    words: str
    like: frozenset[str] = frozenset()


_TECHNIQUES = (
    _Technique(
        _MAPPING,
        r"(?:smar)?t1.?map\w*|t2.?map\w*|t2.?(?:star|\*)\w*|(?:sh)?molli\d*|sasha|mapping|kartograf\w*|cartograph\w*",
        frozenset({LGE, T2_STIR}),
    ),
    _Technique(
        _SCOUT, r"ti.?scout\w*|look.?locker|ll|ti.?loc\w*|cine.?ir|ir.?cine|ti.?cine|ti.?test", frozenset({LGE, CINE})
    ),
    _Technique(_PERFUSION, r"perf(?:us\w*)?|first.?pass|1st.?pass|durchblutung|перфуз\w*|灌注|관류"),
    _Technique(_TAGGING, r"(?:grid.?|line.?|m)?tag(?:ging|ged|s)?|c?spamm|f?senc|таггинг", frozenset({CINE})),
    _Technique(
        _FLOW,
        r"q.?flow|[45]d.?f(?:low\w?)?|flow\w?|fluss|flux|flujo|flusso|fluxo|flode|venc\d*|pc|pcmri|pc.?mra?|"
        r"phase.?contrast|phasenkontrast|contraste.?de.?(?:phase|fase)|velocity|v ?= ?\d+|поток",
        frozenset({CINE}),
    ),
    _Technique(_ANGIOGRAPHY, r"mra|cemra|angio\w*|whole.?heart|coronar\w*|koronar\w*"),
)
# What stands behind these was done at another time, or not at all: "after flow", "ohne STIR". "pre" and "post" may also
# say before or after contrast, so that they count only where the rest of the name says what the series is.
_WITHOUT = r"no|non|not|without|w/o|ohne|sans|sin|senza|sem|zonder|utan|uden|bez|без"
_AFTER_OR_BEFORE = (
    r"after|before|prior.?to|following|between|nach|vor|zwischen|apres|avant|entre|despues.?de|antes.?de|dopo|"
    r"prima.?di|depois.?de|apos|antes|na|voor|efter|fore|po|przed|после|перед"
)
_PRE_OR_POST = r"pre|post"
_VENC_CODE = r"_v\d{2,3}(?:in|through|ap|rl|hf)?\b"  # Siemens: "*fl2d1_v150in"
_NOT_FLOW = r"(?<![a-z])(?:flow|fluss)[ _-]?(?:comp\w*|komp\w*)"

_CHAMBER = (
    r"ch(?:a|am|amb|ambers?|mb|mbr|b)?s?|chv|cv|cav\w*|c[ao]mer\w*|camar\w*|kammer\w*|kammar\w*|kamer\w*|kb[lv]?|"
    r"kamr\w*|komor\w*|jam\w*|uregi|bosluk\w*|odac\w*|камер\w*"
)
_TWO_TO_FIVE = (
    r"two|three|four|five|zwei|drei|vier|fuenf|funf|deux|trois|quatre|cinq|dos|tres|cuatro|cinco|due|tre|quattro|duas|"
    r"dois|quatro|twee|tva|to|fyra|fire|dwu|trzy|trojj?|cztero|cztery|dvou|ctyr|iki|uc|dort|двух|трех|четырех"
)
_PLANES = {
    SHORT_AXIS: (
        r"(?:lv|rv|biv|c|m|lvs|s)?sax(?:is|es?|s)?|sh?ax|(?:lv|rv)?sa|s\.a\.?|sal|"
        r"short.?ax\w*|short(?![ _-]?(?:t[ire]|scan|term|shim|bh|breath|acq))|"
        r"kurz\w*.?achs\w*|kurz|ks?a|petit.?axe?|axe.?court|court.?axe|eje.?corto|ej.?corto|eixo.?curto|eix.?curt|"
        r"asse.?corto|ax.?scurt|korte.?as|korta?.?(?:axel\w*|aks\w*|ax)|lyhyt.?aks\w*|os.?krotk\w*|krotk\w*.?os\w*|"
        r"kratk\w*.?os\w*|rovid.?tengely\w*|kisa.?(?:aks|eks)\w*|truc.?ngan|коротк\w*.?ос\w*|βραχ\w*.?αξον\w*|"
        r"短轴|短軸|단축"
    ),
    LONG_AXIS: (
        r"(?:[lr]v|[hv])?(?:\d )?lax|[hv]la|l\.a\.?|long.?ax\w*|lach|lang\w*.?achs\w*|langa|grand.?axe?|axe.?long|"
        r"eje.?largo|eixo.?longo|eix.?llarg|asse.?lungo|ax.?lung|lange.?as|lang\w?.?(?:axel\w*|aks\w*)|pitka.?aks\w*|"
        r"os.?dlug\w*|dlug\w*.?os\w*|dlouh\w*.?os\w*|hosszu.?tengely\w*|uzun.?(?:aks|eks)\w*|truc.?dai|"
        r"длинн\w*.?ос\w*|长轴|長軸|장축|[lr]vi?ot\w*|[lr]v(?:it|ot)|outflow\w*|outlet|ausfluss\w*|"
        rf"(?:[lr]v|ap|a|p)?[ _-]?(?<![\d.])[2-5][ _.-]{{0,2}}(?:х[ _-]?)?(?:{_CHAMBER})|"
        r"a?(?<![\d.])[2-5](?:[ck]| c(?=\s*$))|ch[ _-]?[2-5](?!\d)|"
        rf"(?:{_TWO_TO_FIVE})[ _-]{{0,2}}(?:ch\w*|cav\w*|c[ao]mer\w*|camar\w*|kam\w*|komor\w*|jam\w*|"
        r"uregi|bosluk\w*|odac\w*|камер\w*)|[двтчрхыеё]+камерн\w*|[二两兩三四五]腔|[이삼사]방"
    ),
    OTHER_PART: (
        r"aort\w*|ao|avk?|mv|valv\w*|klapp?en?\w*|atri\w*|vorhof\w*|auric\w*|oreillette\w*|pulmon\w*|"
        r"pa|arch|candy.?cane|caval|ivc|svc|клапан\w*"
    ),
    STACK: r"stack\w*|stapel\w*|pile|pila|multi.?slice|стек|栈",
}
_ALONG_BODY = r"axial\w*|ax|trans?(?:vers\w*|ax\w*)?|tra|cor(?:on\w*)?|sag\w*|sagg?it\w*|transv\w*"
# "la" is an article in three languages.
_LA = re.compile(r"(?:^|_)la(?:$|_)|(?<![a-z])la$")
_LOCALISER = r"loc|localiz\w*|localis\w*|lokalis\w*|lokaliz\w*|localizz\w*|scout\w*|survey|haste|test|define\w*"
_PHASE_SENSITIVE = r"psir|psmde|(?<![a-z])ps:|phase.?sens"
_EARLY = r"early|frueh\w*|fruh\w*|precoc\w*|ege|vroeg\w*"


@dataclass(frozen=True)
class SeriesNames:
    """Names of one series, which people or vendors chose: they may hold PHI and are never written.

    ``protocol``: empty where it names the exam and not the series (see ``exam_names``). ``sequence``: the vendor's
    code of the pulse sequence. ``whole_exam``: the description stands on series of several techniques, so that it says
    nothing of the sequence.
    """

    description: str
    protocol: str = ""
    sequence: str = ""
    whole_exam: bool = False

    @property
    def _told(self) -> tuple[str, ...]:
        """Names that people gave to this series, the most specific first."""
        return (self.protocol,) if self.whole_exam else (self.description, self.protocol)

    def says(self, role: str) -> bool:
        """Whether the most specific name that names a sequence names that of ``role``."""
        for text in self._told:
            plain = _without(text, _WITHOUT, "|".join(_SEQUENCES.values()))
            found = [one for one in ROLES if _has(_SEQUENCES[one], plain)]
            if found:
                return role in found
        # A name that speaks of another fat suppression outranks the code of the pulse sequence.
        return _has(_SEQUENCES[role], _plain(self.sequence)) and (role != T2_STIR or not any(self._told))

    def other_technique(self, role: str | None) -> str:
        """A technique that the names tell and that excludes ``role``, which the tags gave; empty where none does.

        A technique that tags tell from ``role`` is context where the name has the sequence of ``role`` as well.
        """
        if role in (None, CINE) and re.search(_VENC_CODE, _plain(self.sequence)):
            return _FLOW
        for text in self._told:
            for technique in _TECHNIQUES:
                if not self._has_technique(text, technique):
                    continue
                if role is None or role in technique.like or not _has(_SEQUENCES[role], _plain(text)):
                    return technique.reason
            if any(_has(pattern, _plain(text)) for pattern in _SEQUENCES.values()):
                return ""
        return ""

    @staticmethod
    def _has_technique(text: str, technique: _Technique) -> bool:
        """Whether a name tells a technique as its own, not as that of a series before or after it."""
        plain = _plain(text)
        if technique.reason == _FLOW:
            plain = re.sub(_NOT_FLOW, " ", plain)
            if _has(_BALANCED, plain):  # which phase contrast is not: "PC" is post contrast
                plain = re.sub(rf"{_BEFORE}pc{_AFTER}", " ", plain)
        told = _without(plain, f"{_WITHOUT}|{_AFTER_OR_BEFORE}", technique.words)
        if technique.reason in (_PERFUSION, _FLOW):
            names = (*_SEQUENCES.values(), _PLANES[SHORT_AXIS])
        else:
            names = tuple(_SEQUENCES.values())
        rest = _without(told, _PRE_OR_POST, technique.words)
        if rest != told and any(_has(pattern, rest) for pattern in names):
            told = rest
        return _has(technique.words, told)

    @property
    def plane(self) -> str:
        """SHORT_AXIS, LONG_AXIS, OTHER_PART or STACK by the most specific name that has one; empty for none or two."""
        for text in (self.description, self.protocol):
            if found := _planes(text):
                return found[0] if len(found) == 1 else ""
        return ""

    @property
    def localiser(self) -> bool:
        return _has(_LOCALISER, _plain(self.description or self.protocol))

    @property
    def phase_sensitive(self) -> bool:
        return any(re.search(_PHASE_SENSITIVE, _plain(text)) for text in self._told)

    @property
    def early(self) -> bool:
        """Early enhancement, minutes before the late one."""
        return _has(_EARLY, _plain(self.description or self.protocol))


def exam_names(series: Iterable[tuple[str, str, str]]) -> set[str]:
    """Names that say nothing of a single series.

    Args:
        series: name, technique by the tags, and what else tells series apart, of every series of a study.
    Returns:
        Names that stand for several techniques, and one that stands on every series of a study.
    """
    known = set(series)
    names = {name for name, _, _ in known if name}
    techniques = {name: {technique for other, technique, _ in known if other == name} for name in names}
    found = {name for name, several in techniques.items() if len(several) > 1}
    if len(names) == 1 and len({(technique, other) for name, technique, other in known if name}) > 1:
        found |= names
    return found


def _planes(text: str) -> Sequence[str]:
    """Planes that a name has; a word for stack and for another part count where no axis is named."""
    plain = _plain(text)
    axes = [plane for plane in (SHORT_AXIS, LONG_AXIS) if _has(_PLANES[plane], plain)]
    if not axes and _LA.search(plain):
        axes = [LONG_AXIS]
    if axes:
        return axes
    if _has(_PLANES[OTHER_PART], plain):
        return [OTHER_PART]
    return [STACK] if _has(_PLANES[STACK], plain) and not _has(_ALONG_BODY, plain) else []


def _has(words: str, plain: str) -> bool:
    """Whether one of the words stands by itself or run together with a known one; digits and "_" end a word too."""
    return bool(_word(words).search(plain))


@lru_cache(maxsize=64)
def _word(words: str) -> re.Pattern[str]:
    return re.compile(rf"{_BEFORE}(?:{words}){_AFTER}")


@lru_cache(maxsize=64)
def _context(prepositions: str, words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{prepositions})[ _./-]+(?:(?:stress|rest)[ _./-]+)?(?:{words})(?![a-z])")


def _without(text: str, prepositions: str, words: str) -> str:
    """A name without the words that stand behind one of the prepositions."""
    return _context(prepositions, words).sub(" ", _plain(text))


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Lower case without accents; where capitals begin words ("TrueFISP", "cineSAX"), also with these apart."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " | ".join(dict.fromkeys(_lower(one) for one in (text, split)))


def _lower(text: str) -> str:
    if not text.isascii():
        text = text.replace("ı", "i").replace("ł", "l").replace("Ł", "L").replace("ø", "o").replace("Ø", "O")
        parts = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(one for one in parts if not unicodedata.combining(one)))
    return text.lower()
