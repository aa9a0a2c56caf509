"""The report as one HTML page: no script, nothing loaded, to be kept and printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from service.qualify.report import Json

STYLE = """
body{font:14px/1.45 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1b2126}
body{margin:2rem;max-width:1280px}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}p.sub,.grey{color:#5b6570}
p.verdict{padding:.6rem .9rem;border-left:6px solid #1a7f4b;background:#eef7f1;font-size:1.05rem}
p.bad{border-color:#b3261e;background:#fbeeed}table{border-collapse:collapse;width:100%;margin:.4rem 0}
th,td{border:1px solid #c9d0d6;padding:.3rem .45rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f4f6f8}table.facts{max-width:960px}table.facts th{width:16rem;font-weight:500}code{font-size:.86em}
td.passed{color:#14633b}td.failed{color:#b3261e;font-weight:700}td.not_implemented{color:#5b6570}
@media print{body{margin:0}h2{break-after:avoid}tr{break-inside:avoid}}
"""


def page(view: Json) -> str:
    """The page of `words.view`."""
    verdict, areas = "verdict" if view["ok"] else "verdict bad", view["areas"]
    facts = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in view["facts"])
    parts = [
        f"<h2>{escape(part['title'])}</h2>{_table(view['head'], map(_row, part['rows']))}" for part in view["parts"]
    ]
    return "".join([
        f'<!DOCTYPE html><html lang="{escape(view["lang"])}"><head><meta charset="utf-8">',
        f"<title>{escape(view['title'])}</title><style>{STYLE}</style></head><body>",
        f'<h1>{escape(view["title"])}</h1><p class="sub">{escape(view["subtitle"])}</p>',
        f'<p class="{verdict}">{escape(view["verdict"])}</p><table class="facts">{facts}</table>',
        _table(areas["head"], (_cells(row) for row in areas["rows"])), *parts,
        f'<p class="grey"><code>{escape(view["footer"])}</code></p></body></html>\n',
    ])  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(row: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>"


def _row(one: Json) -> str:
    what = "<br>".join(escape(line) for line in one["what"])
    code = f"<code>{escape(one['fn'])}</code>" + (f" → <code>{escape(one['where'])}</code>" if one["where"] else "")
    why = f'<br><span class="grey">{escape(one["why"])}</span>' if one["why"] else ""
    return (
        f"<tr><td><code>{escape(one['id'])}</code></td>"
        f'<td>{what}<br><span class="grey">{code}<br><code>{escape(one["inputs"])}</code></span></td>'
        f"<td><code>{escape(one['expected'])}</code></td><td><code>{escape(one['got'])}</code></td>"
        f'<td>{escape(one["tolerance"])}</td><td class="{escape(one["code"])}">{escape(one["verdict"])}{why}</td></tr>'
    )
