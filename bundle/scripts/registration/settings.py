"""Settings of the registration that a site may change, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

from .. import conventions


@dataclass(frozen=True)
class RegistrationSettings:
    """What a site may change.

    sequence: lge or t2_stir, named in messages and report. register: False leaves every slice where it was scanned.
    slice_tolerance_mm, direction_deg: which slices belong together (slice_matching.match_slices).
    max_displacement_mm, max_rotation_deg: beyond it a slice stays as scanned; rotation 0 is not looked for.
    min_improvement: least gain in agreement that a displacement, min_rotation_gain: that a rotation has to bring.
    flag_displacement_mm, flag_residual_mm, flag_distance_mm: slices above are pointed out to the reader.
    deformable: also bend the slice (B-spline), at most max_deformation_mm, for min_deformation_gain nats at least.
    """

    sequence: str = conventions.LGE
    register: bool = True
    slice_tolerance_mm: float = 5.0
    direction_deg: float = 5.0
    max_displacement_mm: float = 15.0
    max_rotation_deg: float = 4.0
    min_improvement: float = 0.05
    min_rotation_gain: float = 0.1
    flag_displacement_mm: float = 8.0
    flag_distance_mm: float = 2.0
    flag_residual_mm: float = 2.0
    deformable: bool = False
    max_deformation_mm: float = 4.0
    min_deformation_gain: float = 0.05

    def __post_init__(self) -> None:
        if self.sequence not in (conventions.LGE, "t2_stir"):
            raise conventions.ConfigError(f"sequence: found {self.sequence!r}, expected lge or t2_stir. Fix: name one.")
        limits = {"max_displacement_mm": (1, 40), "max_rotation_deg": (0, 30), "slice_tolerance_mm": (0, 50)}
        limits |= {"direction_deg": (0, 45), "max_deformation_mm": (0, 10)}
        for key, (low, high) in limits.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise conventions.ConfigError(
                    f"{key}: found {value}, expected {low} to {high}. Fix: set {key} within these limits."
                )
        object.__setattr__(self, "deformable", conventions.flag(self.deformable, "deformable"))
