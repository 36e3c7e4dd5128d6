"""What an experiment can answer questions with: its strategies, by name."""

from collections.abc import Callable, Sequence
import dataclasses
import math
import pathlib
import re

from ttc.analysis import names
from ttc.answering.asked import Asked
from ttc.checkpoints import orbax
from ttc.data.problems import Problem
from ttc.pipeline import model_folders, records
from ttc.pipeline.experiment import Experiment
from ttc.runtime import storage
from ttc.runtime.safe_text import quoted
from ttc.search.strategies import BestOfN, Greedy, Strategy
from ttc.stages import model_checks
from ttc.stages.arms import Arm, Armed
from ttc.stages.solver import Solver

ALLOCATION = 'allocation'
_SEARCH, _ALLOCATE = 'search', 'allocate'  # kinds of stages
# Without brackets, as a command line has them.
_PLAIN = {'BestOfN()': names.BEST, 'Greedy()': names.GREEDY}
_APART = re.compile(r'[^a-z0-9.]+')


@dataclasses.dataclass(frozen=True)
class Offer:
  """A way to answer.

  Attributes:
    stage: whose models answer, and whose name the random stream is from.
    strategy: how a question is searched; None is the stage's allocation.
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
      ValueError: the budget does not fit, or a question is too long.
    """
    own = self.stage.solver
    solver = dataclasses.replace(
      own,
      task=Asked(tuple(problems), own.task),
      proposer=folder(own.proposer),
      verifier=folder(own.verifier) if own.verifier else '',
      scorers=(),
      questions=None,
      skip=0,
      prompt_tokens=None,
    )
    if not 0 < budget < math.inf:
      raise ValueError(
        f'--budget={budget:g} buys nothing; give a positive number.'
      )
    whole = int(budget) if budget == int(budget) else budget
    if self.strategy is None:
      stage = dataclasses.replace(
        self.stage,
        solver=solver,
        budgets=(whole,),
        allocation=folder(self.stage.allocation),
      )
    else:
      if whole != int(whole):
        raise ValueError(
          f'--budget={budget:g} is no number of generations; give a whole one.'
        )
      arm = Arm(self.strategy, (whole,))
      arm.check(bool(solver.verifier))
      stage = dataclasses.replace(self.stage, solver=solver, arms=(arm,))
    _check_lengths(solver, own.prompt_tokens)
    # A few questions need few lanes, and which ones there are changes nothing.
    most = len(problems) * max(n for arm in stage.arms for n in arm.budgets)
    solver = dataclasses.replace(solver, rows=min(own.rows, most))
    return dataclasses.replace(stage, solver=solver)


def of(experiment: Experiment, stage: str = '') -> dict[str, Offer]:
  """Everything that an experiment can answer with, by name.

  These are the arms of its search stages, of which the first that has a
  strategy counts; best-of-N and greedy with the models of the first stage that
  has a verifier; and its allocation.

  Args:
    experiment: the experiment.
    stage: name of the only stage to look at; '' for all.

  Raises:
    ValueError: there is no stage that could answer.
  """
  able = [s for s in experiment.stages if s.kind in (_SEARCH, _ALLOCATE)]
  looked = [s for s in able if stage in ('', s.name)]
  if not looked:
    have = ', '.join(s.name for s in able) or 'none'
    what = f'--only={stage} is no' if stage else f'{experiment.name} has no'
    raise ValueError(
      f'{what} stage that could answer, of kind search or allocate; there is '
      f'{have}.'
    )
  searches = [s for s in looked if s.kind == _SEARCH]
  found: dict[Strategy, Offer] = {}
  for one in searches:
    for arm in one.arms:
      found.setdefault(arm.strategy, Offer(one, arm.strategy, arm.budgets))
  if searches:
    verified = [s for s in searches if s.solver.verifier]
    for strategy in (BestOfN(), Greedy()):
      offer = Offer((verified or searches)[0], strategy, (1,))
      found.setdefault(strategy, offer)
  unique = names.unique(map(repr, found))
  named = {
    written(_PLAIN.get(unique[repr(strategy)], unique[repr(strategy)])): offer
    for strategy, offer in found.items()
  }
  for one in looked:
    if one.kind == _ALLOCATE:
      named.setdefault(ALLOCATION, Offer(one, None, one.budgets))
  return named


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
    path to itself. It raises ValueError for a stage that is not complete, or a
    path where nothing is.
  """

  def folder(name: str) -> str:
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


def _check_lengths(solver: Solver, prompt_tokens: int | None) -> None:
  """Raises ValueError if a prompt leaves no room for an attempt.

  Args:
    solver: of the problems, with absolute paths.
    prompt_tokens: the most that its experiment allows; None for any.
  """
  room = solver.generation.max_tokens
  limits = []
  if prompt_tokens is not None:
    limits.append((prompt_tokens, 'Solver.prompt_tokens'))
  for path in filter(None, (solver.proposer, solver.verifier)):
    model = model_folders.folder(storage.path(path))
    cfg = model_checks.stored(path)
    # One with a reader has a tokenizer of its own, whose texts it checks.
    if cfg.context is not None and orbax.load_reader(str(model)) is None:
      why = (
        f'the context of {model}, {cfg.context} tokens, less '
        f'Generation.max_tokens={room}'
      )
      limits.append((cfg.context - room, why))
  for problem in solver.problems:
    length = solver.lengths[problem.id]
    for limit, why in sorted(limits):
      if length > limit:
        raise ValueError(
          f'the question {quoted(problem.question, 60)} has a prompt of '
          f'{length} tokens, more than {limit} ({why}); shorten it.'
        )
