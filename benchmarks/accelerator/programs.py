"""The device programs on random weights that are made on the device.

The only file here that knows how the programs are called.
"""

from collections.abc import Callable
import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

from ttc.inference import engine
from ttc.inference.models import Model
from ttc.inference.prefill import PackedPrefill
from ttc.inference.stops import Stops
from ttc.models import partitioning
from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig
from ttc.models.rope import Angles
from ttc.models.transformer import Head, Remat, Transformer
from ttc.training import optimizer
from ttc.training import state as states
from ttc.training.programs import Batch, build

_TEMPERATURE = 0.7
_SPREAD = 0.02  # standard deviation of the weights
_STEP = 32  # tokens that a row of a packed prefill has not read yet


@functools.cache
def mesh() -> Mesh:
  """Of the first device alone."""
  return partitioning.make_mesh(devices=jax.devices()[:1])


@functools.cache
def model(cfg: TransformerConfig, head: Head = 'logits') -> Model:
  """Random weights; scales of norms are one."""
  module = Transformer(cfg, head=head, scan=False)
  shapes = jax.eval_shape(
    lambda: nn.unbox(
      module.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32))['params']
    )
  )
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
  drawn = jax.random.split(jax.random.key(1), len(leaves))
  made = [
    jnp.ones(x.shape, x.dtype)
    if path[-1].key == 'scale'
    else _normal(key, x.shape, x.dtype)
    for key, (path, x) in zip(drawn, leaves, strict=True)
  ]
  return Model(jax.tree.unflatten(tree, made), cfg)


@functools.partial(jax.jit, static_argnames=('shape', 'dtype'))
def _normal(key, shape, dtype):
  return _SPREAD * jax.random.normal(key, shape, dtype)


def _placed(cache: KVCache) -> KVCache:
  """Laid out as the programs leave it, or they would be compiled twice."""
  return jax.device_put(cache, NamedSharding(mesh(), PartitionSpec()))


def weight_bytes(cfg: TransformerConfig) -> int:
  """Bytes that each token of `extend` reads of the weights.

  A table that tokens are only looked up in is not among them.
  """
  size = sum(x.nbytes for x in jax.tree.leaves(model(cfg).params))
  width = jnp.dtype(cfg.param_dtype).itemsize
  looked_up = 0 if cfg.tied else cfg.vocab_size * cfg.embed_dim * width
  return size - looked_up


def extend(
  cfg: TransformerConfig, lanes: int, cells: int, at: int, chunk: int
) -> Callable[[], None]:
  """A call of `engine.extend` with every lane alive, and nothing that ends.

  Args:
    cfg: of the model.
    lanes: rows (C).
    cells: cache positions of each (S).
    at: position of the pending tokens.
    chunk: tokens that each row gains (U).

  Returns:
    A function that runs it and waits; it raises RuntimeError where another
    number of tokens was made.
  """
  params, table = model(cfg).layers, Angles.table(cfg, cells)
  stops = Stops(*[jnp.zeros(cfg.vocab_size, bool)] * 2)
  rows = [(1, at, chunk, 0, 0, lane) for lane in range(lanes)]
  batch = engine.LaneBatch.pack(rows, [_TEMPERATURE] * lanes, 0)
  batch = jax.tree.map(jnp.asarray, batch)
  cache = _placed(KVCache.empty(cfg, lanes, cells))

  def run() -> None:
    nonlocal cache
    with partitioning.use(mesh()):
      cache, grown = engine.extend(
        params,
        table,
        cache,
        batch,
        stops,
        None,
        cfg=cfg,
        mesh=mesh(),
        max_new=chunk,
      )
    new = int(grown.count.sum())
    if new != lanes * chunk:
      raise RuntimeError(f'extend made {new} tokens, not {lanes} x {chunk}.')

  return run


def prefill(
  cfg: TransformerConfig, line: int, cells: int
) -> Callable[[], np.ndarray]:
  """A call of `engine.prefill` as a verifier makes it in a search.

  The line is full of rows that have read all but a step of tokens.

  Args:
    cfg: of the verifier.
    line: tokens (T).
    cells: cache positions of each row (S).

  Returns:
    A function that runs it, waits, and returns the values [T].
  """
  params, table = model(cfg, 'value').layers, Angles.table(cfg, cells)
  step = min(_STEP, line)
  slots = line // step
  start, new = (cells - step) // 2, list(range(1, step + 1))
  packed = PackedPrefill.pack(
    [(slot, start, new) for slot in range(slots)], line, slots
  )
  packed = jax.tree.map(jnp.asarray, packed)
  pool = _placed(KVCache.empty(cfg, slots + 1, cells))

  def run() -> np.ndarray:
    nonlocal pool
    with partitioning.use(mesh()):
      pool, values = engine.prefill(
        params,
        table,
        pool,
        packed,
        head='value',
        cfg=cfg,
        mesh=mesh(),
        cache_len=cells,
      )
    return np.asarray(values)

  return run


def train(
  cfg: TransformerConfig, remat: Remat, batch: Batch
) -> Callable[[], float]:
  """Steps of training, one a call of the device.

  Args:
    cfg: of the model; its weights are kept as `param_dtype` says.
    remat: what the backward pass recomputes.
    batch: arrays [1, B, T], the same in every step.

  Returns:
    A function that takes a step, waits, and returns the sum of its losses.
  """
  module = Transformer(cfg, head='logits', remat=remat)
  tx = optimizer.build(optimizer.AdamW(learning_rate=1e-4), 1000)
  rows = NamedSharding(mesh(), PartitionSpec(None, partitioning.ROWS))
  with partitioning.use(mesh()):
    state = states.create(module, tx, mesh(), jax.random.key(0))
    programs = build(module, tx, 1, mesh())
    batch = jax.device_put(dict(batch), rows)

  def run() -> float:
    nonlocal state
    with partitioning.use(mesh()):
      state, sums = programs.run(state, batch)
    return float(sums['loss'].sum())

  return run
