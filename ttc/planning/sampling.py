"""The programs that sample and score, and what lies in memory beside them.

Sampling writes layers one after the other, so that compiling a program takes
as long as it has layers. Layers are alike: a program of a few and one of twice
as many say what a layer adds to each number, and what the rest is.
"""

from collections.abc import Iterator
import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttc.inference import engine, prefill
from ttc.inference.capacity import Capacity
from ttc.inference.kv_pools import COPIES
from ttc.inference.stops import Stops
from ttc.models import abstract, copies, partitioning
from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig
from ttc.models.rope import Angles
from ttc.models.transformer import unstack
from ttc.planning.programs import nbytes, Program

HEADS = {'proposer': 'logits', 'verifier': 'value'}


@dataclasses.dataclass(frozen=True)
class Sampling:
  """Models on the devices of one host, and the sizes of their programs.

  Attributes:
    cfgs: of 'proposer' and 'verifier', those that there are.
    capacity: sizes, a device.
    mesh: of the devices of one host.
    width: rows of a question that must live at once.
    scorers: further verifiers, each with a pool of its own.
    top_p: whether some of the mass is cut off, which sorts.
  """

  cfgs: dict[str, TransformerConfig]
  capacity: Capacity
  mesh: Mesh
  width: int = 1
  scorers: tuple[TransformerConfig, ...] = ()
  top_p: bool = False

  @functools.cached_property
  def models(self) -> dict[str, '_Model']:
    return {role: _Model(role, cfg, self) for role, cfg in self.cfgs.items()}

  @functools.cached_property
  def resident(self) -> dict[str, int]:
    """Bytes a device that live as long as the stage."""
    found = {}
    others = {
      f'scorer {i}': _Model('verifier', cfg, self)
      for i, cfg in enumerate(self.scorers, start=1)
    }
    for role, model in {**self.models, **others}.items():
      found[role] = nbytes(model.params)
      found[f'{role} pool'] = nbytes(model.pool)
    if 'proposer' in self.models:
      found['lanes'] = 2 * nbytes(self.models['proposer'].lanes)
    return found

  def programs(self) -> Iterator[tuple[Program, int]]:
    """Each program, and bytes a device of what it does not see."""
    total = sum(self.resident.values())
    for role, model in self.models.items():
      weights, pool = self.resident[role], self.resident[f'{role} pool']
      if role == 'proposer':
        lanes = nbytes(model.lanes)
        for chunk in self.capacity.chunks:
          yield model.extend(chunk), total - weights - lanes
      yield model.prefill(), total - weights - pool
      yield model.fork(), total - pool

  def layers(self, name: str) -> int:
    """Of the model that a program of this name is about."""
    role = 'verifier' if 'verifier' in name else 'proposer'
    return self.cfgs[role].num_layers

  def with_rows(self, rows: int) -> 'Sampling':
    """The same with so many rows at once."""
    return dataclasses.replace(self, capacity=self.sizes(rows))

  def sizes(self, rows: int) -> Capacity:
    """Sizes for so many rows; what must live at once stays."""
    return Capacity.create(
      rows, self.capacity.cache_len, self.width, self.capacity.line
    )

  def with_layers(self, count: int) -> 'Sampling':
    """The same with so many layers in each model."""
    return dataclasses.replace(
      self,
      cfgs={role: with_layers(cfg, count) for role, cfg in self.cfgs.items()},
    )


@dataclasses.dataclass(frozen=True)
class _Model:
  """One of them, as arrays without content."""

  role: str
  given: TransformerConfig
  of: Sampling

  @property
  def cfg(self) -> TransformerConfig:
    return copies.config(self.given, self.of.mesh.shape['model'])

  @functools.cached_property
  def params(self):
    with partitioning.use(self.of.mesh):
      stacked = abstract.params(self.cfg, HEADS[self.role], self.of.mesh)
    return _unstacked(stacked)

  @functools.cached_property
  def pool(self) -> KVCache:
    """Of the rows that live."""
    return self._cache(self.of.capacity.slots + 1)

  @functools.cached_property
  def lanes(self) -> KVCache:
    """Of the rows that one program samples."""
    return self._cache(self.of.capacity.lanes)

  def extend(self, chunk: int) -> Program:
    """Samples up to `chunk` tokens for every lane."""
    capacity = self.of.capacity
    rows = self._devices * capacity.lanes
    batch = engine.LaneBatch(jax.ShapeDtypeStruct((rows, 8), jnp.int32))
    flags = jax.ShapeDtypeStruct((self.cfg.vocab_size,), jnp.bool_)
    top_p = jax.ShapeDtypeStruct((), jnp.float32) if self.of.top_p else None
    return self._program(
      f'extend by {chunk}',
      engine.extend,
      (
        self.params,
        self._table,
        self.lanes,
        self._shapes(batch, 'data'),
        self._shapes(Stops(flags, flags)),
        self._shapes(top_p),
      ),
      cfg=self.cfg,
      max_new=chunk,
    )

  def prefill(self) -> Program:
    """Reads packed tokens."""
    capacity = self.of.capacity
    size, devices = capacity.line, self._devices
    table = prefill.PackedPrefill.empty(size, 0).table
    packed = prefill.PackedPrefill(
      jax.ShapeDtypeStruct((devices * len(table), 3), jnp.int32), size
    )
    return self._program(
      f'prefill ({self.role})',
      engine.prefill,
      (self.params, self._table, self.pool, self._shapes(packed, 'data')),
      head=HEADS[self.role],
      cfg=self.cfg,
      cache_len=capacity.cache_len,
    )

  def fork(self) -> Program:
    """Copies rows."""
    pieces = jax.ShapeDtypeStruct((self._devices * COPIES, 3), jnp.int32)
    return self._program(
      f'fork ({self.role})',
      engine.copy,
      (None, self.pool, self._shapes(pieces, 'data')),
      size=self.of.capacity.copy_size,
    )

  def _cache(self, rows: int) -> KVCache:
    empty = jax.eval_shape(
      lambda: KVCache.empty(
        self.cfg, self._devices * rows, self.of.capacity.cache_len
      )
    )
    return self._shapes(
      empty, 'data', 'model' if self.of.mesh.shape['model'] > 1 else None
    )

  @property
  def _devices(self) -> int:
    return self.of.mesh.shape['data']

  @property
  def _table(self) -> Angles:
    return self._shapes(
      jax.eval_shape(lambda: Angles.table(self.cfg, self.of.capacity.cache_len))
    )

  def _shapes(self, tree, *axes: str | None):
    where = NamedSharding(self.of.mesh, PartitionSpec(*axes))
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), tree
    )

  def _program(self, name, function, arguments, **static) -> Program:
    mesh = self.of.mesh
    return Program(
      name,
      lambda: function.trace(*arguments, mesh=mesh, **static),
      arguments,
      mesh,
    )


def with_layers(cfg: TransformerConfig, count: int) -> TransformerConfig:
  """A model of so many layers; `count` at most those that it has."""
  return dataclasses.replace(cfg, num_layers=count, sliding=cfg.sliding[:count])


def _unstacked(stacked):
  """Shapes and shardings of parameters with their layers apart."""
  shapes = jax.eval_shape(unstack, stacked)

  def one(path, x):
    where = stacked
    for key in path:
      layer = str(key.key).startswith('layer_')
      where = where['layers' if layer else key.key]
    spec = where.sharding.spec
    spec = (
      spec[len(spec) - len(x.shape) :] if len(spec) > len(x.shape) else spec
    )
    return jax.ShapeDtypeStruct(
      x.shape,
      x.dtype,
      sharding=NamedSharding(where.sharding.mesh, PartitionSpec(*spec)),
    )

  return jax.tree_util.tree_map_with_path(one, shapes)
