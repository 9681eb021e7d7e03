"""The frame of every HTML page: one self-contained file without scripts, which prints well."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tfprov.harmless import harmless
from tfprov.products import Product
from tfprov.redact import redact

_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="tfprov">
"""
PAGE = Product(what="an HTML page", is_ours=lambda stream: stream.read(len(_HEAD)) == _HEAD.encode())

_STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #cf222e; --none: #6e7781; --line: #d0d7de; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --good: #3fb950; --bad: #f85149; --none: #8b949e; --line: #30363d; --soft: #161b22; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
.good { color: var(--good); } .bad { color: var(--bad); } .none { color: var(--none); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .15rem .6rem; text-align: left; vertical-align: top; }
td.mark { text-align: center; } td.mark, th { white-space: nowrap; }
pre { background: var(--soft); border: 1px solid var(--line); padding: .6rem; overflow-x: auto; font-size: .82rem;
      white-space: pre-wrap; overflow-wrap: anywhere; }
section.finding { border-left: 4px solid var(--bad); padding-left: 1rem; margin: 1rem 0; }
section.around { border-left-color: var(--none); }
@media print {
  :root { color-scheme: light; --good: #1a7f37; --bad: #cf222e; --line: #999; --soft: #fff; }
  body { margin: 0; max-width: none; font-size: 10pt; }
  section.finding, tr { break-inside: avoid; }
  .wide { overflow: visible; }
}
"""


def page(title: str, body: Iterable[str], *, style: str = "") -> str:
    """A whole HTML page.

    Args:
        title: plain text, not yet escaped.
        body: parts in HTML; empty ones are omitted.
        style: CSS for this page, added to the common rules.
    """
    return (
        f'{_HEAD}<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def table(heads: Iterable[str], rows: Iterable[str], *, kind: str = "") -> str:
    """A table that scrolls sideways where the page is narrow.

    Args:
        heads: HTML of the heading of each column.
        rows: HTML of the cells of each row.
        kind: its class in the rules of the page; empty for none.
    """
    head = "".join(f"<th scope=col>{one}</th>" if one else "<th></th>" for one in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    start = f'<table class="{kind}">' if kind else "<table>"
    return f"<div class=wide>{start}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def text(value: str) -> str:
    """Text as HTML, redacted and escaped."""
    return escape(harmless(redact(value)))


def code(value: str) -> str:
    """Text as HTML, with what is between backticks as `<code>`."""
    parts = text(value).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
