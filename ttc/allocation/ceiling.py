"""The most useful FLOPs that an action may take on a question.

It is what a round reserves, so that a budget holds whatever is sampled; a plan
that might take more is ended (`search.bounded`). Attempts end earlier than at
their largest number of tokens, so what is used is a part of it.
"""

import numpy as np

from ttc.analysis import flops
from ttc.pipeline.model_folders import ModelShapes


def ceiling(
  models: ModelShapes,
  generations: int,
  prompt: int,
  attempt: int,
  text: int | None = None,
) -> float:
  """Useful FLOPs of N generations, each from scratch and to its limit.

  Args:
    models: shapes of proposer and verifier.
    generations: N.
    prompt: tokens of the prompt.
    attempt: largest number of tokens of an attempt.
    text: largest number of tokens of a verifier's text, where it has a
      tokenizer of its own; None for prompt and attempt.
  """
  whole = prompt + attempt
  # A row that lost its caches prefills what it has once more.
  cost = {
    'proposer_prefill': _counts(0, whole),
    'proposer_decode': _counts(prompt, whole),
  }
  if models.verifier is not None:
    cost['verifier_decode'] = _counts(0, whole if text is None else text)
  kinds = flops.exact(cost, *models)
  each = float(sum(spent[0] for spent in kinds.values()))
  # Before all generations the prompt is read once.
  first = {
    k: _counts(0, prompt) for k in ('proposer_prefill', 'verifier_prefill')
  }
  if models.verifier is None:
    del first['verifier_prefill']
  once = float(sum(s[0] for s in flops.exact(first, *models).values()))
  return once + generations * each


def _counts(start: int, stop: int) -> np.ndarray:
  """Tokens and keys of the positions from start to stop, as `Cost` counts."""
  keys = (stop * (stop + 1) - start * (start + 1)) / 2
  tokens = float(stop - start)
  return np.array([tokens, tokens, keys, keys])
