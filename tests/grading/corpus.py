"""Answers to test properties on, and the real ones where they are at hand."""

import gzip
import json
import pathlib

DATA = pathlib.Path(__file__).parents[2] / '..' / 'shared' / 'data'

ANSWERS = (
  '5', '5.0', 'x = 5', '5\\%', '0.05', '\\$5', '5\\text{ cm}', '5^\\circ',
  '\\frac{1}{2}', '0.5', '.5', '\\frac12', '50\\%', '1/2', '2^{-1}',
  '\\sqrt{8}', '2\\sqrt2', '\\frac{4}{\\sqrt2}', '2.828',
  '(1, 2)', '[1, 2]', '\\{1, 2\\}', '2, 1', '1 \\le x \\le 2', '(2, 1)',
  '\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}', '1\\text{ or }2',
  'x^2 - 1', '(x-1)(x+1)', 'y = x^2 - 1', 'x^2 - y = 1', 'x^2 + 1',
  '\\cos 2x', '2\\cos^2 x - 1', '1 - 2\\sin^2 x', '\\sin 2x',
  '\\frac{x}{x+1}', '1 - \\frac{1}{x+1}',
  '\\tan 15^\\circ', '2 - \\sqrt3', 'e^{i\\pi}', '-1',
  '1011_2', '1011_3', '1011', '11',
  '\\text{Sunday}', 'Sunday', 'sunday', '(B)', 'B', '\\text{odd}',
  '(-\\infty, 3)', 'x < 3', '3 > x', '\\mathbb{R}', '\\infty', '-\\infty',
  '\\sum_{k=1}^{3} k', '6', '3!', 'a+b=7', '7', 'b+a-7=0',
  '9^{9^{9^9}}', '', '\\frac{4', '4}}', 'f(2) < f(1)',
)  # fmt: skip


def rows(name: str) -> list[dict] | None:
  """The rows of one of the shared files, or None where it is not there."""
  path = DATA / name
  if not path.exists():
    return None
  opened = gzip.open if name.endswith('.gz') else open
  with opened(path, 'rt', encoding='utf-8') as file:
    return [json.loads(line) for line in file]
