r"""Fuzzes the grader with answers from a grammar, cut, repeated and mangled.

    python -m tests.grading.fuzz --answers=200000 --seed=1

Answers run outside the nets of `Grader`, so that each exception shows, with
the seed that repeats it. It ends with 1 if there were any, or if one answer
took more than `SECONDS`.
"""

import argparse
import collections
from collections.abc import Iterator
import random
import sys
import time
import traceback

from ttc.expressions import parser
from ttc.grading import classes, comparison, extraction

SECONDS = 5.0  # of processor time; the slowest that are known take 1
_LEAVES = (
  *('0', '1', '-1', '2', '3', '7', '10', '12', '64', '0.5', '.25', '3.', '1e5'),
  *('1,234', '12 345', '0.\\overline{3}', '1011_2', '5^\\circ', '25\\%', 'x'),
  *('y', 'ab', 'x_1', 'a_{10}', "f'", '\\pi', 'e', 'i', '\\theta', '\\infty'),
)
_EXTREMES = (
  *('10^{400}', '\\frac{1}{10^{400}}', '2^{11999}', '2^{-12000}', '300!'),
  *('1.00000000000000000000001', '-10^{4000}', '9^{9^{9^9}}', '301!', '0^0'),
  *('10^{10^{100}}', '\\frac{1}{3^{7000}}', '1e999', '1e-999', '9' * 1999),
  *('\\binom{1000}{500}', '\\binom{10^9}{5}', '(1+\\sqrt2)^{64}', '\\frac10'),
)
_UNARY = (
  *('{}!', '-{}', '\\sqrt{{{}}}', '\\sqrt {}', '|{}|', '({})', '{{{}}}'),
  *('\\sin {}', '\\cos^2 {}', '\\tan^{{-1}}({})', '\\ln {}', '\\log({})'),
  *('\\lfloor {} \\rfloor', '\\lceil {} \\rceil', '{}\\%', '{}^\\circ'),
  *('{}^2', 'e^{{{}}}', '\\exp({})', '\\left({}\\right)', '\\text{{{}}}'),
  *('\\sqrt[3]{{{}}}', '\\boxed{{{}}}', '{}\\text{{ cm}}^2', '\\$ {}'),
)
_BINARY = (
  *('{}+{}', '{}-{}', '{}\\cdot {}', '{}/{}', '{}{}', '{} {}', '{}^{{{}}}'),
  *('\\frac{{{}}}{{{}}}', '\\frac {}{}', '\\log_{{{}}} {}', '\\log_{}{}'),
  *('\\binom{{{}}}{{{}}}', '\\sqrt[{}]{{{}}}', '{}^{}', '{}_{{{}}}'),
  *('{{{}\\over {}}}', '{{{}\\choose {}}}', '\\sum_{{k={}}}^{{{}}} k'),
)
_PAIRS = (
  *('{}, {}', '({}, {})', '[{}, {})', '\\{{{}, {}\\}}', '{} = {}', '{}:{}'),
  *('{} < {}', '{} \\le x < {}', '{} \\ne {}', '{}\\text{{ or }}{}', '{};{}'),
  *('({})\\cup({})', '{} \\pm {}', '{} \\approx {}', '{} \\in {}', '{} and {}'),
  '\\begin{{pmatrix}}{}&1\\\\{}&2\\end{{pmatrix}}',
  '{}\\begin{{bmatrix}}{}\\end{{bmatrix}}',
)
_RESPONSES = (
  *('So it is \\boxed{{{}}}.', 'The answer is {}.', '#### {}', 'A: {}'),
  *(
    '# Answer\n\n{}',
    '**Answer:** ${}$',
    'I get \\({}\\). I hope it is correct.',
  ),
  *('The final answer is therefore: $${}$$', 'so \\boxed {}', 'it is {}'),
)
_PIECES = (
  *'\\{}()[]^_$#%&|!,.;:\'"+-*/=<>~ \n\t\x00\x1b\x7f',
  *('\ud800', '\udfff', '\u0301', '\u0327', '٣', '፩', '²', '①', '½', '∞', '√'),
  *('−', '×', '⟦', '⟧', '∧', '∨', 'ﷺ', 'e\u0301', '🙂', '\u202e', '\ufeff'),
  *('\\frac', '\\sqrt', '\\log_', '\\text{', '\\boxed{', '\\begin{array}'),
  *('\\left(', '\\!', '\\,', '{,}', 'cm^2 ', '\\pm', '\\mp', '\\cup', 'answer'),
)


def answer(rng: random.Random) -> str:
  """A random answer or response, mostly short, now and then thousands long."""
  depth = rng.choice((0, 1, 1, 2, 2, 3))
  text = _answer(rng, depth)
  if rng.random() < 0.2:
    text = rng.choice(_RESPONSES).format(text)
  for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 6))):
    text = _mangled(rng, text)
  return text[:4000]


def gold(rng: random.Random) -> str:
  """A random reference answer: of the grammar, and never blank."""
  return _answer(rng, rng.choice((0, 1, 2)))


def _answer(rng: random.Random, depth: int) -> str:
  if depth and rng.random() < 0.3:
    return _filled(rng, rng.choice(_PAIRS), depth, _answer)
  return _expression(rng, depth)


def _expression(rng: random.Random, depth: int) -> str:
  if not depth:
    return rng.choice(_EXTREMES if rng.random() < 0.1 else _LEAVES)
  form = rng.choice(_UNARY if rng.random() < 0.4 else _BINARY)
  return _filled(rng, form, depth, _expression)


def _filled(rng, form, depth, part) -> str:
  return form.format(*(part(rng, rng.randrange(depth)) for _ in 'ab'))


def _mangled(rng: random.Random, text: str) -> str:
  at, end = sorted(rng.randrange(len(text) + 1) for _ in 'ab')
  piece = rng.choice(_PIECES)
  match rng.randrange(7):
    case 0:
      return text[:at] + piece + text[at:]
    case 1:
      return text[:at] + text[at + 1 :]
    case 2:
      return text[:end]
    case 3:  # the same again
      return text[:at] + text[at:end] * rng.choice((2, 3, 30)) + text[end:]
    case 4:  # a run
      return text[:at] + piece * rng.choice((2, 5, 40, 300)) + text[at:]
    case 5:  # deep nesting
      before, _, after = rng.choice(_UNARY).format('\0').partition('\0')
      times = rng.choice((3, 30, 300))
      return before * times + text + after * times
    case _:
      return text[at:] + text[:at]


def check(a: str, b: str) -> None:
  """Does all that the main process does with two answers; may raise."""
  for text in (a, b):
    extraction.extract(text)
  texts = [extraction.unwrap(text).answer or '' for text in (a, b)]
  read = [parser.read(text[:2000]) for text in texts]
  for text, structure in zip(texts, read, strict=True):
    classes.key(structure)
    parser.alternatives(text)
  truth = comparison.same(*read, lenient=True)
  assert truth == comparison.same(*reversed(read), lenient=True), 'asymmetric'


def failures(
  answers: int, seed: int
) -> Iterator[tuple[str, str, str, Exception | None, float]]:
  """What `check` raises or takes too long for.

  Yields:
    A name that repeats it, the two texts, the exception or None, the seconds.
  """
  last = ''
  for index in range(answers):
    name = f'{seed}/{index}'
    text = answer(random.Random(name))
    start, error = time.process_time(), None
    try:
      check(last, text)
    except Exception as caught:
      error = caught
    seconds = time.process_time() - start
    if error or seconds > SECONDS:
      yield name, last, text, error, seconds
    last = text


def main() -> int:
  options = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  options.add_argument('--answers', type=int, default=200_000)
  options.add_argument('--seed', type=int, default=0)
  args = options.parse_args()
  start, places = time.monotonic(), collections.Counter()
  for name, a, b, error, seconds in failures(args.answers, args.seed):
    place = 'slow'
    if error:
      frame = traceback.extract_tb(error.__traceback__)[-1]
      place = f'{type(error).__name__} at {frame.filename}:{frame.lineno}'
    places[place] += 1
    if places[place] <= 3:
      print(f'{name}: {place}, {seconds:.1f} s\n  {a!a}\n  {b!a}')
  print(
    f'{args.answers} answers of seed {args.seed} in '
    f'{time.monotonic() - start:.0f} s: {dict(places) or "no failure"}'
  )
  return 1 if places else 0


if __name__ == '__main__':
  sys.exit(main())
