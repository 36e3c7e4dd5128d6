"""A stage that reads a file."""

import dataclasses
import pathlib
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class Deck:
  """Reads a file."""

  path: str = 'cards.txt'

  def files(self):
    return [self.path]


@dataclasses.dataclass(frozen=True)
class Deal:
  """A stage whose rows are the lines of a file."""

  kind: ClassVar[str] = 'sample'
  deck: Deck = Deck()
  name: str = 'deal'
  fail_at: int | None = None

  def __call__(self, run):
    lines = pathlib.Path(self.deck.path).read_text().split()
    for part in run.parts(lines, 1):
      if part.index == self.fail_at:
        raise RuntimeError('a card fell')
      part.write([{'problem': part.index, 'card': part.items[0]}])
