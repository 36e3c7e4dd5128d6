"""How long a prompt may be: room has a price, whoever fills it.

Programs read all of the room that they have, so that an endpoint with much of
it executes several times the FLOPs of `ttc solve` for the same answer. It takes
a little more than the questions of the run need.
"""

import dataclasses

from ttc.inference.models import Models
from ttc.inference.verifier_text import Bridge
from ttc.serving.menu import Menu
from ttc.stages.solver import Solver

_UNKNOWN = 1024  # tokens, where the questions of the run are elsewhere


def longest(menu: Menu, models: Models, wanted: int | None) -> int:
  """Tokens of the longest prompt to make room for.

  Args:
    menu: what is to be served.
    models: who reads the prompts.
    wanted: by the command line; None for a quarter more than the longest
      question of the run has, within its own limit and that of its models.

  Raises:
    ValueError: so long a prompt leaves no room for an attempt.
  """
  own = next(iter(menu.offers.values())).stage.solver
  room, contexts = own.generation.max_tokens, _contexts(models)
  most = min(contexts, default=None)
  if wanted is None:
    limits = [own.prompt_tokens, most and most - room]
    return min([_asked(menu, own), *filter(None, limits)])
  if most is not None and wanted > most - room:
    raise ValueError(
      f'--prompt_tokens={wanted} and Generation.max_tokens={room} are more '
      f'than the context of the models, {most}; give at most {most - room}.'
    )
  return wanted


def _asked(menu: Menu, own: Solver) -> int:
  """A quarter more than the longest prompt of the splits that are asked."""
  splits = {offer.stage.solver.split for offer in menu.offers.values()}
  whole = dict(questions=None, skip=0, prompt_tokens=None)
  try:
    width = max(
      dataclasses.replace(own, split=split, **whole).prompt_width
      for split in splits
    )
  except (ValueError, OSError):
    return _UNKNOWN
  return width + -(-width // 4)


def _contexts(models: Models) -> list[int]:
  """Tokens that the models can read, where that has a limit."""
  bridged = isinstance(models.bridge, Bridge)
  return [
    model.cfg.context
    for role, model in models.present.items()
    # Behind a bridge the verifier reads another text, which is checked there.
    if model.cfg.context and not (bridged and role == 'verifier')
  ]
