"""Claims about test-time compute against a larger model (paper §7)."""

from collections.abc import Sequence

from ttc.analysis.bootstrap import Claim
from ttc.analysis.matched import comparisons
from ttc.analysis.study import NUM_BINS, Study
from ttc.reporting.claims import compare
from ttc.reporting.figures.matched import ACCOUNTS


def claims(studies: Sequence[Study], size_ratio: float | None) -> list[Claim]:
  """By accounting, side and R; by bin with the paper's v1 accounting."""
  found = []
  if size_ratio is None:
    return found
  for accounting in ACCOUNTS:
    for side in ('revisions', 'search'):
      for e in comparisons(studies, side, size_ratio, accounting):
        stem = f'matched.{accounting}.{side}.R{e.token_ratio:.2g}'
        what = (
          f'Compute-optimal {side} at {e.budget:.3g} generations beats '
          f'the {size_ratio:.3g}× larger greedy model at equal FLOPs '
          f'(R={e.token_ratio:.2g}, {ACCOUNTS[accounting]})'
        )
        found.append(
          compare.better(f'{stem}.all', f'{what}.', e.small, e.large)
        )
        if accounting == 'v1':
          found += [
            compare.better(
              f'{stem}.bin{k}',
              f'{what}, in bin {k}.',
              e.small,
              e.large,
              [b == k for b in e.bins],
            )
            for k in range(1, NUM_BINS + 1)
          ]
  return found
