"""Words in the names of cardiac series, as patterns: vendors' codes, and the languages of hospitals.

Lower case without accents, as names.py compares them; what ends a word is decided there. Gathered from lists of series
that public tools and data sets give, and from the vendors' names of sequences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CINE, T2_STIR, LGE = ROLES = ("cine", "t2_stir", "lge")
SHORT_AXIS, LONG_AXIS, OTHER_PART, STACK = "short axis", "long axis", "other part", "stack"

# Words that names run together with others: "cinesax", "psirsax", "stirbb".
_GLUED = r"(?:cines?|sax|lax|lge|psir|stir|tirm|ssfp|trufi|fiesta|fast|tse|fse|moco|mag|post|pre|bh|fb|bb|cs|rt)"
BEFORE, AFTER = rf"(?<![a-z])(?:{_GLUED}[ _-]?)*", rf"(?:[ _-]?{_GLUED})*(?![a-z])"

# Names of sequences: the vendors' own, and delayed enhancement in the languages of hospitals. "de" is a word of its own
# in four of them, so that it counts first, last, or before the name of a sequence or a plane.
_DE_BEFORE = (
    r"tfl|tfi|trufi|fl|flash|psir|ir|sax?|lax?|ssfp|ss|seg|moco|hr|high|overview|mag|ph|[23] ?d|[234] ?ch|short|long|"
    r"fb|bh|nav|single|dark|db|ti"
)
SEQUENCES = {
    T2_STIR: (
        r"(?:t2w?)?stir|tirm|turbo.?irm?|(?:triple|tripel|3).?ir|(?:triple|tripel).?inversion|tir.?[ft]se|tir|"
        r"t2w?_?ir|fettsuppr\w*.?stir|短反转|短反轉"
    ),
    LGE: (
        r"d?lge|[a-z]{0,4}mde|dhe|psir|delay(?:ed)?|(?<![a-z])late|late.?(?:enh|gad|gd)\w*|emory|scars?|viab\w*|irp|ir.?tfe|"
        r"ir.?prep\w*|spaet\w*|spat(?!ial)\w*|nachanreich\w*|rehauss?e?\w*|tardi\w*|viabil\w*|vitalita\w*|ritardat\w*|"
        r"aankleur\w*|sen.?uppladdning|pozne.?wzmocn\w*|gec.?kontrast\w*|отсроч\w*|延迟|延遲|遅延|지연|"
        rf"de(?=[ _-]+(?:{_DE_BEFORE})(?![a-z]))|(?<=^)de|de(?=\s*$)|(?<=_)de(?=_psir)"
    ),
    CINE: (
        r"cines?|kine|kino|film|b?.?ssfp|tru.?fi(?:sp)?|true.?(?:fisp|ssfp)|fiesta|s?b.?tfe|s?b.?ffe|tf2d|tfi2d|basg|"
        r"retro|funct?(?:ion)?|funktion\w*|fonction\w*|funcion\w*|funzion\w*|кино|电影|電影|シネ|시네"
    ),
}
BALANCED = r"b?.?ssfp|tru.?fi(?:sp)?|true.?(?:fisp|ssfp)|fiesta|s?b.?tfe|s?b.?ffe|tf2d|tfi2d"

PERFUSION, FLOW, _TAGGING = "perfusion", "flow", "tagging"
_MAPPING, _SCOUT, _ANGIOGRAPHY = (
    "a parametric map or its raw images", "a scout for the inversion time", "angiography"
)  # fmt: skip


@dataclass(frozen=True)
class Technique:
    """A technique whose images can be mistaken. ``like``: the roles that its tags cannot be told from."""

    reason: str
    words: str
    like: frozenset[str] = frozenset()


TECHNIQUES = (
    Technique(
        _MAPPING,
        r"(?:smar)?t1.?map\w*|t2.?map\w*|t2.?(?:star|\*)\w*|(?:sh)?molli\d*|sasha|mapping|kartograf\w*|cartograph\w*",
        frozenset({LGE, T2_STIR}),
    ),
    Technique(
        _SCOUT, r"ti.?scout\w*|look.?locker|ll|ti.?loc\w*|cine.?ir|ir.?cine|ti.?cine|ti.?test", frozenset({LGE, CINE})
    ),
    Technique(PERFUSION, r"perf(?:us\w*)?|first.?pass|1st.?pass|durchblutung|перфуз\w*|灌注|관류"),
    Technique(_TAGGING, r"(?:grid.?|line.?|m)?tag(?:ging|ged|s)?|c?spamm|f?senc|таггинг", frozenset({CINE})),
    Technique(
        FLOW,
        r"q.?flow|[45]d.?f(?:low\w?)?|flow\w?|fluss|flux|flujo|flusso|fluxo|flode|venc\d*|pc|pcmri|pc.?mra?|"
        r"phase.?contrast|phasenkontrast|contraste.?de.?(?:phase|fase)|velocity|v ?= ?\d+|поток",
        frozenset({CINE}),
    ),
    Technique(_ANGIOGRAPHY, r"mra|cemra|angio\w*|whole.?heart|coronar\w*|koronar\w*"),
)
# What stands behind these was done at another time, or not at all: "after flow", "ohne STIR". "pre" and "post" may also
# say before or after contrast, so that they count only where the rest of the name says what the series is.
WITHOUT = r"no|non|not|without|w/o|ohne|sans|sin|senza|sem|zonder|utan|uden|bez|без"
AFTER_OR_BEFORE = (
    r"after|before|prior.?to|following|between|nach|vor|zwischen|apres|avant|entre|despues.?de|antes.?de|dopo|"
    r"prima.?di|depois.?de|apos|antes|na|voor|efter|fore|po|przed|после|перед"
)
PRE_OR_POST = r"pre|post"
VENC_CODE = r"_v\d{2,3}(?:in|through|ap|rl|hf)?\b"  # Siemens: "*fl2d1_v150in"
NOT_FLOW = r"(?<![a-z])(?:flow|fluss)[ _-]?(?:comp\w*|komp\w*)"

_CHAMBER = (
    r"ch(?:a|am|amb|ambers?|mb|mbr|b)?s?|chv|cv|cav\w*|cam|c[ao]mer\w*|camar\w*|kammer\w*|kammar\w*|kamer\w*|kb[lv]?|"
    r"kamr\w*|komor\w*|jam\w*|uregi|bosluk\w*|odac\w*|камер\w*"
)
_TWO_TO_FIVE = (
    r"two|three|four|five|zwei|drei|vier|fuenf|funf|deux|trois|quatre|cinq|dos|tres|cuatro|cinco|due|tre|quattro|duas|"
    r"dois|quatro|twee|tva|to|fyra|fire|dwu|trzy|trojj?|cztero|cztery|dvou|ctyr|iki|uc|dort|двух|трех|четырех"
)
PLANES = {
    SHORT_AXIS: (
        r"(?:lv|rv|biv|c|m|lvs|s)?sax(?:is|es?|s)?|sh?ax|(?:lv|rv)?sa|s\.a\.?|sal|"
        r"short.?ax\w*|short(?![ _-]?(?:t[ire]|scan|term|shim|bh|breath|acq))|"
        r"kurz\w*.?achs\w*|kurz|ks?a|petit.?axe?|axe.?court|court.?axe|eje.?corto|ej.?corto|eixo.?curto|eix.?curt|"
        r"asse.?corto|ax.?scurt|korte?.?as|korta?.?(?:axel\w*|aks\w*|ax)|lyhyt.?aks\w*|os.?krotk\w*|krotk\w*.?os\w*|"
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
        rf"(?:{_TWO_TO_FIVE})[ _-]{{0,2}}(?:ch(?:am\w*)?(?![a-z])|cav\w*|c[ao]mer\w*|camar\w*|kam\w*|komor\w*|jam\w*|"
        r"uregi|bosluk\w*|odac\w*|камер\w*)|[двтчрхыеё]+камерн\w*|[二两兩三四五]腔|[이삼사]방"
    ),
    OTHER_PART: (
        r"aort\w*|ao|avk?|mv|valv\w*|klapp?en?\w*|atri\w*|vorhof\w*|auric\w*|oreillette\w*|pulmon\w*|"
        r"arch|candy.?cane|caval|ivc|svc|клапан\w*"
    ),
    STACK: r"stack\w*|stapel\w*|pile|pila|multi.?slice|стек|栈",
}
ALONG_BODY = r"axial\w*|ax|trans?(?:vers\w*|ax\w*)?|tra|cor(?:on\w*)?|sag\w*|sagg?it\w*|transv\w*"
# "la" is an article in three languages.
LA = re.compile(r"(?:^|_)la(?:$|_)|(?<![a-z])la$")
LOCALISER = r"loc|localiz\w*|localis\w*|lokalis\w*|lokaliz\w*|localizz\w*|scout\w*|survey|haste|test|define\w*"
PHASE_SENSITIVE = r"psir|psmde|(?<![a-z])ps:|phase.?sens"
EARLY = r"early|frueh\w*|fruh\w*|precoc\w*|ege|vroeg\w*"
