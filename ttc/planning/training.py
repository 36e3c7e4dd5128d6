"""The programs that train a model, and what lies in memory beside them."""

from collections.abc import Iterator
import dataclasses
import functools

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Transformer
from ttc.planning.programs import nbytes, Program
from ttc.training import losses, optimizer, programs, state
from ttc.training.loop import FitConfig


@dataclasses.dataclass(frozen=True)
class Training:
  """A model on a mesh, and how it is trained.

  Attributes:
    config: steps, sizes, optimizer.
    cfg: the model, as it is while it trains.
    head: which head it has.
    mesh: of all devices of a slice.
  """

  config: FitConfig
  cfg: TransformerConfig
  head: Head
  mesh: Mesh

  @property
  def tokens(self) -> int:
    """Of one step."""
    return self.config.batch * self.config.seq_len

  @property
  def rows(self) -> int:
    """Devices, or groups, that have rows of their own."""
    return partitioning.num_rows(self.mesh)

  def with_batch(self, batch: int) -> 'Training':
    """The same with so many rows in a step."""
    return dataclasses.replace(
      self, config=dataclasses.replace(self.config, batch=batch)
    )

  @functools.cached_property
  def resident(self) -> dict[str, int]:
    """Bytes a device that live as long as the training."""
    return {
      'parameters': nbytes(self._state.params),
      'optimizer': nbytes(self._state.opt_state),
      'batches': 2 * nbytes(self._batch),
    }  # one of them on its way

  def programs(self) -> Iterator[tuple[Program, int]]:
    """Each program, and bytes a device of what it does not see."""
    total = sum(self.resident.values())
    step = (self._state, self._batch)
    check = (self._state.params, self._batch)
    yield (
      self._program('train step', self._made.run, step),
      (total - nbytes(step)),
    )
    yield (
      self._program('evaluate', self._made.evaluate, check),
      (total - nbytes(check)),
    )

  def _program(self, name, function, arguments) -> Program:
    return Program(
      name, lambda: function.trace(*arguments), arguments, self.mesh
    )

  @functools.cached_property
  def _model(self) -> Transformer:
    return Transformer(self.cfg, head=self.head, remat=self.config.remat)

  @functools.cached_property
  def _tx(self):
    return optimizer.build(self.config.optimizer, self.config.steps)

  @functools.cached_property
  def _made(self):
    with partitioning.use(self.mesh):
      return programs.build(
        self._model, self._tx, self.config.microbatches, self.mesh
      )

  @functools.cached_property
  def _state(self) -> state.TrainState:
    with partitioning.use(self.mesh):
      return state.abstract(self._model, self._tx, self.mesh)

  @functools.cached_property
  def _batch(self) -> dict[str, jax.ShapeDtypeStruct]:
    shape = (self.config.steps_per_call, self.config.batch, self.config.seq_len)
    where = NamedSharding(self.mesh, PartitionSpec(None, partitioning.ROWS))
    return {
      name: jax.ShapeDtypeStruct(shape, dtype, sharding=where)
      for name, dtype in losses.features(self.head).items()
    }
