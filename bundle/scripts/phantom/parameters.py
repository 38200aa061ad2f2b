"""What a user may fix about the phantom's subjects, with the allowed ranges; None means drawn per subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..conventions import VENDORS, ConfigError, flag

# Recorded in meta.json and dataset.json; raised whenever the same seed gives other bytes.
GENERATOR_VERSION = 5
DIFFICULTIES = {"clean": 0.0, "easy": 0.5, "realistic": 1.0, "hard": 1.5}
# With an infarct, and hearts that a clinic sends too: some move badly without one.
INFARCTED = ("acute_mi", "old_scar")
CONDITIONS = (
    *("acute_mi", "healthy", "stunning", "old_scar", "takotsubo"),
    *("dilated", "hypertrophic", "rv_overload", "bundle_branch_block", "hibernating"),
)
TERRITORIES = ("LAD", "RCA", "LCX")
FIELD_STRENGTHS_T = (1.5, 3.0)
SCANNER_VENDORS = VENDORS[1:]
# Stored cine phases: every phase; or end-diastole, end-systole and the phase of the LGE.
STORED_PHASES = ("all", "key")
# Phases with LGE and label map: that of the LGE; end-diastole and end-systole, too, where the cine shows the heart.
LABELLED_PHASES = AT_LGE, AT_KEY = ("lge", "key")
# What of the heartbeat a subject's files show and tell: all of it; or what a hospital sends, drawn for each subject.
COMPLETE, AS_SENT = TIMINGS = ("complete", "as_sent")
_COMPLETE_PHASES, _FEWEST_LABELLED = 25, 8
# Scanners a cohort draws from: every one; those of training; a vendor and field strength training never sees.
SITES = ("any", "internal", "external")

# Ejection fraction that goes with a condition, percent: from where it would contradict it, to what nearly every such
# heart reaches however hard its remote wall works.
_EJECTION_OF = {
    "healthy": (40.0, 80.0),
    "stunning": (10.0, 70.0),
    "takotsubo": (10.0, 50.0),
    "dilated": (10.0, 50.0),
    "hypertrophic": (20.0, 75.0),
    "rv_overload": (10.0, 75.0),
    "bundle_branch_block": (10.0, 70.0),
    "hibernating": (10.0, 55.0),
}
# An infarct takes half of its size, points per percent of the LV wall, off the highest ejection fraction of any heart.
_EJECTION_LOST_TO_INFARCT = 0.5
# Largest bed of an artery, percent of the LV wall, and how much larger than its infarct a bed is at least.
LARGEST_BED_PERCENT, BED_OVER_INFARCT = {"LAD": 54.0, "RCA": 46.0, "LCX": 40.0}, 1.04

# Key -> lowest, highest, why. Wider than patients, narrower than what the geometry can hold.
_RANGES = {
    "infarct_percent_lv": (0.5, 60.0, "percent of the LV wall"),
    "ejection_fraction_percent": (10.0, 80.0, "percent"),
    "slice_gap_mm": (0.0, 4.0, "mm between slices"),
    "phases": (1, 60, "cine phases"),
    "slices": (3, 16, "short-axis slices"),
}
_CHOICES = {
    "condition": CONDITIONS,
    "territory": TERRITORIES,
    "vendor": SCANNER_VENDORS,
    "field_strength_t": FIELD_STRENGTHS_T,
    "sex": ("female", "male"),
    "stored_phases": STORED_PHASES,
    "labelled_phases": LABELLED_PHASES,
    "timing": TIMINGS,
    "site": SITES,
}


@dataclass(frozen=True)
class PhantomParameters:
    """What all subjects of a cohort share. ``difficulty`` is a name of DIFFICULTIES or a number from 0 to 2.

    ``difficulty`` scales artefacts, breath-hold shifts and the scatter of contrast; "clean" has none of them and keeps
    noise of a tenth. ``aligned``: the sequences as after registration; false: as the breath-holds left them.
    ``labelled_phases`` key: LGE and label map also at end-diastole and end-systole, for training.
    ``timing`` as_sent: phases, trigger times, gaps and, where not ``aligned``, headers as a hospital sends them
    (``as_sent.draw_sending``); ``phases`` is then drawn, too, unless it is given; None is 25 in a complete cohort.
    ``site``: the scanners drawn from; internal: Siemens, Philips and GE at 1.5 T, external: UIH at 3 T.

    Raises:
        ConfigError: a value out of range, or values that exclude each other; names the key and what is allowed.
    """

    phases: int | None = None
    stored_phases: str = "all"
    labelled_phases: str = AT_LGE
    timing: str = COMPLETE
    difficulty: str | float = "realistic"
    aligned: bool = True
    site: str = "any"
    condition: str | None = None
    territory: str | None = None
    infarct_percent_lv: float | None = None
    ejection_fraction_percent: float | None = None
    slices: int | None = None
    slice_gap_mm: float | None = None
    vendor: str | None = None
    field_strength_t: float | None = None
    sex: str | None = None

    def __post_init__(self) -> None:
        for key, (low, high, unit) in _RANGES.items():
            _check_range(key, getattr(self, key), low, high, unit)
        for key, allowed in _CHOICES.items():
            value = getattr(self, key)
            if value is not None and value not in allowed:
                raise ConfigError(
                    f"{key}: found {value!r}, allowed are {', '.join(map(str, allowed))}. Fix: --{key} {allowed[0]}"
                )
        object.__setattr__(self, "aligned", flag(self.aligned, "aligned"))
        if self.timing == COMPLETE and self.phases is None:
            object.__setattr__(self, "phases", _COMPLETE_PHASES)
        self._check_timing()
        self._check_lesion()
        _difficulty(self.difficulty)

    @property
    def level(self) -> float:
        """``difficulty`` as a number, 0 to 2."""
        return _difficulty(self.difficulty)

    def _check_timing(self) -> None:
        for key, only in (("stored_phases", STORED_PHASES[0]), ("labelled_phases", AT_LGE)):
            if self.timing == AS_SENT and getattr(self, key) != only:
                raise ConfigError(
                    f"{key}: found {getattr(self, key)!r} with timing {AS_SENT!r}, which draws the phases; allowed is "
                    f"{only}. Fix: leave {key} out, or --timing {COMPLETE}"
                )
        if self.labelled_phases == AT_KEY and self.stored_phases == "all" and (self.phases or 0) < _FEWEST_LABELLED:
            raise ConfigError(
                f"labelled_phases: found {AT_KEY!r} with {self.phases} phases, allowed are {_FEWEST_LABELLED} to 60 "
                f"phases, so that one lies near end-systole. Fix: --stored_phases key, or --labelled_phases {AT_LGE}"
            )

    def _check_lesion(self) -> None:
        infarcted = self.condition in (None, *INFARCTED)
        for key in ("infarct_percent_lv", "territory"):
            if getattr(self, key) is not None and not infarcted:
                raise ConfigError(
                    f"{key}: found {getattr(self, key)!r} with condition {self.condition!r}, which has no infarct. "
                    f"Fix: leave {key} out, or --condition acute_mi"
                )
        self._check_bed()
        self._check_ejection()

    def _check_bed(self) -> None:
        if self.infarct_percent_lv is None or self.territory is None:
            return
        low, high = _RANGES["infarct_percent_lv"][0], int(LARGEST_BED_PERCENT[self.territory] / BED_OVER_INFARCT)
        if self.infarct_percent_lv > high:
            raise ConfigError(
                f"infarct_percent_lv: found {self.infarct_percent_lv!r} with territory {self.territory!r}, whose bed "
                f"holds numbers from {low:g} to {high:g}. Fix: --infarct_percent_lv {high}, or leave territory out"
            )

    def _check_ejection(self) -> None:
        found = self.ejection_fraction_percent
        if found is None:
            return
        low, high, _ = _RANGES["ejection_fraction_percent"]
        if self.infarct_percent_lv is not None:
            smallest = _RANGES["infarct_percent_lv"][0]
            high -= _EJECTION_LOST_TO_INFARCT * (self.infarct_percent_lv - smallest)
            beside, cause = f"infarct_percent_lv {self.infarct_percent_lv:g}", "infarct_percent_lv"
        else:
            low, high = _EJECTION_OF.get(self.condition or "", (low, high))
            beside, cause = f"condition {self.condition!r}", "condition"
        if not low <= found <= high:
            raise ConfigError(
                f"ejection_fraction_percent: found {found!r} with {beside}, allowed are numbers from {low:g} to "
                f"{high:g}. Fix: --ejection_fraction_percent {min(max(found, low), high):g}, or leave {cause} out"
            )

    def recorded(self) -> dict[str, Any]:
        """What decides a subject's bytes, for dataset.json and meta.json; keys left to chance are left out."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        return {"generator": GENERATOR_VERSION} | given

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> PhantomParameters:
        """From a config section; unknown keys are refused."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"phantom parameters: found {unknown}, allowed are {sorted(known)}. Fix: correct it.")
        return cls(**values)


def _check_range(key: str, value: Any, low: float, high: float, unit: str) -> None:
    if value is None:
        return
    whole = isinstance(low, int)
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "whole numbers" if whole else "numbers"
        raise ConfigError(
            f"{key}: found {value!r}, allowed are {kind} from {low:g} to {high:g} ({unit}). "
            f"Fix: for example --{key} {low if whole else (low + high) / 2:g}"
        )


def _difficulty(value: str | float) -> float:
    if isinstance(value, str) and value in DIFFICULTIES:
        return DIFFICULTIES[value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 <= value <= 2.0:
        return float(value)
    raise ConfigError(
        f"difficulty: found {value!r}, allowed are {', '.join(DIFFICULTIES)} or a number from 0 to 2. "
        "Fix: --difficulty realistic"
    )
