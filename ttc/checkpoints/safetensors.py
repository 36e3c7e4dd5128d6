"""Safetensors files, read and written piece by piece.

    <folder>/model.safetensors                    all tensors, or
    <folder>/model.safetensors.index.json         the file of each tensor, and
    <folder>/model-00001-of-00004.safetensors     the files

A file consists of the length of its header (8 bytes), the header (JSON: dtype,
shape and offsets of each tensor), and the numbers. Files are not mapped into
memory, which would keep their pages resident: a piece is read into an array of
its own.
"""

from collections.abc import Callable, Sequence
import dataclasses
import hashlib
import json
import math
import pathlib
import struct
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ttc.checkpoints import faults, safetensors_header
from ttc.runtime.safe_text import printable, quoted

_DTYPES = {'F32': 'float32', 'F16': 'float16', 'BF16': 'bfloat16'}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_EXPONENT = {'float32': 0x7F800000, 'float16': 0x7C00, 'bfloat16': 0x7F80}
_BITS = {'float32': np.uint32, 'float16': np.uint16, 'bfloat16': np.uint16}
_ONE, _INDEX = 'model.safetensors', 'model.safetensors.index.json'


@dataclasses.dataclass(frozen=True)
class Tensor:
  """A tensor in a file, whose numbers are read on demand.

  Attributes:
    name: name in the file.
    path: path of the file.
    dtype: 'float32', 'float16' or 'bfloat16'; another code of the format, such
      as 'I64', stays as it is, and its numbers cannot be read.
    shape: shape in the file.
    start: offset of the first byte in the file.
  """

  name: str
  path: pathlib.Path
  dtype: str
  shape: tuple[int, ...]
  start: int

  def rows(self, start: int, stop: int, digest=None) -> np.ndarray:
    """Reads a range of indices of the first axis.

    Args:
      start: first row.
      stop: one more than the last row.
      digest: hash object that is updated with the bytes, or None.

    Returns:
      [stop - start, ...] in the tensor's dtype.

    Raises:
      ValueError: a number is NaN or infinite, or the file ends early.
    """
    width = math.prod(self.shape[1:])
    dtype = jnp.dtype(self.dtype)
    out = np.empty((stop - start) * width * dtype.itemsize, np.uint8)
    with open(self.path, 'rb', buffering=0) as file:
      file.seek(self.start + start * width * dtype.itemsize)
      view = memoryview(out)
      while view:  # an unbuffered read may return fewer bytes than asked for
        count = file.readinto(view)
        if not count:
          raise ValueError(f'{self.path} was cut while it was read.')
        view = view[count:]
    if digest is not None:
      digest.update(out)
    # NaN and infinity are the numbers with all exponent bits set. Looking at
    # bits works for bfloat16 too, and needs no copy in float32.
    bits, exponent = out.view(_BITS[self.dtype]), _EXPONENT[self.dtype]
    if ((bits & exponent) == exponent).any():
      raise ValueError(
        f'{self.path}: tensor {self.name!r} has NaN or infinite weights in '
        f'rows {start} to {stop - 1}; the checkpoint is damaged, fetch or '
        'save it again.'
      )
    return out.view(dtype).reshape(stop - start, *self.shape[1:])


def tensors(folder: pathlib.Path) -> dict[str, Tensor]:
  """All tensors of a checkpoint by name; reads headers only.

  Args:
    folder: folder of the checkpoint.

  Raises:
    ValueError: files are missing, cut short or contradict each other.
  """
  index = folder / _INDEX
  if not index.exists():
    if not (folder / _ONE).exists():
      raise ValueError(
        f'{folder} has neither {_ONE} nor {_INDEX}; give the folder of a '
        'checkpoint saved with safe_serialization, not of pickles.'
      )
    return _tensors(folder / _ONE)
  listed = safetensors_header.read_index(index)
  tensors = {}
  for shard in sorted(set(listed.values())):
    if not (folder / shard).is_file():
      raise ValueError(
        f'{index} names {printable(shard)}, which is missing; fetch it.'
      )
    shard_tensors = _tensors(folder / shard)
    for name in shard_tensors:
      if listed.get(name, shard) != shard:
        raise ValueError(
          f'{folder}: tensor {quoted(name)} is in {quoted(shard)}, and the '
          f'index says {quoted(listed[name])}; fetch the checkpoint again.'
        )
    tensors |= shard_tensors
  differing = sorted(tensors.keys() ^ listed.keys())
  if differing:
    where = 'the index' if differing[0] in tensors else 'the files'
    raise ValueError(
      f'{folder}: tensor {quoted(differing[0])} is missing in {where} '
      f'({len(differing)} such); fetch the checkpoint again.'
    )
  return tensors


def _tensors(path: pathlib.Path) -> dict[str, Tensor]:
  """The tensors of one file; raises ValueError as `safetensors_header.read`."""
  return {
    name: Tensor(
      name,
      path,
      _DTYPES.get(entry.dtype, entry.dtype),
      entry.shape,
      entry.start,
    )
    for name, entry in safetensors_header.read(path).items()
  }


class Made(NamedTuple):
  """A tensor to be written.

  Attributes:
    name: name in the file.
    dtype: 'float32', 'float16' or 'bfloat16'.
    shape: shape in the file.
    make: returns the numbers, in that dtype and shape.
  """

  name: str
  dtype: str
  shape: tuple[int, ...]
  make: Callable[[], np.ndarray]

  @property
  def bytes(self) -> int:
    return math.prod(self.shape) * jnp.dtype(self.dtype).itemsize


def write(
  folder: pathlib.Path, tensors: Sequence[Made], file_bytes: int = 5_000_000_000
) -> None:
  """Writes a checkpoint's tensors, computing one at a time.

  Args:
    folder: an existing folder, for one file or several with an index.
    tensors: what to write, in order.
    file_bytes: largest number of bytes of tensors in a file; a larger tensor
      has a file of its own.
  """
  files, size = [[]], 0
  for tensor in tensors:
    if files[-1] and size + tensor.bytes > file_bytes:
      files.append([])
      size = 0
    files[-1].append(tensor)
    size += tensor.bytes
  if len(files) == 1:
    _write_file(folder / _ONE, files[0])
    return
  listed = {}
  for number, part in enumerate(files, start=1):
    name = f'model-{number:05d}-of-{len(files):05d}.safetensors'
    _write_file(folder / name, part)
    listed |= {tensor.name: name for tensor in part}
  total = sum(tensor.bytes for tensor in tensors)
  text = json.dumps(
    {'metadata': {'total_size': total}, 'weight_map': listed}, indent=2
  )
  (folder / _INDEX).write_text(f'{text}\n', encoding='utf-8')


def _write_file(path, part):
  # Some versions of transformers refuse files without this metadata.
  header, at = {'__metadata__': {'format': 'pt'}}, 0
  for tensor in part:
    header[tensor.name] = {
      'dtype': _CODES[tensor.dtype],
      'shape': list(tensor.shape),
      'data_offsets': [at, at + tensor.bytes],
    }
    at += tensor.bytes
  text = json.dumps(header, separators=(',', ':')).encode()
  text += b' ' * (-len(text) % 8)  # the format aligns the numbers to 8 bytes
  with open(path, 'wb') as file:
    _put(file, path, struct.pack('<Q', len(text)) + text)
    for tensor in part:
      numbers = np.ascontiguousarray(tensor.make())
      assert numbers.shape == tensor.shape, tensor.name
      assert numbers.dtype == jnp.dtype(tensor.dtype), tensor.name
      # A view avoids a copy of the tensor; an array without axes has none.
      _put(
        file,
        path,
        numbers.view(np.uint8).data if numbers.ndim else numbers.tobytes(),
      )


def _put(file, path, data) -> None:
  # Not around `make`, which reads: its errors are not of writing.
  with faults.writing(path):
    file.write(data)
    file.flush()


def fresh_digest():
  """A hash object for `Tensor.rows` (SHA-256)."""
  return hashlib.sha256()
