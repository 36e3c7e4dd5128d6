"""K continuations of given prefixes, to the end.

Best-of-N, difficulty samples, Monte-Carlo labels (PAPER 2.1) and the attempts
of a revision chain are all this one function; a prefix is simply a prompt.
"""

import jax

from ttc.data.prompts import Prompts
from ttc.search import frontier as rows_of
from ttc.search.frontier import Models
from ttc.search.solutions import collect, Solutions


def continuations(models: Models, prompts: Prompts, *, num: int,
                  key: jax.Array) -> Solutions:
  """Samples `num` continuations of each prompt and scores them.

  Args:
    models: scores are left out where the verifier is None.
    prompts: P prefixes. Each is read once, however many rows it gets.
    num: continuations of each (W).
    key: consumed.
  """
  longest = models.generation.max_tokens
  frontier, cost = rows_of.begin(models, prompts, num, key)
  frontier, cost = rows_of.expand(
      models, frontier, cost, steps=0, max_new=longest)
  if models.verifier is not None:
    frontier, cost = rows_of.read(models, frontier, cost, max_new=longest)
  return collect(models, prompts, frontier, cost)
