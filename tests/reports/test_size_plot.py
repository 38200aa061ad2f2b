"""The plot of infarct sizes inside a page: a mark per subject, at its height."""

import re
from xml.etree import ElementTree

import pytest
from scripts.reports.size_plot import Size, sizes_svg


def marks(svg):
    """Titles in the order they are drawn, and the heights of the circles."""
    root = ElementTree.fromstring(svg)
    titles = [title.text for title in root.iter("title")]
    circles = [float(one.get("cy")) for group in root.iter("g") for one in group.iter("circle")]
    return titles, circles


def test_subjects_stand_in_the_order_of_their_size_and_larger_ones_higher():
    titles, heights = marks(sizes_svg([Size("b", 20.0), Size("a", 0.0), Size("c", 40.0)]))
    assert titles == ["a: 0.0 %LV", "b: 20.0 %LV", "c: 40.0 %LV"]
    assert heights[0] > heights[1] > heights[2]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.11)


def test_a_review_and_a_reference_have_shapes_of_their_own_that_the_legend_names():
    plain, more = sizes_svg([Size("a", 5.0)]), sizes_svg([Size("a", 5.0, 8.0, True)])
    assert "rect" not in plain and "review" not in plain
    assert more.count("<rect") == 2 and "review needed" in more and "reference" in more


def test_the_axis_begins_at_zero_and_holds_the_largest_value():
    text = sizes_svg([Size("a", 3.0), Size("b", 12.0, 30.0)])
    ticks = [float(one) for one in re.findall(r'text-anchor="end">([\d.]+)<', text)]
    assert ticks[0] == 0 and ticks[-1] == 50


def test_names_are_escaped_and_nothing_is_drawn_of_nobody():
    assert marks(sizes_svg([Size("<b>&", 1.0)]))[0] == ["<b>&: 1.0 %LV"]
    assert sizes_svg([]) == ""
