"""Between text and tokens: what search needs to know of a vocabulary.

Three ids are special and have no text: padding, the end of a solution, and
`revise`, which stands between the attempts of one context. Sampling stops at
the last two, and at whatever else `end_ids` names; all of them end an attempt
and its last step.
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
  """A tokenizer and its three special ids."""

  size: int
  pad_id: int
  eos_id: int
  revise_id: int
  end_ids: tuple[int, ...]  # end an attempt; eos_id and revise_id among them

  def encode(self, text: str) -> list[int]:
    """Tokens of a text, with no special id among them."""

  def decode(self, ids: Iterable[int]) -> str:
    """Text of tokens; special ids have none and are left out."""

  def piece(self, id: int) -> str:
    """What one token stands for, specials included, to be shown or searched."""


@dataclasses.dataclass(frozen=True)
class WordVocabulary:
  """Words such as `14` or `13:` and one-character symbols, a token each.

  Two words side by side are parted by one space, which is no token and stands
  nowhere else. So `encode` and `decode` are inverse to each other on
  every text that `encode` takes and every sequence without special ids.

  Attributes:
    words: runs of ASCII letters, digits and colons, and single other
      characters; the id of each is its place here plus the three specials.
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
  def _parted(self) -> list[bool]:
    letter = re.compile(LETTER)
    return [bool(letter.match(word)) for word in (*SPECIALS, *self.words)]

  def encode(self, text: str) -> list[int]:
    """Tokens of a text.

    Raises:
      ValueError: at the first thing that is no word, with its offset.
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
    """Text of tokens; specials are left out."""
    text, after_word = [], False
    for id in ids:
      if id < len(SPECIALS):
        continue
      if after_word and self._parted[id]:
        text.append(' ')
      text.append(self.words[id - len(SPECIALS)])
      after_word = self._parted[id]
    return ''.join(text)

  def piece(self, id: int) -> str:
    return (SPECIALS + self.words)[id]


def step_end_table(vocabulary: Vocabulary, delimiter: str) -> np.ndarray:
  """Which tokens end a step: bool [V].

  They are the tokens whose text holds the delimiter, so that a newline glued
  to other characters counts, and those that end an attempt.

  Raises:
    ValueError: the delimiter is empty, or the vocabulary writes it as several
      tokens of which none holds it, so that no step would ever end.
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
  """Which tokens end an attempt: bool [V]."""
  table = np.zeros(vocabulary.size, bool)
  table[list(vocabulary.end_ids)] = True
  return table
