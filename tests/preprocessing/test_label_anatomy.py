"""A label map that is no heart is told from every correct one, whatever its slices and its infarct."""

import nibabel as nib
import numpy as np
import pytest
from helpers.cone_heart import Sector, heart
from scripts.preprocessing.label_anatomy import implausible

pytestmark = pytest.mark.slow

PIXEL = (1.5, 1.5)
ACDC, MNMS = (0, 3, 2, 2, 2, 2, 1), (0, 1, 2, 2, 2, 2, 3)


def recoded(label, values):
    """The map as another data set stores it; ``values``: one per code of ours."""
    return np.array(values, np.uint8)[label]


def cone(*sectors, **options):
    return heart(sectors, pixel_mm=PIXEL, **options)[0]


@pytest.mark.parametrize(
    "label",
    [
        cone(),
        cone(Sector(20, 110)),
        cone(Sector(20, 110, 0.3)),
        cone(Sector(0, 300)),
        cone(Sector(0, 360, 0.5)),
        cone(Sector(20, 110), Sector(40, 60, code=4)),
        cone(Sector(20, 110), Sector(110, 170, code=5)),
        cone(Sector(20, 110), rv=False),
        cone(Sector(0, 360, slices=range(6, 9))),
        cone(Sector(20, 110))[..., 6:],
        cone(Sector(20, 110))[..., 4:5],
        cone(Sector(20, 110))[::3, ::3],
        np.where(cone(Sector(20, 110)) == 1, 0, cone(Sector(20, 110))),
        np.where(cone() == 2, 0, cone()),
        np.zeros((8, 8, 2), np.uint8),
    ],
    ids=[
        "no infarct", "transmural", "subendocardial", "most of the wall", "all round", "no-reflow", "oedema", "no RV",
        "apical", "apical slices", "one slice", "coarse", "no blood pool", "no wall", "empty",
    ],
)  # fmt: skip
def test_a_correct_map_is_never_doubted(label):
    assert implausible(label, PIXEL) == ""


def test_a_scar_of_the_outer_wall_is_no_rv():
    outer, inner = cone(Sector(0, 200)), cone(Sector(0, 200, 0.4))
    scar = np.where((outer == 3) & (inner != 3), 3, np.where(outer == 3, 2, outer)).astype(np.uint8)
    assert (scar == 3).sum() > 0.3 * (scar == 2).sum()
    assert implausible(scar, PIXEL) == ""


def test_basal_slices_with_an_open_ring_are_no_reason():
    label = cone(Sector(20, 110))
    label[..., :2] = np.where(
        (label[..., :2] == 2) & (np.indices(label.shape[:2])[0] < 33)[..., None], 0, label[..., :2]
    )
    assert implausible(label, PIXEL) == ""


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (ACDC, "border of the LV blood pool is wall"),
        (MNMS, "outside the ring of the LV wall"),
        ((0, 3, 2, 2, 2, 2, 0), "what the wall encloses"),
        ((0, 2, 1, 1, 1, 1, 0), "border of the LV blood pool is wall"),
        ((0, 6, 2, 2, 2, 2, 0), "border of the RV is wall"),
        ((0, 1, 2, 6, 6, 2, 0), "border of the LV blood pool is RV"),
    ],
    ids=["ACDC", "M&Ms", "ACDC without RV", "wall and blood swapped", "cavity as RV", "infarct as RV"],
)
def test_each_wrong_reading_is_found(codes, found):
    assert found in implausible(recoded(cone(Sector(20, 140)), codes), PIXEL)


def test_an_infarct_that_floats_is_found_when_it_is_large_and_not_when_it_is_a_speck():
    label = cone(rv=False)
    label[:6, :, 2:6] = 3
    assert "touches neither wall nor LV blood pool" in implausible(label, PIXEL)
    speck = cone()
    speck[:2, :2, 3] = 3
    assert implausible(speck, PIXEL) == ""


def test_pixels_that_are_not_square_are_no_reason(phantom_folder):
    label = heart((Sector(20, 110),), pixel_mm=(1.0, 2.2))[0]
    assert implausible(label, (1.0, 2.2)) == ""
    assert implausible(recoded(label, MNMS), (1.0, 2.2))


def test_phantoms_are_hearts_by_their_own_codes_and_by_no_others(phantom_folder):
    files = sorted(phantom_folder.glob("*/label.nii.gz"))
    for file in files:
        image = nib.load(file)
        label, pixel_mm = np.asarray(image.dataobj).astype(np.uint8), image.header.get_zooms()[:2]
        assert implausible(label, pixel_mm) == "", file
        for codes in (ACDC, MNMS):
            assert implausible(recoded(label, codes), pixel_mm), file
    assert len(files) == 10
