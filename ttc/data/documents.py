"""What training reads: token sequences and what is learned at which place.

The fields are those of the two kinds of example in `features`, so `vars` of a
document is an example.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
  """A sequence for a language model.

  Attributes:
    tokens: int32 [T].
    loss_start: tokens from this place on are targets; those before it, a
      prompt or earlier attempts, are only context.
    problem: id of the question, by which training and validation part.
  """

  tokens: np.ndarray
  loss_start: int
  problem: int


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
