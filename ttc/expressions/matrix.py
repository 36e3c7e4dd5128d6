r"""The cells of a matrix, in LaTeX or as rows in brackets: [[1, 2], [3, 4]]."""

import re
from typing import NamedTuple

from ttc.expressions.brackets import encloses, split, TOKEN

_ARRAY = re.compile(r'\\begin\{([pbB]?matrix|array)\}')
_COLUMNS = re.compile(r'^\s*+\{[lcr|\s]*+\}')
_ROWS = re.compile(r'\[\s*+\[')
_MAX_FACTORED = 10_000  # characters that a factor may add


class Matrix(NamedTuple):
  """Texts of a matrix: its factor or '', and its rows, which are as long."""

  factor: str
  rows: list[list[str]]


def read(text: str) -> Matrix | None:
  """The matrix that a text is; None if it is none or its rows are uneven."""
  opening = _ARRAY.search(text)
  if opening:
    found = _array(text, opening)
  else:
    found = _bracketed(text) if _ROWS.match(text) else None
  if not found or len({len(row) for row in found.rows}) != 1:
    return None
  cells = len(found.rows) * len(found.rows[0])
  return found if len(found.factor) * cells <= _MAX_FACTORED else None


def _array(text: str, opening: re.Match) -> Matrix | None:
  closing = rf'\end{{{opening[1]}}}'
  if not text.endswith(closing, opening.end()):
    return None
  inside = text[opening.end() : -len(closing)]
  rows = [
    split(row, ('&',))
    for row in split(_COLUMNS.sub('', inside), ('\\\\',))
    if row.strip()
  ]
  factor = text[: opening.start()].strip().rstrip('*')
  return Matrix('-1' if factor == '-' else factor, rows)


def _bracketed(text: str) -> Matrix | None:
  """Rows as programs write them, at least two."""
  rows = [row.strip() for row in split(_inside(text), (',',))]
  rows = [_inside(row) if row.startswith('[') else '' for row in rows]
  if len(rows) < 2 or not all(rows):
    return None
  return Matrix('', [split(row, (',',)) for row in rows])


def _inside(text: str) -> str:
  """What one pair of square brackets encloses; '' if none encloses all."""
  tokens = TOKEN.findall(text)
  whole = len(tokens) > 2 and tokens[-1] == ']' and encloses(tokens)
  return ''.join(tokens[1:-1]) if whole else ''
