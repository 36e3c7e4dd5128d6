"""Weights between Hugging Face tensors and stacked parameter arrays.

A tensor is read piece by piece into the memory of a device's shard, and a
parameter is written layer by layer, so that the host never holds a second copy
of the model.
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

_PIECE = 1 << 23  # bytes of a tensor that are read at once
_ALIGNMENT = 64  # bytes; XLA copies host memory that is aligned to less


def pieces(tensor: Tensor, unit: int = 1) -> Iterator[tuple[int, int]]:
  """Ranges of rows that cut a tensor into pieces of about `_PIECE` bytes.

  Args:
    tensor: the tensor, with at least one axis.
    unit: number of rows that must stay together; divides the tensor's rows.

  Yields:
    (start, stop) rows in order, multiples of `unit`.
  """
  total = tensor.shape[0]
  row = math.prod(tensor.shape[1:]) * jnp.dtype(tensor.dtype).itemsize
  step = max(1, _PIECE // (row * unit)) * unit
  for start in range(0, total, step):
    yield start, min(start + step, total)


def filled(
  weight: Weight,
  struct: jax.ShapeDtypeStruct,
  tensors: Mapping[str, Tensor],
  digest,
) -> jax.Array:
  """Reads a weight of all layers, shard by shard, onto its devices.

  Args:
    weight: the kind of weight.
    struct: shape, dtype and sharding of the parameter.
    tensors: the checkpoint's tensors by name, whose shapes were checked.
    digest: hash object that is updated with all bytes that are read.

  Returns:
    The parameter, a global array.

  Raises:
    ValueError: a number is NaN or infinite, or the file ends early.
  """
  newest = {}

  def shard(index):
    key = tuple((s.start, s.stop) for s in index)
    # Only the last shard is cached: replicas of a shard follow each other.
    if key not in newest:
      newest.clear()
      newest[key] = _shard(weight, struct, index, tensors, digest)
    return newest[key]

  return jax.make_array_from_callback(struct.shape, struct.sharding, shard)


def _shard(weight, struct, index, tensors, digest) -> np.ndarray:
  spans = [
    range(*s.indices(n)) for s, n in zip(index, struct.shape, strict=True)
  ]
  out = _aligned([len(span) for span in spans], struct.dtype)
  if not weight.layered:
    _read_into(out, tensors[weight.name], weight, struct.shape, spans, digest)
    return out
  for at, layer in enumerate(spans[0]):
    _read_into(
      out[at],
      tensors[weight.name.format(layer)],
      weight,
      struct.shape[1:],
      spans[1:],
      digest,
    )
  return out


def _aligned(shape: list[int], dtype: np.dtype) -> np.ndarray:
  """An uninitialized array that JAX on a CPU can use without a copy."""
  size = math.prod(shape) * dtype.itemsize
  raw = np.empty(size + _ALIGNMENT, np.uint8)
  start = -raw.ctypes.data % _ALIGNMENT
  return raw[start : start + size].view(dtype).reshape(shape)


def _read_into(out, tensor, weight, shape, spans, digest) -> None:
  """Fills a shard of one layer's parameter from a tensor.

  Args:
    out: array of the shard's shape, written to.
    tensor: the tensor of this layer.
    weight: its kind.
    shape: shape of the whole parameter of one layer.
    spans: range of each of its axes that the shard has.
    digest: hash object.
  """
  # With outputs first, as in the tensor, a shard's first axis is a range of
  # rows. Only pieces that overlap it are read.
  turned, wanted = weight.turned(shape), weight.turned(tuple(spans))
  unit = tensor.shape[0] // turned[0]  # rows per index of the first axis
  target = out.transpose(weight.turned(tuple(range(out.ndim))))
  first = wanted[0]
  rest = tuple(slice(s.start, s.stop) for s in wanted[1:])
  for start, stop in pieces(tensor, unit):
    low, high = max(start // unit, first.start), min(stop // unit, first.stop)
    if low >= high:
      continue
    # Rows of the tensor, then the parameter's axes with outputs first, of which
    # only the shard's part is kept.
    piece = tensor.rows(low * unit, high * unit, digest)
    piece = piece.reshape(high - low, *turned[1:])[(slice(None), *rest)]
    target[low - first.start : high - first.start] = piece


def at(tree: Any, path: tuple[str, ...]) -> Any:
  """The leaf or subtree at a path of keys."""
  return functools.reduce(lambda t, k: t[k], path, tree)


def made(weight: Weight, params: Any, dtype: str) -> Iterator[Made]:
  """The Hugging Face tensors of a weight, one per layer.

  Args:
    weight: the kind of weight.
    params: parameters, stacked.
    dtype: of the tensors.

  Yields:
    Tensors that are computed when they are written.
  """
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
