"""All questions of a seed in columns: how hard, and right by which strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ttc.analysis import names
from ttc.analysis.study import Study
from ttc.claims import recommendation
from ttc.data.problems import Problem
from ttc.runtime.safe_text import printable

_SHOWN = 200  # characters of a question in the table

MISSED = 'a right answer existed, the verifier chose wrong'
LOST = 'beam search lost what best-of-N found'
BROKEN = 'a revision broke a right answer'


def columns(study: Study, problems: Sequence[Problem]) -> dict[str, Any]:
  """The table of questions, column by column.

  Args:
    study: of one seed.
    problems: texts of questions; those of others stay empty.

  Returns:
    'ids'; 'texts', cut; 'pass1', the share of single answers of the base model
    that are right, None where it was not measured; 'bins' by kind;
    'strategies', each a name and the accuracy of each question, at its largest
    budget; and 'saved', positions of the questions of `saved`, by name.
  """
  by_id = {p.id: p for p in problems}
  texts = [by_id[i].question if i in by_id else '' for i in study.problem]
  table = recommendation.candidates(study)
  pool = study.base or study.difficulty
  pass1 = None
  if pool is not None:
    pass1 = _rounded(pool.at(study.problem).correct.mean(1))
  return {
    'seed': study.seed,
    'ids': study.problem.tolist(),
    'texts': [printable(text, _SHOWN, one_line=True) for text in texts],
    'pass1': pass1,
    'bins': {kind: bins.tolist() for kind, bins in study.bins.items()},
    'strategies': [
      {
        'name': f'{arm}, N={max(curve)}',
        'right': _rounded(curve[max(curve)].question),
      }
      for arm, curve in table.items()
    ],
    'saved': {
      name: np.flatnonzero(found).tolist()
      for name, found in saved(study).items()
    },
  }


def saved(study: Study) -> Mapping[str, np.ndarray]:
  """Questions that a reader often looks for, bool [Q] by what they are.

  A name is missing where what it is about was not measured.
  """
  found = {}
  base = study.base
  weighted = study.base_arms.get(names.WEIGHTED)
  if weighted is not None:
    chosen = weighted[base.width].question
    found[MISSED] = base.correct.any(1) & (chosen < 1)
    beam = study.search_arms.get(names.BEAM)
    if beam is not None:
      found[LOST] = base.correct.any(1) & (beam[max(beam)].question < 1)
  if study.revise is not None:
    chains = study.revise.chains()
    now, later = chains.correct[:, :, :-1], chains.correct[:, :, 1:]
    follows = np.arange(now.shape[2]) + 1 < chains.turns[:, None]
    found[BROKEN] = (now & ~later & follows).any((1, 2))
  return found


def _rounded(values: np.ndarray) -> list[float]:
  return np.round(values, 3).tolist()
