"""Packing: documents of various lengths in batches of fixed shape.

    documents   [a a a] [b b] [c c c c] …          in shuffled order
    one row     tokens      a a a b b . .          T = seq_len
                segment     1 1 1 2 2 0 0          attention stays in a segment
                positions   0 1 2 0 1 0 0

The order is a pure function of (seed, epoch), and every batch begins with empty
rows. The state of the iterator is therefore a small JSON object; restoring it
continues with the same bytes, on any number of processes.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses

import numpy as np

SEGMENTS, POSITIONS = 'decoder_segment_ids', 'decoder_positions'


@dataclasses.dataclass(frozen=True)
class Documents:
  """N documents, concatenated.

  Attributes:
    features: one array per feature, [number of tokens of all documents].
    starts: int [N + 1], the first token of each document, and the end of the
      last one.
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
    """Concatenates documents, each a mapping of features of equal length."""
    if not documents:
      return cls({}, np.zeros(1, np.int64))
    lengths = [len(next(iter(d.values()))) for d in documents]
    features = {
      name: np.concatenate([d[name] for d in documents])
      for name in documents[0]
    }
    return cls(features, np.concatenate([[0], np.cumsum(lengths)]))


class Batches:
  """Endless iterator over packed batches [steps, batch, seq_len] per feature.

  A document is placed into the first row with room for it (first fit). One that
  fits nowhere waits and is placed first in the next batch. A batch is complete
  when the number of waiting documents reaches the number of its rows.
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
    window: int = 1,
  ):
    """Packs `documents`, in a new order in every epoch.

    Args:
      documents: at least one.
      batch: rows per batch, over all processes.
      seq_len: tokens per row (T).
      steps: batches per call of `next`, on a leading axis.
      seed: seed of the order.
      shard: (index, number of processes); the iterator yields the rows of this
        process only.
      window: documents that stay together: the order is one of windows of so
        many neighbours, and one within each. With more than one, a batch has
        siblings, such as rollouts of one solution.

    Raises:
      ValueError: there is no document, one is empty or longer than a row, or
        `batch` does not divide over the processes.
    """
    _check(documents, batch, seq_len, shard)
    self._documents, self._seed, self._steps = documents, seed, steps
    self._batch, self._seq_len, self._shard = batch, seq_len, shard
    self._window = window
    self._lengths = documents.lengths
    self._epoch, self._index, self._waiting = 0, 0, []
    self._order = self._shuffled()

  def get_state(self) -> dict:
    """Returns the state before the next batch, as plain JSON."""
    return {
      'epoch': self._epoch,
      'index': self._index,
      'waiting': list(self._waiting),
    }

  def set_state(self, state: Mapping) -> None:
    """Restores what `get_state` returned, for the same documents and seed."""
    self._epoch, self._index = state['epoch'], state['index']
    self._waiting = list(state['waiting'])
    self._order = self._shuffled()

  def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    # Every process packs the whole batch, so that all of them agree on it
    # without communication, and gathers its own rows alone.
    rows = self._batch // self._shard[1]
    mine = slice(self._shard[0] * rows, (self._shard[0] + 1) * rows)
    batches = [
      _gather(self._documents, self._pack()[mine], self._seq_len)
      for _ in range(self._steps)
    ]
    return {name: np.stack([b[name] for b in batches]) for name in batches[0]}

  def _shuffled(self) -> np.ndarray:
    # Derived anew from (seed, epoch): the state holds no generator.
    rng = np.random.default_rng((self._seed, self._epoch))
    if self._window == 1:
      return rng.permutation(len(self._documents))
    place = np.arange(len(self._documents)) // self._window
    # A random rank orders the windows, and random keys the documents of one.
    rank = rng.permutation(place[-1] + 1)
    return np.lexsort((rng.random(len(place)), rank[place]))

  def _draw(self) -> Iterator[int]:
    """Yields documents without end, epoch after epoch."""
    while True:
      if self._index == len(self._order):
        self._epoch, self._index = self._epoch + 1, 0
        self._order = self._shuffled()
      self._index += 1
      yield int(self._order[self._index - 1])

  def _pack(self) -> list[list[int]]:
    """Returns the documents of each row of the next batch."""
    rows = [[] for _ in range(self._batch)]
    room = np.full(self._batch, self._seq_len)
    # Documents that have waited go first, or long ones could wait for ever.
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
  """Packs every document exactly once, for evaluation.

  The last batches are filled up with empty rows, whose loss weights are zero.

  Args:
    documents: see `Batches`.
    batch: rows per batch, over all processes.
    seq_len: tokens per row.
    steps: batches per returned mapping, on a leading axis.
    shard: (index, number of processes).

  Returns:
    Mappings from feature to an array [steps, batch / processes, seq_len].

  Raises:
    ValueError: as `Batches`.
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
  """Places a document into the first row with room; False if there is none."""
  fits = room >= length
  if not fits.any():
    return False
  row = int(fits.argmax())
  rows[row].append(document)
  room[row] -= length
  return True


def _gather(documents, rows, seq_len) -> dict[str, np.ndarray]:
  """Returns every feature, segments and positions as [rows, seq_len]."""
  shape = (len(rows), seq_len)
  # Gathers indices first, so that each feature is copied once. Padding points
  # to token 0 of all documents and is zeroed afterwards.
  source = np.zeros(shape, np.int64)
  segments, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  count = np.arange(seq_len)
  for row, members in enumerate(rows):
    end = 0
    for segment, document in enumerate(members, 1):  # 0 is padding
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
