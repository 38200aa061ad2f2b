"""Hearts shared by the phantom tests: drawn subjects, made once each, and a round heart of thick wall built by hand."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scripts.phantom.heart import tissue
from scripts.phantom.heart.anatomy import Anatomy, draw_anatomy
from scripts.phantom.heart.motion import Motion
from scripts.phantom.heart.muscles import STRAND
from scripts.phantom.heart.pathology import Pathology
from scripts.phantom.heart.shape import ANGLES, DEPTHS
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.scanner.acquisition import Examination
from scripts.phantom.scanner.kspace import Sampling
from scripts.phantom.scanner.protocol import Protocol, draw_protocol
from scripts.phantom.subject import Heart, draw_heart, make_subject

INNER_MM, OUTER_MM, LENGTH_MM = 24.0, 44.0, 90.0
# Sectors of the round heart's wall, degrees.
SECTORS = {"infarct": (0, 90), "oedema": (100, 170), "no_reflow": (190, 260)}


@lru_cache(maxsize=32)
def _subject(seed, index, views, items):
    return make_subject(index, seed, PhantomParameters(**dict(items)), views=views)


@pytest.fixture(scope="session")
def subject_of():
    """``subject_of(seed, index=1, views=False, **parameters)``: key phases on clean, unless asked otherwise."""

    def make(seed, index=1, views=False, **parameters):
        given = {"stored_phases": "key", "difficulty": "clean"} | parameters
        return _subject(seed, index, views, tuple(sorted(given.items())))

    return make


@pytest.fixture(scope="session")
def heart_of():
    """``heart_of(seed, index=1, **parameters)``: the Heart that ``subject_of`` scans."""

    def make(seed, index=1, **parameters) -> Heart:
        given = {"stored_phases": "key", "difficulty": "clean"} | parameters
        stream = np.random.SeedSequence([seed, 0, index]).spawn(1)[0]
        return draw_heart(PhantomParameters(**given), np.random.default_rng(stream))

    return make


@dataclass(frozen=True)
class RoundHeart:
    """A tube of 24 mm inner and 44 mm outer radius on the axis of the stack, without right ventricle."""

    anatomy: Anatomy
    pathology: Pathology
    motion: Motion

    def protocol(self, field_t: float = 1.5, **changes) -> Protocol:
        """Clean, without noise and without loss of resolution; ``changes``: cine=, stir=, lge= as dicts, or fields."""
        drawn = draw_protocol(PhantomParameters(difficulty="clean", field_strength_t=field_t), 880.0, _rng(4))
        sharp = Sampling((0.01, 0.01), 0.0)
        for name in ("cine", "stir", "lge"):
            part = {"snr": 1e9, "sampling": sharp} | changes.pop(name, {})
            drawn = replace(drawn, **{name: replace(getattr(drawn, name), **part)})
        return replace(drawn, **changes)

    def scan(self, protocol: Protocol, shifts_mm: dict | None = None, tissues: dict | None = None) -> Examination:
        """On the table's tissues and without breath-hold shifts, unless others are given."""
        still = {key: np.zeros((self.anatomy.slices, 3)) for key in ("cine", "t2_stir", "lge")}
        table = tissues or tissue.tissues_at(protocol.field_strength_t)
        return Examination(self.anatomy, self.pathology, self.motion, protocol, table, shifts_mm or still, _rng(5))

    def rois(self, pixels: int = 3) -> dict[str, np.ndarray]:
        """Eroded label, (X, Y, S) bool each: blood, myocardium, infarct, imh, aar."""
        label = self.scan(self.protocol()).label()
        flat = np.ones((2 * pixels + 1, 2 * pixels + 1, 1), dtype=bool)
        codes = {"blood": 1, "myocardium": 2, "infarct": 3, "imh": 4, "aar": 5}
        return {name: binary_erosion(label == code, flat) for name, code in codes.items()}


@pytest.fixture(scope="session")
def round_heart() -> RoundHeart:
    drawn = draw_anatomy(PhantomParameters(slices=4, slice_gap_mm=4.0), "male", 1.0, 1.0, _rng(3))
    flat = np.zeros((DEPTHS, ANGLES))
    shape = replace(
        drawn.shape, length_mm=LENGTH_MM, septum_angle=np.pi, endo_mm=flat + INNER_MM, epi_mm=flat + OUTER_MM,
        fat_mm=flat + 2.0, ridge_mm=flat, papillary=np.zeros((0, STRAND)), tendons=np.zeros((0, STRAND)),
        bowing=0.0, base_mm=np.zeros(ANGLES), rv_angle=np.pi, rv_offset_mm=np.zeros(DEPTHS), rv_radius_mm=flat,
        rv_ridge_mm=flat, rv_strands=np.zeros((0, STRAND)),
    )  # fmt: skip
    axis = np.zeros((3, 2))
    depth = np.array([18.0, 30.0, 48.0, 66.0])
    anatomy = replace(drawn, shape=shape, axis_mm=axis, depth_mm=depth, slow_flow_mm=2.5)
    infarct, no_reflow, at_risk = np.zeros((2, DEPTHS, ANGLES)), np.zeros((2, DEPTHS, ANGLES)), flat.copy()
    for name in ("infarct", "no_reflow"):
        infarct[1][:, slice(*SECTORS[name])] = 1.0
    no_reflow[:, :, slice(*SECTORS["infarct"])] = 1.0
    no_reflow[1][:, slice(*SECTORS["no_reflow"])] = 1.0
    at_risk[:, slice(*SECTORS["oedema"])] = 1.0
    pathology = Pathology(infarct, no_reflow, at_risk, flat + 1.0, flat + 1.0, flat.copy())
    return RoundHeart(anatomy, pathology, Motion(flat + 1.0, 0.35, 12.0, 0.2))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
