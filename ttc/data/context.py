"""What a revision is conditioned on, in training as in inference (paper §6.1).

    prompt  attempt <revise> attempt <revise> ...

Each attempt stands without the token that ended it, unless that token has text
of its own, as one that holds a stop may have: `}\\n\\n`. The next attempt
follows the last `revise`.
"""

from collections.abc import Sequence
import functools

from ttc.data.vocabulary import Vocabulary

KEEP = 4


def strip_end(tokens: Sequence[int], vocabulary: Vocabulary) -> list[int]:
  """Tokens of an attempt without an end that has no text, if there is one."""
  tokens = list(tokens)
  if tokens and tokens[-1] in bare_ends(vocabulary):
    tokens.pop()
  return tokens


@functools.lru_cache(maxsize=8)
def bare_ends(vocabulary: Vocabulary) -> frozenset[int]:
  """The ends of an attempt that have no text."""
  return frozenset(
    id for id in vocabulary.end_ids if not vocabulary.decode([id])
  )


def context_tokens(
  prompt: Sequence[int],
  attempts: Sequence[Sequence[int]],
  revise_id: int,
  keep: int = KEEP,
) -> list[int]:
  """The prompt and the most recent `keep` attempts, oldest first.

  Args:
    prompt: tokens of the question.
    attempts: tokens of earlier attempts in time order, without end tokens.
    revise_id: follows each attempt.
    keep: attempts that fit; 0 drops the whole history.
  """
  if keep < 0:
    raise ValueError(f'keep={keep} attempts; it must be 0 or more.')
  tokens = list(prompt)
  for attempt in attempts[max(0, len(attempts) - keep) :]:
    tokens += [*attempt, revise_id]
  return tokens
