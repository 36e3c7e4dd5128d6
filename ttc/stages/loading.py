"""The models of a solver, read from their folders and checked against it."""

import pathlib

import jax
import numpy as np

from ttc.checkpoints import finished, orbax
from ttc.external.endpoint import Endpoint
from ttc.inference.models import Model
from ttc.inference.verifier_text import Bridge
from ttc.models import copies, partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head
from ttc.pipeline import model_folders
from ttc.pipeline.stage import StageRun
from ttc.search.strategies import stops_at_steps, Strategy
from ttc.stages import model_checks


def here(solver) -> list[tuple[str, Head]]:
  """The models that a solver reads from stages and paths, with their heads.

  Raises:
    ValueError: its proposer is an address, or an endpoint whose key is missing.
  """
  proposer = solver.proposer
  if isinstance(proposer, Endpoint):
    proposer.key()  # for its error
    proposer = ''
  elif proposer.startswith(('http://', 'https://')):
    raise ValueError(
      f'Solver.proposer={proposer!r} is the address of a server; bind '
      '@endpoint.Endpoint() as in gin/models/endpoint.gin.'
    )
  valued = [*(stage for _, stage in solver.scorers), solver.verifier]
  models = [(proposer, 'logits'), *((name, 'value') for name in valued)]
  return [(name, head) for name, head in dict.fromkeys(models) if name]


def check_here(solver, what: str) -> None:
  """Raises ValueError if `what` needs a proposer here and a server samples."""
  if isinstance(solver.proposer, Endpoint):
    raise ValueError(
      f'{what} needs the proposer on devices here, and Solver.proposer is '
      f'{solver.proposer.model!r} at {solver.proposer.url}; bind the path of a '
      'converted checkpoint, or do without.'
    )


def check_steps(solver, strategy: Strategy, budget: int) -> None:
  """Raises ValueError if a strategy stops at steps that no text tells."""
  served = solver.proposer
  texts = isinstance(served, Endpoint) and not served.ids
  if texts and stops_at_steps(strategy, budget):
    served.check_steps(repr(strategy))


def model(
  solver, run: StageRun, mesh: jax.sharding.Mesh, stage: str, head: str
) -> Model:
  """Loads a model onto a mesh.

  Args:
    solver: whose task and sizes it must fit.
    run: records the model as its input.
    mesh: of the devices that hold it.
    stage: name of the stage that trained it, or absolute path.
    head: 'logits' or 'value'.

  Raises:
    RefusedError, ValueError: the stage is not complete, or does not fit.
  """
  folder = model_folders.folder(run.input(stage))
  # Before the parameters are read. One with a reader has its own vocabulary,
  # and its texts are longer than rows, so these checks do not apply to it.
  if not model_checks.has_reader(stage):
    check_fits(solver, stage, orbax.load_config(str(folder))[0])
  cfg, stored_head, params = orbax.load_model(str(folder), mesh)
  finished.check_head(stage, stored_head, head)
  # Key/value heads are repeated where there are fewer than `model_parallel`.
  return Model.consuming(
    copies.params(params, cfg, head, mesh),
    copies.config(cfg, solver.model_parallel),
    f'{run.label}: the model of {stage!r}',
  )


def bridge(
  solver,
  folder: pathlib.Path,
  cfg: TransformerConfig,
  step_end: np.ndarray,
) -> Bridge | None:
  """The bridge to a verifier, or None if it reads the proposer's tokens.

  Args:
    solver: whose questions are asked.
    folder: of the verifier.
    cfg: its shape.
    step_end: [V] bool, of the proposer's tokens.

  Raises:
    ValueError: the verifier's tokenizer is not there or does not fit.
  """
  reader = orbax.load_reader(str(folder))
  if reader is None:
    return None
  questions = {problem.id: problem.question for problem in solver.problems}
  path, vocabulary = folder / 'tokenizer.json', solver.task.vocabulary
  return Bridge(reader, path, vocabulary, step_end, questions, cfg)


def check_fits(
  solver, stage: str, cfg: TransformerConfig, attempts: int = 1
) -> None:
  """Checks a model against the devices, vocabulary and rows of a solver.

  Args:
    solver: who uses the model.
    stage: name of the model, for the message.
    cfg: its shape.
    attempts: largest number of attempts in one context.

  Raises:
    ValueError: it does not fit.
  """
  partitioning.check(stage, cfg, model=solver.model_parallel)
  model_checks.check_tokens(stage, cfg, solver.task.vocabulary.size)
  if solver.shape and stage == solver.proposer:
    model_checks.check_sizes(stage, cfg, solver.shape)
  if cfg.context is not None:
    # One token, <revise>, is between each two attempts.
    room = attempts * (solver.generation.max_tokens + 1) - 1
    model_checks.check_context(
      stage, cfg, solver.prompt_width, solver.prompt_width + room
    )
