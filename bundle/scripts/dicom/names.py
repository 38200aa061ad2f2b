"""What the names of a series say: sequence, technique that looks like it, plane. In the languages of hospitals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .words import (
    AFTER,
    AFTER_OR_BEFORE,
    ALONG_BODY,
    BALANCED,
    BEFORE,
    CINE,
    EARLY,
    FLOW,
    LA,
    LOCALISER,
    LONG_AXIS,
    NOT_FLOW,
    OTHER_PART,
    PERFUSION,
    PHASE_SENSITIVE,
    PLANES,
    PRE_OR_POST,
    ROLES,
    SEQUENCES,
    SHORT_AXIS,
    STACK,
    T2_STIR,
    TECHNIQUES,
    VENC_CODE,
    WITHOUT,
    Technique,
)

# Names of DICOM have at most 64 characters (LO); patterns take long on what is much longer.
_LONGEST_NAME = 128


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
            plain = _without(text, WITHOUT, "|".join(SEQUENCES.values()))
            found = [one for one in ROLES if _has(SEQUENCES[one], plain)]
            if found:
                return role in found
        # A name that speaks of another fat suppression outranks the code of the pulse sequence.
        return _has(SEQUENCES[role], _plain(self.sequence)) and (role != T2_STIR or not any(self._told))

    def other_technique(self, role: str | None) -> str:
        """A technique that the names tell and that excludes ``role``, which the tags gave; empty where none does.

        A technique that tags tell from ``role`` is context where the name has the sequence of ``role`` as well.
        """
        if role in (None, CINE) and re.search(VENC_CODE, _plain(self.sequence)):
            return FLOW
        for text in self._told:
            for technique in TECHNIQUES:
                if not self._has_technique(text, technique):
                    continue
                if role is None or role in technique.like or not _has(SEQUENCES[role], _plain(text)):
                    return technique.reason
            if any(_has(pattern, _plain(text)) for pattern in SEQUENCES.values()):
                return ""
        return ""

    @staticmethod
    def _has_technique(text: str, technique: Technique) -> bool:
        """Whether a name tells a technique as its own, not as that of a series before or after it."""
        plain = _plain(text)
        if technique.reason == FLOW:
            plain = re.sub(NOT_FLOW, " ", plain)
            if _has(BALANCED, plain):  # which phase contrast is not: "PC" is post contrast
                plain = re.sub(rf"{BEFORE}pc{AFTER}", " ", plain)
        told = _without(plain, f"{WITHOUT}|{AFTER_OR_BEFORE}", technique.words)
        if technique.reason in (PERFUSION, FLOW):
            names = (*SEQUENCES.values(), PLANES[SHORT_AXIS])
        else:
            names = tuple(SEQUENCES.values())
        rest = _without(told, PRE_OR_POST, technique.words)
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
        return _has(LOCALISER, _plain(self.description or self.protocol))

    @property
    def phase_sensitive(self) -> bool:
        return any(re.search(PHASE_SENSITIVE, _plain(text)) for text in self._told)

    @property
    def early(self) -> bool:
        """Early enhancement, minutes before the late one."""
        return _has(EARLY, _plain(self.description or self.protocol))


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
    axes = [plane for plane in (SHORT_AXIS, LONG_AXIS) if _has(PLANES[plane], plain)]
    if not axes and LA.search(plain):
        axes = [LONG_AXIS]
    if axes:
        return axes
    if _has(PLANES[OTHER_PART], plain):
        return [OTHER_PART]
    return [STACK] if _has(PLANES[STACK], plain) and not _has(ALONG_BODY, plain) else []


def _has(words: str, plain: str) -> bool:
    """Whether one of the words stands by itself or run together with a known one; digits and "_" end a word too."""
    return bool(_word(words).search(plain))


@lru_cache(maxsize=64)
def _word(words: str) -> re.Pattern[str]:
    return re.compile(rf"{BEFORE}(?:{words}){AFTER}")


@lru_cache(maxsize=64)
def _context(prepositions: str, words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{prepositions})[ _./-]+(?:(?:stress|rest)[ _./-]+)?(?:{words})(?![a-z])")


def _without(text: str, prepositions: str, words: str) -> str:
    """A name without the words that stand behind one of the prepositions."""
    return _context(prepositions, words).sub(" ", _plain(text))


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Lower case without accents; where capitals begin words ("TrueFISP", "cineSAX"), also with these apart."""
    text = text[:_LONGEST_NAME]
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " | ".join(dict.fromkeys(_lower(one) for one in (text, split)))


def _lower(text: str) -> str:
    if not text.isascii():
        text = text.replace("ı", "i").replace("ł", "l").replace("Ł", "L").replace("ø", "o").replace("Ø", "O")
        parts = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(one for one in parts if not unicodedata.combining(one)))
    return text.lower()
