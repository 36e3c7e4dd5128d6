"""Headers and indices of safetensors files, checked before they are used.

A header decides which bytes are read and how much memory they take, so it is
refused wherever the safetensors library would refuse it.
"""

import json
import math
import pathlib
import re
from typing import Any, NamedTuple

from ttc.checkpoints import lookalikes
from ttc.runtime.safe_text import quoted

_LONGEST_HEADER = 100_000_000  # bytes, a limit of the format
_MOST_AXES = 64  # a limit of numpy
# The library counts bits in 64 unsigned ones; half of that is beyond any file.
_LARGEST = 2**63
# The dtypes of the format, by the number of bits of a number.
_CODES_OF = {
  4: 'F4',
  6: 'F6_E2M3 F6_E3M2',
  8: 'BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ',
  16: 'I16 U16 F16 BF16',
  32: 'I32 U32 F32',
  64: 'I64 U64 F64 C64',
}
_WIDTHS = {
  code: bits for bits, codes in _CODES_OF.items() for code in codes.split()
}
_FIELDS = {'dtype', 'shape', 'data_offsets'}
# A file in the folder of its index: a path could lead out of the checkpoint.
_SHARD = re.compile(r'[^/\\\0]*\.safetensors')


class Entry(NamedTuple):
  """What a header says of a tensor.

  Attributes:
    dtype: code of the format, such as 'BF16'.
    shape: shape of the tensor.
    start: offset of its first byte in the file.
  """

  dtype: str
  shape: tuple[int, ...]
  start: int


def read_index(index: pathlib.Path) -> dict[str, str]:
  """The file of each tensor, by the index of a checkpoint.

  Raises:
    ValueError: it is no valid index, or names a file outside its folder.
  """
  lookalikes.check_no_pointer(index)
  listed = _json_object(index, index.read_bytes()).get('weight_map')
  if not isinstance(listed, dict):
    raise _damaged(index, f'weight_map is {quoted(listed)}, not an object')
  for name, shard in listed.items():
    if not isinstance(shard, str) or not _SHARD.fullmatch(shard):
      raise _damaged(
        index,
        f'tensor {quoted(name)} is in the file {quoted(shard)}; only a name '
        'without folders that ends in .safetensors is allowed',
      )
  return listed


def read(path: pathlib.Path) -> dict[str, Entry]:
  """The tensors of one file.

  More strictly than the safetensors library, it refuses repeated names and
  unknown fields.

  Raises:
    ValueError: the file is cut short or its header is not valid; the message
      has the file, the tensor, the value and what is allowed.
  """
  lookalikes.check_no_pointer(path)
  size = path.stat().st_size
  with open(path, 'rb') as file:
    prefix = file.read(8)
    length = int.from_bytes(prefix, 'little')
    if len(prefix) < 8 or length > min(size - 8, _LONGEST_HEADER):
      raise ValueError(
        f'{path} is no safetensors file, or was cut short: a header of '
        f'{length} bytes in a file of {size} (at most {_LONGEST_HEADER}); '
        'fetch it again.'
      )
    header = _json_object(path, file.read(length))
  metadata = header.pop('__metadata__', None)
  if metadata is not None and not (
    isinstance(metadata, dict)
    and all(isinstance(text, str) for text in metadata.values())
  ):
    raise _damaged(path, f'__metadata__ is {quoted(metadata)}, not texts')
  start = 8 + length
  for name, entry in header.items():
    _check_entry(path, name, entry, size - start)
  _check_layout(path, header, size - start)
  return {
    name: Entry(
      entry['dtype'], tuple(entry['shape']), start + entry['data_offsets'][0]
    )
    for name, entry in header.items()
  }


def _check_entry(path: pathlib.Path, name: str, entry: Any, size: int) -> None:
  """Raises ValueError unless dtype, shape and offsets in `size` bytes agree."""

  def refuse(field: str, limit: str) -> ValueError:
    value = quoted(entry[field])
    return _damaged(path, f'tensor {quoted(name)} has {field} {value}; {limit}')

  if not isinstance(entry, dict) or entry.keys() != _FIELDS:
    raise _damaged(
      path,
      f'tensor {quoted(name)} is {quoted(entry)}; exactly dtype, shape and '
      'data_offsets are allowed',
    )
  dtype, shape, offsets = (
    entry[key] for key in ('dtype', 'shape', 'data_offsets')
  )
  if not isinstance(dtype, str) or dtype not in _WIDTHS:
    raise refuse('dtype', f'the format has {", ".join(_WIDTHS)}')
  if not _are_counts(shape) or len(shape) > _MOST_AXES:
    raise refuse('shape', f'at most {_MOST_AXES} integers from 0 are allowed')
  if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
    raise refuse('data_offsets', 'integers 0 <= begin <= end are allowed')
  if offsets[1] > size:
    raise refuse(
      'data_offsets', f'{size} bytes of data are there, the file was cut short'
    )
  # Python's integers do not overflow, but the library's do, and it refuses a
  # shape whose product does so even if another axis has length 0.
  if math.prod(max(length, 1) for length in shape) * _WIDTHS[dtype] > _LARGEST:
    raise refuse('shape', f'at most {_LARGEST} bits are allowed')
  bits, held = math.prod(shape) * _WIDTHS[dtype], offsets[1] - offsets[0]
  if bits != 8 * held:
    raise refuse(
      'shape', f'in {dtype} it has {bits} bits, its data_offsets {8 * held}'
    )


def _are_counts(value: Any) -> bool:
  """Whether a value is a list of integers of at least 0; bool is none."""
  return isinstance(value, list) and all(
    type(number) is int and number >= 0 for number in value
  )


def _check_layout(path: pathlib.Path, header: dict, size: int) -> None:
  """Raises ValueError unless tensors fill `size` bytes, each byte once."""
  end = 0
  for name, entry in sorted(
    header.items(), key=lambda item: item[1]['data_offsets']
  ):
    begin = entry['data_offsets'][0]
    if begin != end:
      what = 'overlaps' if begin < end else 'leaves a hole behind'
      raise _damaged(
        path,
        f'tensor {quoted(name)} begins at byte {begin} of the data and {what} '
        f'the tensor before it, which ends at {end}',
      )
    end = entry['data_offsets'][1]
  if end < size:
    raise _damaged(
      path,
      f'{size} bytes of data follow the header, and its tensors have {end}',
    )


def _json_object(path: pathlib.Path, data: bytes) -> dict[str, Any]:
  """Parses a JSON object, as strictly as the safetensors library.

  Raises:
    ValueError: it is no UTF-8, no JSON or no object, or repeats a name.
  """
  try:
    tree = json.loads(
      data.decode('utf-8'),
      object_pairs_hook=_without_repeats,
      parse_int=_integer,
      parse_constant=_no_json,
    )
    # JSON can spell lone surrogates, which are no text.
    json.dumps(tree, ensure_ascii=False).encode('utf-8')
  except (ValueError, RecursionError) as error:
    raise _damaged(path, f'no valid JSON: {error}') from error
  if not isinstance(tree, dict):
    raise _damaged(path, f'the JSON is {quoted(tree)}, not an object')
  return tree


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  # json keeps the last of two entries of one name, and drops the first unseen.
  tree = {}
  for name, value in pairs:
    if name in tree:
      raise ValueError(f'the name {quoted(name)} is there twice')
    tree[name] = value
  return tree


def _integer(digits: str) -> int | float:
  # The library reads -0 as a float, which is neither a length nor an offset.
  return -0.0 if digits == '-0' else int(digits)


def _no_json(constant: str):
  raise ValueError(f'{constant} is not JSON')


def _damaged(path: pathlib.Path, reason: str) -> ValueError:
  return ValueError(f'{path}: {reason}. It is damaged; fetch it again.')
