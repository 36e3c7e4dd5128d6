"""The models of a run on the devices, ready to answer whatever is asked."""

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
import tempfile

from ttc.answering.apply_revisions import ApplyRevisions
from ttc.answering.asked import Asked
from ttc.answering.offers import Offer
from ttc.inference.scheduler import Scheduler
from ttc.pipeline import model_folders
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime import storage
from ttc.serving import room
from ttc.serving.menu import Menu
from ttc.serving.solving import Answerer


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
    if offer.stage.kind == ApplyRevisions.kind:
      absent[name] = (
        'two models make its answers, and an endpoint has one; ask ttc solve '
        'or ttc evaluate'
      )
      continue
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
) -> tuple[Answerer, Scheduler]:
  """Loads the models of a menu, once, and makes a scheduler for them.

  Args:
    menu: what is to be served.
    folder: the absolute path of a stage, or of a model, by its name.
    seed: of the models.
    prompt_tokens: the longest prompt to make room for; see `room.longest`.

  Raises:
    ValueError: a model is not there, does not fit, or leaves no room for such a
      prompt; or there is no memory for it.
  """
  offer = next(iter(menu.offers.values()))
  stage, own = offer.stage, offer.stage.solver
  # The most rows of any stage: they share the devices here.
  rows = max(offer.stage.solver.rows for offer in menu.offers.values())
  solver = dataclasses.replace(
    offer.solver(folder),
    task=Asked((), own.task),
    scorers=(),
    questions=None,
    skip=0,
    prompt_tokens=None,
    rows=rows,
  )
  stage = dataclasses.replace(stage, solver=solver)
  with tempfile.TemporaryDirectory(prefix='ttc-serve-') as there:
    place = Place(pathlib.Path(there), (seed,), (stage.name,))
    run = StageRun(stage, place, seed)
    models = solver.load(run)
    longest = room.longest(menu, models, prompt_tokens)
    shapes = model_folders.shapes(
      storage.path, solver.proposer, solver.verifier
    )
    answerer = Answerer(models, shapes, solver, folder, longest)
    most = longest + solver.generation.max_tokens
    scheduler = solver.scheduler(run, answerer.models, menu.slots, most)
  return answerer, scheduler
