"""One bridge to verifiers that read other tokens than the proposer writes.

A verifier of others has a tokenizer of its own, and wants a text around the
question and something behind each step (`models/reader.py`). The bridge turns
what a row holds into what such a verifier reads of it:

    row               | question | step 1 \\n | step 2 \\n |
    verifier text     | prompt(question) | step 1 before | after step 2 before |
    value positions                                   ^                     ^

The text is encoded as the verifier saw it in training: as a whole, or step and
separator each on its own (`Reader.apart`). What it has in common with that of
the last step is not read again.
"""

from collections.abc import Mapping, Sequence
import copy
import dataclasses
import pathlib
import re
from typing import Protocol

import numpy as np

from ttc.data import tokenizer as tokenizer_file
from ttc.data.templates import foreign_marker
from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader, READERS, SIGNS

_TAG = re.compile(r'<[^<>\s]+>')


class Decoder(Protocol):
  """What is needed of the proposer's vocabulary."""

  def decode(self, ids: Sequence[int]) -> str:
    """Text of tokens, specials left out."""


@dataclasses.dataclass(frozen=True)
class VerifierText:
  """What a verifier reads of a row.

  Attributes:
    of: the row's tokens, in the proposer's vocabulary.
    tokens: the verifier's.
    start: number of them before the first step.
    value_positions: for each step the position in `tokens` where its value is
      read, and the length of the attempt that this value is about.
  """

  of: tuple[int, ...]
  tokens: tuple[int, ...]
  start: int
  value_positions: tuple[tuple[int, int], ...]


_SPACES = '▁Ġ '  # as tokenizers spell one before a token
_KNOWN = {(reader.good, reader.bad) for reader in READERS.values()}


class Bridge:
  """Turns rows of the proposer into texts of the verifier."""

  def __init__(
    self,
    reader: Reader,
    tokenizer: pathlib.Path,
    vocabulary: Decoder,
    step_end: np.ndarray,
    questions: Mapping[int, str],
    cfg: TransformerConfig,
  ):
    """Reads the verifier's tokenizer.

    Args:
      reader: how it is asked.
      tokenizer: its tokenizer.json.
      vocabulary: the proposer's.
      step_end: [V] bool, of the proposer's tokens.
      questions: texts by id.
      cfg: of the verifier.

    Raises:
      ValueError: there is no tokenizer, or one of another model.
    """
    if not tokenizer.is_file():
      raise ValueError(
        f'There is no {tokenizer}, with which the verifier reads; convert it '
        'with --tokenizer=FOLDER.'
      )
    self._tokenizer = tokenizer_file.read(tokenizer)
    if self._tokenizer.get_vocab_size() > cfg.vocab_size:
      raise ValueError(
        f'{tokenizer} has {self._tokenizer.get_vocab_size()} tokens and the '
        f'verifier knows {cfg.vocab_size}; use the tokenizer of that model.'
      )
    self._reader, self._vocabulary, self._cfg = reader, vocabulary, cfg
    self._step_end, self._questions = step_end, questions
    self._begin = tokenizer_file.begin_ids(self._tokenizer, tokenizer)
    self._control = tokenizer_file.ControlTokens(self._tokenizer)
    self._check(tokenizer)

  def about(self, questions: Mapping[int, str]) -> 'Bridge':
    """The same bridge for other questions, whose texts by id may change."""
    other = copy.copy(self)
    other._questions = questions
    return other

  def text(
    self, question: int, tokens: Sequence[int], start: int
  ) -> VerifierText:
    """What is read of a row.

    Args:
      question: its id.
      tokens: of the row.
      start: where its attempt begins.

    Raises:
      ValueError: it is longer than the verifier's context.
    """
    steps, lengths = self._steps(tokens[start:])
    asked = self._plain(self._questions[question])
    encode = self._apart if self._reader.pieces_apart else self._whole
    ids, first, places = encode(asked, steps)
    begin = self._begin
    if tuple(ids[: len(begin)]) == begin:
      begin = ()  # the text spells it
    length = len(begin) + len(ids)
    if self._cfg.context is not None and length > self._cfg.context:
      raise ValueError(
        f'Question {question} and an attempt are {length} tokens of the '
        f'verifier, whose context has {self._cfg.context}; lower '
        'Generation.max_tokens or Solver.prompt_tokens.'
      )
    return VerifierText(
      tuple(tokens),
      (*begin, *ids),
      len(begin) + first,
      tuple(
        (len(begin) + place, length)
        for place, length in zip(places, lengths, strict=True)
      ),
    )

  def _whole(self, asked: str, steps: list[str]):
    """The text's ids, where its steps begin, and where values are read."""
    text = self._reader.text(asked, steps)
    ends = [
      len(self._reader.text(asked, steps[: i + 1])) for i in range(len(steps))
    ]
    encoded = self._encode(text)
    opening = len(self._reader.opening(asked))
    first = _token_at(encoded, opening) if steps else len(encoded.ids)
    return encoded.ids, first, [_token_at(encoded, end - 1) for end in ends]

  def _apart(self, asked: str, steps: list[str]):
    """As `_whole`, with each piece encoded on its own."""
    ids = list(self._encode(self._reader.opening(asked)).ids)
    first, places = len(ids), []
    for index, step in enumerate(steps):
      for piece in self._reader.pieces(step, index == 0):
        ids += self._encode(piece).ids
      places.append(len(ids) - 1)
    return ids, first, places

  def _encode(self, text: str):
    return self._tokenizer.encode(text, add_special_tokens=False)

  def _check(self, path: pathlib.Path) -> None:
    """Raises ValueError if a marker of the reader is no token of the file."""
    reader = self._reader
    begin = ''.join(map(self._tokenizer.id_to_token, self._begin))
    text = f'{reader.prompt}{reader.before}{reader.after}'
    split = [m for m in _TAG.findall(reader.before) if not self._is_token(m)]
    # A word of another script stands for a token that texts do not have.
    if not (split or reader.before.isascii() or self._is_token(reader.before)):
      split = [reader.before]
    split.append(foreign_marker(text, self._is_token, begin))
    if not self._encode(reader.before).ids:  # some tokenizers drop white space
      split[0] = reader.before
    if split[0]:
      raise ValueError(
        f'The reader of the verifier spells {split[0]!r}, which is not one '
        f'token of {path}, so that no value was ever learned there; convert it '
        'with --tokenizer=FOLDER of that verifier, or with its own --reader.'
      )

    if reader.good is not None and (reader.good, reader.bad) in _KNOWN:
      self._check_signs(path)

  def _check_signs(self, path: pathlib.Path) -> None:
    """Raises ValueError if ids of a preset are other tokens of the file."""
    for name, sign in SIGNS.items():
      id = getattr(self._reader, name)
      spelt = self._tokenizer.id_to_token(id)
      if (spelt or '').lstrip(_SPACES) != sign:
        raise ValueError(
          f'The reader of the verifier takes token {id} for {sign!r}, and in '
          f'{path} it is {spelt!r}; convert it with a --reader of its own, '
          'with the ids of that tokenizer.'
        )

  def _is_token(self, marker: str) -> bool:
    # Behind a letter, for some tokenizers put a space before a text.
    before = len(self._encode('a').ids)
    return len(self._encode(f'a{marker}').ids) == before + 1

  def _steps(self, attempt) -> tuple[list[str], list[int]]:
    """Texts of the steps, and where each ends; blank ones join the last."""
    ends = [i + 1 for i, token in enumerate(attempt) if self._step_end[token]]
    if attempt and (not ends or ends[-1] < len(attempt)):
      ends.append(len(attempt))  # it is judged where it stopped
    steps, lengths, begin = [], [], 0
    for end in ends:
      text = self._plain(self._vocabulary.decode(attempt[begin:end]))
      if steps and not text.strip():
        lengths[-1] = end
      else:
        steps.append(text)
        lengths.append(end)
      begin = end
    return steps, lengths

  def _plain(self, text: str) -> str:
    """A text that spells none of the verifier's special tokens."""
    for token in sorted(self._control.spelt(text)):
      text = text.replace(token, f'{token[:1]} {token[1:]}')
    return text


def _token_at(encoded, place: int) -> int:
  """The token that a character lies in, or the last one before it."""
  while place >= 0:
    token = encoded.char_to_token(place)
    if token is not None:
      return token
    place -= 1
  return 0
