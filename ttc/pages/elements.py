"""Pieces of HTML: tables, links, folded parts.

Functions take text, which is escaped, unless an argument is called `html`.
"""

from collections.abc import Iterable, Sequence

from ttc.runtime.safe_text import as_html


def table(
  header: Sequence[str],
  rows: Iterable[Sequence[str]],
  numbers: Sequence[int] = (),
  caption: str = '',
) -> str:
  """A table that scrolls sideways by itself where the screen is narrow.

  Args:
    header: text of the columns.
    rows: HTML of the cells; the first one heads its row.
    numbers: columns that are aligned right.
    caption: text above it, which also names it for those who hear it.
  """
  style = [
    ' class="number"' if i in numbers else '' for i in range(len(header))
  ]
  head = ''.join(
    f'<th scope="col"{s}>{as_html(text)}</th>'
    for text, s in zip(header, style, strict=True)
  )
  body = ''.join(_row(cells, style) for cells in rows)
  title = f'<caption>{as_html(caption)}</caption>' if caption else ''
  label = as_html(caption or ', '.join(filter(None, header)))
  return (
    f'<div class="wide" tabindex="0" role="region" aria-label="{label}">'
    f'<table>{title}<thead><tr>{head}</tr></thead>'
    f'<tbody>{body}</tbody></table></div>'
  )


def _row(cells: Sequence[str], style: Sequence[str]) -> str:
  first = f'<th scope="row"{style[0]}>{cells[0]}</th>'
  rest = ''.join(
    f'<td{s}>{cell}</td>' for cell, s in zip(cells[1:], style[1:], strict=True)
  )
  return f'<tr>{first}{rest}</tr>'


def folded(summary: str, *html: str) -> str:
  """A part that opens at a click, and is open in print."""
  inner = ''.join(html)
  return f'<details><summary>{as_html(summary)}</summary>{inner}</details>'


def paragraph(text: str, style: str = '') -> str:
  """Text in a paragraph; '' without text."""
  named = f' class="{style}"' if style else ''
  return f'<p{named}>{as_html(text)}</p>' if text else ''


def link(text: str, target: str) -> str:
  """A link to a file or a place of the page."""
  return f'<a href="{as_html(target)}">{as_html(text)}</a>'
