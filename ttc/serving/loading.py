"""The models of a run on the devices, ready to answer whatever is asked."""

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
import tempfile

from jax.sharding import Mesh

from ttc.answering import offers as offers_lib
from ttc.answering.asked import Asked
from ttc.answering.offers import Offer
from ttc.inference.scheduler import Scheduler
from ttc.pipeline import model_folders
from ttc.pipeline.model_folders import ModelShapes
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime import storage
from ttc.serving import room
from ttc.serving.menu import Menu
from ttc.serving.solving import Answerer, Team
from ttc.stages.solver import Solver


def fitted(
  offers: Mapping[str, Offer], folder: Callable[[str], str]
) -> tuple[dict[str, Offer], dict[str, str]]:
  """The offers whose fits are there, and why the others are not, by name.

  Args:
    offers: see `offers.of`.
    folder: the absolute path of a stage, or of a model, by its name.

  Raises:
    ValueError: none of them is.
  """
  there, absent = {}, {}
  for name, offer in offers.items():
    try:
      if offer.strategy is None:
        offer.fit(offer.solver(folder), folder)  # for its errors
      there[name] = offer
    except ValueError as error:
      absent[name] = str(error)
  if not there:
    raise ValueError(next(iter(absent.values())))
  return there, absent


def load(
  menu: Menu,
  folder: Callable[[str], str],
  seed: int,
  prompt_tokens: int | None = None,
) -> tuple[Answerer, list[tuple[Scheduler, Mesh]]]:
  """Loads the models of a menu, once, and makes schedulers for them.

  There is one, with the mesh of its models, and one more where questions are
  revised.

  Args:
    menu: what is to be served.
    folder: the absolute path of a stage, or of a model, by its name.
    seed: of the models.
    prompt_tokens: the longest prompt to make room for; see `room.longest`.

  Raises:
    ValueError: a model is not there, does not fit, or leaves no room for such a
      prompt; or there is no memory for it.
  """
  revision = menu.revision
  # The most rows of any stage: they share the devices here.
  rows = max(offer.stage.solver.rows for offer in menu.offers.values())
  solvers = [
    dataclasses.replace(
      offers_lib.placed(own, folder),
      task=Asked((), own.task),
      scorers=(),
      questions=None,
      skip=0,
      prompt_tokens=None,
      rows=rows,
    )
    for own in (menu.solver, *([revision.solver] if revision else []))
  ]
  stage = dataclasses.replace(menu.stage, solver=solvers[0])
  with tempfile.TemporaryDirectory(prefix='ttc-serve-') as there:
    place = Place(pathlib.Path(there), (seed,), (stage.name,))
    run = StageRun(stage, place, seed)
    teams = [Team(own.load(run), _shapes(own), own) for own in solvers]
    models = [team.models for team in teams]
    longest = room.longest(menu, models, prompt_tokens)
    answerer = Answerer(teams, folder, longest)
    slots = menu.slots, *([revision.slots] if revision else [])
    schedulers = [
      (
        team.solver.scheduler(run, team.models, held, longest + attempts),
        team.models.mesh,
      )
      for team, held, attempts in zip(
        answerer.teams, slots, menu.attempts, strict=True
      )
    ]
  return answerer, schedulers


def _shapes(solver: Solver) -> ModelShapes:
  return model_folders.shapes(storage.path, solver.proposer, solver.verifier)
