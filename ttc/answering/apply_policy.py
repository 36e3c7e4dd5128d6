"""`ttc apply_policy`: answers questions by a fitted policy (paper §3.2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import json
import pathlib
from typing import Any, ClassVar

import numpy as np

from ttc.allocation import grades
from ttc.allocation.evidence import Evidence
from ttc.analysis import difficulty, names
from ttc.analysis.policy import Policy
from ttc.data.problems import Problem
from ttc.models import partitioning
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits, storage
from ttc.search.strategies import BestOfN, Strategy
from ttc.stages import arms as arms_lib
from ttc.stages.arms import Arm
from ttc.stages.policy import FILE
from ttc.stages.solver import Solver

_Action = tuple[Strategy, int]
_Item = tuple[Strategy, int, Problem]
_Sample = Callable[[Sequence[_Item], str], Iterator[dict]]


@dataclasses.dataclass(frozen=True)
class ApplyPolicy:
  """Samples a question to tell its bin, and answers by the arm of that bin.

  The samples are no votes, as in the paper, and they are charged, which the
  paper does not. Questions that fitted the policy are not for this stage: on
  them it is too good.

  Attributes:
    solver: the models that the policy was fitted with, and the questions.
    arms: those of the search stage that the policy was fitted on.
    budgets: generations per question (N) for the arms. Of a budget that the
      policy does not know the largest below it that it knows is spent.
    samples: number of samples that tell the bin of a question.
    policy: name of the stage that fitted, or absolute path of its folder.
    difficulty: name of the stage whose random stream the samples are from: a
      question of that stage has the same ones.
    search: the same for what the arms sample.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'apply_policy'
  solver: Solver
  arms: tuple[Arm, ...]
  budgets: tuple[int, ...]
  samples: int = 64
  policy: str = 'policy'
  difficulty: str = 'difficulty'
  search: str = 'search'
  size: int = 64
  name: str = 'apply_policy'

  def __post_init__(self):
    limits.several(self, 'arms')
    limits.wholes(self, 'budgets')
    limits.whole(self, 'samples', 'size')

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for models or a policy that this cannot run with."""
    if not self.solver.verifier:
      raise ValueError(
        'a bin is predicted from the scores of a verifier; name a stage in '
        'Solver.verifier.'
      )
    self.solver.check(experiment, self)
    if experiment.source(self, self.policy) is None:
      self.actions(storage.path(self.policy))

  def __call__(self, run: StageRun) -> None:
    """Writes a row for the samples of a question, and one for each budget.

    Both are records as `arms.run_arms` writes them. The first has "easiness",
    the mean score of the samples, and "bin" too; the others "arm", its name,
    and "policy", its budget, of which "budget" is what the arm spends.
    """
    policy, actions = self.actions(run.input(self.policy))
    sample, solver = None, self.solver
    for part in run.parts(
      solver.problems,
      self.size,
      rows=lambda _: 1 + len(self.budgets),
      grades=grades.of_policy,
    ):
      if sample is None:
        models = solver.load(run)
        slots = [s.slots(n) for s, n in actions.values()]
        sample = functools.partial(
          arms_lib.records,
          run,
          solver,
          models,
          solver.scheduler(
            run, models, max(*slots, BestOfN().slots(self.samples))
          ),
          solver.load_scorers(run, models),
        )
      with partitioning.use(models.mesh):
        part.write(self._rows(part.items, policy, actions, sample))

  def actions(
    self, folder: pathlib.Path
  ) -> tuple[Policy, dict[tuple[int, int], _Action]]:
    """Reads a policy: strategy and generations by bin and budget.

    Args:
      folder: of the stage that fitted it.

    Raises:
      ValueError: it has no bins that can be predicted, starts at a larger
        budget than one of `budgets`, or chooses an arm that is not in `arms`.
    """
    policy = read(
      folder,
      'search',
      'strategies by predicted difficulty; fit one on stages difficulty and '
      'search with a verifier, and with several arms at a budget.',
    )
    known = self._known()
    actions = {}
    for at, (arm, spent) in choices(policy, self.budgets).items():
      if arm not in known:
        raise ValueError(
          f'{folder / FILE} chooses {arm}, which is none of the arms here '
          f'({", ".join(known)}); give the arms that it was fitted on.'
        )
      actions[at] = known[arm], spent
    return policy, actions

  def _known(self) -> dict[str, Strategy]:
    """The strategies by the names that a fitted policy gives them."""
    others = {
      repr(arm.strategy): arm.strategy
      for arm in self.arms
      if not isinstance(arm.strategy, BestOfN)
    }
    short = names.unique(others)
    return {names.WEIGHTED: BestOfN()} | {short[r]: others[r] for r in others}

  def _rows(
    self,
    problems: Sequence[Problem],
    policy: Policy,
    actions: Mapping[tuple[int, int], _Action],
    sample: _Sample,
  ) -> list[dict[str, Any]]:
    """The rows of a part, question by question."""
    first = list(
      sample([(BestOfN(), self.samples, p) for p in problems], self.difficulty)
    )
    assign_bins(policy, [row for row in first if 'skipped' not in row])
    columns = [first]
    # One that is skipped has no bin, and nothing is sampled of it.
    bins = [row.get('bin', 1) for row in first]
    for budget in self.budgets:
      items = [
        (*actions[bin, budget], problem)
        for bin, problem in zip(bins, problems, strict=True)
      ]
      columns.append(
        [
          row | {'policy': budget, 'arm': policy.choose(bin, budget)}
          for bin, row in zip(bins, sample(items, self.search), strict=True)
        ]
      )
    return [row for rows in zip(*columns, strict=True) for row in rows]


def read(folder: pathlib.Path, side: str, wanted: str) -> Policy:
  """Reads one half of a fitted policy, by bins that can be predicted.

  Args:
    folder: of the stage that fitted it.
    side: 'search' or 'revise'.
    wanted: what it should be over, and how to fit it, for the error.

  Raises:
    ValueError: it is not there.
  """
  tree = json.loads((folder / FILE).read_text(encoding='utf-8'))
  found = tree.get(side, {}).get('predicted')
  if found is None:
    raise ValueError(f'{folder / FILE} has no policy over {wanted}')
  return Policy.from_json(json.dumps(found))


def choices(
  policy: Policy, budgets: Sequence[int]
) -> dict[tuple[int, int], tuple[str, int]]:
  """The arm and the generations that it spends, by bin and budget.

  Args:
    policy: a fitted policy.
    budgets: generations per question; of one that the policy does not know the
      largest below it that it knows is spent.

  Raises:
    ValueError: the policy starts at a larger budget.
  """
  found = {}
  for budget in budgets:
    least = max((n for n in policy.budgets if n <= budget), default=0)
    for bin in policy.bins:
      found[bin, budget] = names.spent(policy.choose(bin, budget), least)
  return found


def assign_bins(policy: Policy, rows: Sequence[dict]) -> None:
  """Adds "easiness" and "bin" to the records of samples that tell bins."""
  easiness = _easiness(rows)
  bins = difficulty.assign(easiness, policy.thresholds).tolist()
  for row, ease, bin in zip(rows, easiness.tolist(), bins, strict=True):
    row |= {'easiness': ease, 'bin': min(bin, policy.bins[-1])}


def _easiness(rows: Sequence[Mapping]) -> np.ndarray:
  """Mean score of the samples of each question, float64 [Q]."""
  # All numbers as records hold them, and so the thresholds: a question that set
  # one is on the same side of it.
  held = json.loads(records.canonical([row['rows'] for row in rows]))
  scores = [Evidence.of(samples).score for samples in held]
  means = np.array(scores).mean(axis=1).tolist() if scores else []
  return np.array(json.loads(records.canonical(means)))
