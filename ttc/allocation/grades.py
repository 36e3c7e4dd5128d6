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
  chosen = [evidence.answer(row['rows']) for row in rows if row['rows']]
  return _told(f'{arm} N={rows[0]["budget"]}', chosen, rows)


def of_chains(rows: Sequence[Mapping]) -> Grades:
  """The accuracy of a vote within each chain, and then among chains.

  Args:
    rows: records of questions, whose attempts tell their chain.
  """
  chosen = [evidence.answer(row['rows']) for row in rows if row['rows']]
  return _told(f'N={rows[0]["budget"]}', chosen, rows)


def of_allocation(rows: Sequence[Mapping]) -> Grades:
  """The accuracy of a budget's answers so far, and of all attempts.

  Args:
    rows: of one budget; a question has "correct" in the row where it stops.
  """
  chosen = [row for row in rows if 'correct' in row]
  return _told(f'{rows[0]["budget"]:g} per question', chosen, rows)


def of_policy(rows: Sequence[Mapping]) -> Grades:
  """The accuracy of a policy at each of its budgets, and of all attempts.

  Args:
    rows: those with "policy", a budget, answer; the others only tell the bin.
  """
  told = {}
  for budget in dict.fromkeys(r['policy'] for r in rows if 'policy' in r):
    own = [r for r in rows if r.get('policy') == budget]
    chosen = [evidence.answer(row['rows']) for row in own if row['rows']]
    told |= _told(f'the policy N={budget}', chosen, own)
  return told | attempts([row for row in rows if 'policy' in row])


def _told(
  what: str, chosen: Sequence[Mapping], rows: Sequence[Mapping]
) -> Grades:
  right = sum(bool(answer['correct']) for answer in chosen)
  return {f'accuracy of {what}': (right, len(chosen))} | attempts(rows)
