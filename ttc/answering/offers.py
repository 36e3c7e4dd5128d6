"""What an experiment can answer questions with: its strategies, by name."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import math
import pathlib
import re
from typing import Any

from ttc.analysis import curves, names
from ttc.answering import fitted
from ttc.answering.apply_policy import ApplyPolicy
from ttc.answering.apply_revisions import ApplyRevisions
from ttc.answering.asked import Asked
from ttc.checkpoints import orbax
from ttc.checkpoints.finished import described
from ttc.data.problems import Problem
from ttc.external.endpoint import Endpoint
from ttc.pipeline import model_folders, records
from ttc.pipeline.experiment import Experiment
from ttc.runtime import storage
from ttc.runtime.safe_text import quoted
from ttc.search.strategies import BestOfN, Greedy, Strategy
from ttc.stages.arms import Arm, Armed
from ttc.stages.policy import FitPolicy
from ttc.stages.solver import Solver

ALLOCATION, POLICY, REVISIONS = 'allocation', 'policy', 'revision-policy'
# Kinds of stages.
_SEARCH, _ALLOCATE, _POLICY = 'search', 'allocate', 'policy'
# The field with the stage that fitted, by the kind of the one that answers.
_FITTED = {
  _ALLOCATE: 'allocation',
  ApplyPolicy.kind: 'policy',
  ApplyRevisions.kind: 'policy',
}
# Fields of it with the stages whose samples a policy was fitted on.
_SAMPLED = ('difficulty', 'search')
# Generations for a question; papers that sample again and again draw so many.
_MOST = 10_000
# Without brackets, as a command line has them.
_PLAIN = {'BestOfN()': names.BEST, 'Greedy()': names.GREEDY}
_APART = re.compile(r'[^a-z0-9.]+')


@dataclasses.dataclass(frozen=True)
class Offer:
  """A way to answer.

  Attributes:
    stage: whose models answer, and whose name the random stream is from.
    strategy: how a question is searched; None is what the stage has fitted: an
      allocation or a policy.
    budgets: those that the experiment spends, per question.
  """

  stage: Armed
  strategy: Strategy | None
  budgets: tuple[float, ...]

  def stage_for(
    self,
    problems: Sequence[Problem],
    budget: float,
    folder: Callable[[str], str],
  ) -> Armed:
    """The stage that answers problems, its inputs named by absolute paths.

    Args:
      problems: with different ids.
      budget: per question.
      folder: the absolute path of a stage, or of a model, by its name.

    Raises:
      ValueError: the budget does not fit, a question is too long, or a policy
        was fitted with other models.
    """
    asked = Asked(tuple(problems), self.stage.solver.task)
    stage = self.stage_asking(asked, budget, folder)
    _check_lengths(stage.solver, self.stage.solver.prompt_tokens)
    return stage

  def stage_asking(
    self, asked: Asked, budget: float, folder: Callable[[str], str]
  ) -> Armed:
    """As `stage_for`; of too long a question its solver says `skipped`."""
    own = self.stage.solver
    solver = self.solver(folder)
    whole = self._whole(budget, bool(solver.verifier))
    limits = [limit for limit, _ in _limits(solver, own.prompt_tokens)]
    # A few questions need few lanes, and which ones there are changes nothing.
    most = len(asked.asked) * max(self._rows(whole))
    asks = dict(
      scorers=(),
      questions=None,
      skip=0,
      prompt_tokens=max(1, min(limits)) if limits else None,
      rows=min(own.rows, most),
    )
    solver = dataclasses.replace(solver, task=asked, **asks)
    if self.strategy is not None:
      arms = (Arm(self.strategy, (whole,)),)
      return dataclasses.replace(self.stage, solver=solver, arms=arms)
    changes = self.fit(solver, folder) | {'solver': solver, 'budgets': (whole,)}
    if isinstance(self.stage, ApplyRevisions):
      binning = self.stage.binning
      again = Asked(asked.asked, binning.task, asked.path, asked.without)
      changes['binning'] = dataclasses.replace(
        placed(binning, folder), task=again, **asks
      )
    return dataclasses.replace(self.stage, **changes)

  def solver(self, folder: Callable[[str], str]) -> Solver:
    """That of the stage, its models named by absolute paths."""
    return placed(self.stage.solver, folder)

  def fit(self, solver: Solver, folder: Callable[[str], str]) -> dict[str, Any]:
    """The field of the stage that names what it has fitted, and its path.

    Args:
      solver: whose models are to be used, named by absolute paths.
      folder: as of `stage_for`.

    Raises:
      ValueError: it is not there, or was fitted with other models.
    """
    stage, field = self.stage, _FITTED[self.stage.kind]
    path = folder(getattr(stage, field))
    if isinstance(stage, ApplyRevisions):
      binning = placed(stage.binning, folder)
      checked = {stage.revise: solver, stage.difficulty: binning}
      for name, own in checked.items():
        fitted.check(storage.path(path), own, [name])
      return {field: path}
    # A policy may be over revisions as well, which another model makes.
    stages = [getattr(stage, role, '') for role in _SAMPLED]
    fitted.check(storage.path(path), solver, list(filter(None, stages)))
    return {field: path}

  def _whole(self, budget: float, verified: bool) -> float:
    """A budget as stages take it; raises ValueError for one that none can."""
    check_budget(budget)
    whole = int(budget) if budget == int(budget) else budget
    most = max(_MOST, *self.budgets)
    if whole > most:
      raise ValueError(
        f'--budget={whole} is that many generations for each question, of '
        f'which {most} are the most; the run spent up to '
        f'{max(self.budgets):g}.'
      )
    if whole != int(whole) and self.stage.kind != _ALLOCATE:
      raise ValueError(
        f'--budget={budget:g} is no number of generations; give a whole one.'
      )
    if self.strategy is not None:
      Arm(self.strategy, (whole,)).check(verified)
    return whole

  def _rows(self, budget: float) -> list[int]:
    """The rows that a question may have at once, of whatever it is asked by."""
    if self.strategy is not None:
      return [budget]
    if isinstance(self.stage, ApplyRevisions):
      return [*self.budgets, self.stage.samples]
    arms = [n for arm in self.stage.arms for n in arm.budgets]
    return [*arms, getattr(self.stage, 'samples', 1)]


def of(experiment: Experiment, stage: str = '') -> dict[str, Offer]:
  """Everything that an experiment can answer with, by name.

  These are the arms of its search stages, of which the first that has a
  strategy counts; best-of-N and greedy with the models of the first stage that
  has a verifier; its allocation; and its policies over the strategies of a
  search stage, and over turns and chains of revisions.

  Args:
    experiment: the experiment.
    stage: name of the only stage to look at; '' for all.

  Raises:
    ValueError: there is no stage that could answer.
  """
  kinds = (_SEARCH, _ALLOCATE, _POLICY)
  able = [s for s in experiment.stages if s.kind in kinds]
  looked = [s for s in able if stage in ('', s.name)]
  if not looked:
    have = ', '.join(s.name for s in able) or 'none'
    what = f'--only={stage} is no' if stage else f'{experiment.name} has no'
    raise ValueError(
      f'{what} stage that could answer, of kind search, allocate or policy; '
      f'there is {have}.'
    )
  searches = [s for s in looked if s.kind == _SEARCH]
  found: dict[Strategy, Offer] = {}
  for one in searches:
    for arm in one.arms:
      found.setdefault(arm.strategy, Offer(one, arm.strategy, arm.budgets))
  if searches:
    verified = [s for s in searches if s.solver.verifier]
    # What the experiment samples of a question, it can choose the best of.
    most = max(getattr(s, 'num', 1) for s in experiment.stages)
    for strategy, budget in ((BestOfN(), most), (Greedy(), 1)):
      offer = Offer((verified or searches)[0], strategy, (budget,))
      found.setdefault(strategy, offer)
  unique = names.unique(map(repr, found))
  named = {
    written(_PLAIN.get(unique[repr(strategy)], unique[repr(strategy)])): offer
    for strategy, offer in found.items()
  }
  for one in looked:
    if one.kind == _ALLOCATE:
      named.setdefault(ALLOCATION, Offer(one, None, one.budgets))
    elif one.kind == _POLICY:
      for name, find in ((POLICY, _applied), (REVISIONS, _revised)):
        if applied := find(experiment, one):
          named.setdefault(name, Offer(applied, None, applied.budgets))
  return named


def _applied(experiment: Experiment, fit: FitPolicy) -> ApplyPolicy | None:
  """The stage that answers by a fitted policy.

  None where the experiment has no samples to bin by, or those are of other
  models than the arms are.
  """
  by_name = {stage.name: stage for stage in experiment.stages}
  search, binning = by_name.get(fit.search), by_name.get(fit.difficulty)
  if search is None or binning is None:
    return None
  sampled = lambda s: (
    s.solver.proposer,
    s.solver.verifier,
    s.solver.generation,
  )
  if sampled(search) != sampled(binning):
    return None
  budgets = {n for arm in search.arms for n in arm.budgets}
  return ApplyPolicy(
    search.solver,
    search.arms,
    budgets=tuple(sorted(budgets)),
    samples=binning.num,
    policy=fit.name,
    difficulty=binning.name,
    search=search.name,
    size=binning.size,
  )


def _revised(experiment: Experiment, fit: FitPolicy) -> ApplyRevisions | None:
  """The stage that answers by the revision half of a fitted policy.

  None where the experiment has no revisions, no samples to bin by, or no
  verifier of either.
  """
  by_name = {stage.name: stage for stage in experiment.stages}
  revised, binning = by_name.get(fit.revise), by_name.get(fit.difficulty)
  if revised is None or binning is None:
    return None
  if not (revised.solver.verifier and binning.solver.verifier):
    return None
  return ApplyRevisions(
    revised.solver,
    binning.solver,
    budgets=tuple(curves.powers(len(revised.plan()))),
    samples=binning.num,
    keep=revised.keep,
    policy=fit.name,
    difficulty=binning.name,
    revise=revised.name,
    size=binning.size,
  )


def chosen(offers: dict[str, Offer], strategy: str) -> Offer:
  """The offer of a name, however it is spelt.

  Raises:
    ValueError: there is none; the message names those that there are.
  """
  if written(strategy) not in offers:
    raise ValueError(
      f'--strategy={quoted(strategy, 60)} is none of those that can answer: '
      f'{", ".join(offers)}.'
    )
  return offers[written(strategy)]


def check_budget(budget: float) -> None:
  """Raises ValueError for a budget that buys nothing, or has no end."""
  if not 0 < budget < math.inf:
    raise ValueError(
      f'--budget={budget:g} buys nothing; give a positive number.'
    )


def written(name: str) -> str:
  """A name as a shell takes it: 'lookahead k=1, M=4' is lookahead-k1-m4."""
  plain = name.lower().replace('=', '').replace('√', 'sqrt')
  return _APART.sub('-', plain).strip('-')


def finished(root: pathlib.Path, seed: int) -> Callable[[str], str]:
  """How to find finished stages of a run, for `Offer.stage_for`.

  Args:
    root: folder of the experiment.
    seed: of the stages.

  Returns:
    A function from the name of a stage to its folder, and from an absolute
    path to itself. It raises ValueError for a stage that is not complete, a
    path where nothing is, or a server.
  """

  def folder(name: str) -> str:
    if isinstance(name, Endpoint):
      raise ValueError(
        f'{name.model!r} at {name.url} samples for these stages, and answers '
        'come of models here, whose FLOPs are told; bind the path of a '
        'converted checkpoint with --gin.Solver.proposer.'
      )
    if storage.is_absolute(name):
      if not storage.path(name).exists():
        raise ValueError(
          f'{name}, from which these answers are, does not exist; bind the '
          'folder where it is now, such as with --gin.Solver.proposer.'
        )
      return name
    place = storage.join(root, f'seed-{seed}') / name
    if records.read_mark(place) is None:
      raise ValueError(
        f'{place} is not complete, and these answers need it; run its '
        'experiment to the end of that stage first.'
      )
    return str(place)

  return folder


def placed(solver: Solver, folder: Callable[[str], str]) -> Solver:
  """A solver whose models are named by absolute paths.

  Args:
    solver: the solver.
    folder: the absolute path of a stage, or of a model, by its name.
  """
  return dataclasses.replace(
    solver,
    proposer=folder(solver.proposer),
    verifier=folder(solver.verifier) if solver.verifier else '',
  )


def _check_lengths(solver: Solver, prompt_tokens: int | None) -> None:
  """Raises ValueError if a prompt leaves no room for an attempt.

  Args:
    solver: of the problems, with absolute paths.
    prompt_tokens: the most that its experiment allows; None for any.
  """
  limits = sorted(_limits(solver, prompt_tokens))
  for problem in solver.problems:
    length = solver.lengths[problem.id]
    for limit, why in limits:
      if length > limit:
        raise ValueError(
          f'the question {quoted(problem.question, 60)} has a prompt of '
          f'{length} tokens, more than {limit} ({why}); shorten it.'
        )


def _limits(
  solver: Solver, prompt_tokens: int | None
) -> Iterator[tuple[int, str]]:
  """The most tokens that a prompt may have, each with its reason."""
  if prompt_tokens is not None:
    yield prompt_tokens, 'Solver.prompt_tokens'
  room = solver.generation.max_tokens
  for path in filter(None, (solver.proposer, solver.verifier)):
    model = model_folders.folder(storage.path(path))
    cfg, _ = described(path)
    # One with a reader has a tokenizer of its own, whose texts it checks.
    if cfg.context is not None and orbax.load_reader(str(model)) is None:
      if cfg.context <= room:
        raise ValueError(
          f'Generation.max_tokens={room} leaves no room for a question in the '
          f'context of {model}, {cfg.context} tokens; lower it.'
        )
      why = (
        f'the context of {model}, {cfg.context} tokens, less '
        f'Generation.max_tokens={room}'
      )
      yield cfg.context - room, why
