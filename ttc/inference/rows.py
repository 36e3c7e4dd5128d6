"""One partial solution, as the host knows it.

    tokens         | q q q q q a a a a a |   a prompt, then what was sampled
                    start -----^
    proposer_len                      ^      the proposer's cache is valid below
    verifier_len              ^              the verifier's cache is valid below

The two caches lie in the row's slot of two pools. Children share their
parent's slot until one of them has to write; then it takes a copy with it.
"""

from collections.abc import Iterable, Sequence
import dataclasses

import numpy as np

from ttc.inference.keys import fold
from ttc.inference.verifier_text import VerifierText


@dataclasses.dataclass(eq=False)
class Slot:
  """A row of the KV pools, and the number of rows that share it."""

  index: int
  users: int = 1


@dataclasses.dataclass(frozen=True)
class Mark:
  """All that a rewind needs."""

  length: int
  done: bool
  logprob: float | None
  certainty: float


@dataclasses.dataclass(eq=False)
class Row:
  """See the module.

  Attributes:
    tokens: prompt and attempt.
    start: where the attempt starts.
    limit: a row of this length stops unfinished.
    key: uint32 [2]; a token at a position is drawn with fold_in(key, position).
    ordinal: the key is still the parent's, and the row's own will be
      fold_in(key, ordinal); None where it is the row's own already.
    done: ended, by a token of its own or at its limit.
    logprob: of what was sampled, under the proposer at temperature 1; None
      where an engine elsewhere sampled and did not tell.
    certainty: of what was sampled, the sum; 0 where `Generation` asks for none.
    values: the verifier's value at each token that it has read, from `start`.
    proposer_len: tokens in the proposer's cache; the last token of the row is
      never among them.
    verifier_len: tokens in the verifier's cache.
    slot: where the caches are; None before the first prefill and after the end.
    verifier_text: what a verifier of another vocabulary reads instead of
      `tokens`, counted by `verifier_len`. None where it reads the same.
  """

  tokens: list[int]
  start: int
  limit: int
  key: np.ndarray
  ordinal: int | None = None
  done: bool = False
  logprob: float | None = 0.0
  certainty: float = 0.0
  values: list[float] = dataclasses.field(default_factory=list)
  proposer_len: int = 0
  verifier_len: int = 0
  slot: Slot | None = None
  verifier_text: VerifierText | None = None

  @property
  def attempt(self) -> list[int]:
    """The tokens after the prompt."""
    return self.tokens[self.start :]

  @property
  def value(self) -> float:
    """The verifier's value at the last token."""
    return self.values[-1]

  def unread(self, role: str) -> tuple[int, int]:
    """The positions [start, stop) that a model has yet to read."""
    if role == 'proposer':
      return self.proposer_len, len(self.tokens) - 1
    return self.verifier_len, len(self.text(role))

  def text(self, role: str) -> Sequence[int]:
    """The tokens that a model reads."""
    if role == 'proposer' or self.verifier_text is None:
      return self.tokens
    return self.verifier_text.tokens

  def replace_verifier_text(self, text: VerifierText) -> None:
    """Another text for the verifier; what both have in common stays read.

    Tokens that were rewound and drawn again have a text, but no values.
    """
    old = self.verifier_text.tokens if self.verifier_text else ()
    new = text.tokens
    shared = next(
      (
        i
        for i, (one, other) in enumerate(zip(old, new, strict=False))
        if one != other
      ),
      min(len(old), len(new)),
    )
    self.verifier_text = text
    self.verifier_len = min(self.verifier_len, shared)
    for position, length in text.value_positions:
      if length > len(self.values):  # without a value yet: to be read again
        self.verifier_len = min(self.verifier_len, position)
        break

  def accept_values(self, start: int, values: Sequence[float]) -> None:
    """Adds the verifier's values at its tokens from position `start` on."""
    if self.verifier_text is None:
      # What is read again, because its caches are gone, has its values.
      known = self.start + len(self.values)
      self.values += values[max(0, known - start) :]
      return
    for position, length in self.verifier_text.value_positions:
      if start <= position < start + len(values):
        missing = length - len(self.values)
        self.values += [values[position - start]] * missing

  def advance(self, role: str, length: int) -> None:
    """A model has read the first `length` tokens."""
    if role == 'proposer':
      self.proposer_len = length
    else:
      self.verifier_len = length

  def child(self, ordinal: int, length: int | None = None) -> 'Row':
    """A row that goes on from here, or from the first `length` tokens.

    Args:
      ordinal: names the child among those of this row.
      length: None for all tokens.
    """
    if self.slot:
      self.slot.users += 1
    born = dataclasses.replace(
      self,
      tokens=self.tokens.copy(),
      values=self.values.copy(),
      ordinal=ordinal,
    )
    if length is not None:
      born.cut(length)
    return born

  def leave(self) -> None:
    """Gives up the slot."""
    if self.slot is not None:
      self.slot.users -= 1
      self.slot = None

  def mark(self) -> Mark:
    """Where the row stands now."""
    return Mark(len(self.tokens), self.done, self.logprob, self.certainty)

  def rewind(self, mark: Mark) -> None:
    """Forgets what was sampled since; no cache is touched."""
    self.cut(mark.length)
    self.done, self.logprob = mark.done, mark.logprob
    self.certainty = mark.certainty

  def cut(self, length: int) -> None:
    """Drops the tokens beyond the first `length`."""
    del self.tokens[length:]
    del self.values[max(0, length - self.start) :]
    self.proposer_len = min(self.proposer_len, length - 1)
    if self.verifier_text is None:
      self.verifier_len = min(self.verifier_len, length)

  def restart(self, prompt: Sequence[int], limit: int, key: np.ndarray) -> None:
    """Begins another attempt, keeping what both prompts have in common."""
    shared, tokens = 0, self.tokens
    if len(tokens) > self.start:
      tokens = tokens[:-1]  # the verifier may have read another end there
    for old, new in zip(tokens, prompt, strict=False):
      if old != new:
        break
      shared += 1
    self.tokens = list(prompt)
    self.start, self.limit = len(prompt), limit
    self.key, self.ordinal = key, None
    self.done, self.values = len(prompt) >= limit, []
    self.logprob = self.certainty = 0.0
    self.proposer_len = min(self.proposer_len, shared, len(prompt) - 1)
    if self.verifier_text is None:
      self.verifier_len = min(self.verifier_len, shared)


def fold_keys(rows: Iterable[Row]) -> None:
  """Gives rows their own keys where they still have their parents'."""
  waiting = [row for row in rows if row.ordinal is not None]
  if not waiting:
    return
  keys = fold(
    np.stack([row.key for row in waiting]), [row.ordinal for row in waiting]
  )
  for row, key in zip(waiting, keys, strict=True):
    row.key, row.ordinal = key, None
