"""Answers to questions: a stage at work on them, and what its records say.

What samples, scores and counts is the stage of the experiment itself, in a
folder that is deleted afterwards. So a question of the run, with its seed, gets
the attempts that the run recorded.
"""

import collections
from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import functools
import io
import pathlib
import tempfile
from typing import Any

from ttc.allocation.evidence import Evidence, voters
from ttc.allocation.recorded import spend
from ttc.data.problems import Problem
from ttc.pipeline import model_folders, records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import Stage, StageRun
from ttc.runtime import storage

BELIEF = 'calibrated belief'
WEIGHTED_VOTE = 'share of the vote, weighted by the verifier'
VOTE = 'share of the vote'
SPENT = 'budget spent'  # why a strategy stops


@dataclasses.dataclass(frozen=True)
class Reply:
  """An answer and what it cost.

  Attributes:
    question: its text.
    answer: in canonical form; None if no attempt has an answer.
    text: the attempt that was chosen.
    confidence: in [0, 1]; 0 without an answer.
    measure: what the confidence is: BELIEF, WEIGHTED_VOTE or VOTE.
    score: the verifier's value of the chosen attempt; None without a verifier.
    stop: why no more was spent on the question.
    generations: number paid for (N).
    tokens: token-forwards executed, of both models, padding included.
    flops: FLOPs executed.
    chosen: index of the chosen attempt.
    attempts: as records hold them, see `Solver.judge`.
  """

  question: str
  answer: str | None
  text: str
  confidence: float
  measure: str
  score: float | None
  stop: str
  generations: int
  tokens: float
  flops: float
  chosen: int
  attempts: tuple[Mapping[str, Any], ...]


def replies(
  stage: Stage, problems: Sequence[Problem], seed: int
) -> list[Reply]:
  """Answers problems; a function of its arguments and the models.

  Args:
    stage: from `Offer.stage_for`, with these problems.
    problems: with different ids.
    seed: of the random streams.

  Returns:
    A reply for each problem, in their order.

  Raises:
    ValueError: models, devices, task and questions do not fit.
  """
  Experiment('solve', (stage,)).check()
  with tempfile.TemporaryDirectory(prefix='ttc-solve-') as folder:
    place = Place(pathlib.Path(folder), (seed,), (stage.name,))
    run = StageRun(stage, place, seed)
    # Its progress tells of an accuracy, which nobody knows here.
    with contextlib.redirect_stderr(io.StringIO()):
      run.work()
    rows = records.read_rows(run.folder)
    models = model_folders.used(run.folder)
  own = collections.defaultdict(list)
  for row in rows:
    own[row['problem']].append(row)
  return [reply(stage, p, own[p.id], models) for p in problems]


def reply(
  stage: Stage,
  problem: Problem,
  rows: Sequence[Mapping],
  models: model_folders.ModelShapes,
) -> Reply:
  """The reply that the records of a question are.

  Args:
    stage: whose records they are.
    problem: the question.
    rows: its records of one strategy and budget; of an allocation, in the order
      of rounds.
    models: who sampled and scored.
  """
  bought = [row for row in rows if 'cost' in row]
  # The samples that tell a policy the bin of a question are no votes.
  votes = [row for row in bought if 'bin' not in row]
  attempts = tuple(attempt for row in votes for attempt in row['rows'])
  voting = voters(attempts)
  evidence = Evidence.of([attempts[index] for index in voting])
  chosen = voting[evidence.choice]
  best = attempts[chosen]
  generations, stop = sum(row.get('budget', 0) for row in bought), SPENT
  if stage.kind == 'allocate':
    last = next(row['decision'] for row in rows if 'correct' in row)
    confidence, measure, stop = last['belief'], BELIEF, last['stop']
    generations = sum(stage.actions[r['decision']['action']][1] for r in bought)
  else:
    same = evidence.answer == evidence.answer[evidence.choice]
    total = evidence.score.sum()
    confidence = evidence.score[same].sum() / total if total else 0.0
    measure = WEIGHTED_VOTE if stage.solver.verifier else VOTE
  told_by = models
  if binning := getattr(stage, 'binning', None):
    told_by = _shapes(binning.proposer, binning.verifier)
  if binned := [row for row in bought if 'bin' in row]:
    bin, arm = binned[0]['bin'], votes[0]['arm']
    stop = f'{stop} by {arm}, the arm of difficulty bin {bin}'
  return Reply(
    question=problem.question,
    answer=best['answer'],
    text=best['text'],
    confidence=0.0 if best['answer'] is None else float(confidence),
    measure=measure,
    score=float(evidence.score[evidence.choice]) if 'values' in best else None,
    stop=stop,
    generations=generations,
    tokens=sum(count[1] for row in bought for count in row['cost'].values()),
    flops=sum(
      spend(row['cost'], told_by if 'bin' in row else models)[1]
      for row in bought
    ),
    chosen=chosen,
    attempts=attempts,
  )


@functools.cache
def _shapes(proposer: str, verifier: str) -> model_folders.ModelShapes:
  """Of models that absolute paths name."""
  return model_folders.shapes(storage.path, proposer, verifier)
