"""Shapes, dtypes and shardings of trees before anything is allocated."""

from collections.abc import Callable
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Transformer


def laid_out(make: Callable[[], Any], mesh: Mesh) -> Any:
  """What `make` would return, without its boxes of logical axis names.

  Raises:
    ValueError: an array does not divide over the mesh.
  """
  with nn.logical_axis_rules(()):  # boxes would constrain what they hold
    boxed = jax.eval_shape(make)
    plain = jax.eval_shape(lambda: nn.unbox(make()))
  return jax.tree_util.tree_map_with_path(
    _one, plain, partitioning.shardings(boxed, mesh)
  )


def params(cfg: TransformerConfig, head: Head, mesh: Mesh) -> Any:
  """The parameters of a model on a mesh."""
  model = Transformer(cfg, head=head)
  return laid_out(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32))[
      'params'
    ],
    mesh,
  )


def difference(
  one: Any, other: Any, what: Callable[[Any], Any] = lambda x: tuple(x.shape)
) -> tuple[str, Any, Any] | None:
  """The first path at which two trees of arrays differ, None if they do not.

  Args:
    one, other: arrays, or anything with their shapes and dtypes.
    what: is compared of each array.

  Returns:
    The path and what stands there in either tree, None where nothing does.
  """
  found, wanted = (
    {
      jax.tree_util.keystr(path): what(x)
      for path, x in jax.tree_util.tree_leaves_with_path(tree)
    }
    for tree in (one, other)
  )
  return next(
    (
      (path, found.get(path), wanted.get(path))
      for path in sorted(found | wanted)
      if found.get(path) != wanted.get(path)
    ),
    None,
  )


def _one(path, x, sharding):
  for size, axis in zip(x.shape, sharding.spec, strict=False):
    if axis is not None and size % sharding.mesh.shape[axis]:
      raise ValueError(
        f'{jax.tree_util.keystr(path)} {x.shape} has an axis of {size}, '
        f'which does not divide over {axis}={sharding.mesh.shape[axis]} '
        f'devices; choose a size of {axis} that divides {size}.'
      )
  return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
