"""Shapes, dtypes and shardings of array trees, before any allocation."""

from collections.abc import Callable
import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Transformer


def laid_out(make: Callable[[], Any], mesh: Mesh) -> Any:
  """The tree that `make` would return, as shapes with shardings.

  Args:
    make: returns a tree of arrays, those of parameters in flax boxes that name
      their logical axes. It is traced, never run.
    mesh: devices; `partitioning.RULES` maps logical axes to its axes.

  Returns:
    The tree without boxes, each leaf a `jax.ShapeDtypeStruct` with a sharding.

  Raises:
    ValueError: an array axis does not divide over its mesh axis.
  """
  return _on(_boxed(make), mesh)


def params(cfg: TransformerConfig, head: Head, mesh: Mesh) -> Any:
  """Shapes, dtypes and shardings of a model's parameters on a mesh.

  Raises:
    ValueError: a parameter axis does not divide over its mesh axis.
  """
  return _on(_boxed_params(cfg, head), mesh)


def difference(
  left: Any, right: Any, key: Callable[[Any], Any] = lambda x: tuple(x.shape)
) -> tuple[str, Any, Any] | None:
  """The first path, in sorted order, at which two trees of arrays differ.

  Args:
    left, right: trees of arrays, or of structs with their shapes and dtypes.
    key: property of a leaf that is compared; its shape by default.

  Returns:
    (path, left's key, right's key), with None for a leaf that a tree lacks;
    None alone if the trees agree.
  """
  left_keys, right_keys = (
    {
      jax.tree_util.keystr(path): key(x)
      for path, x in jax.tree_util.tree_leaves_with_path(tree)
    }
    for tree in (left, right)
  )
  return next(
    (
      (path, left_keys.get(path), right_keys.get(path))
      for path in sorted(left_keys | right_keys)
      if left_keys.get(path) != right_keys.get(path)
    ),
    None,
  )


# A process asks for the same few models many times: once for each model that
# it reads, writes or serves.
@functools.lru_cache(maxsize=64)
def _boxed_params(cfg: TransformerConfig, head: Head) -> Any:
  model = Transformer(cfg, head=head)
  return _boxed(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32))[
      'params'
    ]
  )


def _boxed(make: Callable[[], Any]) -> Any:
  with nn.logical_axis_rules(()):
    return jax.eval_shape(make)


def _on(boxed: Any, mesh: Mesh) -> Any:
  # With rules set, a box adds a sharding constraint when it is opened; here
  # names are only read.
  with nn.logical_axis_rules(()):
    plain = nn.unbox(boxed)
  return jax.tree_util.tree_map_with_path(
    _struct, plain, partitioning.shardings(boxed, mesh)
  )


def _struct(path, x, sharding):
  for size, axis in zip(x.shape, sharding.spec, strict=False):
    if axis is not None and size % sharding.mesh.shape[axis]:
      raise ValueError(
        f'{jax.tree_util.keystr(path)} {x.shape} has an axis of {size}, '
        f'which does not divide over {axis}={sharding.mesh.shape[axis]} '
        f'devices; choose a size of {axis} that divides {size}.'
      )
  return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
