"""Which question pays for which tokens of a device call."""

from collections.abc import Iterator

from ttc.inference.cost import Cost
from ttc.inference.queues import RowTask

Charge = tuple[Cost, str, int, int]  # whose, kind of work, tokens, keys


def of_prefill(
  task: RowTask, role: str, start: int, stop: int
) -> Iterator[Charge]:
  """Charges for the known tokens [start, stop) of a row.

  What a verifier reads of the prompt is prefill to it, the rest is decoding:
  an autoregressive verifier would have had to wait for those tokens.
  """
  cost, row = task.job.question.cost, task.row
  if role == 'proposer':
    yield cost, 'proposer_prefill', stop - start, keys(start, stop - start)
    return
  text = row.verifier_text
  prompt = row.start if text is None else text.start
  middle = min(max(start, prompt), stop)
  for kind, low, high in (
    ('verifier_prefill', start, middle),
    ('verifier_decode', middle, stop),
  ):
    if high > low:
      yield cost, kind, high - low, keys(low, high - low)


def of_extend(task: RowTask, count: int) -> Charge:
  """The charge for `count` sampled tokens, before the row has taken them."""
  cost = task.job.question.cost
  # The pending token is the first that the proposer reads.
  position = len(task.row.tokens) - 1
  return cost, 'proposer_decode', count, keys(position, count)


def keys(start: int, count: int) -> int:
  """Keys that `count` tokens from a position on see, themselves included."""
  return count * start + count * (count + 1) // 2
