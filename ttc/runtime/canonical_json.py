"""JSON that is equal, byte for byte, whenever the value is."""

import json
from typing import Any

import numpy as np

_PLAIN = {int, str, bool, type(None)}  # written as they are


def canonical(value: Any) -> str:
  """`value` as one line of JSON that is equal whenever the value is.

  Keys are sorted and floats rounded to 6 significant digits; numpy scalars
  and arrays become numbers and lists. Raises ValueError for NaN, infinities
  and anything that JSON has no form for.
  """
  return json.dumps(_plain(value), sort_keys=True, separators=(',', ':'))


def _plain(value: Any) -> Any:
  if value is None or isinstance(value, bool | int | str):
    return value
  if isinstance(value, float):
    if value - value != 0:
      raise ValueError(f'{value} has no form in JSON; write null instead.')
    return float(f'{value:.6g}') + 0.0  # + 0.0 makes -0.0 plain zero
  if isinstance(value, dict):
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
      raise ValueError(f'key {odd[0]!r} is not a string; use str(key).')
    return {key: _plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    if set(map(type, value)) <= _PLAIN:  # tokens, most of what there is
      return value
    return [_plain(item) for item in value]
  if isinstance(value, np.ndarray | np.generic):
    return _plain(value.tolist())
  raise ValueError(
    f'a {type(value).__name__} has no form in JSON; convert it to numbers, '
    'strings, lists or dicts first.'
  )
