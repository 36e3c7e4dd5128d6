"""Claims about test-time compute against a larger model (paper §7).

The small model's policy uses oracle bins, as in the paper: it knows from gold
answers how hard a question is. Every statement says so.
"""

from collections.abc import Sequence

from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.matched import ACCOUNTS, comparisons
from ttc.analysis.study import Study
from ttc.claims import compare
from ttc.claims.verdicts import Claim


def claims(studies: Sequence[Study], size_ratio: float | None) -> list[Claim]:
  """Claims by accounting, side and R; by bin under the v1 accounting only."""
  results = []
  if size_ratio is None:
    return results
  for accounting in ACCOUNTS:
    for side in ('revisions', 'search'):
      for m in comparisons(studies, side, size_ratio, accounting):
        stem = f'matched.{accounting}.{side}.R{m.token_ratio:.2g}'
        what = (
          f'Compute-optimal {side} (oracle bins) at {m.budget:.3g} '
          'generations beats '
          f'the {size_ratio:.3g}× larger greedy model at equal FLOPs '
          f'(R={m.token_ratio:.2g}, {ACCOUNTS[accounting]})'
        )
        results.append(
          compare.better(f'{stem}.all', f'{what}.', m.small, m.large)
        )
        if accounting == 'v1':
          results += [
            compare.better(
              f'{stem}.bin{k}',
              f'{what}, in bin {k}.',
              m.small,
              m.large,
              [b == k for b in m.bins],
            )
            for k in range(1, NUM_BINS + 1)
          ]
  return results
