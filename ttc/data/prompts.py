"""Problems as rectangular token arrays."""

from collections.abc import Iterator, Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Prompts:
  """What the proposer continues; padding problems have the id -1.

  Attributes:
    tokens: [P, T] int32, padded on the right.
    length: [P] int32.
    problem_id: [P] int32. Randomness depends on it and on nothing else that
      says where a problem stands in a batch.
    started: [P] int32, tokens at a prompt's end that belong to the attempt
      already and count against its limit.
  """

  tokens: np.ndarray
  length: np.ndarray
  problem_id: np.ndarray
  started: np.ndarray

  @classmethod
  def stack(cls, ids: Sequence[int], sequences: Sequence[Sequence[int]],
            width: int | None = None, problems: int | None = None,
            started: Sequence[int] | None = None) -> 'Prompts':
    """Pads token sequences to one width and the problems to one number.

    Args:
      ids: of the problems.
      sequences: their tokens, none of them empty.
      width: tokens a row (T); None is the longest.
      problems: rows (P); None adds none.
      started: see the class; None is zero for all.

    Raises:
      ValueError: a prompt is empty, or longer than `width`.
    """
    lengths = [len(s) for s in sequences]
    width = max(lengths) if width is None else width
    total = len(ids) if problems is None else problems
    for problem, length in zip(ids, lengths, strict=True):
      if not 1 <= length <= width:
        raise ValueError(
            f'The prompt of problem {problem} has {length} tokens; a prompt '
            f'needs 1 to {width}. Raise the prompt width or drop the problem.')
    tokens = np.zeros((total, width), np.int32)
    for row, sequence in zip(tokens, sequences, strict=False):
      row[:len(sequence)] = sequence
    padding = total - len(ids)
    return cls(
        tokens=tokens,
        length=np.array(lengths + [1] * padding, np.int32),
        problem_id=np.array([*ids, *[-1] * padding], np.int32),
        started=np.array(
            [*(started or [0] * len(ids)), *[0] * padding], np.int32))

  @property
  def real(self) -> np.ndarray:
    """Which problems are not padding [P]."""
    return self.problem_id >= 0

  def batches(self, problems: int) -> Iterator['Prompts']:
    """Consecutive batches of P problems, the last padded to P."""
    for start in range(0, len(self.length), problems):
      part = slice(start, start + problems)
      pad = max(0, start + problems - len(self.length))
      yield Prompts(
          tokens=np.pad(self.tokens[part], ((0, pad), (0, 0))),
          length=np.pad(self.length[part], (0, pad), constant_values=1),
          problem_id=np.pad(
              self.problem_id[part], (0, pad), constant_values=-1),
          started=np.pad(self.started[part], (0, pad)))
