"""Documents of various lengths as batches of fixed shape.

    documents   [a a a] [b b] [c c c c] …          in a shuffled order
    one row     tokens      a a a b b . .          T = seq_len
                segment     1 1 1 2 2 0 0          attention stays inside
                positions   0 1 2 0 1 0 0

The order is a pure function of (seed, epoch), and a batch begins with empty
rows, so the place of an iterator is three small numbers in JSON: restoring
them continues with the same bytes, on any number of processes.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses

import numpy as np

SEGMENTS, POSITIONS = 'decoder_segment_ids', 'decoder_positions'


@dataclasses.dataclass(frozen=True)
class Documents:
  """N documents, one after the other.

  Attributes:
    features: arrays [tokens of all documents], one a feature.
    starts: first token of each document, and the end of the last [N + 1].
  """

  features: Mapping[str, np.ndarray]
  starts: np.ndarray

  def __len__(self) -> int:
    return len(self.starts) - 1

  @property
  def lengths(self) -> np.ndarray:
    return np.diff(self.starts)

  @classmethod
  def join(cls, documents: Sequence[Mapping[str, np.ndarray]]):
    """From one mapping of equally long features a document."""
    if not documents:
      return cls({}, np.zeros(1, np.int64))
    lengths = [len(next(iter(d.values()))) for d in documents]
    features = {
      name: np.concatenate([d[name] for d in documents])
      for name in documents[0]
    }
    return cls(features, np.concatenate([[0], np.cumsum(lengths)]))


class Batches:
  """Endless packed batches [steps, batch, seq_len] of every feature.

  A document goes to the first row with room. Those without room wait and go
  first into the next batch; a batch is full when as many wait as it has rows.
  """

  def __init__(
    self,
    documents: Documents,
    *,
    batch: int,
    seq_len: int,
    steps: int = 1,
    seed: int,
    shard: tuple[int, int] = (0, 1),
  ):
    """Packs `documents`, over and over.

    Args:
      documents: at least one.
      batch: rows of all processes together.
      seq_len: tokens of a row.
      steps: batches that one `next` returns, on a leading axis.
      seed: of the order, another one in every epoch.
      shard: (index, number) of this process, which gets its rows only.

    Raises:
      ValueError: a document is empty or longer than a row, there is none, or
        the rows do not divide over the processes.
    """
    _check(documents, batch, seq_len, shard)
    self._documents, self._seed, self._steps = documents, seed, steps
    self._batch, self._seq_len, self._shard = batch, seq_len, shard
    self._lengths = documents.lengths
    self._epoch, self._index, self._waiting = 0, 0, []
    self._order = self._shuffled()

  def get_state(self) -> dict:
    """The place of the next batch, for `set_state`; plain JSON."""
    return {
      'epoch': self._epoch,
      'index': self._index,
      'waiting': list(self._waiting),
    }

  def set_state(self, state: Mapping) -> None:
    self._epoch, self._index = state['epoch'], state['index']
    self._waiting = list(state['waiting'])
    self._order = self._shuffled()

  def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    rows = self._batch // self._shard[1]
    mine = slice(self._shard[0] * rows, (self._shard[0] + 1) * rows)
    batches = [
      _gather(self._documents, self._pack()[mine], self._seq_len)
      for _ in range(self._steps)
    ]
    return {name: np.stack([b[name] for b in batches]) for name in batches[0]}

  def _shuffled(self) -> np.ndarray:
    rng = np.random.default_rng((self._seed, self._epoch))
    return rng.permutation(len(self._documents))

  def _draw(self) -> Iterator[int]:
    while True:
      if self._index == len(self._order):
        self._epoch, self._index = self._epoch + 1, 0
        self._order = self._shuffled()
      self._index += 1
      yield int(self._order[self._index - 1])

  def _pack(self) -> list[list[int]]:
    rows = [[] for _ in range(self._batch)]
    room = np.full(self._batch, self._seq_len)
    early, self._waiting = self._waiting, []
    for document in early:
      if not _place(document, self._lengths[document], rows, room):
        self._waiting.append(document)
    drawn = self._draw()
    while len(self._waiting) < self._batch and room.any():
      document = next(drawn)
      if not _place(document, self._lengths[document], rows, room):
        self._waiting.append(document)
    return rows


def once(
  documents: Documents,
  *,
  batch: int,
  seq_len: int,
  steps: int = 1,
  shard: tuple[int, int] = (0, 1),
) -> list[dict[str, np.ndarray]]:
  """Every document exactly once, as `Batches` shapes them; for evaluation.

  The last batches are filled with empty rows, whose loss weights are zero.
  """
  _check(documents, batch, seq_len, shard)
  rows, room = [], np.zeros(0, np.int64)
  for document, length in enumerate(documents.lengths):
    if not _place(document, length, rows, room):
      rows.append([document])
      room = np.append(room, seq_len - length)
  rows += [[] for _ in range(-len(rows) % (steps * batch))]
  local = batch // shard[1]
  calls = []
  for start in range(0, len(rows), steps * batch):
    batches = []
    for first in range(start, start + steps * batch, batch):
      first += shard[0] * local
      batches.append(_gather(documents, rows[first : first + local], seq_len))
    calls.append(
      {name: np.stack([b[name] for b in batches]) for name in batches[0]}
    )
  return calls


def _check(documents, batch, seq_len, shard):
  if not len(documents):
    raise ValueError(
      'There are no documents to pack; check the stage that makes the examples.'
    )
  longest, count = documents.lengths.max(), len(documents)
  if longest > seq_len:
    long = int((documents.lengths > seq_len).sum())
    raise ValueError(
      f'{long} of {count} documents are longer than seq_len={seq_len} (the '
      f'longest has {longest} tokens); raise seq_len or drop them.'
    )
  if not documents.lengths.all():
    raise ValueError(
      f'Document {int(documents.lengths.argmin())} of {count} has no token; '
      'drop it.'
    )
  if batch % shard[1]:
    raise ValueError(
      f'batch={batch} does not divide over {shard[1]} processes; choose a '
      'multiple.'
    )


def _place(document, length, rows, room) -> bool:
  """Puts a document into the first row with room for it."""
  fits = room >= length
  if not fits.any():
    return False
  row = int(fits.argmax())
  rows[row].append(document)
  room[row] -= length
  return True


def _gather(documents, rows, seq_len) -> dict[str, np.ndarray]:
  shape = (len(rows), seq_len)
  source = np.zeros(shape, np.int64)
  segments, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  count = np.arange(seq_len)
  for row, members in enumerate(rows):
    end = 0
    for segment, document in enumerate(members, 1):
      first, last = documents.starts[document : document + 2]
      begin, end = end, end + last - first
      source[row, begin:end] = count[: end - begin] + first
      segments[row, begin:end] = segment
      positions[row, begin:end] = count[: end - begin]
  batch = {
    name: np.where(segments > 0, values[source], 0).astype(values.dtype)
    for name, values in documents.features.items()
  }
  return batch | {SEGMENTS: segments, POSITIONS: positions}
