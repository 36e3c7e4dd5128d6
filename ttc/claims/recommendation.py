"""Which strategy to take at each budget, and what is known about the choice.

Every strategy that costs no more than the budget competes: the searches and
selections, greedy, revisions, and the control that was finetuned on its own
right answers. The best one of many is best partly by luck, so its accuracy is
that of the choice: made on nine tenths of the questions and judged on the last,
and made again in every draw of the bootstrap.

It is compared with the next best one, question by question. Both are the best
of many, so luck is on both sides: of many equal strategies the first two are
told apart in fewer than 5 % of cases. (A comparison of the choice with the
choice among all others would be wrong in a quarter of them: where the best one
stands out, it is chosen by all folds, and those that are left are not.)
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis import bootstrap, cross_fit, names, spending
from ttc.analysis.bootstrap import Refitted
from ttc.analysis.curves import Accuracy
from ttc.analysis.study import Study, Table
from ttc.claims import compare
from ttc.claims.verdicts import Claim

TableRow = dict[str, Any]


class Contender(NamedTuple):
  """A strategy that competes at a budget.

  Attributes:
    name: with its own budget, where that is smaller.
    strategy: without it.
    points: accuracy and FLOPs, one per seed.
  """

  name: str
  strategy: str
  points: tuple[Accuracy, ...]

  @property
  def accuracy(self) -> float:
    """Mean over questions and seeds, in percent."""
    return 100 * float(np.mean([p.question.mean() for p in self.points]))

  @property
  def flops(self) -> float | None:
    """Executed per question; None where unknown."""
    if any(p.flops is None for p in self.points):
      return None
    return float(np.mean([p.flops.mean() for p in self.points]))


def table(studies: Sequence[Study]) -> list[TableRow]:
  """One row per budget that leaves a choice.

  Args:
    studies: one per seed.

  Returns:
    'budget' in generations; 'take', the strategy that is best on all questions,
    its 'accuracy' in percent with an 'interval', and 'flops', those executed
    per question; 'over', the alternative, and 'policy', by difficulty, each a
    dict with a name, accuracy and FLOPs, 'ahead', the points by which the
    strategy is ahead of the one and the policy of the strategy, an interval and
    whether it 'holds'; and 'strategies', all of them at their largest budget,
    the best first. Intervals are 95 % and paired over questions. FLOPs are None
    where they are unknown, 'over' and 'policy' where there is no other.
  """
  tables = [candidates(s) for s in studies]
  budgets = sorted({n for curve in _shared(tables).values() for n in curve})
  rows = []
  for budget in budgets:
    entries = list(_contenders(tables, budget))
    if len({e.strategy for e in entries}) > 1:
      rows.append(_row(studies, entries, budget))
  return rows


def _row(
  studies: Sequence[Study], entries: Sequence[Contender], budget: int
) -> TableRow:
  best = max(entries, key=lambda e: e.accuracy)
  others = [e for e in entries if e.strategy != best.strategy]
  second = max(others, key=lambda e: e.accuracy)
  chosen = _chosen(studies, entries)
  claim = compare.better(
    f'take.n{budget}',
    '',
    [p.question for p in best.points],
    [p.question for p in second.points],
  )
  estimate, low, high = bootstrap.interval(
    [[c] for c in chosen], lambda m: 100 * m[..., 0]
  )
  return {
    'budget': budget,
    'take': best.name,
    'accuracy': estimate,
    'interval': [low, high],
    'flops': best.flops,
    'over': {
      'name': second.name,
      'accuracy': second.accuracy,
      'flops': second.flops,
      **_ahead(claim),
    },
    'policy': _policy(studies, budget, chosen),
    'strategies': _ranked(entries),
  }


def candidates(study: Study) -> Table:
  """Everything that a question may be answered by, the simplest first."""
  table: Table = {}
  if study.base_greedy is not None:
    right = study.base_greedy.correct[:, 0].astype(float)
    spent = spending.whole(study.base_greedy)
    flops = None if spent is None else spent[:, 1]
    table[names.GREEDY] = {1: Accuracy(right, 0.0, flops)}
  table |= {k: v for k, v in study.base_arms.items() if k not in table}
  table |= {k: v for k, v in study.search_arms.items() if k not in table}
  by = study.revision_arms
  for ratio, curve in by.get('verifier', by.get('majority', {})).items():
    table[f'revisions {ratio}'] = curve
  if study.control is not None:
    for arm, curve in study.selections(study.control).items():
      table[f'control, {arm}'] = curve
  return table


def _shared(tables: Sequence[Table]) -> dict[str, list[int]]:
  """Budgets by strategy, of those that every seed has."""
  found = {}
  for arm in tables[0]:
    if all(arm in t for t in tables):
      found[arm] = sorted(set.intersection(*(set(t[arm]) for t in tables)))
  return found


def _contenders(tables: Sequence[Table], budget: int) -> Iterator[Contender]:
  """Every strategy at every budget of its own up to this one."""
  for arm, budgets in _shared(tables).items():
    for n in budgets:
      if n <= budget:
        name = arm if n == budget else names.at(arm, n)
        yield Contender(name, arm, tuple(t[arm][n] for t in tables))


def _chosen(
  studies: Sequence[Study], entries: Sequence[Contender]
) -> list[Refitted]:
  """Held-out accuracy of the choice among entries, one per seed."""
  found = []
  for i, study in enumerate(studies):
    folds = cross_fit.random_folds(
      len(study.problem), np.random.default_rng(study.seed)
    )
    accuracy = {e.name: {1: e.points[i].question} for e in entries}
    found.append(cross_fit.cross_fit_uniform(accuracy, folds).refitted[1])
  return found


def _policy(
  studies: Sequence[Study], budget: int, chosen: Sequence[Refitted]
) -> TableRow | None:
  """The policy by difficulty, against the strategy that is recommended."""
  fits = [s.search_optimal for s in studies]
  for kind in ('predicted', 'oracle'):
    if all(
      f and kind in f.policies and budget in f.adaptive[kind] for f in fits
    ):
      break
  else:
    return None
  own = [f.refitted(kind)[budget] for f in fits]
  flops = [f.flops.get(kind, {}).get(budget) for f in fits]
  binned = [spending.whole(s.difficulty.at(s.problem)) for s in studies]
  return {
    'bins': kind,
    'accuracy': 100 * _mean(own),
    'flops': _flops(flops),
    'difficulty_flops': _flops(
      [None if b is None else b[:, 1] for b in binned]
    ),
    **_ahead(compare.better(f'policy.n{budget}', '', own, chosen)),
  }


def _ranked(entries: Sequence[Contender]) -> list[TableRow]:
  """Every strategy where it costs most, the best first."""
  largest = {e.strategy: e for e in entries}  # their budgets rise
  ranked = sorted(largest.values(), key=lambda e: -e.accuracy)
  return [
    {
      'name': e.name,
      'accuracy': e.accuracy,
      'interval': list(
        bootstrap.interval(
          [[p.question] for p in e.points], lambda m: 100 * m[..., 0]
        )[1:]
      ),
      'flops': e.flops,
    }
    for e in ranked
  ]


def _ahead(claim: Claim) -> Mapping[str, Any]:
  return {
    'ahead': claim.estimate,
    'interval': list(claim.interval),
    'holds': claim.holds,
    'why': claim.why,
  }


def _mean(measured: Sequence[Refitted]) -> float:
  return float(np.mean([m.question.mean() for m in measured]))


def _flops(by_seed: Sequence[np.ndarray | None]) -> float | None:
  if any(flops is None for flops in by_seed):
    return None
  return float(np.mean([flops.mean() for flops in by_seed]))
