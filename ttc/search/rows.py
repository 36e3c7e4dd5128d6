"""One partial solution, as the host knows it.

    tokens   | q q q q q a a a a a |     a prompt, then what was sampled
              start -----^
    read                        ^        the proposer's cache is valid below
    scored              ^                the verifier's cache is valid below

The two caches lie in the row's slot of two pools. Children share their
parent's slot until one of them has to write; then it takes a copy with it.
"""

from collections.abc import Iterable, Sequence
import dataclasses

import numpy as np

from ttc.search.keys import fold
from ttc.verifiers.scoring import Script


@dataclasses.dataclass(eq=False)
class Slot:
  """A place in the pools, and how many rows look at it."""

  index: int
  users: int = 1


@dataclasses.dataclass(frozen=True)
class Mark:
  """All that a rewind needs."""

  length: int
  done: bool
  logprob: float


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
    logprob: of what was sampled, under the proposer at temperature 1.
    values: the verifier's value at each token that it has read, from `start`.
    read: tokens in the proposer's cache; the last one is never among them.
    scored: tokens in the verifier's cache.
    slot: where the caches are; None before the first read and after the end.
    script: what a verifier of another vocabulary reads instead of `tokens`;
      `scored` counts it. None where it reads the same.
  """

  tokens: list[int]
  start: int
  limit: int
  key: np.ndarray
  ordinal: int | None = None
  done: bool = False
  logprob: float = 0.0
  values: list[float] = dataclasses.field(default_factory=list)
  read: int = 0
  scored: int = 0
  slot: Slot | None = None
  script: Script | None = None

  @property
  def attempt(self) -> list[int]:
    """What stands behind the prompt."""
    return self.tokens[self.start :]

  @property
  def value(self) -> float:
    """The verifier's value at the last token."""
    return self.values[-1]

  def unread(self, who: str) -> tuple[int, int]:
    """From where to where a model ('proposer', 'verifier') has to read on."""
    if who == 'proposer':
      return self.read, len(self.tokens) - 1
    return self.scored, len(self.text(who))

  def text(self, who: str) -> Sequence[int]:
    """The tokens that a model reads."""
    if who == 'proposer' or self.script is None:
      return self.tokens
    return self.script.tokens

  def rewrite(self, script: Script) -> None:
    """Another script; what the two have in common stays read.

    Tokens that were rewound and drawn again have a script, but no values.
    """
    old, new = self.script.tokens if self.script else (), script.tokens
    shared = next(
      (
        i
        for i, (one, other) in enumerate(zip(old, new, strict=False))
        if one != other
      ),
      min(len(old), len(new)),
    )
    self.script, self.scored = script, min(self.scored, shared)
    for place, length in script.spots:
      if length > len(self.values):  # not valued yet: to be read again
        self.scored = min(self.scored, place)
        break

  def hear(self, start: int, values: Sequence[float]) -> None:
    """Takes in what a verifier said at its tokens from `start` on."""
    if self.script is None:
      self.values += values[max(0, self.start - start) :]
      return
    for place, length in self.script.spots:
      if start <= place < start + len(values):
        missing = length - len(self.values)
        self.values += [values[place - start]] * missing

  def advance(self, who: str, length: int) -> None:
    """A model has read the first `length` tokens."""
    if who == 'proposer':
      self.read = length
    else:
      self.scored = length

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
    """Gives up the caches."""
    if self.slot is not None:
      self.slot.users -= 1
      self.slot = None

  def mark(self) -> Mark:
    """Where the row stands now."""
    return Mark(len(self.tokens), self.done, self.logprob)

  def rewind(self, mark: Mark) -> None:
    """Forgets what was sampled since; no cache is touched."""
    self.cut(mark.length)
    self.done, self.logprob = mark.done, mark.logprob

  def cut(self, length: int) -> None:
    """Drops the tokens beyond the first `length`."""
    del self.tokens[length:]
    del self.values[max(0, length - self.start) :]
    self.read = min(self.read, length - 1)
    if self.script is None:
      self.scored = min(self.scored, length)

  def restart(self, prompt: Sequence[int], limit: int, key: np.ndarray) -> None:
    """Begins another attempt, keeping what both prompts have in common."""
    shared = 0
    for old, new in zip(self.tokens, prompt, strict=False):
      if old != new:
        break
      shared += 1
    self.tokens = list(prompt)
    self.start, self.limit = len(prompt), limit
    self.key, self.ordinal = key, None
    self.done, self.logprob, self.values = len(prompt) >= limit, 0.0, []
    self.read = min(self.read, shared, len(prompt) - 1)
    if self.script is None:
      self.scored = min(self.scored, shared)


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
