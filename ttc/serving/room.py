"""How long a prompt may be: room has a price, whoever fills it.

Programs read all of the room that they have, so that an endpoint with much of
it executes several times the FLOPs of `ttc solve` for the same answer. It takes
a little more than the questions of the run need.
"""

from collections.abc import Sequence
import dataclasses

from ttc.inference.models import Models
from ttc.inference.verifier_text import Bridge
from ttc.serving.menu import Menu
from ttc.stages.solver import Solver

_UNKNOWN = 1024  # tokens, where the questions of the run are elsewhere


def longest(menu: Menu, models: Sequence[Models], wanted: int | None) -> int:
  """Tokens of the longest prompt to make room for.

  Args:
    menu: what is to be served.
    models: who reads the prompts, for each of `menu.attempts`.
    wanted: by the command line; None for a quarter more than the longest
      question of the run has, within its own limit and that of its models.

  Raises:
    ValueError: so long a prompt leaves no room for an attempt.
  """
  own = menu.solver
  limits = [
    (context - attempts, context)
    for team, attempts in zip(models, menu.attempts, strict=True)
    for context in _contexts(team)
  ]
  if wanted is None:
    most = [limit for limit, _ in limits]
    most += [own.prompt_tokens] if own.prompt_tokens else []
    return min([_asked(menu, own), *most])
  for limit, context in sorted(limits):
    if wanted > limit:
      raise ValueError(
        f'--prompt_tokens={wanted} and the attempts after it, of up to '
        f'{context - limit} tokens, are more than the context of the models, '
        f'{context}; give at most {limit}.'
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
