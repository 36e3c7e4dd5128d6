"""Samples the embedded task with the `ttc` that is on the path, and times it.

Run by `tiny.py`, in the root of a revision. Revisions before the scheduler had
a plain driver: a batch of questions, all of whose rows go on until the last
one has ended.
"""

import argparse
import importlib.util
import json
import pathlib
import time

import jax
import numpy as np

from ttc.checkpoints import orbax
from ttc.cli import configuration
from ttc.data.vocabulary import step_end_table
from ttc.models import partitioning
from ttc.search.allocate import Beam
from ttc.search.strategies import BestOfN, StepSearch

_EXPERIMENT = 'gin/experiments/worksheet_quickstart.gin'
_REPEATS = 3


def main() -> None:
  """Prints one JSON line: tokens and seconds of each repeat."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--strategy')
  parser.add_argument('--rows', type=int)
  parser.add_argument('--questions', type=int)
  parser.add_argument('--budget', type=int)
  parser.add_argument('--models', type=pathlib.Path)
  options = parser.parse_args()
  experiment, _ = configuration.load((_EXPERIMENT,), ())
  stages = {stage.name: stage for stage in experiment.stages}
  solver = stages['difficulty'].solver
  problems = solver.task.problems(solver.split)[: options.questions]
  mesh = partitioning.make_mesh()
  strategy = StepSearch(Beam(4)) if options.strategy == 'beam' else BestOfN()
  proposer = _load(options.models / 'pretrain', mesh)
  verifier = (
    None
    if options.strategy == 'samples'
    else _load(options.models / 'prm', mesh)
  )
  given = dict(
    proposer=proposer,
    verifier=verifier,
    **_tables(solver.task, proposer[1]),
    generation=solver.generation,
    mesh=mesh,
  )
  driver = (
    _scheduled
    if importlib.util.find_spec('ttc.inference.scheduler')
    else _plain
  )
  with partitioning.use(mesh):
    once = driver(given, strategy, solver, problems, options)
    once()  # compiles
    seconds, tokens = [], 0
    for _ in range(_REPEATS):
      began = time.perf_counter()
      tokens = once()
      seconds.append(time.perf_counter() - began)
  print(
    json.dumps(
      {'driver': driver.__name__[1:], 'tokens': tokens, 'seconds': seconds}
    )
  )


def _scheduled(given, strategy, solver, problems, options):
  from ttc.inference import keys
  from ttc.inference.capacity import Capacity
  from ttc.inference.models import Model, Models
  from ttc.inference.requests import Question
  from ttc.inference.scheduler import Scheduler

  for who in ('proposer', 'verifier'):
    given[who] = given[who] and Model(*given[who])
  models, most = Models(**given), solver.generation.max_tokens
  prompts = [solver.prompt(problem) for problem in problems]
  slots = strategy.slots(options.budget)
  scheduler = Scheduler(
    models,
    Capacity.create(
      options.rows // models.mesh.shape['data'],
      max(map(len, prompts)) + most,
      slots,
    ),
  )
  own = keys.fold(keys.root(0), [problem.id for problem in problems])

  def once() -> int:
    questions = [
      Question(problem.id, prompt, key, most)
      for problem, prompt, key in zip(problems, prompts, own, strict=True)
    ]
    return sum(
      len(row.attempt)
      for _, rows in scheduler.run(
        (q, strategy.plan(q, options.budget), slots) for q in questions
      )
      for row in rows
    )

  return once


def _plain(given, strategy, solver, problems, options):
  from ttc.data.prompts import Prompts
  from ttc.search.frontier import Model, Models

  for who in ('proposer', 'verifier'):
    given[who] = given[who] and Model(*given[who])
  models = Models(**given)
  prompts = [solver.prompt(problem) for problem in problems]
  stacked = Prompts.stack(
    [problem.id for problem in problems], prompts, width=max(map(len, prompts))
  )
  devices = models.mesh.shape['data']
  together = max(1, options.rows // options.budget // devices) * devices

  def once() -> int:
    tokens = 0
    for batch in stacked.batches(together):
      found = strategy(
        models, batch, budget=options.budget, key=jax.random.key(0)
      )
      tokens += sum(
        len(found.attempt(i, row).tokens)
        for i in np.flatnonzero(batch.real)
        for row in range(options.budget)
      )
    return tokens

  return once


def _load(stage: pathlib.Path, mesh):
  """(params, config) of the model that a stage made."""
  cfg, _, params = orbax.load_model(str(stage.absolute() / 'model'), mesh)
  return params, cfg


def _tables(task, cfg) -> dict:
  """Which tokens end a step, and which a solution."""
  vocabulary = task.vocabulary
  end, step_end = np.zeros((2, cfg.vocab_size), bool)
  end[[vocabulary.eos_id, vocabulary.revise_id]] = True
  step_end[: vocabulary.size] = step_end_table(vocabulary, task.delimiter)
  return dict(step_end=step_end, end=end)


if __name__ == '__main__':
  main()
