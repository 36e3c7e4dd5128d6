"""The verifier here reads what was sampled elsewhere."""

from collections.abc import Sequence

from ttc.inference.requests import Extend, Plan, PlanRunner, Prefill, Question
from ttc.inference.rows import Row


def lacks(row: Row) -> bool:
  """Whether a row has tokens without values."""
  return len(row.values) < len(row.attempt)


def read(
  scheduler: PlanRunner, groups: Sequence[tuple[Question, Sequence[Row]]]
) -> None:
  """Gives rows the values of all their tokens.

  Costs one prefill of what the rows of a group have in common, and one of the
  rest of each, charged to the question: no caches are left of earlier readings.

  Args:
    scheduler: of models without a proposer.
    groups: rows of one question each; those that have their values are not
      read again.
  """
  plans = []
  for question, rows in groups:
    unread = [row for row in rows if lacks(row)]
    if unread:
      # Two slots: for what they have in common, and for one that is read.
      plans.append((question, _plan(unread), 2))
  for _ in scheduler.run(plans):
    pass


def _plan(rows: Sequence[Row]) -> Plan:
  """Reads rows and fills their values."""
  shared = min(row.start for row in rows)
  for row in rows[1:]:
    pairs = zip(rows[0].tokens[:shared], row.tokens, strict=False)
    shared = next((i for i, (a, b) in enumerate(pairs) if a != b), shared)
  stem = Row(rows[0].tokens[:shared], shared, shared, rows[0].key)
  yield Prefill([stem])
  copies = []
  for ordinal, row in enumerate(rows):
    copy = stem.child(ordinal)
    copy.tokens, copy.values = list(row.tokens), list(row.values)
    copy.start, copy.limit = row.start, len(row.tokens)
    copy.done = True  # so that it gives its slot back once it is read
    copies.append(copy)
  stem.leave()
  yield Extend(copies)
  for row, copy in zip(rows, copies, strict=True):
    row.values = copy.values
  return copies
