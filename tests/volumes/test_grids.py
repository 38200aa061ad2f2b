"""Same grid, same space, other space: three cases, three severities."""

import numpy as np
import pytest
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.grids import (
    SAME_GRID,
    SAME_SPACE,
    GeometryError,
    Grid,
    GridTolerance,
    match_grids,
    offset_warning,
)

CENTRE = (10.0, 20.0, -30.0)


def _grid(make, name="p/t2_stir.nii.gz", shape=(64, 64, 5), **keywords):
    return Grid(name, shape, make.affine(shape, **keywords))


def _cine(make):
    return _grid(make, "p/cine.nii.gz")


def _assert_same_place(cine, other, match):
    """Every cine pixel and its partner differ in patient space along the normal only."""
    for s, k in enumerate(match.slices):
        for pixel in ([0, 0, 1], [60, 3, 1], [17, 44, 1]):
            x, y, _ = match.pixel_maps[s] @ pixel
            offset = other.world([[x, y, k]])[0] - cine.world([[pixel[0], pixel[1], s]])[0]
            assert np.linalg.norm(np.cross(offset, other.normal)) < 1e-6


def test_equal_affine_is_the_same_grid_even_with_header_rounding(make):
    cine = _cine(make)
    other = Grid("t2", cine.shape, cine.affine.astype(np.float32).astype(float) + 1e-4)
    match = match_grids(cine, other, GridTolerance())
    assert match.verdict == SAME_GRID and match.warnings == ()
    np.testing.assert_array_equal(match.slices, range(5))


@pytest.mark.parametrize(
    "keywords",
    [
        dict(shape=(100, 80, 5), spacing=(0.9, 1.1, 8)),
        dict(centre=(14.0, 18.0, -30.0)),
        dict(turn=[[0, -1], [1, 0]]),
        dict(turn=[[-1, 0], [0, 1]]),
    ],
)
def test_another_grid_in_the_same_place_is_mapped_point_for_point(make, keywords):
    cine, other = _cine(make), _grid(make, **keywords)
    match = match_grids(cine, other, GridTolerance())
    assert match.verdict == SAME_SPACE
    _assert_same_place(cine, other, match)


def test_reversed_slice_order_is_matched_by_place_not_by_index(make):
    cine = _cine(make)
    flipped = cine.affine.copy()
    flipped[:3, 3] += 4 * flipped[:3, 2]
    flipped[:3, 2] *= -1
    match = match_grids(cine, Grid("t2", cine.shape, flipped), GridTolerance())
    assert match.slices.tolist() == [4, 3, 2, 1, 0]


def test_sheared_stack_is_projected_along_the_normal(make):
    cine = _cine(make)
    sheared = cine.affine.copy()
    sheared[:3, 2] += 3.0 * sheared[:3, 0]
    other = Grid("t2", cine.shape, sheared)
    match = match_grids(cine, other, GridTolerance())
    assert match.slices.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(match.pixel_maps[2] @ [30, 20, 1], [24, 20, 1], atol=1e-6)
    _assert_same_place(cine, other, match)


def test_sheared_cine_is_projected_along_the_normal(make):
    cine = _cine(make)
    sheared = cine.affine.copy()
    sheared[:3, 2] += 3.0 * sheared[:3, 0]
    cine, other = Grid("cine", cine.shape, sheared), cine
    match = match_grids(cine, other, GridTolerance())
    np.testing.assert_allclose(match.pixel_maps[2] @ [30, 20, 1], [36, 20, 1], atol=1e-6)
    _assert_same_place(cine, other, match)


def test_fewer_slices_leave_gaps_and_a_warning(make):
    match = match_grids(_cine(make), _grid(make, shape=(64, 64, 1)), GridTolerance())
    assert match.slices.tolist() == [-1, -1, 0, -1, -1]
    assert "covers 1 of 5 cine slices (none at slice 1, 2, 4, 5)" in match.warnings[0]


def test_one_slice_cine_finds_its_slice_in_a_stack(make):
    match = match_grids(_grid(make, shape=(64, 64, 1)), _grid(make), GridTolerance())
    assert match.slices.tolist() == [2]


def test_distance_between_slices_is_reported(make):
    shifted = _grid(make, centre=np.array(CENTRE) + 3 * make.normal)
    match = match_grids(_cine(make), shifted, GridTolerance())
    assert any("3.0 mm beside" in warning for warning in match.warnings)


def test_tilted_stack_is_another_space(make):
    angle = np.radians(20)
    tilted = np.cos(angle) * make.down + np.sin(angle) * make.normal
    with pytest.raises(GeometryError) as error:
        match_grids(_cine(make), _grid(make, down=tilted), GridTolerance())
    text = make.readable(error)
    assert "20.0 degrees" in text and "at most 5 degrees (direction_deg)" in text and "p/cine.nii.gz" in text


def test_stack_far_along_the_axis_is_another_space(make):
    with pytest.raises(GeometryError) as error:
        match_grids(_cine(make), _grid(make, centre=np.array(CENTRE) + 60 * make.normal), GridTolerance())
    text = make.readable(error)
    assert "28.0 mm" in text and "at most 5 mm (slice_mm)" in text


def test_stack_beside_the_cine_is_another_space(make):
    with pytest.raises(GeometryError) as error:
        match_grids(_cine(make), _grid(make, centre=np.array(CENTRE) + 80 * make.right), GridTolerance())
    text = make.readable(error)
    assert "expected at least 25 % (min_overlap)" in text and "Centres" in text


def test_tolerance_of_the_config_decides(make):
    shifted = _grid(make, centre=np.array(CENTRE) + 3 * make.normal)
    with pytest.raises(GeometryError, match="at most 2 mm"):
        match_grids(_cine(make), shifted, GridTolerance(slice_mm=2.0))
    assert match_grids(_cine(make), shifted, GridTolerance(affine_mm=3.5)).verdict == SAME_GRID


@pytest.mark.slow
def test_sequences_on_other_grids_land_on_the_cine_crop(tmp_path, make):
    """T2-STIR finer, reversed and shifted in plane, LGE and label turned: the crops still show one heart."""
    folder = make.subject(tmp_path / "p", shape=(96, 96, 4))
    centre = np.array(CENTRE) + 15 * make.right - 20 * make.down
    reference = SubjectPreprocessing(crop_size=(96, 96))(make.entry(folder))
    fine = make.affine((150, 140, 4), spacing=(1.0, 1.0, 8), centre=np.array(CENTRE) + 4 * make.right)
    fine[:3, 3] += 3 * fine[:3, 2]
    fine[:3, 2] *= -1
    turned = make.affine((90, 100, 4), spacing=(1.3, 1.5, 8), turn=[[0, -1], [-1, 0]])
    make.write(folder / "t2_stir.nii.gz", make.sample(make.heart, (150, 140, 4), fine, centre), fine)
    make.write(folder / "lge.nii.gz", make.sample(make.heart, (90, 100, 4), turned, centre), turned)
    make.write(folder / "label.nii.gz", make.sample(make.heart_label, (90, 100, 4), turned, centre), turned)
    item = SubjectPreprocessing(crop_size=(96, 96))(make.entry(folder))
    inner = (..., slice(12, 84), slice(12, 84), slice(None))
    for key in ("image", "lge"):
        difference = (item[key] - reference[key])[inner].abs()
        assert difference.mean() < 0.02 and difference.max() < 0.2
    assert (item["label"] != reference["label"])[inner].float().mean() < 0.02
    difference = (item["t2_native"] - reference["t2_native"])[20:-20, 20:-20].abs()
    assert difference.max() < 20 and item["reference_slices"].tolist() == [1, 1, 1, 1]


def test_a_label_beside_the_image_of_its_shape_is_told_with_the_distance(make):
    cine, lge = _cine(make), _grid(make, "p/lge.nii.gz", shape=(80, 80, 5))
    moved = cine.affine.copy()
    moved[:3, 3] += (3.0, -4.0, 0.0)
    (text,) = offset_warning(Grid("p/label.nii.gz", cine.shape, moved), [cine, lge], GridTolerance())
    assert "p/label.nii.gz has the shape of p/cine.nii.gz" in text and "5.0 mm" in text


def test_a_label_on_one_of_the_images_or_of_no_image_s_shape_is_not_doubted(make):
    cine, lge = _cine(make), _grid(make, "p/lge.nii.gz", centre=(14.0, 18.0, -30.0))
    for label in (cine, lge, _grid(make, shape=(32, 32, 5))):
        assert offset_warning(label, [cine, lge], GridTolerance()) == ()
    assert offset_warning(cine, [], GridTolerance()) == ()
