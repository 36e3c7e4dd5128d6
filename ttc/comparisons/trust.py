"""How far a verifier can be trusted on the attempts of an arm.

Attempts that were chosen, or written, by what a verifier says of them are not
those that it learned from: wrong ones that it likes are found.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ttc.analysis.pools import AnswerPool
from ttc.claims.verifier import auc_rows

_SURE = 0.9  # a final value above it says that an attempt is right


def of(pools: Sequence[AnswerPool]) -> dict[str, float | None]:
  """What the verifier says of right and of wrong attempts.

  Args:
    pools: of one arm, a seed each, with values.

  Returns:
    'auc', of final values within questions that have right and wrong attempts,
    the mean; 'believed', percent of the wrong attempts with a value above 0.9.
    None where there are no such questions or attempts.
  """
  auc, known = np.concatenate([auc_rows(p, inner=False) for p in pools], axis=1)
  wrong = np.concatenate([p.score()[_made(p) & ~p.correct] for p in pools])
  return {
    'auc': float(auc.sum() / known.sum()) if known.any() else None,
    'believed': 100 * float((wrong > _SURE).mean()) if wrong.size else None,
  }


def text(trust: Mapping[str, Mapping[str, float | None]]) -> str:
  """The table for a terminal, of what `of` returns by the name of an arm."""
  width = max(map(len, trust), default=0)
  lines = [f'{"the verifier":{width}} {"AUC":>6} {"wrong, yet > .9":>16}']
  for arm, row in trust.items():
    auc = '' if row['auc'] is None else f'{row["auc"]:.3f}'
    believed = '' if row['believed'] is None else f'{row["believed"]:.1f}%'
    lines.append(f'{arm:{width}} {auc:>6} {believed:>16}')
  return '\n'.join(lines)


def _made(pool: AnswerPool) -> np.ndarray:
  """Attempts that a strategy did not stop before, bool [Q, W]."""
  return ~np.isnan(pool.values).all(-1)
