"""Context of a revision, the same in training and inference (paper §6.1).

    prompt  attempt <revise> attempt <revise> ...

An attempt is written without the token that ended it, unless that token has
text of its own: a token such as `}\\n\\n` ends an attempt where `\\n\\n` is a
stop. The next attempt follows the last `<revise>`.
"""

from collections.abc import Sequence
import functools
from typing import Any

from ttc.data.problems import Task
from ttc.data.templates import foreign_marker
from ttc.data.vocabulary import Vocabulary, WordVocabulary

KEEP = 4  # earlier attempts in the context, as in the paper


def strip_end(tokens: Sequence[int], vocabulary: Vocabulary) -> list[int]:
  """Returns an attempt without its last token if that is a bare end token."""
  tokens = list(tokens)
  if tokens and tokens[-1] in bare_ends(vocabulary):
    tokens.pop()
  return tokens


def one_end(tokens: Sequence[int], vocabulary: Vocabulary) -> list[int]:
  """Returns an attempt as a verifier reads it: all bare end tokens are EOS.

  The text of the attempt is the same with any of them, and so should be what it
  is worth. `Models.ends` does this where a verifier values what is sampled.
  """
  tokens = list(tokens)
  if tokens and tokens[-1] in bare_ends(vocabulary):
    tokens[-1] = vocabulary.eos_id
  return tokens


def vocabulary_of(task: Task | None) -> Vocabulary:
  """Returns that of a task; without one it is of words and has no words."""
  return WordVocabulary(()) if task is None else task.vocabulary


def inserted(text: str, task: Task | None) -> list[int]:
  """Returns the tokens of a trusted text that stands within a context.

  A tokenizer that has special tokens reads them as spelt; those with which it
  would begin a text are left off.
  """
  vocabulary = vocabulary_of(task)
  tokens = getattr(vocabulary, 'encode_template', vocabulary.encode)(text)
  return tokens[len(getattr(vocabulary, 'begin_ids', ())) :]


def check_texts(config: Any, *names: str) -> None:
  """Raises ValueError for texts that are no tokens of a configured task."""
  kind = type(config).__name__
  spelt = getattr(vocabulary_of(config.task), 'spelt_special', None)
  for name in names:
    text = getattr(config, name)
    if text and config.task is None:
      raise ValueError(
        f'{kind}.{name}={text!r} needs a task to say what tokens it is; give '
        f'{kind}.task.'
      )
    try:
      inserted(text, config.task)
    except ValueError as error:
      raise ValueError(f'{kind}.{name}={text!r}: {error}') from error
    if spelt and (marker := foreign_marker(text, lambda m: spelt(m) == m, '')):
      raise ValueError(
        f'{kind}.{name} spells {marker}, which is no special token of its '
        'task and would be read as text; take the texts of its family.'
      )


@functools.lru_cache(maxsize=8)
def bare_ends(vocabulary: Vocabulary) -> frozenset[int]:
  """Returns the end tokens that decode to no text."""
  return frozenset(
    id for id in vocabulary.end_ids if not vocabulary.decode([id])
  )


def context_tokens(
  prompt: Sequence[int],
  attempts: Sequence[Sequence[int]],
  revise_id: int,
  keep: int = KEEP,
) -> list[int]:
  """Returns the prompt and the `keep` most recent attempts, oldest first.

  Args:
    prompt: tokens of the prompt.
    attempts: tokens of earlier attempts in time order, each from `strip_end`.
    revise_id: the token to follow each attempt.
    keep: maximum number of attempts; 0 leaves the prompt alone.

  Raises:
    ValueError: `keep` is negative.
  """
  if keep < 0:
    raise ValueError(f'keep={keep} attempts; it must be 0 or more.')
  tokens = list(prompt)
  for attempt in attempts[max(0, len(attempts) - keep) :]:
    tokens += [*attempt, revise_id]
  return tokens
