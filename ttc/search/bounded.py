"""Plans that end before they might cost more than they may.

The generations of a step search bound its rows and not quite its tokens: where
short prefixes are chosen over long ones, more is sampled than W attempts have.
Who reserves a sum for a plan needs a bound that holds.
"""

from collections.abc import Callable, Mapping
import dataclasses

from ttc.inference import accounting
from ttc.inference.cost import Cost, Work
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import Row

Record = Mapping[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Allowance:
  """What a plan may cost.

  Attributes:
    fits: whether a cost, as records hold it, is within the bound.
    step: largest number of tokens of a step.
    text: largest number of tokens that a verifier with a tokenizer of its own
      reads of a row; None where it reads the row.
  """

  fits: Callable[[Record], bool]
  step: int
  text: int | None = None

  def hold(self, plan: Plan, question: Question) -> Plan:
    """The plan, ended before the first request that might not fit.

    Args:
      plan: of the question.
      question: whose cost counts.

    Returns:
      A plan that returns what the other one does or, where it was ended, the
      rows of its last request as they are, without tokens that the plan has put
      in and the verifier has not read.
    """
    rows = []
    for request in _requests(plan, rows):
      if not self.fits(self._at_most(question.cost, request)):
        plan.close()
        for row in rows:
          _drop_unread(row)
        return rows
      rows[:] = request.rows
      yield request
    return rows

  def _at_most(self, spent: Cost, request: Prefill | Extend) -> Record:
    """The cost so far and the most that a request can add to it."""
    total = Cost()
    for kind in spent.record():
      total.add(kind, spent[kind])
    for index, row in enumerate(request.rows):
      grown = self._growth(request, index, row)
      known = row.unread('proposer') if row.slot else (0, len(row.tokens) - 1)
      if not row.done:
        total.add('proposer_prefill', _work(*known))
      total.add('proposer_decode', _work(known[1], known[1] + grown))
      read = row.verifier_len if row.slot else 0
      end = len(row.tokens) + grown if self.text is None else self.text
      total.add('verifier_decode', _work(min(read, end), end))
    return total.record()

  def _growth(self, request: Prefill | Extend, index: int, row: Row) -> int:
    """The most tokens that a row can gain by a request."""
    if isinstance(request, Prefill) or row.done:
      return 0
    room = max(row.limit - len(row.tokens), 0)
    if request.steps:
      room = min(room, request.steps * self.step)
    if request.allowance is not None:
      room = min(room, request.allowance[index])
    return room


def _requests(plan: Plan, rows: list[Row]):
  """Yields the requests of a plan; then `rows` holds what it returned."""
  rows[:] = yield from plan


def _drop_unread(row: Row) -> None:
  """Cuts off the tokens of a row that have no value, if there is a verifier."""
  known = row.start + len(row.values)
  if row.verifier_len and known < len(row.tokens):
    row.cut(known)


def _work(start: int, stop: int) -> Work:
  """The useful work on the positions from start to stop."""
  tokens = max(stop - start, 0)
  return Work(tokens=tokens, keys=accounting.keys(start, tokens))
