"""The style that all HTML pages share."""

from __future__ import annotations

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1180px;padding:0 1rem 3rem}
h1{font-size:1.5rem;margin:1.2rem 0 .3rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.6rem 0 .4rem}
.notice{background:#fff3c4;border-left:5px solid #d9a400;padding:.6rem .9rem;font-weight:600}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid #d9dee3;text-align:left;vertical-align:top}
th{background:#f3f5f7;font-weight:600}td.number,th.number{text-align:right}
.review{color:#a33100;font-weight:600}.small{color:#57606a;font-size:.87rem}img{max-width:100%;height:auto;display:block}
""".strip()
