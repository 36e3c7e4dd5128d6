"""Finished attempts in the eyes of another verifier (PAPER figures 14, 15)."""

import numpy as np

from ttc import partitioning
from ttc.search.frontier import Model, Models
from ttc.search.solutions import Solutions
from ttc.verifiers import scoring


def final_values(models: Models, verifier: Model,
                 solutions: Solutions) -> np.ndarray:
  """The value at the last token of each attempt, in [0, 1], [P, W].

  Args:
    models: whose mesh is used.
    verifier: reads prompt and attempt whole, in one pass.
    solutions: with the vocabulary of the verifier.
  """
  problems, rows, size = solutions.tokens.shape
  tokens, length = partitioning.put(
      (solutions.tokens.reshape(-1, size), solutions.length.reshape(-1)),
      models.mesh)
  state = scoring.prefill(
      verifier.params, tokens, length, cfg=verifier.cfg, size=size)
  value = partitioning.fetch(scoring.last_value(state))
  return value.reshape(problems, rows)
