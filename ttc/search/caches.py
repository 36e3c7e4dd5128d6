"""The pools of two models, and the copies of rows within and out of them."""

from collections.abc import Callable, Sequence
import functools

import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from ttc import partitioning
from ttc.decoding import engine
from ttc.models.cache import KVCache
from ttc.search.board import Board
from ttc.search.capacity import Capacity
from ttc.search.crew import Crew, Piece
from ttc.search.launcher import Launcher
from ttc.search.models import Models

COPIES = 256  # pieces that one program copies, a device


class Caches:
  """Where the rows of all devices have their keys and values.

  The arrays belong to the thread of the launcher.

  Attributes:
    pools: of 'proposer' and 'verifier', as far as there are such.
  """

  def __init__(self, models: Models, capacity: Capacity, launcher: Launcher):
    """Makes the pools; `capacity` has said that they fit."""
    self._models, self._piece = models, capacity.piece
    self._launcher = launcher
    self.pools = {
      who: self._empty(model.cfg, capacity.slots + 1, capacity.cells)
      for who, model in models.present.items()
    }

  def open(self, crew: Crew, width: int, cells: int) -> None:
    """Gives a crew lanes of another shape, which nobody has yet."""
    crew.width, crew.cells = width, cells

    def program():
      crew.cache = None  # before there are others
      crew.cache = self._empty(self._models.proposer.cfg, width, cells)

    self._launcher.launch(program)

  def load(self, crew: Crew, pieces: Sequence[Sequence[Piece]]) -> None:
    """Copies pieces, a list a device, from slots to lanes."""

    def program(where):
      crew.cache = self._copy(self.pools['proposer'], crew.cache, where)

    self._launch(program, pieces)

  def store(self, crew: Crew, pieces: Sequence[Sequence[Piece]]) -> None:
    """Copies pieces, a list a device, from lanes to slots."""

    def program(where):
      self.pools['proposer'] = self._copy(
        crew.cache, self.pools['proposer'], where
      )

    self._launch(program, pieces)

  def fork(self, boards: Sequence[Board]) -> None:
    """Carries out the copies that rows need before they are written to."""
    for who in self.pools:
      pieces = []
      for board in boards:
        pieces.append(
          [
            (read, write, cell)
            for read, write, length in board.copies[who]
            for cell in range(0, length, self._piece)
          ]
        )
        board.copies[who].clear()

      def program(where, who=who):
        self.pools[who] = self._copy(None, self.pools[who], where)

      self._launch(program, pieces)

  def _launch(
    self,
    program: Callable[[np.ndarray], None],
    pieces: Sequence[Sequence[Piece]],
  ) -> None:
    """Launches it as often as it takes, each time with a table of pieces."""
    for first in range(0, max(map(len, pieces)), COPIES):
      where = np.full((len(pieces), COPIES, 3), -1, np.int32)
      for device, wanted in enumerate(pieces):
        part = wanted[first : first + COPIES]
        where[device, : len(part)] = np.reshape(part, (-1, 3))
      self._launcher.launch(functools.partial(program, where.reshape(-1, 3)))

  def _copy(
    self, source: KVCache | None, target: KVCache, where: np.ndarray
  ) -> KVCache:
    """The target with pieces of the source, or of itself."""
    mesh = self._models.mesh
    return engine.copy(
      source, target, partitioning.put(where, mesh), mesh=mesh, size=self._piece
    )

  def _empty(self, cfg, rows: int, cells: int) -> KVCache:
    mesh = self._models.mesh
    return _maker(cfg, mesh.shape['data'] * rows, cells, mesh)()


@functools.cache
def _maker(cfg, rows: int, cells: int, mesh) -> Callable[[], KVCache]:
  """What makes caches of a kind; compiled once, however many there are.

  They must lie just as the programs leave them, which never name an axis of
  one device, or each program would be compiled for both.
  """
  axes = [axis if mesh.shape[axis] > 1 else None for axis in ('data', 'model')]
  while axes and axes[-1] is None:
    axes.pop()
  where = NamedSharding(mesh, PartitionSpec(*axes))
  return jax.jit(lambda: KVCache.empty(cfg, rows, cells), out_shardings=where)
