"""LV that a label map shows far from the heart's long axis is taken back; the heart itself never is."""

import numpy as np
import pytest
import torch
from scripts.conventions import NETWORK_CLASSES, ConfigError
from scripts.preprocessing.one_heart import OneHeart

SIDE, PIXEL_MM = 64, 1.5


def disc(centre, radius):
    i, j = np.ogrid[:SIDE, :SIDE]
    return (i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= radius**2


def stack(centres, extra=()):
    """Label crop (1, H, W, S): blood in a wall about each centre (None: an empty slice), ``extra`` (slice, centre)."""
    label = np.zeros((1, SIDE, SIDE, len(centres)), np.uint8)
    for s, centre in [*enumerate(centres), *extra]:
        if centre is not None:
            label[0, ..., s][disc(centre, 9)] = 2
            label[0, ..., s][disc(centre, 5)] = 1
    return label


def item_of(label, samples=0):
    label = torch.from_numpy(label)
    slices = label.shape[-1]
    item = {
        "label_crop": label,
        "probabilities": torch.stack([(label[0] == code).float() for code in range(len(NETWORK_CLASSES))]),
        "crop_to_cine": torch.eye(3, dtype=torch.float64).repeat(slices, 1, 1),
        "cine_affine": torch.diag(torch.tensor([PIXEL_MM, PIXEL_MM, 8.0, 1.0], dtype=torch.float64)),
    }
    return item | ({"sample_labels": label.repeat(samples, 1, 1, 1)} if samples else {})


STRAIGHT = [(32, 32)] * 6
TILTED = [(20 + 4 * s, 36 - 2 * s) for s in range(6)]  # 30 mm from base to apex


@pytest.mark.parametrize("centres", [STRAIGHT, TILTED, [(32, 32), None, (32, 32), None, (32, 33), (33, 32)]])
def test_a_heart_on_its_axis_stays_to_the_pixel(centres):
    item = item_of(stack(centres))
    found = OneHeart()(item)
    assert found["lv_pieces_removed"] == 0
    assert torch.equal(found["probabilities"], item["probabilities"])


@pytest.mark.parametrize("centres", [STRAIGHT, TILTED])
@pytest.mark.parametrize("where", [0, 3, 5])
def test_a_second_lv_beside_the_heart_is_taken_back_from_every_map(centres, where):
    aside = (centres[where][0] + 20, centres[where][1] - 8)
    found = OneHeart()(item_of(stack(centres, [(where, aside)]), samples=2))
    wanted = torch.from_numpy(stack(centres))
    assert found["lv_pieces_removed"] == 1
    assert torch.equal(found["label_crop"], wanted)
    assert torch.equal(found["sample_labels"], wanted.repeat(2, 1, 1, 1))
    assert torch.equal(found["probabilities"].argmax(0), wanted[0].long())
    assert torch.allclose(found["probabilities"].sum(0), torch.ones(1))


def test_a_slice_whose_only_lv_is_elsewhere_becomes_empty():
    found = OneHeart()(item_of(stack([*STRAIGHT[:5], (12, 50)])))
    assert not found["label_crop"][..., 5].any() and found["label_crop"][..., 4].any()


def test_one_large_wrong_piece_does_not_move_the_axis():
    label = stack(STRAIGHT)
    label[0, ..., 0][disc((32, 32), 9)] = 0
    label[0, ..., 0][disc((12, 50), 12)] = 2
    found = OneHeart()(item_of(label))
    assert not found["label_crop"][..., 0].any()
    assert all(found["label_crop"][..., s].any() for s in range(1, 6))


def test_crops_that_moved_between_slices_are_compared_in_the_plane_of_the_cine():
    label = stack([(32, 32), (32, 32), (10, 32), (32, 32), (32, 32), (32, 32)])
    item = item_of(label)
    item["crop_to_cine"][2, 0, 2] = 22.0  # this crop begins 22 pixels further on
    assert OneHeart()(item)["lv_pieces_removed"] == 0


def test_breath_holds_at_different_depths_cost_no_slice():
    rng = np.random.default_rng(0)
    moved = [tuple(np.add(centre, rng.uniform(-5, 5, 2)).round().astype(int)) for centre in STRAIGHT]
    assert OneHeart()(item_of(stack(moved)))["lv_pieces_removed"] == 0


@pytest.mark.parametrize("slices", [1, 3])
def test_too_few_slices_have_no_axis(slices):
    label = stack([(32, 32)] * slices, [(0, (10, 50))])
    assert torch.equal(OneHeart()(item_of(label))["label_crop"], torch.from_numpy(label))


def test_the_apex_of_a_short_stack_stays_where_the_basal_slice_shows_lv_at_the_edge_of_the_crop():
    label = stack([(6, 8), (34, 56), (34, 56), (34, 56)])
    found = OneHeart()(item_of(label))["label_crop"]
    assert not found[..., 0].any()
    assert torch.equal(found[..., 1:], torch.from_numpy(label[..., 1:]))


def test_the_apex_stays_where_two_of_six_slices_show_lv_elsewhere():
    label = stack([(10, 12), (10, 12), (36, 36), (36, 36), (36, 36), (36, 36)])
    found = OneHeart()(item_of(label))
    assert found["lv_pieces_removed"] == 2
    assert torch.equal(found["label_crop"][..., 2:], torch.from_numpy(label[..., 2:]))


def test_the_lv_of_all_slices_outweighs_a_larger_rv_in_most_of_them():
    label = stack([(44, 32)] * 8)
    for s in range(1, 6):
        label[0, ..., s][disc((16, 32), 13)] = 1
    assert torch.equal(OneHeart()(item_of(label))["label_crop"], torch.from_numpy(stack([(44, 32)] * 8)))


def test_the_lv_stays_where_most_slices_have_it_grown_together_with_a_larger_rv():
    label = stack([(46, 32)] * 8)
    for s in range(1, 6):
        label[0, ..., s][disc((22, 32), 16)] = 1
    assert torch.equal(OneHeart()(item_of(label))["label_crop"], torch.from_numpy(label))


def test_the_lv_stays_where_it_has_grown_together_with_something_larger():
    label = stack([(48, 32)] * 6)
    label[0, ..., 5][disc((16, 32), 14)] = 2
    label[0, 16:48, 32, 5] = 2
    assert torch.equal(OneHeart()(item_of(label))["label_crop"], torch.from_numpy(label))


def test_a_corner_pixel_of_a_wide_heart_belongs_to_it():
    label = np.zeros((1, SIDE, SIDE, 5), np.uint8)
    label[0, disc((32, 32), 20)] = 2
    corner = np.argwhere(disc((32, 32), 20)) @ (1, 1)
    i, j = np.argwhere(disc((32, 32), 20))[np.argmax(corner)]
    label[0, i + 1, j + 1, 2] = 2
    assert torch.equal(OneHeart()(item_of(label))["label_crop"], torch.from_numpy(label))


def test_where_no_line_passes_most_slices_nothing_is_taken():
    label = stack([(10, 12), (52, 50), (12, 50), (50, 12)])
    assert torch.equal(OneHeart()(item_of(label))["label_crop"], torch.from_numpy(label))


def test_nothing_found_and_a_failed_subject_pass():
    empty = stack([None] * 6)
    assert not OneHeart()(item_of(empty))["label_crop"].any()
    assert OneHeart()({"failure": "no cine"}) == {"failure": "no cine"}


def test_it_can_be_turned_off_and_says_what_it_takes():
    label = stack(STRAIGHT, [(0, (10, 50))])
    assert torch.equal(OneHeart("false")(item_of(label))["label_crop"], torch.from_numpy(label))
    with pytest.raises(ConfigError, match="one_heart"):
        OneHeart("perhaps")
