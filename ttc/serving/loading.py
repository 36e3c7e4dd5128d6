"""The models of a run on the devices, ready to answer whatever is asked."""

from collections.abc import Callable
import dataclasses
import pathlib
import tempfile

from ttc.allocation.allocation import Allocation
from ttc.answering.asked import Asked
from ttc.inference.models import Models
from ttc.inference.scheduler import Scheduler
from ttc.pipeline import model_folders
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime import storage
from ttc.serving.catalogue import Catalogue
from ttc.serving.solving import Answerer
from ttc.stages import fit_allocation
from ttc.stages.solver import Solver

_LONGEST = 1024  # tokens of a prompt, where the run says nothing


def load(
  catalogue: Catalogue,
  folder: Callable[[str], str],
  seed: int,
  prompt_tokens: int | None = None,
) -> tuple[Answerer, Scheduler]:
  """Loads the models of a catalogue, once, and makes a scheduler for them.

  Args:
    catalogue: what is to be served.
    folder: the absolute path of a stage, or of a model, by its name.
    seed: of the models.
    prompt_tokens: the longest prompt to make room for; None for that of the
      run, or else 1024 or what the models can read.

  Raises:
    ValueError: a model is not there, does not fit, or leaves no room for such a
      prompt; or there is no memory for it.
  """
  stage = next(iter(catalogue.offers.values())).stage
  own = stage.solver
  # The most rows of any stage: they share the devices here.
  rows = max(offer.stage.solver.rows for offer in catalogue.offers.values())
  solver = dataclasses.replace(
    own,
    task=Asked((), own.task),
    proposer=folder(own.proposer),
    verifier=folder(own.verifier) if own.verifier else '',
    scorers=(),
    questions=None,
    skip=0,
    prompt_tokens=None,
    rows=rows,
  )
  stage = dataclasses.replace(stage, solver=solver)
  allocations = {
    offer.stage.allocation: _allocation(folder(offer.stage.allocation))
    for offer in catalogue.offers.values()
    if offer.strategy is None
  }
  with tempfile.TemporaryDirectory(prefix='ttc-serve-') as there:
    place = Place(pathlib.Path(there), (seed,), (stage.name,))
    run = StageRun(stage, place, seed)
    models = solver.load(run)
    longest = _longest(solver, models, prompt_tokens or own.prompt_tokens)
    shapes = _shapes(solver)
    answerer = Answerer(models, shapes, solver, allocations, longest)
    most = longest + solver.generation.max_tokens
    scheduler = solver.scheduler(run, answerer.models, catalogue.slots, most)
  return answerer, scheduler


def _allocation(folder: str) -> Allocation:
  path = storage.path(folder) / fit_allocation.FILE
  return Allocation.from_json(path.read_text(encoding='utf-8'))


def _shapes(solver: Solver) -> model_folders.ModelShapes:
  read = lambda name: model_folders.trained(storage.path(name))
  verifier = read(solver.verifier) if solver.verifier else None
  return model_folders.ModelShapes(read(solver.proposer), verifier)


def _longest(solver: Solver, models: Models, wanted: int | None) -> int:
  """Tokens of the longest prompt."""
  room = solver.generation.max_tokens
  contexts = [
    model.cfg.context
    for role, model in models.present.items()
    # With a bridge the verifier reads another text, which is checked there.
    if model.cfg.context and not (models.bridge and role == 'verifier')
  ]
  most = min(contexts, default=_LONGEST + room) - room
  if wanted is None:
    return min(_LONGEST, most)
  if contexts and wanted > most:
    raise ValueError(
      f'--prompt_tokens={wanted} and Generation.max_tokens={room} are more '
      f'than the context of the models, {min(contexts)}; give at most {most}.'
    )
  return wanted
