"""Limits of numbers that a user gives, with one wording for what breaks them.

A dataclass calls these in its `__post_init__`, so that a number without meaning
is told when it is configured and not after hours of work.
"""

from collections.abc import Sequence
import math
import numbers
from typing import Any

# The sum of two seeds, such as those of an experiment and of a training, still
# fits the 32 bits that every generator takes.
LARGEST_SEED = 2**31 - 1


def whole(
  owner: Any, *names: str, least: int = 1, most: int | None = None
) -> None:
  """Checks attributes that are whole numbers; None is left to the owner.

  Args:
    owner: the object, whose class the message names.
    *names: names of its attributes.
    least: smallest number allowed.
    most: largest number allowed; None for no limit.

  Raises:
    ValueError: an attribute is no whole number, or beyond a limit.
  """
  for name in names:
    value = getattr(owner, name)
    if value is not None and not _is_whole(value, least, most):
      raise ValueError(f'{_shown(owner, name)}; {_wanted(least, most)}.')


def wholes(
  owner: Any, *names: str, least: int = 1, most: int | None = None
) -> None:
  """Checks attributes that are tuples of whole numbers, each at least one.

  Args:
    owner: as for `whole`.
    *names: as for `whole`.
    least: smallest number allowed.
    most: largest number allowed; None for no limit.

  Raises:
    ValueError: an attribute is no tuple, is empty, or has an item that is no
      whole number or beyond a limit.
  """
  several(owner, *names)
  for name in names:
    for item in getattr(owner, name):
      if not _is_whole(item, least, most):
        raise ValueError(
          f'{_shown(owner, name)} has {item!r}; {_wanted(least, most)}.'
        )


def several(owner: Any, *names: str) -> None:
  """Checks attributes that are tuples of at least one item.

  Raises:
    ValueError: an attribute is no tuple, or is empty.
  """
  for name in names:
    value = getattr(owner, name)
    if not isinstance(value, Sequence) or isinstance(value, str):
      # In gin as in Python, (16) is a number and (16,) a tuple.
      raise ValueError(
        f'{_shown(owner, name)} is no tuple; write ({value!r},).'
      )
    if not value:
      raise ValueError(f'{_shown(owner, name)} is empty; list at least one.')


def real(
  owner: Any,
  *names: str,
  least: float = -math.inf,
  above: float = -math.inf,
  most: float = math.inf,
  below: float = math.inf,
) -> None:
  """Checks attributes that are finite numbers; None is left to the owner.

  Args:
    owner: as for `whole`.
    *names: as for `whole`.
    least: smallest number allowed.
    above: every number must be larger than this.
    most: largest number allowed.
    below: every number must be smaller than this.

  Raises:
    ValueError: an attribute is no finite number, or beyond a limit.
  """
  for name in names:
    value = getattr(owner, name)
    if value is None:
      continue
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (
      is_number
      and math.isfinite(value)
      and least <= value <= most
      and above < value < below
    ):
      bounds = [
        f'{word} {bound:g}'
        for word, bound in (
          ('of at least', least),
          ('above', above),
          ('of at most', most),
          ('below', below),
        )
        if math.isfinite(bound)
      ]
      wanted = ' and '.join(bounds)
      raise ValueError(
        f'{_shown(owner, name)}; give a finite number {wanted}'.rstrip() + '.'
      )


def choice(owner: Any, name: str, choices: Sequence) -> None:
  """Raises ValueError unless an attribute has one of some values."""
  if getattr(owner, name) not in choices:
    raise ValueError(
      f'{_shown(owner, name)} is unknown; choose one of '
      f'{", ".join(map(str, choices))}.'
    )


def _is_whole(value: Any, least: int, most: int | None) -> bool:
  # A bool is an int in Python, but True is no size.
  return (
    isinstance(value, numbers.Integral)
    and not isinstance(value, bool)
    and value >= least
    and (most is None or value <= most)
  )


def _wanted(least: int, most: int | None) -> str:
  if most is None:
    return f'give a whole number of at least {least}'
  return f'give a whole number from {least} to {most}'


def _shown(owner: Any, name: str) -> str:
  return f'{type(owner).__name__}.{name}={getattr(owner, name)!r}'
