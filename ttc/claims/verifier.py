"""Claims about the base model and its verifier (paper §3.2, §5.1)."""

from collections.abc import Sequence

import numpy as np

from ttc.analysis import bootstrap, names
from ttc.analysis.pools import AnswerPool
from ttc.analysis.study import questions, Study
from ttc.claims import compare, verdicts
from ttc.claims.verdicts import Claim


def claims(studies: Sequence[Study]) -> list[Claim]:
  """Claims that need only the best-of-N samples of the search stage."""
  if not all(study.base for study in studies):
    return []
  results = [*_spread(studies), *_ranking(studies)]
  tables = [questions(s.base_arms) for s in studies]
  pairs = (
    (names.WEIGHTED, names.MAJORITY),
    (names.WEIGHTED, names.BEST),
    (names.BEST, names.MAJORITY),
  )
  for a, b in pairs:
    if all(a in t and b in t for t in tables):
      budgets = compare.shared([t[a] for t in tables], above=2)
      results += [
        compare.better(
          f'selection.{compare.slug(a)}-vs-{compare.slug(b)}.n{n}',
          f'{a} is more accurate than {b} at {n} generations.',
          [t[a][n] for t in tables],
          [t[b][n] for t in tables],
        )
        for n in budgets
      ]
  return results


def _spread(studies) -> list[Claim]:
  """pass@1 in the easiest bin against the hardest."""
  results = []
  for kind in ('oracle', 'predicted'):
    if all(kind in s.bins for s in studies):
      rows = []
      for s in studies:
        right, bins = s.base.correct.mean(1), s.bins[kind]
        # Where all are equally easy there is no harder bin: its rows are 0.
        ends = [bins == 1, (bins == bins.max()) & (bins > 1)]
        rows.append(np.stack([x for e in ends for x in (right * e, e)]))
      results.append(
        verdicts.judge(
          f'base.spread.{kind}',
          'The base model is right more often (pass@1, samples that made no '
          f'bin) in the easiest {kind} bin than in the hardest.',
          rows,
          lambda m: (
            100 * (bootstrap.ratio(m[..., :2]) - bootstrap.ratio(m[..., 2:]))
          ),
          evidence=[r[1::2] > 0 for r in rows],
        )
      )
  return results


def _ranking(studies) -> list[Claim]:
  if not all(s.base.values is not None for s in studies):
    return []
  statements = {
    'final': "The verifier's final value ranks right answers above wrong "
    'ones of the same question.',
    'inner': "The verifier's value at an inner step ranks answers that end "
    'right above those that end wrong, same question and step.',
  }
  claims = []
  for where, statement in statements.items():
    rows = [auc_rows(s.base, where == 'inner') for s in studies]
    claims.append(
      verdicts.judge(
        f'verifier.auc.{where}',
        statement,
        rows,
        bootstrap.ratio,
        above=0.5,
        unit='AUC',
        # Not those that it ranks neither way, nor those with one kind alone.
        evidence=[(r[1:] > 0) & (r[:1] != 0.5) for r in rows],
      )
    )
  return claims


def auc_rows(pool: AnswerPool, inner: bool) -> np.ndarray:
  """AUC within each question, and whether it is defined, float [2, Q].

  With `inner`, of the values before the last step, pooled over the steps.
  """
  steps, final = (~np.isnan(pool.values)).sum(-1), pool.score()
  rows = np.zeros((2, len(pool.problem)))
  for q in range(len(pool.problem)):
    wins = pairs = 0.0
    columns = range(pool.values.shape[2] - 1) if inner else (None,)
    for step in columns:
      if step is None:
        seen, value = steps[q] > 0, final[q]
      else:
        seen, value = steps[q] > step + 1, pool.values[q, :, step]
      right = value[seen & pool.correct[q]]
      wrong = value[seen & ~pool.correct[q]]
      # A tie counts as half a win.
      order = np.sign(right[:, None] - wrong)
      wins += float((order + 1).sum()) / 2
      pairs += order.size
    if pairs:
      rows[:, q] = wins / pairs, 1
  return rows
