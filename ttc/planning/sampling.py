"""The programs of a sampling stage, and its resident arrays, as shapes only.

Everything is described for one host of the slice, as `ttc.inference` would make
it there.
"""

from collections.abc import Iterator
import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttc.inference import engine, prefill
from ttc.inference.capacity import Capacity
from ttc.inference.kv_pools import tables
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
  """A sampler on the devices of one host.

  Attributes:
    cfgs: configs by role, 'proposer' and, if there is one, 'verifier'.
    capacity: sizes of pools, lanes and programs per device.
    mesh: mesh over the devices of one host.
    width: number of rows of a question that must have slots at the same time.
    scorers: configs of further verifiers, each with a pool of its own.
    top_p: whether sampling cuts the probability mass, for which it sorts.
  """

  cfgs: dict[str, TransformerConfig]
  capacity: Capacity
  mesh: Mesh
  width: int = 1
  scorers: tuple[TransformerConfig, ...] = ()
  top_p: bool = False

  @functools.cached_property
  def models(self) -> dict[str, '_Model']:
    """Abstract models by role, those with programs of their own."""
    return {role: _Model(role, cfg, self) for role, cfg in self.cfgs.items()}

  @functools.cached_property
  def resident(self) -> dict[str, int]:
    """Bytes per device of arrays that live as long as the stage.

    Weights are named by role, KV pools '<role> pool', and the two groups of
    lanes that take turns 'lanes'.
    """
    sizes = {}
    others = {
      f'scorer {i}': _Model('verifier', cfg, self)
      for i, cfg in enumerate(self.scorers, start=1)
    }
    for role, model in {**self.models, **others}.items():
      sizes[role] = nbytes(model.params)
      sizes[f'{role} pool'] = nbytes(model.pool)
    if 'proposer' in self.models:
      sizes['lanes'] = 2 * nbytes(self.models['proposer'].lanes)
    return sizes

  def programs(self) -> Iterator[tuple[Program, int]]:
    """Describes the programs of the stage.

    Yields:
      (program, bytes per device of resident arrays that are not among its
      arguments).
    """
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
    """Number of layers of the model that the program of a name runs."""
    role = 'verifier' if 'verifier' in name else 'proposer'
    return self.cfgs[role].num_layers

  def with_rows(self, rows: int) -> 'Sampling':
    """The same sampler with another number of rows sampled at once."""
    return dataclasses.replace(self, capacity=self.sizes(rows))

  def sizes(self, rows: int) -> Capacity:
    """The capacity for a number of rows sampled at once; `width` is kept."""
    return Capacity.create(
      rows, self.capacity.cache_len, self.width, self.capacity.line
    )

  def with_layers(self, count: int) -> 'Sampling':
    """The same sampler whose models have `count` layers each."""
    return dataclasses.replace(
      self,
      cfgs={role: with_layers(cfg, count) for role, cfg in self.cfgs.items()},
    )


@dataclasses.dataclass(frozen=True)
class _Model:
  """One model of a sampler, with abstract arrays.

  Attributes:
    role: 'proposer' or 'verifier'.
    original: its config, before key/value heads are copied.
    sampling: the sampler.
  """

  role: str
  original: TransformerConfig
  sampling: Sampling

  @property
  def cfg(self) -> TransformerConfig:
    return copies.config(self.original, self.sampling.mesh.shape['model'])

  @functools.cached_property
  def params(self):
    with partitioning.use(self.sampling.mesh):
      stacked = abstract.params(self.cfg, HEADS[self.role], self.sampling.mesh)
    return _unstacked(stacked)

  @functools.cached_property
  def pool(self) -> KVCache:
    """The KV pool; its extra slot takes the writes of padding."""
    return self._cache(self.sampling.capacity.slots + 1)

  @functools.cached_property
  def lanes(self) -> KVCache:
    """The KV cache of one group of lanes."""
    return self._cache(self.sampling.capacity.lanes)

  def extend(self, chunk: int) -> Program:
    """`engine.extend`: samples up to `chunk` tokens in every lane."""
    capacity = self.sampling.capacity
    rows = self._devices * capacity.lanes
    # 8 columns, see `LaneBatch`.
    batch = engine.LaneBatch(jax.ShapeDtypeStruct((rows, 8), jnp.int32))
    flags = jax.ShapeDtypeStruct((self.cfg.vocab_size,), jnp.bool_)
    top_p = (
      jax.ShapeDtypeStruct((), jnp.float32) if self.sampling.top_p else None
    )
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
    """`engine.prefill`: reads the largest packed prefill."""
    capacity = self.sampling.capacity
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
    """`engine.copy` within the pool, as for children of a row."""
    most = tables(self.sampling.mesh.devices.flat[0].platform)[-1]
    pieces = jax.ShapeDtypeStruct((self._devices * most, 3), jnp.int32)
    return self._program(
      f'fork ({self.role})',
      engine.copy,
      (None, self.pool, self._shapes(pieces, 'data')),
      size=self.sampling.capacity.copy_size,
    )

  def _cache(self, rows: int) -> KVCache:
    empty = jax.eval_shape(
      lambda: KVCache.empty(
        self.cfg, self._devices * rows, self.sampling.capacity.cache_len
      )
    )
    return self._shapes(
      empty, 'data', 'model' if self.sampling.mesh.shape['model'] > 1 else None
    )

  @property
  def _devices(self) -> int:
    return self.sampling.mesh.shape['data']

  @property
  def _table(self) -> Angles:
    return self._shapes(
      jax.eval_shape(
        lambda: Angles.table(self.cfg, self.sampling.capacity.cache_len)
      )
    )

  def _shapes(self, tree, *axes: str | None):
    where = NamedSharding(self.sampling.mesh, PartitionSpec(*axes))
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), tree
    )

  def _program(self, name, function, arguments, **static) -> Program:
    mesh = self.sampling.mesh
    return Program(
      name,
      lambda: function.trace(*arguments, mesh=mesh, **static),
      arguments,
      mesh,
    )


def with_layers(cfg: TransformerConfig, count: int) -> TransformerConfig:
  """The config with the first `count` of its layers."""
  return dataclasses.replace(cfg, num_layers=count, sliding=cfg.sliding[:count])


def _unstacked(stacked):
  """Abstract parameters as of `transformer.unstack`, with shardings.

  Args:
    stacked: abstract parameters with layers stacked.
  """
  # Shapes come from tracing; shardings are those of the stacked arrays, without
  # the axis of layers.
  shapes = jax.eval_shape(unstack, stacked)

  def placed(path, x):
    source = stacked
    for key in path:
      layer = str(key.key).startswith('layer_')
      source = source['layers' if layer else key.key]
    spec = source.sharding.spec
    spec = (
      spec[len(spec) - len(x.shape) :] if len(spec) > len(x.shape) else spec
    )
    return jax.ShapeDtypeStruct(
      x.shape,
      x.dtype,
      sharding=NamedSharding(source.sharding.mesh, PartitionSpec(*spec)),
    )

  return jax.tree_util.tree_map_with_path(placed, shapes)
