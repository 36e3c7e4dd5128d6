"""`ttc label`: Monte-Carlo values of every step prefix (PAPER 2.1)."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import ClassVar

import numpy as np

from ttc import partitioning
from ttc.cli.experiment import Experiment
from ttc.cli.solver import Solver, stage_key
from ttc.cli.stage import StageRun
from ttc.data import labelling
from ttc.data.prompts import Prompts
from ttc.search.frontier import Models
from ttc.search.rollouts import continuations


@dataclasses.dataclass(frozen=True)
class Label:
  """Continues each step of sampled solutions, and counts what comes right.

  Attributes:
    solver: the base model that made the samples, on their split.
    rollouts: continuations of each step prefix (K); the paper has 16.
    samples: parsable solutions labelled a question, at most; the paper has 16.
    source: the stage with the samples.
    size: questions a part.
    name: of the stage.
  """

  kind: ClassVar[str] = 'label'
  solver: Solver
  rollouts: int = 16
  samples: int = 16
  source: str = 'sample'
  size: int = 256
  name: str = 'label'

  def __post_init__(self):
    for name in ('rollouts', 'samples'):
      if getattr(self, name) < 1:
        raise ValueError(
            f'Label.{name}={getattr(self, name)}; it must be at least 1.')

  def check(self, experiment: Experiment) -> None:
    """Needs samples and a proposer before it."""
    experiment.source(self, self.source)
    self.solver.check(experiment, self)

  def __call__(self, run: StageRun) -> None:
    """Writes one line for each labelled solution."""
    known = self.solver.by_id
    records = [r for r in run.read(self.source) if r['problem'] in known]
    models = None
    for part in run.parts(records, self.size):
      if models is None:
        models = self.solver.load(run)
      with partitioning.use(models.mesh):
        part.write(self._lines(run, models, part.items))

  def show(self, run: StageRun) -> str:
    """How many solutions were labelled, and how many could not be."""
    dropped = sum(labelling.parsable(r)[1] for r in run.read(self.source))
    lines = sum(path.read_bytes().count(b'\n')
                for path in run.folder.glob('part-*.jsonl'))
    return (f'{run.label}: {lines} solutions labelled; {dropped} of the '
            'samples have no answer that can be parsed and were left out')

  def _lines(self, run: StageRun, models: Models,
             records: Sequence[Mapping]) -> list[dict]:
    chosen, prefixes = [], []
    for record in records:
      for sample in labelling.parsable(record)[0][:self.samples]:
        tokens = record['rows'][sample]['tokens']
        ends = labelling.step_ends(tokens, models.step_end)
        places = range(len(prefixes), len(prefixes) + len(ends) - 1)
        prefixes += [(record['problem'], sample, branch, tokens[:end + 1])
                     for branch, end in enumerate(ends[:-1])]
        chosen.append((record, sample, places))
    rollouts = self._rollouts(run, models, prefixes)
    return [
        labelling.label_record(
            record['problem'], sample, record['rows'][sample]['tokens'],
            record['rows'][sample]['correct'],
            [r for place in places for r in rollouts[place]],
            models.step_end)
        for record, sample, places in chosen]

  def _rollouts(self, run: StageRun, models: Models, prefixes: Sequence
                ) -> list[list[labelling.Rollout]]:
    """(branch, tokens, correct) of the K rollouts of each prefix."""
    if not prefixes:
      return []
    solver = self.solver
    most = self.solver.generation.max_tokens  # steps and samples are fewer
    batches = Prompts.stack(
        [(problem * most + sample) * most + branch
         for problem, sample, branch, _ in prefixes],
        [[*solver.prompt(solver.by_id[problem]), *prefix]
         for problem, _, _, prefix in prefixes],
        width=solver.prompt_width + most,
        started=[len(prefix) for *_, prefix in prefixes],
    ).batches(solver.batch(self.rollouts))
    found = []
    for batch in batches:
      solutions = continuations(
          models, batch, num=self.rollouts, key=stage_key(run))
      for place in np.flatnonzero(batch.real):
        problem, _, branch, prefix = prefixes[len(found)]
        attempts = [
            solutions.attempt(place, row) for row in range(self.rollouts)]
        found.append([
            (branch, a.tokens, solver.judge(problem, a, prefix)['correct'])
            for a in attempts])
    return found
