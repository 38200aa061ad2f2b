"""The skeleton of the pages, their tables and images, read back by a parser."""

from html.parser import HTMLParser

from scripts.conventions import DISCLAIMER
from scripts.reports.html import image, page, table


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
    assert cells == [("th", None), ("th", "number")] + [("td", None), ("td", "number")] * 2
    assert found.open == [] and found.words == ["name", "n", "a", "1", "b", "2"]
    assert "thead" not in table([["a", "1"]])


def test_an_image_is_named_escaped_and_described():
    ((_, attributes),) = Reader(image('a"b.png', "subject <x>")).tags
    assert attributes["src"] == 'a"b.png' and attributes["alt"] == f"subject <x>. {DISCLAIMER}"
