"""Tensors in safetensors files, read and written a piece at a time.

    <folder>/model.safetensors                    all of them, or
    <folder>/model.safetensors.index.json         the file of each, and
    <folder>/model-00001-of-00004.safetensors     the files

A file is the length of its header (8 bytes), the header (JSON: dtype, shape
and place of each tensor), and the numbers. Pieces are read into arrays of
their own and no file is mapped, so that memory holds what was asked for and
not the pages it came from.
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

_DTYPES = {'F32': 'float32', 'F16': 'float16', 'BF16': 'bfloat16'}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_EXPONENT = {'float32': 0x7F800000, 'float16': 0x7C00, 'bfloat16': 0x7F80}
_BITS = {'float32': np.uint32, 'float16': np.uint16, 'bfloat16': np.uint16}
_LONGEST_HEADER = 100_000_000  # of the format
_ONE, _INDEX = 'model.safetensors', 'model.safetensors.index.json'


@dataclasses.dataclass(frozen=True)
class Tensor:
  """Where a tensor lies.

  Attributes:
    name: in its file.
    path: of the file.
    dtype: of the numbers, 'float32', 'float16' or 'bfloat16'; other codes of
      the format stay as they are and cannot be read.
    shape: as the file says.
    start: offset of its first byte.
  """

  name: str
  path: pathlib.Path
  dtype: str
  shape: tuple[int, ...]
  start: int

  def rows(self, start: int, stop: int, digest=None) -> np.ndarray:
    """A piece along the first axis.

    Args:
      start: first row.
      stop: behind the last one.
      digest: hash object that is told the bytes, or None.

    Raises:
      ValueError: a number is NaN or infinite.
    """
    width = math.prod(self.shape[1:])
    dtype = jnp.dtype(self.dtype)
    out = np.empty((stop - start) * width * dtype.itemsize, np.uint8)
    with open(self.path, 'rb', buffering=0) as file:
      file.seek(self.start + start * width * dtype.itemsize)
      view = memoryview(out)
      while view:
        count = file.readinto(view)
        if not count:
          raise ValueError(f'{self.path} was cut while it was read.')
        view = view[count:]
    if digest is not None:
      digest.update(out)
    bits, exponent = out.view(_BITS[self.dtype]), _EXPONENT[self.dtype]
    if ((bits & exponent) == exponent).any():
      raise ValueError(
        f'{self.path}: tensor {self.name!r} has NaN or infinite weights in '
        f'rows {start} to {stop - 1}; the checkpoint is damaged, fetch or '
        'save it again.'
      )
    return out.view(dtype).reshape(stop - start, *self.shape[1:])


def tensors(folder: pathlib.Path) -> dict[str, Tensor]:
  """All tensors of a checkpoint, by name.

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
    return _header(folder / _ONE)
  listed = json.loads(index.read_text(encoding='utf-8'))['weight_map']
  found = {}
  for name in sorted(set(listed.values())):
    if not (folder / name).exists():
      raise ValueError(f'{index} names {name}, which is missing; fetch it.')
    found |= _header(folder / name)
  differing = sorted(found.keys() ^ listed.keys())
  if differing:
    where = 'the index' if differing[0] in found else 'the files'
    raise ValueError(
      f'{folder}: tensor {differing[0]!r} is missing in {where} '
      f'({len(differing)} such); fetch the checkpoint again.'
    )
  return found


def _header(path: pathlib.Path) -> dict[str, Tensor]:
  size = path.stat().st_size
  with open(path, 'rb') as file:
    prefix = file.read(8)
    length = struct.unpack('<Q', prefix)[0] if len(prefix) == 8 else size
    if length > min(size - 8, _LONGEST_HEADER):
      raise ValueError(
        f'{path} is no safetensors file, or was cut short; fetch it again.'
      )
    header = json.loads(file.read(length))
  header.pop('__metadata__', None)
  found = {
    name: Tensor(
      name,
      path,
      _DTYPES.get(about['dtype'], about['dtype']),
      tuple(about['shape']),
      8 + length + about['data_offsets'][0],
    )
    for name, about in header.items()
  }
  end = max((about['data_offsets'][1] for about in header.values()), default=0)
  if 8 + length + end > size:
    raise ValueError(
      f'{path} has {size} bytes and its header speaks of '
      f'{8 + length + end}; it was cut short, fetch it again.'
    )
  return found


class Made(NamedTuple):
  """A tensor to be written."""

  name: str
  dtype: str
  shape: tuple[int, ...]
  make: Callable[[], np.ndarray]

  @property
  def bytes(self) -> int:
    return math.prod(self.shape) * jnp.dtype(self.dtype).itemsize


def write(
  folder: pathlib.Path, made: Sequence[Made], file_bytes: int = 5_000_000_000
) -> None:
  """Writes tensors in order, each made when its turn comes.

  Args:
    folder: exists; receives one file, or several and an index.
    made: what to write.
    file_bytes: a file ends before it would be larger.
  """
  files, size = [[]], 0
  for tensor in made:
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
  total = sum(tensor.bytes for tensor in made)
  text = json.dumps(
    {'metadata': {'total_size': total}, 'weight_map': listed}, indent=2
  )
  (folder / _INDEX).write_text(f'{text}\n', encoding='utf-8')


def _write_file(path, part):
  header, at = {'__metadata__': {'format': 'pt'}}, 0
  for tensor in part:
    header[tensor.name] = {
      'dtype': _CODES[tensor.dtype],
      'shape': list(tensor.shape),
      'data_offsets': [at, at + tensor.bytes],
    }
    at += tensor.bytes
  text = json.dumps(header, separators=(',', ':')).encode()
  text += b' ' * (-len(text) % 8)
  with open(path, 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text)
    for tensor in part:
      numbers = np.ascontiguousarray(tensor.make())
      assert numbers.shape == tensor.shape, tensor.name
      assert numbers.dtype == jnp.dtype(tensor.dtype), tensor.name
      file.write(
        numbers.view(np.uint8).data if numbers.ndim else numbers.tobytes()
      )


def fresh_digest():
  """What `Tensor.rows` tells the bytes that it reads."""
  return hashlib.sha256()
