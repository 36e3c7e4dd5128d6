"""Answers questions by the revision half of a fitted policy (paper §6.2).

One model samples, to tell the bin of a question; another one revises, with as
many turns in as many chains as was best for that bin at the budget.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import pathlib
from typing import Any, ClassVar, NamedTuple

from ttc.allocation import grades
from ttc.analysis import chains as ratios
from ttc.analysis import names
from ttc.analysis.policy import Policy
from ttc.answering import apply_policy
from ttc.data.problems import Problem
from ttc.examples.context import KEEP
from ttc.inference.models import Models
from ttc.inference.requests import PlanRunner
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits, storage
from ttc.search.revisions import Chains
from ttc.search.strategies import BestOfN
from ttc.stages import arms, revise
from ttc.stages.solver import Solver

SIDE = 'revise'  # of policy.json


class _Loaded(NamedTuple):
  """Models of a solver, and the scheduler that they are served by."""

  solver: Solver
  models: Models
  scheduler: PlanRunner


@dataclasses.dataclass(frozen=True)
class ApplyRevisions:
  """Samples a question to tell its bin, and revises by the ratio of that bin.

  As of `ApplyPolicy`, the samples are no votes, and they are charged.

  Attributes:
    solver: the revision model, its verifier, and the questions.
    binning: the model whose samples tell bins, its verifier, and the same
      questions.
    budgets: generations per question (N) for the chains. Of a budget that the
      policy does not know the largest below it that it knows is spent.
    samples: number of samples that tell the bin of a question.
    keep: at most this number of earlier attempts is in the context.
    policy: name of the stage that fitted, or absolute path of its folder.
    difficulty: name of the stage whose random stream the samples are from: a
      question of that stage has the same ones.
    revise: the same for the chains.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'apply_revisions'
  solver: Solver
  binning: Solver
  budgets: tuple[int, ...]
  samples: int = 64
  keep: int = KEEP
  policy: str = 'policy'
  difficulty: str = 'difficulty'
  revise: str = 'revise'
  size: int = 64
  name: str = 'apply_revisions'

  def __post_init__(self):
    limits.wholes(self, 'budgets')
    limits.whole(self, 'samples', 'size')
    limits.whole(self, 'keep', least=0)

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for models or a policy that this cannot run with."""
    for solver in (self.solver, self.binning):
      if not solver.verifier:
        raise ValueError(
          'bins are predicted and revisions are chosen by the scores of '
          'verifiers; name a stage in Solver.verifier.'
        )
    attempts = min(max(self.budgets), self.keep + 1)
    self.solver.check(experiment, self, attempts)
    self.binning.check(experiment, self)
    if experiment.source(self, self.policy) is None:
      self.actions(storage.path(self.policy))

  def __call__(self, run: StageRun) -> None:
    """Writes a row for the samples of a question, and one for each budget.

    The first is as of `ApplyPolicy`. The others are records as `revise.records`
    yields them, with "arm", their turns and chains, and "policy", the budget.
    """
    policy, actions = self.actions(run.input(self.policy))
    rows = None
    for part in run.parts(
      self.solver.problems,
      self.size,
      rows=lambda _: 1 + len(self.budgets),
      grades=grades.of_policy,
    ):
      if rows is None:
        telling = self._telling(run)
        revising = self._revising(run, list(actions.values()))
        rows = functools.partial(
          self._rows, run, policy, actions, telling, revising
        )
      part.write(rows(part.items))

  def actions(
    self, folder: pathlib.Path
  ) -> tuple[Policy, dict[tuple[int, int], Chains]]:
    """Reads a policy: the chains by bin and budget.

    Args:
      folder: of the stage that fitted it.

    Raises:
      ValueError: it has no revisions by bins that can be predicted, or starts
        at a larger budget than one of `budgets`.
    """
    policy = apply_policy.read(
      folder,
      SIDE,
      'revisions by predicted difficulty; fit one on stages difficulty and '
      'revise with verifiers.',
    )
    chosen = apply_policy.choices(policy, self.budgets)
    return policy, {at: self._chains(*choice) for at, choice in chosen.items()}

  @property
  def slots(self) -> int:
    """The most slots that any chains of the budgets need."""
    return max(self.budgets)

  @property
  def attempts(self) -> int:
    """Tokens of the attempts in the longest row of such chains."""
    longest = Chains((self.slots,), self.solver.task.vocabulary, self.keep)
    return longest.longest(0, self.solver.generation.max_tokens)

  def _chains(self, arm: str, budget: int) -> Chains:
    """The chains of a ratio such as '1:2'."""
    turns, chains = next(
      split for split in ratios.splits(budget) if names.ratio(*split) == arm
    )
    return Chains((turns,) * chains, self.solver.task.vocabulary, self.keep)

  def _telling(self, run: StageRun) -> _Loaded:
    models = self.binning.load(run)
    slots = BestOfN().slots(self.samples)
    return _Loaded(
      self.binning, models, self.binning.scheduler(run, models, slots)
    )

  def _revising(self, run: StageRun, chains: Sequence[Chains]) -> _Loaded:
    solver, models = self.solver, self.solver.load(run)
    widths = solver.prompt_width, solver.generation.max_tokens
    slots = max(own.slots for own in chains)
    longest = max(own.longest(*widths) for own in chains)
    return _Loaded(
      solver, models, solver.scheduler(run, models, slots, longest)
    )

  def _rows(
    self,
    run: StageRun,
    policy: Policy,
    actions: Mapping[tuple[int, int], Chains],
    telling: _Loaded,
    revising: _Loaded,
    problems: Sequence[Problem],
  ) -> list[dict[str, Any]]:
    """The rows of a part, question by question."""
    items = [(BestOfN(), self.samples, problem) for problem in problems]
    with partitioning.use(telling.models.mesh):
      first = list(
        arms.records(run, *telling, {}, items, stream=self.difficulty)
      )
    apply_policy.assign_bins(
      policy, [row for row in first if 'skipped' not in row]
    )
    columns = [first]
    # One that is skipped has no bin, and nothing is sampled of it.
    bins = [row.get('bin', policy.bins[0]) for row in first]
    for budget in self.budgets:
      chosen = [actions[bin, budget] for bin in bins]
      with partitioning.use(revising.models.mesh):
        found = revise.records(
          run,
          *revising,
          list(zip(chosen, problems, strict=True)),
          stream=self.revise,
        )
        columns.append(
          [
            row | {'policy': budget, 'arm': in_words(own)}
            for row, own in zip(found, chosen, strict=True)
          ]
        )
    return [row for rows in zip(*columns, strict=True) for row in rows]


def in_words(chains: Chains) -> str:
  """The chains in words."""
  return f'{chains.turns[0]} turns in each of {len(chains.turns)} chains'
