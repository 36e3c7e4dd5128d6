"""What training reads: token sequences and what is learned at which place."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
  """A sequence for a language model.

  Attributes:
    tokens: int32 [T].
    loss_from: tokens from this position on are targets; those before it, a
      prompt or earlier attempts, are only context.
  """

  tokens: np.ndarray
  loss_from: int


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledDocument:
  """A sequence for a value model.

  Attributes:
    tokens: int32 [T].
    positions: int32 [S], rising; the values are read at these tokens.
    labels: float32 [S] in [0, 1], the values to be learned.
    problem: id of the question, by which training and validation part.
  """

  tokens: np.ndarray
  positions: np.ndarray
  labels: np.ndarray
  problem: int
