"""The most useful FLOPs that an action may take on a question.

It is what a round reserves, so that a budget holds whatever is sampled; a plan
that might take more is ended (`search.bounded`). Attempts end earlier than at
their largest number of tokens, so what is used is a part of it.
"""

import numpy as np

from ttc.analysis import flops
from ttc.pipeline.model_folders import ModelShapes

# A search samples more than N attempts have where it chooses short prefixes
# over long ones, and may read some of them again.
_SEARCH = 1.5


def ceiling(
  models: ModelShapes,
  generations: int,
  prompt: int,
  attempt: int,
  searched: bool = True,
  text: int | None = None,
) -> float:
  """Useful FLOPs of N attempts to their limit, and of the prompt.

  Args:
    models: shapes of proposer and verifier.
    generations: N.
    prompt: tokens of the prompt.
    attempt: largest number of tokens of an attempt.
    searched: whether prefixes are chosen; half as much again is added then.
    text: largest number of tokens of a verifier's text, where it has a
      tokenizer of its own; None for prompt and attempt.
  """
  whole = prompt + attempt
  once = {'proposer_prefill': _counts(0, prompt)}
  each = {'proposer_decode': _counts(prompt, whole)}
  if models.verifier is not None:
    once['verifier_prefill'] = _counts(0, prompt)
    # Another text may change from its beginning on.
    each['verifier_decode'] = _counts(
      *((prompt, whole) if text is None else (0, text))
    )
  total = lambda cost: float(
    sum(spent[0] for spent in flops.exact(cost, *models).values())
  )
  attempts = generations * total(each)
  return total(once) + attempts * (_SEARCH if searched else 1.0)


def _counts(start: int, stop: int) -> np.ndarray:
  """Tokens and keys of the positions from start to stop, as `Cost` counts."""
  keys = (stop * (stop + 1) - start * (start + 1)) / 2
  tokens = float(stop - start)
  return np.array([tokens, tokens, keys, keys])
