"""Attention of whole sequences: a kernel that JAX ships, or the plain one.

    TPU        splash attention (Pallas)
    GPU        `mha` (Pallas, Triton), after FlashAttention 2
    otherwise  `attention.mix`, with a line in the log where kernels exist

The kernels keep nothing of size T x T, neither scores nor a mask, for they know
causality, windows and segments. cuDNN's would need a mask: JAX has no public
name for its packed layout. Kernels are not partitioned by the compiler, so each
device calls one with its own rows and heads.
"""

from collections.abc import Callable
import functools
import importlib.util
import logging
import math
import warnings

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from ttc.models import partitioning
from ttc.models.attention import mix, platform
from ttc.models.config import TransformerConfig

_LEAST = 128  # tokens below which scores are small, and the plain path is used
_BLOCK = 512  # queries or keys of one step of splash attention, at most
_LANES = 128  # splash attention wants multiples of this
_TRITON = 'jax.experimental.pallas.ops.gpu.attention'
# Of queries and keys, forward and backward: on an H200 forward and backward of
# 8 x 1,024 tokens, 14 heads of 64, take 0.41 ms; with mha's own blocks 0.61 ms,
# by the plain path 2.03 ms, by cuDNN with a mask 0.54 ms.
_TRITON_BLOCK = 64
_HEADS = PartitionSpec(partitioning.ROWS, None, 'model', None)
_log = logging.getLogger(__name__)

# A kernel maps (q, k, v, segment_ids, window, softcap) to outputs.
Kernel = Callable[..., jax.Array]


@flax.struct.dataclass
class Masks:
  """Which keys a query sees, where the plain path attends."""

  seen: jax.Array  # [B, T, T] bool
  near: jax.Array | None  # [B, T, T] bool, likewise in sliding layers


def attend(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  segment_ids: jax.Array | None,
  masks: Masks | None,
  sliding: bool | jax.Array,
  cfg: TransformerConfig,
) -> jax.Array:
  """Causal attention of whole sequences to themselves.

  Args:
    q: scaled queries [B, T, N, H].
    k: keys [B, T, K, H].
    v: values [B, T, K, H].
    segment_ids: packed sequence of each token, int32 [B, T]; tokens see only
      their own. None is one sequence per row.
    masks: those of `plain_masks`.
    sliding: whether a query sees only the last `cfg.window` keys; may be
      traced.
    cfg: of the model.

  Returns:
    Attention outputs [B, T, N, H].
  """
  if masks is not None:
    mask = masks.seen
    if cfg.sliding:
      mask = jnp.where(sliding, masks.near, mask)
    return mix(q, k.swapaxes(1, 2), v.swapaxes(1, 2), mask, cfg)
  kernel, _ = choose(q.shape[:2], cfg)
  attend_kind = lambda kind: _on_each_device(
    functools.partial(
      kernel, window=cfg.window if kind else None, softcap=cfg.attn_softcap
    ),
    q,
    k,
    v,
    segment_ids,
  )
  kinds = _kinds(cfg, q.shape[1])
  if len(kinds) == 1:
    return attend_kind(*kinds)
  if isinstance(sliding, bool):
    return attend_kind(sliding)
  return jax.lax.cond(
    sliding, lambda: attend_kind(True), lambda: attend_kind(False)
  )


def plain_masks(
  shape: tuple[int, int],
  segment_ids: jax.Array | None,
  cfg: TransformerConfig,
) -> Masks | None:
  """Masks of the plain path, made once for all layers.

  Args:
    shape: (B, T) of the tokens.
    segment_ids: see `attend`.
    cfg: of the model.

  Returns:
    None where a kernel attends. Where one might be expected and there is none,
    the log says why.
  """
  kernel, why = choose(shape, cfg)
  if kernel is not None:
    return None
  if why:
    _say(f'{why}; attention of {shape[1]} tokens takes the plain path.')
  index = jnp.arange(shape[1])
  distance = (index[:, None] - index[None, :])[None]  # [1, T, T]
  seen = jnp.broadcast_to(distance >= 0, (*shape, shape[1]))
  if segment_ids is not None:
    seen &= segment_ids[:, :, None] == segment_ids[:, None, :]
  return Masks(seen, seen & (distance < cfg.window) if cfg.sliding else None)


def choose(
  shape: tuple[int, int], cfg: TransformerConfig
) -> tuple[Kernel | None, str]:
  """The kernel for the current mesh and platform.

  Args:
    shape: (B, T) of the tokens.
    cfg: of the model.

  Returns:
    (kernel, ''), or (None, why there is none). Why is empty where nobody would
    expect a kernel: on a CPU, and for short sequences.
  """
  where, mesh = platform(), jax.sharding.get_abstract_mesh()
  kernels = {'tpu': splash, 'gpu': triton, 'cuda': triton, 'rocm': triton}
  if where == 'cpu' or shape[1] < _LEAST:
    return None, ''
  if where not in kernels:
    return None, f'JAX ships no kernel for the platform {where!r}'
  if cfg.dtype not in ('bfloat16', 'float16')[: 2 if where != 'tpu' else 1]:
    return None, f'no kernel for {where!r} takes dtype={cfg.dtype!r}'
  if mesh.empty and jax.device_count() > 1:
    return None, 'no mesh says how kernels divide over the devices'
  if not mesh.empty and (
    mesh.axis_names != partitioning.AXES
    or shape[0] % partitioning.num_rows(mesh)
    or cfg.num_heads % mesh.shape['model']
  ):
    return None, (
      f'{shape[0]} rows and {cfg.num_heads} heads do not divide over the mesh '
      f'{dict(mesh.shape)}'
    )
  if where == 'tpu':
    if cfg.head_dim not in (64, 128, 256):
      return None, f'splash attention takes no head_dim={cfg.head_dim}'
    return splash, ''
  if cfg.head_dim > 128:
    return None, f'the kernel for GPUs takes no head_dim={cfg.head_dim}'
  if cfg.attn_softcap is not None:
    return None, f'the kernel for GPUs has no attn_softcap={cfg.attn_softcap}'
  if True in _kinds(cfg, shape[1]):
    return None, f'the kernel for GPUs has no window={cfg.window}'
  if importlib.util.find_spec(_TRITON) is None:
    return None, f'JAX {jax.__version__} ships no kernel for GPUs'
  return triton, ''


def splash(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  segment_ids: jax.Array | None,
  *,
  window: int | None,
  softcap: float | None,
  interpret: bool = False,
) -> jax.Array:
  """Splash attention, for TPUs.

  Args:
    q: scaled queries [B, T, N, H].
    k: keys [B, T, K, H].
    v: values [B, T, K, H].
    segment_ids: see `attend`.
    window: number of keys that a query sees, itself included; None is all.
    softcap: scores become softcap * tanh(scores / softcap); None is off.
    interpret: runs on any platform, slowly.

  Returns:
    Attention outputs [B, T, N, H].
  """
  from jax.experimental.pallas.ops.tpu import splash_attention as pallas

  length, heads = q.shape[1:3]
  block = min(_BLOCK, -(-length // _LANES) * _LANES)
  q, k, v, segment_ids = _padded(block, q, k, v, segment_ids)
  square = (q.shape[1], q.shape[1])
  mask = (
    pallas.CausalMask(square)
    if window is None
    else pallas.LocalMask(square, (window - 1, 0), 0)
  )
  kernel = pallas.make_splash_mha(
    pallas.MultiHeadMask([mask] * heads),
    block_sizes=pallas.BlockSizes(*[block] * 8),
    attn_logits_soft_cap=softcap,
    head_shards=1,
    q_seq_shards=1,
    interpret=interpret,
  )
  ids = None
  if segment_ids is not None:
    ids = pallas.SegmentIds(segment_ids, segment_ids)
  heads_first = lambda x: x.swapaxes(1, 2)
  out = jax.vmap(kernel)(heads_first(q), heads_first(k), heads_first(v), ids)
  return heads_first(out)[:, :length]


def triton(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  segment_ids: jax.Array | None,
  *,
  window: None,
  softcap: None,
  interpret: bool = False,
) -> jax.Array:
  """Fused attention for GPUs; arguments as of `splash`.

  It has neither windows nor soft-caps.
  """
  del window, softcap
  with warnings.catch_warnings():
    # From JAX 0.11 it advises a library of its authors, which is not JAX's.
    warnings.simplefilter('ignore', DeprecationWarning)
    from jax.experimental.pallas.ops.gpu import attention as pallas

  length, heads = q.shape[1:3]
  q, k, v, segment_ids = _padded(_TRITON_BLOCK, q, k, v, segment_ids)
  k, v = (jnp.repeat(x, heads // x.shape[2], axis=2) for x in (k, v))
  out = pallas.mha(
    q,
    k,
    v,
    segment_ids,
    sm_scale=1.0,
    causal=True,
    block_sizes=pallas.BlockSizes(*[_TRITON_BLOCK] * 6),
    num_warps=4,
    interpret=interpret,
  )
  return out[:, :length]


def _kinds(cfg: TransformerConfig, length: int) -> set[bool]:
  """Whether layers have windows that are shorter than the sequences."""
  return {kind and length > cfg.window for kind in cfg.sliding or (False,)}


def _on_each_device(kernel, q, k, v, segment_ids):
  """Calls a kernel with the rows and heads of each device of the mesh."""
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty:
    return kernel(q, k, v, segment_ids)
  # Each device gets whole key/value heads, those of its own query heads.
  parts = mesh.shape['model']
  copies = parts // math.gcd(k.shape[2], parts)
  k, v = (jnp.repeat(x, copies, axis=2) for x in (k, v))
  return jax.shard_map(
    kernel,
    in_specs=(_HEADS, _HEADS, _HEADS, PartitionSpec(partitioning.ROWS)),
    out_specs=_HEADS,
    check_vma=False,  # kernels do not say what varies over the mesh
  )(q, k, v, segment_ids)


def _padded(block: int, q, k, v, segment_ids):
  """Pads sequences at the end to whole blocks, which no earlier query sees."""
  beyond = -q.shape[1] % block
  pad = lambda x: jnp.pad(x, [(0, 0), (0, beyond)] + [(0, 0)] * (x.ndim - 2))
  return jax.tree.map(pad, (q, k, v, segment_ids))


@functools.cache
def _say(message: str) -> None:
  """Logs a line once."""
  _log.warning(message)
