"""Checks of questions and of examples about them, before any is sampled."""

from collections.abc import Collection, Iterable

from ttc.data.problems import Task
from ttc.examples.split import held_out
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage
from ttc.training.loop import FitConfig


def questions(
  experiment: Experiment, reader: Stage, name: str
) -> frozenset[int] | None:
  """Ids of the questions that the rows of a stage can be about.

  Args:
    experiment: the experiment.
    reader: the stage that reads the rows.
    name: the stage that writes them, or the absolute path of its results.

  Returns:
    The questions that it, and the stages that it reads from, ask; None where
    that is not known before they run.

  Raises:
    ValueError: there is no such stage before `reader`, or it makes a model.
  """
  asked = None
  for stage in samplers(experiment, reader, name):
    solver = stage.solver
    ids = {p.id for p in solver.problems if not solver.skipped(p)}
    asked = frozenset(ids) if asked is None else asked & ids
  return asked


def samplers(experiment: Experiment, reader: Stage, name: str) -> list[Stage]:
  """A stage and those that it reads from, as far as they have a solver.

  Args:
    experiment: the experiment.
    reader: the stage that reads the rows.
    name: as for `questions`.

  Returns:
    The stages, the one that is read first.
  """
  found = []
  while isinstance(name, str):
    stage = experiment.source(reader, name)
    if hasattr(stage, 'fit'):
      raise ValueError(
        f'{reader.name} reads the rows of {name!r}, which is of kind '
        f'{stage.kind} and makes a model; name the stage that sampled.'
      )
    if hasattr(stage, 'solver'):
      found.append(stage)
    reader, name = stage, getattr(stage, 'source', None)
  return found


def check_any(solver) -> None:
  """Checks that a solver has questions, as many as it is to take.

  Raises:
    ValueError: it has not; the message says why.
  """
  total = len(solver.task.problems(solver.split))
  if not total:
    reasons = [
      f'{number} left out: {reason}'
      for reason, number in solver.task.left_out(solver.split).items()
    ]
    raise ValueError(
      f'the split {solver.split!r} has no questions'
      + (f' ({"; ".join(reasons)})' if reasons else '')
      + '; give the task a file with others, or name another Solver.split.'
    )
  wanted = solver.skip + (solver.questions or 1)
  if wanted > total:
    asked = f'Solver.questions={solver.questions}'
    if solver.skip:
      asked = f'Solver.skip={solver.skip} and {asked}'
    raise ValueError(
      f'{asked}, but the split {solver.split!r} has {total}; lower '
      f'{"them" if solver.skip else "it"}, or ask the task for more.'
    )


def check_asked(solver) -> None:
  """Checks that not every question would be skipped.

  Raises:
    ValueError: each would be, for the length of its prompt.
  """
  # Without a limit none is, and prompts need not be encoded to know that.
  if solver.prompt_tokens is None:
    return
  if all(map(solver.skipped, solver.problems)):
    raise ValueError(
      f'all {len(solver.problems)} questions of the split {solver.split!r} '
      f'would be skipped: the shortest prompt has '
      f'{min(solver.lengths.values())} tokens, more than '
      f'Solver.prompt_tokens={solver.prompt_tokens}; raise it, or shorten the '
      'template.'
    )


def check_split(
  stage: Stage, task: Task, split: str, asked: Collection[int] | None
) -> None:
  """Checks that the questions of the rows are of the split of their reader.

  Raises:
    ValueError: one of them is not, or there are none.
  """
  if asked is None:
    return
  if not asked:
    raise ValueError(
      f'{stage.name} would read rows of no question: the stages before it ask '
      'none in common; give their Solvers the same split.'
    )
  known = {problem.id for problem in task.problems(split)}
  strange = len(set(asked) - known)
  if strange:
    raise ValueError(
      f'{strange} of {len(asked)} questions whose rows {stage.name} reads are '
      f'not in the split {split!r}; let both be of one split.'
    )


def check_held_out(
  ids: Iterable[int], fraction: float, seeds: Iterable[int], what: str
) -> None:
  """Checks that the held-out questions are neither none nor all.

  Args:
    ids: the questions of the examples.
    fraction: `Fit.held_out`; at 0 nothing is held out, and nothing checked.
    seeds: of the experiment.
    what: the questions, for the message.

  Raises:
    ValueError: with one of the seeds they are.
  """
  ids = list(dict.fromkeys(ids))
  for seed in seeds if fraction else ():
    out = sum(held_out(problem, fraction, seed) for problem in ids)
    if out in (0, len(ids)):
      some = 'none' if not out else 'all'
      way = 'raise' if not out else 'lower'
      raise ValueError(
        f'Fit.held_out={fraction:g} holds out {some} of {len(ids)} {what} with '
        f'seed {seed}; {way} it, or take more of them.'
      )


def check_length(loop: FitConfig, longest: int, what: str) -> None:
  """Checks that the longest example fits a row.

  Args:
    loop: how the model is trained.
    longest: tokens that an example may have.
    what: what it consists of, for the message.

  Raises:
    ValueError: it does not.
  """
  if longest > loop.seq_len:
    raise ValueError(
      f'FitConfig.seq_len={loop.seq_len}, but an example may have {longest} '
      f'tokens: {what}; raise seq_len.'
    )
