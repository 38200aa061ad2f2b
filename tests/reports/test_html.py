"""The skeleton of the pages, their tables and images, read back by a parser."""

import re
from html.parser import HTMLParser

import pytest
from scripts.conventions import ACQUIRED, DISCLAIMER, SIDE_BY_SIDE, SYNTHETIC
from scripts.reports.html import STYLE, files, folded, image, key_numbers, page, table


class Reader(HTMLParser):
    """Tags in order with their attributes, all text, and tags that were opened and not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_a_page_is_whole_says_what_it_is_and_links_to_nothing():
    text = page("Results <1>", "results", ["<p>one</p>", "<p>two</p>"])
    found = Reader(text)
    names = [tag for tag, _ in found.tags]
    assert found.open == [] and names[:2] == ["html", "head"] and names.count("style") == 1
    assert "Results <1>" in found.words and DISCLAIMER in found.words and {"one", "two"} <= set(found.words)
    assert "<script" not in text and "http" not in text and "url(" not in text


def test_a_table_marks_its_columns_of_numbers_and_has_a_head_only_where_asked():
    found = Reader(table([["a", "1"], ["b", "2"]], ["name", "n"], numbers=[1]))
    cells = [(tag, attributes.get("class")) for tag, attributes in found.tags if tag in ("th", "td")]
    assert cells == [("th", None), ("th", "number")] + [("th", None), ("td", "number")] * 2
    scopes = [attributes["scope"] for tag, attributes in found.tags if tag == "th"]
    assert scopes == ["col", "col", "row", "row"]
    assert found.open == [] and found.words == ["name", "n", "a", "1", "b", "2"]
    assert "thead" not in table([["a", "1"]])


def test_an_image_is_named_escaped_and_described():
    (opened, shown), attributes = zip(*Reader(image('a"b.png', "subject <x>")).tags, strict=True)
    assert (opened, attributes[0]["href"]) == ("a", 'a"b.png')
    assert shown == "img" and attributes[1]["src"] == 'a"b.png'
    assert attributes[1]["alt"] == f"subject <x>. {DISCLAIMER}"


@pytest.mark.parametrize("role", [SYNTHETIC, ACQUIRED, SIDE_BY_SIDE])
def test_what_a_page_shows_decides_what_it_says(role):
    text = page("h", "s", [image("a.png", "t", role)], role)
    others = {one.disclaimer for one in (SYNTHETIC, ACQUIRED, SIDE_BY_SIDE)} - {role.disclaimer}
    assert text.count(role.disclaimer) == 2 and not any(one in text for one in others)


def test_parts_are_folded_files_are_linked_and_numbers_are_named():
    found = Reader(
        folded("All <numbers>", table([["a"]])) + files(["a b.csv"]) + key_numbers([("size, <R>", "0.9", "0.8 to 1")])
    )
    assert found.open == [] and {"All <numbers>", "a b.csv", "size, <R>", "0.9", "0.8 to 1"} <= set(found.words)
    assert ("a", {"href": "a%20b.csv"}) in found.tags and ("details", {}) in found.tags
    assert ("details", {"open": None}) in Reader(folded("x", "", unfolded=True)).tags
    assert files([]) == ""


def test_texts_and_links_of_the_style_are_told_from_their_ground():
    """WCAG 2 AA: 4.5 to 1."""
    grounds = {"#1f2328": "#ffffff", "#0550ae": "#ffffff", "#a33100": "#ffffff", "#57606a": "#ffffff"}
    assert set(re.findall(r"[{;]color:(#\w{6})", STYLE)) == set(grounds)
    assert all(contrast(text, ground) >= 4.5 for text, ground in grounds.items())
    assert contrast("#1f2328", "#fff3c4") >= 4.5 and contrast("#1f2328", "#f3f5f7") >= 4.5


def contrast(one, other):
    """Contrast ratio of two colours, #rrggbb."""
    lights = sorted(luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
