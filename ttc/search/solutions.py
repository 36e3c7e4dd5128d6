"""What a strategy hands back: W attempts a problem, on the host."""

import dataclasses

import numpy as np

from ttc import partitioning
from ttc.data.prompts import Prompts
from ttc.search.cost import Cost
from ttc.search.frontier import Frontier, Models


@dataclasses.dataclass(frozen=True)
class Attempt:
  """One row, cut out of the arrays.

  Attributes:
    tokens: what was sampled, the ending token included if there is one.
    truncated: it stopped at its limit and not by a token of its own.
    values: the verifier's value at each step end, the last one final; None
      without a verifier.
    logprob: of the sampled tokens under the proposer at temperature 1.
  """

  tokens: list[int]
  truncated: bool
  values: list[float] | None
  logprob: float


@dataclasses.dataclass(frozen=True)
class Solutions:
  """All arrays are numpy; one transfer a batch.

  Attributes:
    problem_id: [P], -1 for padding.
    prompt_length: [P].
    tokens: [P, W, S].
    length: [P, W].
    value: [P, W, S] valid below `length`, or None.
    logprob: [P, W].
    step_end: [V] bool, where a value counts as a step's.
    end: [V] bool.
    cost: of the batch.
  """

  problem_id: np.ndarray
  prompt_length: np.ndarray
  tokens: np.ndarray
  length: np.ndarray
  value: np.ndarray | None
  logprob: np.ndarray
  step_end: np.ndarray
  end: np.ndarray
  cost: Cost

  def attempt(self, problem: int, row: int) -> Attempt:
    """Row `row` of the problem at place `problem` in the batch."""
    start, stop = self.prompt_length[problem], self.length[problem, row]
    tokens = self.tokens[problem, row, start:stop]
    truncated = not (tokens.size and self.end[tokens[-1]])
    values = None
    if self.value is not None:
      ends = self.step_end[tokens] | self.end[tokens]
      if tokens.size:
        ends[-1] = True  # a truncated attempt is judged where it stopped
      values = self.value[problem, row, start:stop][ends].tolist()
    return Attempt(tokens.tolist(), bool(truncated), values,
                   float(self.logprob[problem, row]))


def collect(models: Models, prompts: Prompts, frontier: Frontier,
            cost: Cost) -> Solutions:
  """Brings a finished frontier to the host."""
  state, verifier = frontier.proposer, frontier.verifier
  value = None if verifier is None else verifier.value
  tokens, length, logprob, value, cost = partitioning.fetch(
      (state.tokens, state.length, state.logprob, value, cost))
  grouped = lambda x: x.reshape(len(prompts.length), -1, *x.shape[1:])
  return Solutions(
      problem_id=prompts.problem_id,
      prompt_length=prompts.length,
      tokens=grouped(tokens),
      length=grouped(length),
      value=None if value is None else grouped(value),
      logprob=grouped(logprob),
      step_end=models.step_end,
      end=models.end,
      cost=cost,
  )
