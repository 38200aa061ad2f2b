"""T2-STIR and LGE are brought onto the cine: known shifts are found, and what cannot be done is said."""

import json

import numpy as np
import pytest
from scipy import ndimage
from scripts.conventions import ConfigError, DataError
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject
from scripts.registration.registration import RegistrationError, RegistrationSettings, Stack, align_to_cine
from scripts.registration.working_grid import Companion
from scripts.volumes.grids import GeometryError

pytestmark = pytest.mark.slow

TIMES = [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]
SHIFTS_MM = np.array([[6.0, -4.0], [0.0, 0.0], [-3.0, 5.0], [2.0, 2.0]])
QUICK = RegistrationSettings(max_rotation_deg=0.0)


class Study:
    """A beating ring of muscle before a chest that stands still; the moving stack has the other contrast."""

    def __init__(self, make, shape=(110, 110, 4)):
        self.affine = make.affine(shape, spacing=(1.4, 1.4, 8.0))
        beat = 0.3 * (1 - np.cos(2 * np.pi * np.arange(len(TIMES)) / len(TIMES))) / 2
        frames = [[_slice(shape, (0, 0), b, (60, 300, 120)) for b in beat] for _ in range(shape[2])]
        noise = np.random.default_rng(1)
        self.cine = np.moveaxis(np.array(frames), (0, 1), (2, 3)) + noise.normal(0, 4, (*shape, len(TIMES)))
        slices = [_slice(shape, shift, beat[5], (20, 10, 150)) for shift in SHIFTS_MM]
        self.moving = np.stack(slices, axis=-1) + noise.normal(0, 4, shape)

    def align(self, settings=QUICK, **changes):
        parts = dict(
            cine=self.cine, cine_affine=self.affine, cine_times_ms=TIMES, moving=self.moving,
            moving_affine=self.affine, moving_time_ms=480.0, companion=None,
        ) | changes  # fmt: skip
        moment = None if parts["moving_time_ms"] is None else [parts["moving_time_ms"]]
        return align_to_cine(
            Stack(parts["cine"], parts["cine_affine"], parts["cine_times_ms"]),
            Stack(parts["moving"], parts["moving_affine"], moment),
            settings,
            parts["companion"],
        )


def _slice(shape, shift_mm, contraction, levels):
    """Chest, blood and muscle at ``levels``; the right ventricle makes the heart differ in each direction."""
    x, y = ((np.arange(n) - (n - 1) / 2) * 1.4 for n in shape[:2])
    u, v = x[:, None] - shift_mm[0], y[None, :] - shift_mm[1]
    chest, blood, muscle = levels
    picture = np.where(np.hypot(x[:, None] + 0 * v, y[None, :] - 55) < 18, 260.0, float(chest))
    picture = np.where(np.hypot((u + 32) / 1.4, v - 6) < 16 * (1 - contraction), blood, picture)
    picture = np.where(np.hypot(u, v) < 30 - 6 * contraction, muscle, picture)
    picture = np.where(np.hypot(u, v) < 20 * (1 - contraction), blood, picture)
    return ndimage.gaussian_filter(np.where(np.hypot(u - 9, v + 11) < 4, muscle, picture).astype(float), 0.6)


@pytest.fixture
def known(make):
    return Study(make)


def test_known_shifts_are_found_and_undone(known):
    found = known.align()
    shifts = np.array([record.displacement_mm for record in found.records])
    assert np.abs(shifts - SHIFTS_MM).max() < 0.6
    assert [record.accepted for record in found.records] == [True, False, True, True]
    assert "gains" in found.records[1].reason
    resting = _slice((110, 110), (0, 0), 0.02, (20, 10, 150))[30:80, 30:80, None]
    after, before = (np.abs(one[30:80, 30:80] - resting).mean(axis=(0, 1)) for one in (found.volume, known.moving))
    assert (after[[0, 2, 3]] < 0.7 * before[[0, 2, 3]]).all()
    assert found.volume.dtype == np.float32 and found.volume.shape == (110, 110, 4)
    np.testing.assert_allclose(found.volume[..., 1], known.moving[..., 1], atol=1e-3)


def test_the_same_input_gives_the_same_output(known):
    np.testing.assert_array_equal(known.align().volume, known.align().volume)


def test_a_rotation_is_found_and_rarely_made_up():
    subject = make_subject(3, 7, PhantomParameters(aligned=False, stored_phases="key", slices=8))
    volume, affine = subject.volumes["t2_stir"].astype(float), subject.affine
    cine = Stack(subject.volumes["cine"], affine, subject.meta["cine_trigger_times_ms"])
    times_ms = [subject.meta["t2_stir_trigger_time_ms"]]
    turned = ndimage.rotate(volume, 6.0, axes=(0, 1), reshape=False, order=1, mode="nearest")
    settings = RegistrationSettings(sequence="t2_stir", max_rotation_deg=6.0)
    as_scanned, after = (
        align_to_cine(cine, Stack(one, affine, times_ms), settings).records for one in (volume, turned)
    )
    assert sum(record.rotation_deg != 0 for record in as_scanned) <= 1
    assert sum(record.rotation_deg >= 4 for record in after) >= 4


@pytest.mark.parametrize(
    ("times", "moving_time", "phase", "rule"),
    [(TIMES, 480.0, 5, "nearest to lge"), (None, 480.0, 5, "image"), (TIMES, None, 5, "image")],
)
def test_the_phase_is_nearest_in_time_else_chosen_by_the_images(known, times, moving_time, phase, rule):
    found = known.align(cine_times_ms=times, moving_time_ms=moving_time)
    assert found.phase == phase and rule in found.chosen.rule


def test_a_cine_of_one_phase_is_enough(known):
    found = known.align(cine=known.cine[..., 5])
    assert found.phase == -1
    assert np.abs(np.array(found.records[0].displacement_mm) - SHIFTS_MM[0]).max() < 1.5


def test_another_grid_and_reversed_order_end_on_the_cine_grid(known, make):
    shape = (140, 150, 4)
    other = make.affine(shape, spacing=(1.0, 1.0, 8.0), turn=[[0, 1], [-1, 0]])
    to_other = np.linalg.inv(known.affine) @ other
    x, y = np.meshgrid(np.arange(140), np.arange(150), indexing="ij")
    at = np.einsum("ij,jxy->ixy", to_other[:2, :2], np.stack([x, y])) + to_other[:2, 3, None, None]
    planes = [ndimage.map_coordinates(known.moving[..., s], at, order=1, mode="nearest") for s in (3, 2, 1, 0)]
    other[:3, 3] += 3 * other[:3, 2]
    other[:3, 2] *= -1
    found = known.align(moving=np.stack(planes, axis=-1), moving_affine=other)
    assert [record.matched for record in found.records] == [3, 2, 1, 0]
    assert np.abs(np.array([r.displacement_mm for r in found.records]) - SHIFTS_MM).max() < 0.8
    resting = known.align().volume[35:75, 35:75]
    assert np.corrcoef(found.volume[35:75, 35:75].ravel(), resting.ravel())[0, 1] > 0.97


def test_a_companion_finds_what_the_cine_hides(known):
    """A cine without any border in common with the moving stack, and a sequence aligned before that has them all."""
    resting = np.stack([_slice((110, 110, 4), (0, 0), 0.0, (120, 160, 30))] * 4, axis=-1)
    hidden = np.random.default_rng(2).normal(100, 30, known.cine.shape[:3])[..., None] + 0.05 * known.cine

    def error(companion=None):
        records = known.align(cine=hidden, companion=companion).records
        names = ("cine", "t2_stir") if companion else ("cine",)
        assert all(record.compared_with == names for record in records)
        return np.linalg.norm(np.array([record.found_mm for record in records]) - SHIFTS_MM, axis=1)

    assert error(companion_of(resting)).max() < 1.0 < 3.0 < error().max()


def companion_of(volume, inside=True):
    return Companion(volume, np.broadcast_to(inside, volume.shape), "t2_stir")


def test_blood_of_zero_is_not_taken_for_the_edge_of_the_picture(known):
    resting = np.stack([_slice((110, 110, 4), (0, 0), 0.0, (120, 0, 30))] * 4, axis=-1)
    assert (resting == 0).mean() > 0.03
    records = known.align(companion=companion_of(resting)).records
    assert all(record.compared_with == ("cine", "t2_stir") for record in records)


def test_slices_that_a_reader_should_look_at_are_no_companions(known):
    settings = RegistrationSettings(sequence="t2_stir", max_rotation_deg=0.0, flag_displacement_mm=5.0)
    found = known.align(settings)
    assert found.report()["flagged_slices"] == [0, 2]
    companion = found.as_companion()
    assert companion.inside.any(axis=(0, 1)).tolist() == [False, True, False, True]
    # far off, and left as scanned all the same: not in its place
    timid = known.align(RegistrationSettings(sequence="t2_stir", max_rotation_deg=0.0, min_improvement=9.0))
    assert not any(record.accepted or record.flags for record in timid.records)
    assert timid.as_companion().inside.any(axis=(0, 1)).tolist() == [False, True, False, False]
    records = known.align(companion=companion).records
    assert [len(record.compared_with) for record in records] == [1, 2, 1, 2]


def test_a_companion_that_shows_no_heart_changes_nothing(known):
    alone, inside = known.align(), np.ones(known.moving.shape, bool)
    inside[55:, :, :2] = False
    inside[..., 2] = False
    flat = known.moving.copy()
    flat[..., 3] = 7
    for companion in (companion_of(known.moving, False), companion_of(flat, inside)):
        found = known.align(companion=companion)
        np.testing.assert_array_equal(found.volume, alone.volume)
        assert all(record["compared_with"] == ["cine"] for record in found.report()["slices"])


def test_missing_slices_are_empty_and_reported_and_extra_ones_named(known):
    start = known.affine.copy()
    start[:3, 3] += 2 * start[:3, 2]
    found = known.align(moving=np.concatenate([known.moving[..., 2:], known.moving[..., :1]], 2), moving_affine=start)
    assert found.available.tolist() == [False, False, True, True]
    assert not found.volume[..., :2].any() and not found.inside[..., :2].any() and found.volume[..., 2].any()
    report = json.loads(json.dumps(found.report()))
    assert report["missing_slices"] == [0, 1] and report["extra_slices"] == [2]
    assert report["slices"][0]["matched"] is None and "no slice" in report["slices"][0]["reason"]
    assert report["cine_phase"]["index"] == 5 and report["slices"][2]["accepted"] is True


def test_one_slice(known):
    one = known.align(cine=known.cine[:, :, :1], moving=known.moving[:, :, :1])
    assert np.abs(np.array(one.records[0].displacement_mm) - SHIFTS_MM[0]).max() < 1.0


def test_a_slice_without_signal_stays_and_is_named(known):
    known.moving[..., 2] = 0
    found = known.align()
    assert found.records[2].reason == "no signal in the heart" and not found.records[2].accepted
    assert found.records[2].agreement_before is None and not found.volume[..., 2].any()
    assert np.abs(np.array(found.records[0].displacement_mm) - SHIFTS_MM[0]).max() < 0.8


def test_a_stack_without_any_signal_moves_nothing(known):
    found = known.align(moving=np.zeros_like(known.moving))
    assert not any(record.accepted for record in found.records) and not found.volume.any()


def test_a_displacement_beyond_the_limit_is_not_applied(known):
    settings = RegistrationSettings(max_displacement_mm=5.0, max_rotation_deg=0.0)
    record = known.align(settings).records[0]
    assert not record.accepted and record.displacement_mm == (0.0, 0.0)
    assert "at most 5 mm allowed" in record.reason
    np.testing.assert_allclose(known.align(settings).volume[..., 0], known.moving[..., 0], atol=1e-3)


def test_what_exceeds_a_flag_is_pointed_out(known):
    found = known.align(RegistrationSettings(flag_displacement_mm=5.0, max_rotation_deg=0.0))
    assert found.records[0].flags[0].startswith("displacement 7.") and found.report()["flagged_slices"] == [0, 2]


def test_bending_keeps_within_its_limit_and_is_off_by_default(known):
    assert all(record.deformation_mm == 0 for record in known.align().records)
    bent = known.align(RegistrationSettings(deformable="true", max_rotation_deg=0.0, min_deformation_gain=-9.0))
    moved = [record for record in bent.records if record.accepted]
    assert any(record.deformation_mm > 0 for record in moved)
    assert all(record.deformation_mm <= 4 and ("bent" in record.reason) for record in moved)
    strict = known.align(RegistrationSettings(deformable=True, max_rotation_deg=0.0, max_deformation_mm=0.0))
    assert all("not bent" in record.reason for record in strict.records if record.accepted)


def test_phantom_breath_holds_come_closer_than_2_mm():
    subject = make_subject(3, 7, PhantomParameters(aligned=False, phases=8))
    meta, shifts = subject.meta, {k: np.array(v) for k, v in subject.meta["breath_hold_shifts_mm"].items()}
    cine = Stack(subject.volumes["cine"], subject.affine, meta["cine_trigger_times_ms"])
    companion = None
    for name in ("t2_stir", "lge"):
        settings = RegistrationSettings(sequence=name, max_rotation_deg=0.0)
        moving = Stack(subject.volumes[name], subject.affine, [meta[f"{name}_trigger_time_ms"]])
        found = align_to_cine(cine, moving, settings, companion)
        companion = found.as_companion()
        truth = (shifts[name] - shifts["cine"])[:, :2]
        error = np.linalg.norm(truth - [record.displacement_mm for record in found.records], axis=1)
        assert np.median(error) <= 1.0 < np.median(np.linalg.norm(truth, axis=1))
        # LGE: 2.2 mm when the core of the heart does not count for itself; at the apex there is little to go by
        assert error[:-2].max() < 1.5 or name == "t2_stir"


def _tilted(make, known):
    return dict(moving_affine=make.affine((110, 110, 4), right=make.normal, down=make.down))


def _elsewhere(make, known):
    return dict(moving_affine=make.affine((110, 110, 4), centre=np.array([10.0, 20.0, -30.0]) + 90 * make.normal))


def _beside(make, known):
    return dict(moving_affine=make.affine((110, 110, 4), centre=np.array([10.0, 20.0, -30.0]) + 160 * make.right))


def _hole(make, known):
    return dict(moving=np.where(np.arange(4) == 1, np.nan, known.moving))


@pytest.mark.parametrize(
    ("change", "kind", "expected"),
    [
        (_tilted, GeometryError, "90.0 degrees"),
        (_elsewhere, GeometryError, "mm apart"),
        (_beside, GeometryError, "in no slice"),
        (_hole, RegistrationError, "lge: found 12100 values NaN or Inf"),
        (lambda make, known: dict(cine=known.cine * np.inf), RegistrationError, "cine: found"),
        (lambda make, known: dict(moving=known.moving[..., 0]), RegistrationError, r"shape found \(110, 110\)"),
        (lambda make, known: dict(cine=known.cine[..., :0]), RegistrationError, "cine: shape found"),
        (lambda make, known: dict(companion=companion_of(known.moving[:50])), RegistrationError, "the cine's"),
        (lambda make, known: dict(companion=companion_of(known.moving * np.nan)), RegistrationError, "t2_stir: f"),
        (lambda make, known: dict(cine_times_ms=[0.0, 1.0]), DataError, "holds 2 values, expected 6"),
        (lambda make, known: dict(cine_affine=np.eye(4) * np.nan), GeometryError, "4 x 4 finite"),
    ],
)
def test_unusable_input_is_named(make, known, change, kind, expected):
    with pytest.raises(kind, match=expected) as error:
        known.align(**change(make, known))
    assert isinstance(error.value, DataError)
    make.readable(error)


@pytest.mark.parametrize(
    "setting", [dict(sequence="cine"), dict(max_displacement_mm=0), dict(max_rotation_deg=99), dict(deformable="maybe")]
)
def test_a_setting_that_makes_no_sense_is_named(make, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))) as error:
        RegistrationSettings(**setting)
    make.readable(error)
