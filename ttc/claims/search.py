"""Claims about search against the verifier (paper §3.1, §5.2)."""

from collections.abc import Sequence

from ttc.analysis import names
from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.optimal import UNIFORM
from ttc.analysis.study import Curve, questions, Study
from ttc.claims import compare
from ttc.claims.verdicts import Claim

Tables = Sequence[dict[str, Curve]]


def claims(studies: Sequence[Study]) -> list[Claim]:
  """Claims about searches, over-optimisation and the search policy."""
  tables = [questions(s.search_arms) for s in studies]
  if not all(names.WEIGHTED in t for t in tables):
    return []
  arms = [
    a for a in tables[0] if a != names.WEIGHTED and all(a in t for t in tables)
  ]
  results = []
  for arm in arms:
    results += _against_best_of_n(studies, tables, arm)
  results += _over_optimisation(studies, tables, arms)
  fits = [s.search_optimal for s in studies]
  if all(fits):
    majority = [questions(s.base_arms)[names.MAJORITY] for s in studies]
    results += compare.optimal(
      'search',
      'search',
      studies,
      fits,
      {
        names.WEIGHTED: [t[names.WEIGHTED] for t in tables],
        names.MAJORITY: majority,
        'the best uniform arm': [fit.refitted(UNIFORM) for fit in fits],
      },
    )
  return results


def _against_best_of_n(studies, tables: Tables, arm: str) -> list[Claim]:
  a, b = [t[arm] for t in tables], [t[names.WEIGHTED] for t in tables]
  results = []
  for n in compare.shared([*a, *b]):
    stem = f'search.{compare.slug(arm)}-vs-best-of-n'
    what = f'{arm} is more accurate than best-of-N weighted at {n} generations'
    results.append(
      compare.better(
        f'{stem}.all.n{n}', f'{what}.', compare.at(a, n), compare.at(b, n)
      )
    )
    if arm == names.BEAM and all(s.bins for s in studies):
      results += [
        compare.better(
          f'{stem}.bin{k}.n{n}',
          f'{what}, in bin {k}.',
          compare.at(a, n),
          compare.at(b, n),
          compare.members(studies, k),
        )
        for k in range(1, NUM_BINS + 1)
      ]
  return results


def _over_optimisation(studies, tables: Tables, arms) -> list[Claim]:
  """Whether more generations hurt, which the paper reports for easy bins."""
  curves = {
    arm: [t[arm] for t in tables]
    for arm in arms
    if arm == names.BEAM or 'lookahead' in arm
  }
  best = [questions(s.base_arms).get(names.BEST) for s in studies]
  if all(best):
    curves[names.BEST] = best
  results = []
  for arm, table in curves.items():
    budgets = compare.shared(table, above=1)
    if len(budgets) < 2:
      continue
    # The largest budget against the measured one that is nearest to 4.
    low, high = max(budgets[0], min(4, budgets[-2])), budgets[-1]
    low = min(budgets, key=lambda n: abs(n - low))
    what = f'{arm} is less accurate at {high} generations than at {low}'
    stem = f'over-optimisation.{compare.slug(arm)}'
    groups = {'all': (None, '')}
    if all(s.bins for s in studies):
      groups |= {
        f'bin{k}': (compare.members(studies, k), f', in bin {k}')
        for k in (1, 2)
      }
    results += [
      compare.better(
        f'{stem}.{key}',
        f'{what}{where}.',
        compare.at(table, low),
        compare.at(table, high),
        group,
      )
      for key, (group, where) in groups.items()
    ]
  return results
