"""`ttc probe`: the proposer's state after reading a prompt, for each question.

A linear probe of it predicts how often a question is solved, for the price of
one forward pass over the prompt and before anything is sampled.
"""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ttc.inference.models import Models
from ttc.models import partitioning
from ttc.models.memory import Whole
from ttc.models.rope import Angles
from ttc.models.transformer import Transformer
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.stages import loading
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class Probe:
  """Writes the normed activations at the last token of each prompt.

  Attributes:
    solver: the proposer and the questions; it has no verifier.
    size: questions per part, and prompts per call of the model.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'probe'
  solver: Solver
  size: int = 256
  name: str = 'probe'

  def __post_init__(self):
    limits.whole(self, 'size')

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a model that is missing or does not fit."""
    loading.check_here(self.solver, self.name)
    self.solver.check(experiment, self)

  def __call__(self, run: StageRun) -> None:
    """Writes a row per question: {"problem", "state": float [D], "cost"}."""
    solver, models = self.solver, None
    for part in run.parts(solver.problems, self.size):
      if models is None:
        models = solver.load(run)
      asked = [p for p in part.items if not solver.skipped(p)]
      states = self._states(models, [solver.prompt(p) for p in asked])
      if not np.isfinite(states).all():
        width = solver.prompt_width
        raise models.proposer.overflow('states', asked[0].id, width)
      by_id = dict(zip((p.id for p in asked), states, strict=True))
      part.write([self._row(p, by_id) for p in part.items])

  def _row(self, problem, states) -> dict:
    if reason := self.solver.skipped(problem):
      return {'problem': problem.id, 'skipped': reason}
    tokens = self.solver.lengths[problem.id]
    keys = tokens * (tokens + 1) // 2
    # What padding adds is nobody's: the program could read packed prompts.
    work = [tokens, tokens, keys, keys]
    return {
      'problem': problem.id,
      'state': states[problem.id],
      'cost': {'proposer_prefill': work},
    }

  def _states(self, models: Models, prompts) -> list[list[float]]:
    """States of prompts, each [D]; one shape of program for all parts."""
    rows = np.zeros((self.size, self.solver.prompt_width), np.int32)
    last = np.zeros(self.size, np.int32)
    for i, prompt in enumerate(prompts):
      rows[i, : len(prompt)], last[i] = prompt, len(prompt) - 1
    with partitioning.use(models.mesh):
      states = _read(models.proposer.layers, rows, last, models.proposer.cfg)
    return np.asarray(states, np.float64)[: len(prompts)].tolist()


@functools.partial(jax.jit, static_argnames='cfg')
def _read(params, tokens, last, cfg):
  """Normed activations float32 [B, D] at position `last` [B] of rows [B, T]."""
  positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)

  def read(model):
    memory = Whole.create(cfg, tokens.shape, None)
    angles = Angles.create(cfg, positions)
    return model.backbone(tokens, angles, memory, True)[0]

  model = Transformer(cfg, scan=False)
  states = model.apply({'params': params}, method=read)
  return states[jnp.arange(len(last)), last].astype(jnp.float32)
