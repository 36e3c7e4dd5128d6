"""Chains of attempts against independent ones, at equal executed FLOPs.

A point is what one arm does with a number of generations: its accuracy, by the
answer that is chosen, and its FLOPs, all that it read and sampled. It is
compared with the curve of independent samples, which is interpolated at the
same FLOPs, question by question.

    turn        1    2    3    4
    value      .3   .6   .2   .9
    so far      1    2    2    4     the attempt with the largest value

A turn makes right what was wrong if its attempt is right where the best one so
far is wrong. Independent attempts have turns too: they say what trying again
does.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis import aggregate, bootstrap, names, spending
from ttc.analysis.interpolate import accuracy_at
from ttc.analysis.pools import AnswerPool

SELECTORS = {
  names.BEST: aggregate.best,
  names.WEIGHTED: aggregate.weighted,
}


_SAMPLES = 'BestOfN()'


class Spot(NamedTuple):
  """An arm at a number of generations, of one seed.

  Attributes:
    arm: its name.
    generations: N.
    flops: executed per question, the mean.
    accuracy: float [Q], by the name of the selector.
  """

  arm: str
  generations: int
  flops: float
  accuracy: Mapping[str, np.ndarray]


def points(pool: AnswerPool, arm: str) -> Iterator[Spot]:
  """What a pool says of an arm at every number of generations it can.

  Independent answers are cut into blocks, whose mean is taken; the one chain of
  a pool of `ttc revise` is cut after each power of two of turns. Any other pool
  is what it is.

  Args:
    pool: with scores, costs and models.
    arm: its name.

  Raises:
    ValueError: it lacks one of them, or has several chains.
  """
  score = pool.score()
  if score is None or not pool.cost or pool.models is None:
    raise ValueError(
      f'{arm}: attempts without values, or without costs, have no place among '
      'those that are chosen by a verifier; give its stage a Solver.verifier.'
    )
  for generations in _cuts(pool, arm):
    blocks = pool.width // generations
    if pool.chain is not None:
      blocks, spent = 1, spending.split(pool, generations, 1, scored=True)
    elif generations == pool.width:
      spent = spending.whole(pool)
    else:
      spent = spending.answers(pool, generations, scored=True)
    cut = lambda x, n=generations, blocks=blocks: x[:, : n * blocks].reshape(
      len(x), blocks, n
    )
    answers, scores, right = map(cut, (pool.answer, score, pool.correct))
    yield Spot(
      arm,
      # A search may spend more generations than it has answers.
      pool.budget if generations == pool.width else generations,
      float(spent[:, 1].mean()),
      {
        name: np.take_along_axis(
          right, select(answers, scores)[..., None], axis=-1
        ).mean((1, 2))
        for name, select in SELECTORS.items()
      },
    )


def comparison(
  seeds: Sequence[Sequence[Spot]], measure: Sequence[Sequence[Spot]]
) -> list[dict[str, Any]]:
  """Rows of a table: every point against the curve at the same FLOPs.

  Args:
    seeds: the points of each seed, in one order.
    measure: those of the curve, of each seed. Their better selection at each
      FLOPs is what a point has to beat: the curve is given every advantage.

  Returns:
    'arm', 'selection', 'generations', 'flops', 'accuracy' and, where the curve
    has such FLOPs, 'control', 'difference', 'low' and 'high', in percent.
  """
  rows = []
  for same in zip(*seeds, strict=True):
    for selection in SELECTORS:
      flops = float(np.mean([point.flops for point in same]))
      own = [point.accuracy[selection] for point in same]
      row = {
        'arm': same[0].arm,
        'selection': selection,
        'generations': same[0].generations,
        'flops': flops,
        'accuracy': 100 * float(np.mean([x.mean() for x in own])),
      }
      others = [
        _at(curve, point.flops)
        for curve, point in zip(measure, same, strict=True)
      ]
      if all(other is not None for other in others):
        pairs = [np.stack(pair) for pair in zip(own, others, strict=True)]
        found = bootstrap.interval(pairs, lambda m: m[..., 0] - m[..., 1])
        row['control'] = 100 * float(np.mean([x.mean() for x in others]))
        row |= dict(
          zip(
            ('difference', 'low', 'high'), (100 * x for x in found), strict=True
          )
        )
      rows.append(row)
  return rows


def has_turns(pool: AnswerPool) -> bool:
  """Whether the attempts of a pool come, or could come, one after another."""
  one = 'first=1, width=1,' in pool.strategy
  return pool.chain is not None or one or pool.strategy == _SAMPLES


def transitions(
  pools: Sequence[AnswerPool], longest: int
) -> list[dict[str, Any]]:
  """Rows of a table: what each turn does to the best attempt before it.

  Args:
    pools: of one arm, a seed each, whose attempts stand in the order of turns.
    longest: turns to look at.

  Returns:
    'turn', 'gained' and 'lost': percent of the attempts that are right where
    the best one before is wrong, and wrong where it is right; 'repeated', those
    with the answer of an earlier one; 'so_far', percent of the best so far that
    are right.
  """
  rows = []
  for turn in range(min(longest, *(pool.width for pool in pools))):
    before, after, now, again = [], [], [], []
    for pool in pools:
      score, each = pool.score(), np.arange(len(pool.correct))
      right = lambda t, pool=pool, score=score, each=each: pool.correct[
        each, score[:, :t].argmax(1)
      ]
      after.append(right(turn + 1))
      if turn:
        # Without values where a strategy had stopped before.
        made = ~np.isnan(pool.values[:, turn]).all(1)
        before.append(right(turn)[made])
        now.append(pool.correct[made, turn])
        same = pool.answer[:, :turn] == pool.answer[:, turn : turn + 1]
        again.append(same.any(1)[made])
    row = {'turn': turn + 1, 'so_far': _percent(np.concatenate(after))}
    if turn:
      was, now = np.concatenate(before), np.concatenate(now)
      row['gained'] = _percent(now[~was])
      row['lost'] = _percent(~now[was])
      row['repeated'] = _percent(np.concatenate(again))
    rows.append(row)
  return rows


def _cuts(pool: AnswerPool, arm: str) -> list[int]:
  """Numbers of answers at which a pool is looked at."""
  if pool.chain is not None and pool.chain.any():
    raise ValueError(
      f'{arm} has several chains; a comparison by turns needs one, by '
      'Revise.turns and chains=1.'
    )
  if pool.chain is None and pool.strategy != _SAMPLES:
    return [pool.width]
  return [2**i for i in range(pool.width.bit_length())]


def _at(curve: Sequence[Spot], flops: float) -> np.ndarray | None:
  """Accuracy [Q] of the better selection of a curve at some FLOPs."""
  found = [
    accuracy_at({p.flops: p.accuracy[name] for p in curve}, flops)
    for name in SELECTORS
  ]
  if found[0] is None:
    return None
  return max(found, key=lambda accuracy: accuracy.mean())


def text(
  compared: Sequence[Mapping[str, Any]],
  turns: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
  """Both tables for a terminal.

  Args:
    compared: rows of `comparison`.
    turns: rows of `transitions` by the name of an arm.
  """
  names = [
    f'{r["arm"]}, N={r["generations"]}, {r["selection"]}' for r in compared
  ]
  width = max(map(len, names), default=0)
  lines = [
    f'{"":{width}} {"MFLOPs":>8} {"right %":>8} {"control":>8}  difference',
  ]
  for name, row in zip(names, compared, strict=True):
    line = f'{name:{width}} {row["flops"] / 1e6:8.1f} {row["accuracy"]:8.1f}'
    if 'control' in row:
      line += f' {row["control"]:8.1f}  {row["difference"]:+.1f}'
      line += f' [{row["low"]:.1f}, {row["high"]:.1f}]'
    lines.append(line)
  for name, rows in turns.items():
    lines += ['', f'{name}: % by turn']
    for column in ('so_far', 'gained', 'lost', 'repeated'):
      cells = [row.get(column) for row in rows]
      shown = ['' if cell is None else f'{cell:.1f}' for cell in cells]
      lines.append(f'{column:>10} ' + ' '.join(f'{cell:>5}' for cell in shown))
  return '\n'.join(lines)


def _percent(flags: np.ndarray) -> float | None:
  return 100 * float(flags.mean()) if flags.size else None
