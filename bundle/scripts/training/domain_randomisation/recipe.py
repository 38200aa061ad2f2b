"""How widely each change is drawn: probabilities and ranges, all in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

Range = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """Probabilities (``*_prob``) and ranges of all changes; lengths in pixels of the crop, levels on its scale 0..1.

    The defaults are wide: what a patient's cine may look like. Source: docs/SOURCES.md of the repository, Domain
    randomisation.
    """

    # geometry: image, LGE and label alike
    magnification: Range = (0.7, 1.5)
    rotation: str = "any"
    small_change_prob: float = 1.0
    mirror_prob: float = 0.5
    stretch_sd: float = 0.09
    shift: float = 12.0
    elastic_prob: float = 0.8
    elastic_sd: tuple[float, ...] = (2.6, 1.4, 0.6)
    empty_border_prob: float = 0.3
    rv_bulge_prob: float = 0.7
    rv_bulge: Range = (-0.1, 0.5)
    rv_bulge_width: Range = (11.0, 18.0)
    lv_bulge_prob: float = 0.5
    lv_bulge: Range = (-0.3, 0.35)
    lv_bulge_width: Range = (7.0, 13.0)
    # levels of the tissues in the cine
    tissue_prob: float = 1.0
    lung_black_prob: float = 0.5
    lung: Range = (0.0, 0.18)
    wall: Range = (0.08, 0.42)
    blood: Range = (0.38, 0.95)
    least_contrast: float = 0.18
    top: Range = (0.75, 1.15)
    outside_curve_prob: float = 0.5
    rv_brightness_prob: float = 0.6
    rv_brightness: Range = (-0.25, 0.35)
    lung_offset_prob: float = 0.4
    lung_offset: Range = (0.0, 0.12)
    # what lies around and inside the heart
    surroundings_prob: float = 0.65
    surroundings_from: Range = (1.0, 9.0)
    ring_prob: float = 0.4
    ring_width: Range = (1.0, 3.0)
    trabeculae_prob: float = 0.6
    texture_prob: float = 0.8
    texture_sd: dict[str, float] = field(default_factory=lambda: {"blood": 0.17, "wall": 0.07, "outside": 0.12})
    # the acquisition
    bias_prob: float = 0.6
    bias: float = 0.3
    blur_prob: float = 0.6
    blur_sd: Range = (0.0, 1.1)
    half_resolution_prob: float = 0.4
    noise_prob: float = 0.7
    noise_sd: float = 0.06
    renormalise_prob: float = 0.5
    gamma_prob: float = 1.0
    log_gamma: float = 0.35
    # the T2-STIR: mild, since the infarct is read from its level beside the remote wall's
    t2_prob: float = 0.7
    t2_loss: float = 0.3
    t2_bias: float = 0.12
    t2_log_gamma: float = 0.2
    t2_noise_sd: float = 0.03
    # the LGE, for networks that read one
    lge_blood: Range = (-0.2, 0.2)
    lge_wall: Range = (-0.05, 0.1)
    lge_infarct_contrast: Range = (0.65, 1.15)
    lge_least_contrast: float = 0.06
    lge_outside: Range = (0.5, 1.4)
    lge_texture_sd: float = 0.05
    lge_bias: float = 0.35
    lge_blur_prob: float = 0.5
    lge_blur_sd: Range = (0.0, 0.9)
    lge_half_resolution_prob: float = 0.3
    lge_noise_sd: float = 0.06
    lge_log_gamma: float = 0.35


# Planning and localisation differences, gamma and a little noise; the surroundings stay.
MILD = Recipe(
    magnification=(0.9, 1.1),
    rotation="quarter_turns",
    small_change_prob=0.5,
    mirror_prob=0.0,
    stretch_sd=0.0,
    shift=8.0,
    elastic_prob=0.0,
    empty_border_prob=1.0,
    rv_bulge_prob=0.0,
    lv_bulge_prob=0.0,
    tissue_prob=0.0,
    outside_curve_prob=0.0,
    rv_brightness_prob=0.0,
    lung_offset_prob=0.0,
    surroundings_prob=0.0,
    ring_prob=0.0,
    trabeculae_prob=0.0,
    texture_prob=0.0,
    bias_prob=0.0,
    blur_prob=0.0,
    half_resolution_prob=0.0,
    noise_prob=0.25,
    noise_sd=0.02,
    renormalise_prob=0.0,
    gamma_prob=0.5,
    t2_prob=0.5,
    t2_loss=0.0,
    t2_bias=0.0,
    t2_log_gamma=0.35,
    t2_noise_sd=0.02,
    lge_blood=(0.0, 0.0),
    lge_wall=(0.0, 0.0),
    lge_infarct_contrast=(1.0, 1.0),
    lge_outside=(1.0, 1.0),
    lge_texture_sd=0.0,
    lge_bias=0.0,
    lge_blur_prob=0.0,
    lge_half_resolution_prob=0.0,
    lge_noise_sd=0.02,
    lge_log_gamma=0.2,
)
