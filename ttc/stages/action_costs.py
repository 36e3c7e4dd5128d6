"""What the actions of an allocation may take, and what they took."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools

from ttc.allocation.ceiling import ceiling
from ttc.allocation.recorded import spend
from ttc.pipeline.model_folders import ModelShapes
from ttc.search.bounded import Allowance
from ttc.search.strategies import longest, Strategy
from ttc.stages import model_checks
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class ActionCosts:
  """Useful FLOPs, which depend on nothing but the question.

  Attributes:
    solver: the models and questions.
    actions: strategy and generations of each action, by name.
    shapes: of the models.
  """

  solver: Solver
  actions: Mapping[str, tuple[Strategy, int]]
  shapes: ModelShapes

  def useful(self, cost: Mapping[str, Sequence[float]]) -> float:
    """Useful FLOPs of a cost as records hold it."""
    return spend(cost, self.shapes)[0]

  def largest(self, question: int, action: str) -> float:
    """The most useful FLOPs that an action may take on a question."""
    strategy, generations = self.actions[action]
    prompt = self.solver.lengths[question]
    most = longest(strategy, 0, self.solver.generation.max_tokens)
    return ceiling(
      self.shapes,
      generations,
      prompt,
      most,
      strategy.verified,
      self._text(question),
    )

  def bound(self, question: int, action: str) -> Allowance:
    """Ends a plan that might take more."""
    most = self.largest(question, action)
    return Allowance(
      lambda cost: self.useful(cost) <= most,
      self.solver.generation.max_step_tokens,
      self._text(question),
    )

  def _text(self, question: int) -> int | None:
    if not self._has_reader:
      return None
    row = self.solver.lengths[question] + self.solver.generation.max_tokens
    return self.solver.longest_text(row)

  @functools.cached_property
  def _has_reader(self) -> bool:
    verifier = self.solver.verifier
    return bool(verifier) and model_checks.has_reader(verifier)
