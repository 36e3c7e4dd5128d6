"""Training documents: token sequences and their targets.

The fields are those of the two kinds of example in `features`, so that `vars`
of a document is an example.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
  """A sequence for a language model.

  Attributes:
    tokens: int32 [T].
    loss_start: position of the first target. The tokens before it, a prompt and
      possibly attempts, are context without loss.
    problem: id of the question, by which examples are split into training and
      validation.
  """

  tokens: np.ndarray
  loss_start: int
  problem: int


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledDocument:
  """A sequence for a value model.

  Attributes:
    tokens: int32 [T].
    positions: int32 [S] in rising order, where the values are read.
    labels: float32 [S] in [0, 1], the values to be learned.
    problem: id of the question, by which examples are split into training and
      validation.
  """

  tokens: np.ndarray
  positions: np.ndarray
  labels: np.ndarray
  problem: int
