"""One bridge to verifiers that read other tokens than the proposer writes.

A verifier of others has a tokenizer of its own, and wants a text around the
question and something behind each step (`models/reader.py`). The bridge turns
what a row holds into what such a verifier reads of it:

    row               | question | step 1 \\n | step 2 \\n |
    verifier text     | prompt(question) | step 1 before | after step 2 before |
    value positions                                   ^                     ^

The whole text is encoded anew at each step, as the verifier saw it in training;
what it has in common with the last one is not read again.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import pathlib
from typing import Protocol

import numpy as np

from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader


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
    import tokenizers

    if not tokenizer.is_file():
      raise ValueError(
        f'There is no {tokenizer}, with which the verifier reads; convert it '
        'with --tokenizer=FOLDER.'
      )
    self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
    self._tokenizer.no_truncation()
    self._tokenizer.no_padding()
    if self._tokenizer.get_vocab_size() > cfg.vocab_size:
      raise ValueError(
        f'{tokenizer} has {self._tokenizer.get_vocab_size()} tokens and the '
        f'verifier knows {cfg.vocab_size}; use the tokenizer of that model.'
      )
    self._reader, self._vocabulary, self._cfg = reader, vocabulary, cfg
    self._step_end, self._questions = step_end, questions
    added = self._tokenizer.get_added_tokens_decoder().values()
    self._special = [token.content for token in added if token.special]

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
    text = self._reader.text(asked, steps)
    ends = [
      len(self._reader.text(asked, steps[: i + 1])) for i in range(len(steps))
    ]
    opening = len(self._reader.text(asked, []))
    encoded = self._tokenizer.encode(text, add_special_tokens=False)
    begin = self._begin
    if tuple(encoded.ids[: len(begin)]) == begin:
      begin = ()  # the text spells it
    length = len(begin) + len(encoded.ids)
    if self._cfg.context is not None and length > self._cfg.context:
      raise ValueError(
        f'Question {question} and an attempt are {length} tokens of the '
        f'verifier, whose context has {self._cfg.context}; lower '
        'Generation.max_tokens or Solver.prompt_tokens.'
      )
    places = [len(begin) + _token_at(encoded, end - 1) for end in ends]
    first = _token_at(encoded, opening) if steps else len(encoded.ids)
    return VerifierText(
      tuple(tokens),
      begin + tuple(encoded.ids),
      len(begin) + first,
      tuple(zip(places, lengths, strict=True)),
    )

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
    for token in self._special:
      text = text.replace(token, f'{token[:1]} {token[1:]}')
    return text

  @functools.cached_property
  def _begin(self) -> tuple[int, ...]:
    """What the tokenizer puts before a text."""
    bare = self._tokenizer.encode('a', add_special_tokens=False).ids
    whole = self._tokenizer.encode('a', add_special_tokens=True).ids
    at = next(
      (i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0
    )
    return tuple(whole[:at])


def _token_at(encoded, place: int) -> int:
  """The token that a character lies in, or the last one before it."""
  while place >= 0:
    token = encoded.char_to_token(place)
    if token is not None:
      return token
    place -= 1
  return 0
