"""The bull's eye as it is drawn and as it is read back from its file."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread
from scripts.conventions import ACQUIRED, LABEL_MAP, SYNTHETIC, DataError
from scripts.reports.bullseye import bullseye_figure, bullseye_png


def bars(figure):
    return figure.axes[0].patches


def texts(figure):
    return [text.get_text() for text in [*figure.texts, *figure.axes[0].texts]]


@pytest.mark.slow
def test_the_file_is_a_png_that_shows_more_than_one_colour():
    image = imread(BytesIO(bullseye_png(np.linspace(0, 100, 17), "transmurality")))
    assert image.shape == (600, 624, 4)
    assert len(np.unique(image[..., :3].reshape(-1, 3), axis=0)) > 17


def test_anterior_is_on_top_and_the_septum_on_the_left():
    figure = bullseye_figure(np.arange(1.0, 18.0), "t", "%", (0, 100), SYNTHETIC)
    places = {text.get_text(): np.degrees(text.get_position()[0]) % 360 for text in figure.axes[0].texts}
    assert [places[k] for k in ("1", "2", "3", "4", "5", "6")] == pytest.approx([90, 150, 210, 270, 330, 30])
    assert [places[k] for k in ("13", "14", "15", "16")] == pytest.approx([90, 180, 270, 0])
    assert len(bars(figure)) == 17


def test_the_walls_are_named_around_it():
    figure = bullseye_figure(np.zeros(17), "t", "%", (0, 100), SYNTHETIC)
    places = {text.get_text(): text.get_position() for text in figure.texts}
    assert places["septal"][0] < places["anterior"][0] < places["lateral"][0]
    assert places["anterior"][1] > places["septal"][1] > places["inferior"][1]


def test_a_segment_shows_its_value_and_nothing_else():
    figure = bullseye_figure(np.linspace(0, 96, 17), "t", "%", (0, 100), SYNTHETIC)
    assert [text.get_text() for text in figure.axes[0].texts] == [f"{6 * k}" for k in range(17)]


def test_what_cannot_be_measured_is_hatched_and_named_so():
    percent = np.full(17, 40.0)
    percent[16] = np.nan
    figure = bullseye_figure(percent, "t", "%", (0, 100), SYNTHETIC)
    assert [bool(bar.get_hatch()) for bar in bars(figure)] == [False] * 16 + [True]
    assert "hatched: not measurable" in texts(figure)
    whole = bullseye_figure(np.full(17, 40.0), "t", "%", (0, 100), SYNTHETIC)
    assert "hatched: not measurable" not in texts(whole)


@pytest.mark.parametrize("role", [SYNTHETIC, ACQUIRED, LABEL_MAP])
def test_the_image_says_what_it_was_measured_on(role):
    said = " ".join(texts(bullseye_figure(np.zeros(17), "t", "%", (0, 100), role)))
    assert role.note in said
    assert ("synthetic" in said, "acquired" in said) == (role is SYNTHETIC, role is ACQUIRED)


def test_the_file_says_that_it_is_synthetic_unless_told_otherwise():
    silent = SYNTHETIC._replace(note="")
    with_note, without = (imread(BytesIO(bullseye_png(np.zeros(17), "t", **more))) for more in ({}, {"role": silent}))
    bottom = slice(int(0.95 * 600), None)
    assert (with_note[bottom] < 1).any() and not (without[bottom] < 1).any()


def test_another_number_of_segments_is_refused():
    with pytest.raises(DataError, match=r"found shape \(16,\), expected \(17,\)"):
        bullseye_png(np.zeros(16), "t")
