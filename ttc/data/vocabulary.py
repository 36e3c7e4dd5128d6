"""The interface of a vocabulary, a vocabulary of words, and end-token tables.

Three special ids have no text: padding, the end of a solution (EOS), and
`revise`, which separates the attempts in a context. Sampling stops at the last
two and at any other id in `end_ids`; these end an attempt and its last step.
"""

from collections.abc import Iterable
import dataclasses
import functools
import re
from typing import Protocol

import numpy as np

SPECIALS = ('<pad>', '<eos>', '<revise>')
LETTER = '[0-9A-Za-z:]'
WORDS = re.compile(
  f'(?P<gap>(?<={LETTER}) (?={LETTER}))|{LETTER}+|.', re.DOTALL
)


class Vocabulary(Protocol):
  """A tokenizer and its special ids.

  Attributes:
    size: number of tokens (V).
    pad_id: id of padding.
    eos_id: id that ends a solution.
    revise_id: id that separates attempts.
    end_ids: all ids that end an attempt, `eos_id` and `revise_id` included.
  """

  size: int
  pad_id: int
  eos_id: int
  revise_id: int
  end_ids: tuple[int, ...]

  def encode(self, text: str) -> list[int]:
    """Returns the tokens of a text, with no special id among them."""

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of tokens, without special ids and those beyond V."""

  def piece(self, id: int) -> str:
    """Returns the text of one token; special tokens have a name here.

    Ids beyond V, which models with padded tables sample, have the text ''.
    """


@dataclasses.dataclass(frozen=True)
class WordVocabulary:
  """A vocabulary of words such as `14` or `13:`, and one-character symbols.

  Adjacent words are separated by one space, which is not a token and occurs
  nowhere else. `encode` and `decode` are therefore inverse to each other on
  every text that `encode` accepts and every sequence without special ids.

  Attributes:
    words: runs of ASCII letters, digits and colons, or single other characters.
      The id of a word is its index plus three, the number of special ids.

  Raises:
    ValueError: a word has other characters, or occurs twice.
  """

  words: tuple[str, ...]

  pad_id = 0
  eos_id = 1
  revise_id = 2
  end_ids = (1, 2)

  def __post_init__(self):
    for word in self.words:
      if not re.fullmatch(f'{LETTER}+|[^\\w: ]', word):
        raise ValueError(
          f'WordVocabulary.words holds {word!r}; give ASCII letters, digits '
          'and colons, or one character that is none of them and no space.'
        )
    if len(set(self.words)) < len(self.words):
      twice = next(w for w in self.words if self.words.count(w) > 1)
      raise ValueError(
        f'WordVocabulary.words holds {twice!r} more than once; keep one.'
      )

  @property
  def size(self) -> int:
    return len(SPECIALS) + len(self.words)

  @functools.cached_property
  def _ids(self) -> dict[str, int]:
    return {w: i for i, w in enumerate(self.words, start=len(SPECIALS))}

  @functools.cached_property
  def _is_word(self) -> list[bool]:
    """By id, whether a space separates the token from an adjacent word."""
    letter = re.compile(LETTER)
    return [bool(letter.match(word)) for word in (*SPECIALS, *self.words)]

  def encode(self, text: str) -> list[int]:
    """Returns the tokens of a text.

    Raises:
      ValueError: a part of the text is not a word; names the first one and its
        offset.
    """
    tokens = []
    for match in WORDS.finditer(text):
      if match['gap']:
        continue
      word = match.group()
      if word not in self._ids:
        raise ValueError(
          f'{word[:20]!r} at offset {match.start()} is none of the '
          f'{len(self.words)} words of this vocabulary; a space stands only '
          'between two of letters, digits and colons.'
        )
      tokens.append(self._ids[word])
    return tokens

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of tokens, without special and unknown ids."""
    text, after_word = [], False
    for id in ids:
      if not len(SPECIALS) <= id < self.size:
        continue
      if after_word and self._is_word[id]:
        text.append(' ')
      text.append(self.words[id - len(SPECIALS)])
      after_word = self._is_word[id]
    return ''.join(text)

  def piece(self, id: int) -> str:
    """Returns the text of one token, or '' for an unknown id."""
    return (SPECIALS + self.words)[id] if 0 <= id < self.size else ''


def step_end_table(vocabulary: Vocabulary, delimiter: str) -> np.ndarray:
  """Returns which tokens end a step, bool [V].

  These are the tokens whose text contains the delimiter, for example a newline
  merged with other characters, and those that end an attempt.

  Args:
    vocabulary: vocabulary of V tokens.
    delimiter: text that ends a step.

  Raises:
    ValueError: the delimiter is empty, or the vocabulary encodes it as several
      tokens of which none contains it, so that no step would ever end.
  """
  if not delimiter:
    raise ValueError("The delimiter is ''; give the text that ends a step.")
  pieces = [vocabulary.piece(id) for id in range(vocabulary.size)]
  table = np.array([delimiter in piece for piece in pieces])
  table[vocabulary.pad_id] = False
  tokens = vocabulary.encode(delimiter)
  if not table[tokens].any():
    parts = [pieces[token] for token in tokens]
    raise ValueError(
      f'The vocabulary splits the delimiter {delimiter!r} into {parts}, and '
      'no token holds all of it; end steps with a text that one token holds, '
      f'such as {parts[-1]!r} (blank lines are then steps of their own).'
    )
  return table | end_table(vocabulary)


def end_table(vocabulary: Vocabulary) -> np.ndarray:
  """Returns which tokens end an attempt, bool [V]."""
  table = np.zeros(vocabulary.size, bool)
  table[list(vocabulary.end_ids)] = True
  return table
