"""The programs of a training stage, and its resident arrays, as shapes only."""

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
  """The training of a model on a mesh.

  Attributes:
    config: steps, sizes, optimizer.
    cfg: config of the model, with the dropout and dtypes of training.
    head: its head.
    mesh: mesh over all devices of a slice.
  """

  config: FitConfig
  cfg: TransformerConfig
  head: Head
  mesh: Mesh

  @property
  def tokens(self) -> int:
    """Number of tokens per step, padding included."""
    return self.config.batch * self.config.seq_len

  @property
  def rows(self) -> int:
    """Number of shards of the row axis, see `partitioning.num_rows`."""
    return partitioning.num_rows(self.mesh)

  def with_batch(self, batch: int) -> 'Training':
    """The same training with another number of rows per step."""
    return dataclasses.replace(
      self, config=dataclasses.replace(self.config, batch=batch)
    )

  @functools.cached_property
  def resident(self) -> dict[str, int]:
    """Bytes per device of arrays that live as long as the training."""
    # Two batches: the next is transferred while a call runs on the other.
    return {
      'parameters': nbytes(self._state.params),
      'optimizer': nbytes(self._state.opt_state),
      'batches': 2 * nbytes(self._batch),
    }

  def programs(self) -> Iterator[tuple[Program, int]]:
    """Describes the programs of the stage.

    Yields:
      (program, bytes per device of resident arrays that are not among its
      arguments).
    """
    total = sum(self.resident.values())
    step = (self._state, self._batch)
    check = (self._state.params, self._batch)
    yield (
      self._program('train step', self._programs.run, step),
      (total - nbytes(step)),
    )
    yield (
      self._program('evaluate', self._programs.evaluate, check),
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
  def _programs(self):
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
