"""The skeleton and style of every HTML page, its tables, images and folded parts: opens offline, no script.

Links lead to files beside the page and to places in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from ..conventions import BUNDLE_NAME, SYNTHETIC, ImageRole

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1180px;padding:0 1rem 3rem;color:#1f2328}
h1{font-size:1.5rem;margin:1.2rem 0 .3rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.6rem 0 .4rem}h3,p,li,summary{overflow-wrap:anywhere}a{color:#0550ae}
.notice{background:#fff3c4;border-left:5px solid #d9a400;padding:.6rem .9rem;font-weight:600}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid #d9dee3;text-align:left;vertical-align:top}
thead th{background:#f3f5f7;font-weight:600}tbody th{font-weight:400}td.number,th.number{text-align:right}
.key{display:grid;grid-template-columns:repeat(4,1fr);gap:.6rem;margin:1rem 0;padding:0}
@media(max-width:640px){.key{grid-template-columns:repeat(2,1fr)}}
.key div{border:1px solid #d9dee3;border-radius:6px;padding:.5rem .7rem}.key dt{color:#57606a;font-size:.87rem}
.key dd{margin:0;overflow-wrap:anywhere}.key dd:not(.small){font-size:1.25rem;font-weight:600}
details{margin:.8rem 0}summary{cursor:pointer;font-weight:600;padding:.3rem 0}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid #0550ae;outline-offset:2px}
.review{color:#a33100;font-weight:600}.small{color:#57606a;font-size:.87rem}
img{max-width:100%;height:auto;display:block}svg{width:100%;max-width:640px;height:auto;display:block}
""".strip()
NO_VALUE = "&ndash;"
_NUMBER = ' class="number"'


def page(heading: str, subject: str, body: Iterable[str], role: ImageRole = SYNTHETIC) -> str:
    """A whole page: heading, disclaimer, then ``body``.

    Args:
        heading: first line of the page. subject: ends the title of its tab. body: pieces of HTML, escaped already.
        role: of what the page shows.
    """
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += f"<title>{escape(f'{BUNDLE_NAME}: {subject}')}</title><style>{STYLE}</style>"
    pieces = [f"<h1>{escape(heading)}</h1>", f'<p class="notice">{escape(role.disclaimer)}</p>', *body]
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(pieces) + "\n</body></html>\n"


def table(rows: Iterable[Iterable[str]], heads: Iterable[str] = (), numbers: Iterable[int] = ()) -> str:
    """A table that scrolls sideways on a narrow screen.

    Args:
        rows, heads: cells, HTML that is escaped already; no ``heads``, no head line. The first cell heads its row.
        numbers: columns set flush right.
    """
    right = set(numbers)

    def cell(n: int, text: str, scope: str) -> str:
        tag, of = ("th", f' scope="{scope}"') if scope else ("td", "")
        return f"<{tag}{of}{_NUMBER if n in right else ''}>{text}</{tag}>"

    def line(cells: Iterable[str], scope: str, others: str) -> str:
        return "<tr>" + "".join(cell(n, text, others if n else scope) for n, text in enumerate(cells)) + "</tr>"

    titles = list(heads)
    head = f"<thead>{line(titles, 'col', 'col')}</thead>" if titles else ""
    body = "".join(line(cells, "row", "") for cells in rows)
    # reached by the keyboard, so that it can be scrolled without a mouse
    return f'<div class="scroll" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>'


def image(source: str, title: str, role: ImageRole = SYNTHETIC) -> str:
    """An image by its name relative to the page, that opens whole; read aloud as ``title`` and what it is."""
    file = escape(source)
    shown = f'<img loading="lazy" src="{file}" alt="{escape(f"{title}. {role.disclaimer}")}">'
    return f'<a href="{file}">{shown}</a>'


def link(target: str, text: str) -> str:
    """A link to a file beside the page, whose name is quoted already, or to a place in the page."""
    return f'<a href="{escape(target)}">{escape(text)}</a>'


def files(names: Iterable[str]) -> str:
    """A line of links to files beside the page; "" without any."""
    listed = ", ".join(link(quote(name), name) for name in names)
    return f'<p class="small">Files: {listed}</p>' if listed else ""


def folded(summary: str, content: str, unfolded: bool = False) -> str:
    """A part of the page under a line that opens it; ``content`` is HTML."""
    return f"<details{' open' if unfolded else ''}><summary>{escape(summary)}</summary>{content}</details>"


def key_numbers(numbers: Iterable[tuple[str, str, str]]) -> str:
    """The numbers that matter most: what is measured, its value with unit, and what is said of it in small type."""
    cells = (
        f'<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd><dd class="small">{escape(note)}</dd></div>'
        for what, value, note in numbers
    )
    return f'<dl class="key">{"".join(cells)}</dl>'
