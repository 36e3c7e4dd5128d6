"""How strategies stand on the same questions: accuracy, cost, differences."""

import collections
from collections.abc import Mapping, Sequence
import itertools
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis import bootstrap
from ttc.answering.judged import Judged
from ttc.claims import compare, verdicts, words
from ttc.claims.verdicts import Claim
from ttc.runtime.safe_text import printable

_HEADS = (
  'strategy',
  'budget',
  'in all',
  'right %',
  '95% interval',
  'generations',
  'tokens',
  'FLOPs',
  'unread',
  'undecided',
)


class Standing(NamedTuple):
  """A strategy at a budget.

  Attributes:
    strategy: its name on the command line.
    budget: per question.
    seeds: what it gave, of each seed, all on the same questions.
  """

  strategy: str
  budget: float
  seeds: Sequence[Judged]

  @property
  def correct(self) -> list[np.ndarray]:
    """Whether each question is answered rightly, float [Q] per seed."""
    return [own.correct.astype(float) for own in self.seeds]


def table(entries: Sequence[Standing]) -> list[dict[str, Any]]:
  """A row for each entry, means over questions and seeds.

  Returns:
    'strategy', 'budget' per question and 'total' of all; 'accuracy' in percent
    with the bounds 'low' and 'high' of its 95 % interval; per question
    'generations', executed 'tokens' and 'flops'; and of the questions, in
    percent, 'unread' and 'undecided', both of which count as wrong.
  """
  rows = []
  for entry in entries:
    mean = lambda name, own=entry.seeds: float(
      np.mean([getattr(x, name).mean() for x in own])
    )
    accuracy, low, high = _accuracy(entry.correct)
    rows.append(
      {
        'strategy': entry.strategy,
        'budget': entry.budget,
        'total': entry.budget * len(entry.seeds[0].problem),
        'accuracy': accuracy,
        'low': low,
        'high': high,
        'generations': mean('generations'),
        'tokens': mean('tokens'),
        'flops': mean('flops'),
        'unread': 100 * mean('unread'),
        'undecided': 100 * mean('undecided'),
      }
    )
  return rows


def differences(entries: Sequence[Standing]) -> list[Claim]:
  """Which of two strategies is the more accurate, question by question.

  Strategies are compared where they have the same budget; one that was asked at
  a single budget is compared with all of the others.
  """
  count = collections.Counter(entry.strategy for entry in entries)
  claims = []
  for one, other in itertools.combinations(entries, 2):
    single = 1 in (count[one.strategy], count[other.strategy])
    if one.strategy == other.strategy or not (
      one.budget == other.budget or single
    ):
      continue
    # The better one first, which is easier to read; intervals have two sides.
    best, rest = sorted((one, other), key=lambda e: -np.mean(e.correct))
    a, b = (f'{e.strategy} at {e.budget:g}' for e in (best, rest))
    claims.append(
      compare.better(
        f'{compare.slug(a)}.vs.{compare.slug(b)}',
        f'{a} is more accurate than {b}.',
        best.correct,
        rest.correct,
      )
    )
  return verdicts.corrected(claims)


def text(
  title: str, rows: Sequence[Mapping[str, Any]], claims: Sequence[Claim]
) -> str:
  """The standings for a terminal.

  Args:
    title: the first line.
    rows: from `table`.
    claims: from `differences`.
  """
  cells = [_HEADS, *map(_cells, rows)]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [title, '']
  for row in cells:
    first = f'{row[0]:<{widths[0]}}'
    others = zip(row[1:], widths[1:], strict=True)
    lines.append('  '.join([first, *(f'{x:>{width}}' for x, width in others)]))
  if claims:
    lines += ['', 'differences, paired by question, with 95% intervals:']
  unclear = collections.Counter(c.verdict for c in claims if c.holds is None)
  for claim in claims:
    if unclear[claim.verdict] < 2:
      told = f'{claim.statement} {words.number(claim)}'
      lines.append(f'{claim.verdict:>14}  {told}')
  for verdict, count in unclear.items():
    if count > 1:
      told = f'{count} of {len(claims)} differences; see evaluation.json'
      lines.append(f'{verdict:>14}  {told}')
  return printable('\n'.join(lines))


def _accuracy(
  correct: Sequence[np.ndarray],
) -> tuple[float | None, float | None, float | None]:
  """Accuracy in percent with its interval, of float [Q] per seed.

  Draws of questions that are all wrong, or all right, are all alike, which is
  no certainty: that bound is the exact binomial one (Clopper and Pearson 1934).
  """
  accuracy, low, high = bootstrap.interval(
    [right[None] for right in correct], lambda m: 100 * m[..., 0]
  )
  if accuracy in (0.0, 100.0):
    unlikely = 100 * ((1 - bootstrap.LEVEL) / 2) ** (1 / len(correct[0]))
    low, high = (0.0, 100 - unlikely) if accuracy == 0 else (unlikely, 100.0)
  return accuracy, low, high


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
  known = row['low'] is not None
  return (
    row['strategy'],
    f'{row["budget"]:g}',
    f'{row["total"]:g}',
    f'{row["accuracy"]:.1f}',
    f'[{row["low"]:.1f}, {row["high"]:.1f}]' if known else 'none',
    f'{row["generations"]:.1f}',
    f'{row["tokens"]:,.0f}',
    f'{row["flops"]:.2e}',
    f'{row["unread"]:.1f}%',
    f'{row["undecided"]:.1f}%',
  )
