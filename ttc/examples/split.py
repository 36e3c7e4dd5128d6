"""Which questions are held out of training, to validate on."""

import hashlib


def held_out(problem: int, fraction: float, seed: int) -> bool:
  """Returns whether all examples of a question belong to validation.

  Args:
    problem: id of the question.
    fraction: expected share of the questions in validation.
    seed: seed of the split.
  """
  digest = hashlib.sha256(f'{seed}/{problem}'.encode()).digest()
  return int.from_bytes(digest[:8], 'big') < fraction * 2**64
