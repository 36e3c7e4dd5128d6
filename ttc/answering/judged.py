"""What strategies gave on questions whose answers are known, from records."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import pathlib

import numpy as np

from ttc.answering.replies import Reply, reply
from ttc.data.problems import Problem
from ttc.pipeline import model_folders, records
from ttc.stages.arms import Armed


@dataclasses.dataclass(frozen=True)
class Judged:
  """One strategy at one budget, of one seed, on Q questions.

  Attributes:
    problem: ids of the questions, in the order of the file, int [Q].
    correct: whether the answer given is right, bool [Q].
    unread: whether no attempt has an answer that can be read, bool [Q].
    undecided: whether no grader could judge the answer given, bool [Q].
    generations: number paid for, int [Q].
    tokens: token-forwards executed, of both models, float [Q].
    flops: FLOPs executed, float [Q].
  """

  problem: np.ndarray
  correct: np.ndarray
  unread: np.ndarray
  undecided: np.ndarray
  generations: np.ndarray
  tokens: np.ndarray
  flops: np.ndarray

  @classmethod
  def of(cls, problems: Sequence[int], replies: Sequence[Reply]) -> 'Judged':
    """The outcomes of replies to questions, both in the same order."""
    given = [reply.attempts[reply.chosen] for reply in replies]
    return cls(
      np.array(problems, int),
      np.array([attempt['correct'] for attempt in given], bool),
      np.array([attempt['answer'] is None for attempt in given], bool),
      np.array(['undecided' in attempt for attempt in given], bool),
      np.array([reply.generations for reply in replies], int),
      np.array([reply.tokens for reply in replies], float),
      np.array([reply.flops for reply in replies], float),
    )

  def at(self, problem: np.ndarray) -> 'Judged':
    """The outcomes of some of the questions, in their order."""
    place = {id: index for index, id in enumerate(self.problem.tolist())}
    kept = [place[id] for id in problem.tolist()]
    return Judged(*(getattr(self, f.name)[kept] for f in _FIELDS))


_FIELDS = dataclasses.fields(Judged)

# By strategy, or '' where the stage has fitted one, and budget.
ByBudget = dict[tuple[str, float], Judged]


def read(
  stage: Armed, folder: pathlib.Path, problems: Sequence[Problem]
) -> tuple[ByBudget, dict[int, str]]:
  """Reads the records of a complete stage.

  Args:
    stage: the stage, from `Offer.stage_asking`.
    folder: of its records.
    problems: the questions that it was asked.

  Returns:
    Judged by the repr of a strategy ('' of a fitted one) and budget, without
    questions that were skipped; and why those were, by id.

  Raises:
    ttc.pipeline.records.IncompleteError: the stage has not finished.
  """
  models = model_folders.used(folder)
  rows: dict[tuple[str, float], dict[int, list[Mapping]]] = {}
  skipped = {}
  for row in records.read_rows(folder):
    if 'skipped' in row:
      skipped[row['problem']] = row['skipped']
      continue
    for key in _keys(stage, row):
      own = rows.setdefault(key, collections.defaultdict(list))
      own[row['problem']].append(row)
  found = {}
  for key, own in rows.items():
    asked = [problem for problem in problems if problem.id in own]
    found[key] = Judged.of(
      [problem.id for problem in asked],
      [reply(stage, problem, own[problem.id], models) for problem in asked],
    )
  return found, skipped


def _keys(stage: Armed, row: Mapping) -> Iterator[tuple[str, float]]:
  """What a record is of; the samples that bin are of every budget."""
  if stage.kind == 'search':
    yield row['strategy'], row['budget']
  elif stage.kind == 'allocate':
    yield '', row['budget']
  else:
    for budget in stage.budgets:
      if row.get('policy', budget) == budget:
        yield '', budget
