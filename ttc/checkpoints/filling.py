"""A weight between the rows of their tensors and our stacked array.

Weights are read a piece at a time, straight into the array of a device's
shard, and written a layer at a time: no second copy of a model is made.
"""

from collections.abc import Iterator, Mapping
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ttc.checkpoints.names import Weight
from ttc.checkpoints.safetensors import Made, Tensor

_PIECE = 1 << 23  # bytes of a tensor read at once
_ALIGNMENT = 64  # bytes, what XLA asks for


def pieces(tensor: Tensor, unit: int = 1) -> Iterator[tuple[int, int]]:
  """(start, stop) rows, multiples of a unit, of about `_PIECE` bytes."""
  total = tensor.shape[0]
  row = math.prod(tensor.shape[1:]) * jnp.dtype(tensor.dtype).itemsize
  step = max(1, _PIECE // (row * unit)) * unit
  for start in range(0, total, step):
    yield start, min(start + step, total)


def filled(
  weight: Weight,
  struct: jax.ShapeDtypeStruct,
  found: Mapping[str, Tensor],
  digest,
) -> jax.Array:
  """A weight of all layers, each shard read for itself.

  Args:
    weight: which one.
    struct: shape, dtype and sharding of ours.
    found: tensors by name; theirs have the right shapes.
    digest: hash object that is told all that is read.
  """
  newest = {}

  def shard(index):
    key = tuple((s.start, s.stop) for s in index)
    if key not in newest:  # replicas follow each other
      newest.clear()
      newest[key] = _shard(weight, struct, index, found, digest)
    return newest[key]

  return jax.make_array_from_callback(struct.shape, struct.sharding, shard)


def _shard(weight, struct, index, found, digest) -> np.ndarray:
  spans = [
    range(*s.indices(n)) for s, n in zip(index, struct.shape, strict=True)
  ]
  out = _aligned([len(span) for span in spans], struct.dtype)
  if not weight.layered:
    _read_into(out, found[weight.name], weight, struct.shape, spans, digest)
    return out
  for at, layer in enumerate(spans[0]):
    _read_into(
      out[at],
      found[weight.name.format(layer)],
      weight,
      struct.shape[1:],
      spans[1:],
      digest,
    )
  return out


def _aligned(shape: list[int], dtype: np.dtype) -> np.ndarray:
  """Uninitialized memory that a CPU's array takes over without a copy."""
  size = math.prod(shape) * dtype.itemsize
  raw = np.empty(size + _ALIGNMENT, np.uint8)
  start = -raw.ctypes.data % _ALIGNMENT
  return raw[start : start + size].view(dtype).reshape(shape)


def _read_into(out, tensor, weight, shape, spans, digest) -> None:
  """Fills our axes of one layer from their rows."""
  turned, wanted = weight.turned(shape), weight.turned(tuple(spans))
  unit = tensor.shape[0] // turned[0]  # their rows for one of our first axis
  target = out.transpose(weight.turned(tuple(range(out.ndim))))
  first = wanted[0]
  rest = tuple(slice(s.start, s.stop) for s in wanted[1:])
  for start, stop in pieces(tensor, unit):
    low, high = max(start // unit, first.start), min(stop // unit, first.stop)
    if low >= high:
      continue
    piece = tensor.rows(low * unit, high * unit, digest)
    piece = piece.reshape(high - low, *turned[1:])[(slice(None), *rest)]
    target[low - first.start : high - first.start] = piece


def at(tree: Any, path: tuple[str, ...]) -> Any:
  """What stands at a path."""
  return functools.reduce(lambda t, k: t[k], path, tree)


def made(weight: Weight, params: Any, dtype: str) -> Iterator[Made]:
  """Their tensors of a weight, a layer each, as numbers of a dtype."""
  leaf = at(params, weight.path)
  shape = leaf.shape[1 if weight.layered else 0 :]
  axes = weight.turned(tuple(range(len(shape))))
  theirs = weight.theirs(shape)

  def make(layer) -> np.ndarray:
    ours = np.asarray(leaf if layer is None else leaf[layer])
    return ours.transpose(axes).reshape(theirs).astype(dtype, copy=False)

  for layer in range(leaf.shape[0]) if weight.layered else [None]:
    yield Made(
      weight.name.format(layer), dtype, theirs, functools.partial(make, layer)
    )
