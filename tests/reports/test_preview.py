"""The preview: which slices and window are drawn, which way up, and that it can be read back."""

import io

import numpy as np
import pytest
from helpers.inference_run import AFFINE, oblique_affine, ring_label
from matplotlib.axes import Axes
from matplotlib.image import imread
from PIL import Image
from scripts import conventions
from scripts.reports.preview import Panels, as_lge_is_read, chosen_slices, from_base, heart_window, preview_png


def panels(**more):
    label = ring_label((1.0, 1.0), slices=3, empty_slices=0)
    image = np.random.default_rng(0).random(label.shape).astype(np.float32)
    return Panels(**{"cine": image, "t2_stir": image, "virtual_lge": image, "label": label, **more})


def picture(drawn, affine=AFFINE):
    return imread(io.BytesIO(preview_png(drawn, affine, "case")))[..., :3]


def test_at_most_five_slices_are_drawn_evenly_over_those_with_a_heart():
    label = np.zeros((4, 4, 14), np.uint8)
    label[1, 1, 2:13] = 2
    assert chosen_slices(label) == [2, 4, 7, 10, 12]
    assert chosen_slices(np.zeros((4, 4, 2), np.uint8)) == [0, 1]


def test_the_window_surrounds_the_heart_and_stays_inside_the_image():
    label = np.zeros((100, 60, 2), np.uint8)
    label[40:60, 2:22] = 2
    x, y = heart_window(label, np.ones(label.shape))
    assert x.start < 35 and x.stop > 65 and y.start == 0 and 22 < y.stop <= 60


def test_without_a_label_the_window_is_what_the_network_saw():
    lge = np.zeros((100, 60, 2))
    lge[30:70, 10:50] = 0.5
    x, y = heart_window(np.zeros(lge.shape, np.uint8), lge)
    assert abs(x.start - 30) <= 1 and abs(x.stop - 70) <= 1 and abs(y.start - 10) <= 1 and abs(y.stop - 50) <= 1


def test_an_image_that_was_not_made_has_no_column():
    with_image, without = picture(panels()), picture(panels(virtual_lge=None))
    # the image, and the same with outlines
    assert with_image.shape[1] - without.shape[1] == pytest.approx(2 * 150 * 1.04, abs=3)
    blank = np.zeros((8, 6, 2), np.uint8)
    assert heart_window(blank, None) == (slice(0, 8), slice(0, 6))


def test_a_label_map_that_was_not_made_has_no_column_and_the_reference_places_the_window():
    drawn = panels()
    both, one = picture(panels(reference_label=drawn.label)), picture(panels(label=None, reference_label=drawn.label))
    # the label map, and the outlines of the virtual LGE
    assert both.shape[1] - one.shape[1] == pytest.approx(2 * 150 * 1.04, abs=3) and both.shape[0] == one.shape[0]


@pytest.mark.parametrize(
    ("signs", "corner"),
    [((-1, 1), "upper right"), ((1, 1), "upper left"), ((-1, -1), "lower right"), ((1, -1), "lower left")],
)
def test_patient_left_is_drawn_right_and_anterior_up_whatever_the_voxel_order(signs, corner):
    cine = np.zeros((64, 64, 1), np.float32)
    cine[40:, 40:] = 1.0
    blank = np.zeros(cine.shape, np.uint8)
    affine = np.diag([signs[0], signs[1], 8.0, 1.0])
    drawn = picture(panels(cine=cine, t2_stir=None, virtual_lge=np.ones_like(cine), label=blank), affine)
    # First tile: 150 pixels wide after a margin of a quarter tile; below a heading of 0.4 tiles.
    left, top = 38, drawn.shape[0] - 150 - 68 - 5
    tile = drawn[top : top + 150, left : left + 150].mean(axis=2)
    halves = {"upper": tile[:75], "lower": tile[75:]}
    quadrants = {
        f"{name} {side}": half[:, cut].mean()
        for name, half in halves.items()
        for side, cut in (("left", slice(0, 75)), ("right", slice(75, 150)))
    }
    assert max(quadrants, key=quadrants.get) == corner


def test_real_lge_reference_and_uncertainty_each_add_a_column():
    few, image = picture(panels()), np.ones((96, 96, 3), np.float32)
    many = picture(panels(real_lge=image, reference_label=ring_label((1.0, 1.0), 3, 0), uncertainty=image))
    assert many.shape[0] == few.shape[0]
    assert many.shape[1] - few.shape[1] == pytest.approx(3 * 156, abs=3)


def test_a_reference_far_from_the_prediction_is_inside_the_window(monkeypatch):
    predicted, reference = np.zeros((2, 100, 60, 3), np.uint8)
    predicted[40:50, 20:30, 0], reference[80:95, 40:55, 2] = 2, 3
    drawn, draw = [], Axes.imshow

    def noted(axes, tile, **how):
        drawn.append(tile)
        return draw(axes, tile, **how)

    monkeypatch.setattr(Axes, "imshow", noted)
    image = np.ones(predicted.shape, np.float32)
    picture(panels(cine=image, t2_stir=image, virtual_lge=image, label=predicted, reference_label=reference))
    labels = [tile[..., 3] for tile in drawn if tile.ndim == 3]  # red, green, blue, opacity
    assert [(opacity > 0).sum() for opacity in labels] == [100, 0, 0, 225]


def test_headings_say_which_lge_is_synthetic_and_which_is_the_reference(monkeypatch):
    texts, write = {}, Axes.text

    def noted(axes, x, y, s, **how):
        texts[s] = x
        return write(axes, x, y, s, **how)

    monkeypatch.setattr(Axes, "text", noted)
    picture(panels(real_lge=np.ones((96, 96, 3), np.float32)))
    (virtual,) = (place for text, place in texts.items() if "virtual LGE" in text and "SYNTHETIC" in text)
    (real,) = (place for text, place in texts.items() if "LGE" in text and "reference" in text)
    assert texts["cine"] < texts["T2-STIR"] < virtual < real


@pytest.mark.slow
def test_the_infarct_colour_is_drawn_only_where_there_is_an_infarct():
    def reddish(drawn):
        tiles = drawn[:-70]
        return int(((tiles[..., 0] > 0.6) & (tiles[..., 1] < 0.5)).sum())

    assert reddish(picture(panels())) > 500
    assert reddish(picture(panels(label=ring_label((1.0, 1.0), 3, 0, infarct=False)))) == 0


def test_the_disclaimer_is_burned_in_and_in_the_file_and_no_date_is():
    png = Image.open(io.BytesIO(preview_png(panels(), oblique_affine(), "$no formula$")))
    assert png.text["Description"] == conventions.SIDE_BY_SIDE.disclaimer
    assert set(png.text) == {"Description"}
    bottom = np.asarray(png.convert("RGB"))[-22:]
    assert ((bottom[..., 0] > 200) & (bottom[..., 2] < 60)).sum() > 200


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_images_are_drawn_without_a_warning(value, recwarn):
    flat = np.full((32, 32, 1), value, np.float32)
    picture(panels(cine=flat, t2_stir=flat, virtual_lge=flat * 0, label=np.zeros(flat.shape, np.uint8)))
    assert [str(warning.message) for warning in recwarn] == []


def cone_label(slices=6, apex_first=False):
    """A heart whose cavity narrows from slice to slice."""
    x, y = np.indices((64, 64)) - 32
    distance = np.hypot(x, y)[..., None]
    inner = np.linspace(14, 6, slices)[None, None]
    label = np.where(distance < inner, 1, np.where(distance < inner + 6, 2, 0)).astype(np.uint8)
    return label[..., ::-1] if apex_first else label


@pytest.mark.parametrize("apex_first", [False, True])
def test_slices_are_drawn_from_base_to_apex_whichever_is_stored_first(apex_first):
    label = cone_label(apex_first=apex_first)
    slices, ends = from_base(chosen_slices(label), label, oblique_affine((1.5, 1.5, 8.0)))
    widths = [int((label[..., s] == 1).sum()) for s in slices]
    assert widths == sorted(widths, reverse=True)
    assert "base" in ends[slices[0]] and "apex" in ends[slices[-1]]


def test_slices_of_a_stack_whose_base_is_unknown_stay_as_they_are_stored():
    label = np.zeros((8, 8, 3), np.uint8)
    assert from_base([0, 1, 2], label, AFFINE) == ([0, 1, 2], {})


def test_an_lge_is_shown_with_remote_muscle_black_and_infarct_white():
    label = cone_label()
    label[32:, :, :3][label[32:, :, :3] == 2] = 3
    lge = np.choose(label, [0.9, 0.6, 0.2, 0.8]).astype(np.float32)
    shown = as_lge_is_read(lge, label)
    assert (
        shown[label == 2].max() == 0
        and shown[label == 3].min() == pytest.approx(1)
        and 0 < shown[label == 1].mean() < 1
    )
    assert np.allclose(as_lge_is_read(7 * lge + 3, label), shown, atol=1e-5)


@pytest.mark.parametrize("label", [None, np.zeros((4, 4, 1), np.uint8)])
def test_an_lge_without_remote_muscle_is_shown_as_other_images(label):
    lge = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4, 1)
    shown = as_lge_is_read(lge, label)
    assert shown.min() == 0 and shown.max() == 1


def test_the_wall_is_outlined_beside_the_bare_virtual_lge():
    label = cone_label()
    image = np.full(label.shape, 0.5, np.float32)
    drawn = picture(Panels(cine=image, t2_stir=image, virtual_lge=image, label=label), oblique_affine((1.5, 1.5, 8.0)))
    # Tiles of 150 pixels and a gap of 6 after a margin of 38; headings above, a legend below.
    tiles = [drawn[80 : drawn.shape[0] - 80, 38 + 156 * n : 38 + 156 * n + 150] for n in range(4)]
    coloured = [int((np.ptp(tile, axis=2) > 0.2).sum()) for tile in tiles]
    assert coloured[:3] == [0, 0, 0] and coloured[3] > 100
