"""Canonical JSON: the same value always gives the same bytes.

Rows, marks and metrics are written in it, so two runs that compute the same
numbers leave files that are equal byte for byte.
"""

import json
from typing import Any

import numpy as np

# Types of which a whole list is passed to json.dumps unchanged.
_PLAIN = {int, str, bool, type(None)}


def canonical(value: Any) -> str:
  """Formats `value` as one line of ASCII JSON, always in the same way.

  Keys are sorted and floats rounded to 6 significant digits; numpy scalars
  and arrays become numbers and lists.

  Raises:
    ValueError: `value` contains NaN, an infinity, a key that is not a string
      or an object that JSON cannot represent.
  """
  return json.dumps(_plain(value), sort_keys=True, separators=(',', ':'))


def _plain(value: Any) -> Any:
  """`value` as the types that json.dumps knows, floats rounded."""
  if value is None or isinstance(value, bool | int | str):
    return value
  if isinstance(value, float):
    if value - value != 0:  # NaN or infinite
      raise ValueError(f'{value} has no form in JSON; write null instead.')
    return float(f'{value:.6g}') + 0.0  # + 0.0 makes -0.0 plain zero
  if isinstance(value, dict):
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
      raise ValueError(f'key {odd[0]!r} is not a string; use str(key).')
    return {key: _plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    # Long lists are mostly token ids: skip the recursion for each of them.
    if set(map(type, value)) <= _PLAIN:
      return value
    return [_plain(item) for item in value]
  if isinstance(value, np.ndarray | np.generic):
    return _plain(value.tolist())
  raise ValueError(
    f'a {type(value).__name__} has no form in JSON; convert it to numbers, '
    'strings, lists or dicts first.'
  )
