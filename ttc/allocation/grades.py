"""How right a stage is so far, for its progress line: what it answers with."""

from collections.abc import Mapping, Sequence

from ttc.allocation import evidence
from ttc.analysis import names
from ttc.pipeline.parts import attempts
from ttc.runtime.progress import Grades


def of_arm(rows: Sequence[Mapping]) -> Grades:
  """The accuracy of an arm at a budget, with the share of right attempts.

  Args:
    rows: records of questions, all of one strategy and budget.
  """
  arm = names.short(rows[0]['strategy']).removesuffix('()')
  right = [
    bool(evidence.answer(row['rows'])['correct']) for row in rows if row['rows']
  ]
  told = {f'accuracy of {arm} N={rows[0]["budget"]}': (sum(right), len(right))}
  return told | attempts(rows)


def of_allocation(rows: Sequence[Mapping]) -> Grades:
  """The accuracy of a budget's answers so far, and of all attempts.

  Args:
    rows: of one budget; a question has "correct" in the row where it stops.
  """
  right = [bool(row['correct']) for row in rows if 'correct' in row]
  told = {f'accuracy at {rows[0]["budget"]:g}': (sum(right), len(right))}
  return told | attempts(rows)
