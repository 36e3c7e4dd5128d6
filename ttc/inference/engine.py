"""The three device programs: extend, prefill, copy.

Every live row has a slot, which is a row of a KV pool [R + 1, K, S, H] in each
layer. Slot R belongs to no row: the padding of a packed prefill is written
there. While a row grows its cache is in a lane instead, a row of a smaller
array [C, K, S', H]; `copy` moves it there and back. All else about a row
(tokens, length, key) lives on the host. A row's last token is *pending*: known,
but not yet read by the proposer; so a sample needs no logits carried from the
program before, and rewinding a row is setting its length.

Slots, lanes and packed prefills are sharded over the mesh's `data` axis and
indices are local to a device, so nothing but `model` ever communicates, and
each device loops only as long as its own rows need.
"""

from collections.abc import Callable, Sequence
import functools

from flax import linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
import numpy as np

from ttc.inference.prefill import PackedPrefill
from ttc.inference.sampling import certainty, draw
from ttc.inference.stops import Stops
from ttc.models import moves
from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig
from ttc.models.memory import Lanes
from ttc.models.rope import Angles
from ttc.models.transformer import Head, Transformer


@flax.struct.dataclass
class LaneBatch:
  """What the rows in the lanes are to do; B = devices * C.

  One table holds all of it, because every array costs the host a transfer.
  """

  lanes: jax.Array  # [B, 8] int32, columns for the properties below

  @classmethod
  def pack(
    cls,
    rows: Sequence[Sequence[int]],
    temperature: Sequence[float],
    min_live: int,
  ) -> 'LaneBatch':
    """The lanes of one device, in a numpy array.

    Args:
      rows: (token, position, allowance, steps, and the two halves of the key)
        each.
      temperature: of each.
      min_live: the loop ends when at most this number of rows are live.
    """
    lanes = np.zeros((len(rows), 8), np.int32)
    lanes[:, :4] = [row[:4] for row in rows]
    lanes[:, 4:6] = np.array([row[4:] for row in rows], np.uint32).view(
      np.int32
    )
    lanes[:, 6] = np.array(temperature, np.float32).view(np.int32)
    lanes[:, 7] = min_live
    return cls(lanes)

  @property
  def token(self) -> jax.Array:
    """Pending tokens [B]."""
    return self.lanes[:, 0]

  @property
  def position(self) -> jax.Array:
    """Of the pending tokens [B]."""
    return self.lanes[:, 1]

  @property
  def allowance(self) -> jax.Array:
    """Tokens to add at most [B]; 0 where a lane is empty."""
    return self.lanes[:, 2]

  @property
  def steps(self) -> jax.Array:
    """Step ends after which a row pauses [B]; 0 never pauses."""
    return self.lanes[:, 3]

  @property
  def key(self) -> jax.Array:
    """Of the rows [B]."""
    return jax.random.wrap_key_data(
      jax.lax.bitcast_convert_type(self.lanes[:, 4:6], jnp.uint32)
    )

  @property
  def temperature(self) -> jax.Array:
    """Of the rows [B]."""
    return jax.lax.bitcast_convert_type(self.lanes[:, 6], jnp.float32)

  @property
  def min_live(self) -> jax.Array:
    """A device's loop ends when at most this number are live [B], all equal."""
    return self.lanes[:, 7]


@flax.struct.dataclass
class Grown:
  """What became of the rows in the lanes."""

  token: jax.Array  # [B, U], the first `count` valid
  count: jax.Array  # [B]
  live: jax.Array  # [B] neither paused nor ended, and allowed more tokens
  logprob: jax.Array  # [B] sum over the new tokens
  certainty: jax.Array | None  # [B] the same; None where nobody asked
  ran: jax.Array  # [devices] token-forwards of every lane, useful or not


@flax.struct.dataclass
class _Loop:
  """What the token loop carries."""

  t: jax.Array  # [] tokens drawn
  token: jax.Array  # [C, U]
  pending: jax.Array  # [C]
  count: jax.Array  # [C]
  steps: jax.Array  # [C]
  live: jax.Array  # [C]
  logprob: jax.Array  # [C]
  certainty: jax.Array | None  # [C]
  cache: KVCache  # of the lanes


@functools.partial(
  jax.jit,
  static_argnames=('cfg', 'mesh', 'max_new', 'certain'),
  donate_argnames=('cache',),
)
def extend(
  params,
  table: Angles,
  cache: KVCache,
  batch: LaneBatch,
  stops: Stops,
  top_p,
  *,
  cfg: TransformerConfig,
  mesh: Mesh,
  max_new: int,
  certain: bool = False,
) -> tuple[KVCache, Grown]:
  """Samples until rows pause, end, or have `max_new` more tokens.

  A token's key is fold_in(row key, position): a row's text does not depend on
  which other rows share the batch, nor on how often the loop was entered.

  Args:
    params: unstacked, of a Transformer with a logits head.
    table: angles of all positions that rows can have.
    cache: of the lanes; consumed. Every row has room for its new tokens in it.
    batch: the rows.
    stops: which tokens end a step or a solution.
    top_p: nucleus mass kept, a scalar; None keeps all.
    cfg: the model.
    mesh: its `data` axis shards the lanes.
    max_new: tokens that a row gains at most (U).
    certain: whether to sum the certainty of new tokens too.
  """
  model = Transformer(cfg, scan=False)

  def local(params, table, cache, batch, stops, top_p):
    lanes = batch.token.shape[0]
    keys = batch.key

    def body(loop: _Loop) -> _Loop:
      position = batch.position + loop.t
      logits, memory = model.apply(
        {'params': params},
        loop.pending[:, None],
        table.at(position[:, None]),
        Lanes(loop.cache, position),
        method='extend',
      )
      token, logprob = draw(
        logits[:, 0],
        jax.vmap(jax.random.fold_in)(keys, position + 1),
        batch.temperature,
        top_p,
      )
      count = loop.count + loop.live
      steps = loop.steps + (loop.live & stops.step_end[token])
      paused = (batch.steps > 0) & (steps >= batch.steps)
      ended = paused | stops.end[token] | (count >= batch.allowance)
      add = lambda total, new: total + jnp.where(loop.live, new, 0.0)
      return _Loop(
        t=loop.t + 1,
        token=jax.lax.dynamic_update_slice_in_dim(
          loop.token, token[:, None], loop.t, axis=1
        ),
        pending=token,
        count=count,
        steps=steps,
        live=loop.live & ~ended,
        logprob=add(loop.logprob, logprob),
        certainty=add(loop.certainty, certainty(logits[:, 0]))
        if certain
        else None,
        cache=memory.cache,
      )

    loop = jax.lax.while_loop(
      lambda loop: (loop.t < max_new) & (loop.live.sum() > batch.min_live[0]),
      body,
      _Loop(
        t=jnp.int32(0),
        token=jnp.zeros((lanes, max_new), jnp.int32),
        pending=batch.token,
        count=jnp.zeros(lanes, jnp.int32),
        steps=jnp.zeros(lanes, jnp.int32),
        live=batch.allowance > 0,
        logprob=jnp.zeros(lanes, jnp.float32),
        certainty=jnp.zeros(lanes, jnp.float32) if certain else None,
        cache=cache,
      ),
    )
    return loop.cache, Grown(
      loop.token,
      loop.count,
      loop.live,
      loop.logprob,
      loop.certainty,
      loop.t[None],
    )

  return _on_devices(
    local, mesh, params, table, cache, batch, stops, top_p, shared=(0, 1, 4, 5)
  )


@functools.partial(
  jax.jit,
  static_argnames=('head', 'cfg', 'mesh', 'cache_len'),
  donate_argnames=('pool',),
)
def prefill(
  params,
  table: Angles,
  pool: KVCache,
  packed: PackedPrefill,
  *,
  head: Head,
  cfg: TransformerConfig,
  mesh: Mesh,
  cache_len: int,
) -> tuple[KVCache, jax.Array | None]:
  """Reads known tokens: prompts, forced text, a verifier's next step.

  Args:
    params: unstacked.
    table: angles of all positions that rows can have.
    pool: of the model; consumed.
    packed: the tokens of many rows, each once.
    head: 'value' returns the verifier's value at each token.
    cfg: the model.
    mesh: its `data` axis shards slots and packed prefills.
    cache_len: positions of each row that queries look at (S); all new tokens
      are within them.

  Returns:
    The pool, and values in [0, 1] for each packed token, or None. Where a value
    logit is not finite, the value is NaN.
  """
  model = Transformer(cfg, head=head, scan=False)

  def local(params, table, pool, packed):
    memory = packed.memory(pool, cache_len)
    out, memory = model.apply(
      {'params': params},
      packed.tokens[None, :, 0],
      table.at(memory.position[None]),
      memory,
      method='extend',
    )
    if head != 'value':
      return memory.cache, None
    # A sigmoid makes 1 of infinity, which then looks like the best of values.
    value = jnp.where(jnp.isinf(out[0]), jnp.nan, jax.nn.sigmoid(out[0]))
    return memory.cache, value

  return _on_devices(local, mesh, params, table, pool, packed, shared=(0, 1))


@functools.partial(
  jax.jit, static_argnames=('mesh', 'size'), donate_argnames=('target',)
)
def copy(
  source: KVCache | None,
  target: KVCache,
  pieces: jax.Array,
  *,
  mesh: Mesh,
  size: int,
) -> KVCache:
  """Copies parts of rows, see `moves.move`.

  Args:
    source: None copies within the target.
    target: consumed.
    pieces: [devices * n, 3], the pieces of each device.
    mesh: its `data` axis shards the rows.
    size: positions that each piece has.
  """

  local = functools.partial(moves.move, size=size)
  return _on_devices(local, mesh, source, target, pieces, shared=())


PROGRAMS = (extend, prefill, copy)


def num_programs() -> int:
  """Programs compiled so far in this process."""
  return sum(program._cache_size() for program in PROGRAMS)


def _on_devices(local: Callable, mesh: Mesh, *args, shared: tuple[int, ...]):
  """Runs `local` on each device's share; `shared` arguments go to all.

  The `model` axis stays with the compiler, which cuts heads and hidden units
  as the parameters are cut. Rows are not its business here, so flax's
  constraints on them are off.
  """
  rows = PartitionSpec('data')
  specs = tuple(
    PartitionSpec() if i in shared else rows for i in range(len(args))
  )

  def run(*args):
    with nn.logical_axis_rules(()):
      return local(*args)

  return jax.shard_map(
    run,
    mesh=mesh,
    in_specs=specs,
    out_specs=rows,
    axis_names={'data'},
    check_vma=False,
  )(*args)
