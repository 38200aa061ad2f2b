"""The skeleton and style of every HTML page, and its tables: opens offline, no script, no link."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ..conventions import BUNDLE_NAME, DISCLAIMER

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1180px;padding:0 1rem 3rem}
h1{font-size:1.5rem;margin:1.2rem 0 .3rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.6rem 0 .4rem}h3,p{overflow-wrap:anywhere}
.notice{background:#fff3c4;border-left:5px solid #d9a400;padding:.6rem .9rem;font-weight:600}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid #d9dee3;text-align:left;vertical-align:top}
th{background:#f3f5f7;font-weight:600}td.number,th.number{text-align:right}
.review{color:#a33100;font-weight:600}.small{color:#57606a;font-size:.87rem}img{max-width:100%;height:auto;display:block}
""".strip()
NO_VALUE = "&ndash;"


def page(heading: str, subject: str, body: Iterable[str]) -> str:
    """A whole page: heading, disclaimer, then ``body``.

    Args:
        heading: first line of the page. subject: ends the title of its tab. body: pieces of HTML, escaped already.
    """
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += f"<title>{escape(f'{BUNDLE_NAME}: {subject}')}</title><style>{STYLE}</style>"
    pieces = [f"<h1>{escape(heading)}</h1>", f'<p class="notice">{escape(DISCLAIMER)}</p>', *body]
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(pieces) + "\n</body></html>\n"


def table(rows: Iterable[Iterable[str]], heads: Iterable[str] = (), numbers: Iterable[int] = ()) -> str:
    """A table that scrolls sideways on a narrow screen.

    Args:
        rows, heads: cells, HTML that is escaped already; no ``heads``, no head line. numbers: columns set flush right.
    """
    right = set(numbers)

    def line(cells: Iterable[str], tag: str) -> str:
        opened = ((f'<{tag} class="number">' if n in right else f"<{tag}>", cell) for n, cell in enumerate(cells))
        return "<tr>" + "".join(f"{start}{cell}</{tag}>" for start, cell in opened) + "</tr>"

    titles = list(heads)
    head = f"<thead>{line(titles, 'th')}</thead>" if titles else ""
    body = "".join(line(cells, "td") for cells in rows)
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def image(source: str, title: str) -> str:
    """An image by its name relative to the page; read aloud as ``title`` and the disclaimer."""
    return f'<img loading="lazy" src="{escape(source)}" alt="{escape(f"{title}. {DISCLAIMER}")}">'
