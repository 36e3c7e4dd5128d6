"""Tests of what tells one configuration from another."""

import dataclasses
import functools
import pathlib
from typing import Any

import pytest

from ttc.pipeline import fingerprint


@dataclasses.dataclass(frozen=True)
class _Inner:
  width: int = 4


@dataclasses.dataclass(frozen=True)
class _Other:
  width: int = 4


@dataclasses.dataclass(frozen=True)
class _Outer:
  value: Any = None


_VALUES = [
  None,
  0,
  False,
  0.0,
  1e-9,
  2e-9,
  '',
  'None',
  (),
  (0,),
  (0, 0),
  ((),),
  {},
  {'a': 0},
  {'b': 0},
  _Inner(),
  _Inner(5),
  _Other(),
  (_Inner(),),
  max,
  min,
  functools.partial(max, 3),
  functools.partial(max, 4),
  pathlib.Path('a'),
]


def test_different_values_have_different_bindings():
  tables = [fingerprint.bindings(_Outer(value)) for value in _VALUES]
  assert len({fingerprint.digest(table) for table in tables}) == len(_VALUES)
  for i, one in enumerate(tables):
    for j, other in enumerate(tables):
      assert bool(fingerprint.differences(one, other)) == (i != j)


def test_differences_name_the_binding_and_both_values():
  before = fingerprint.bindings(_Outer((_Inner(4), _Inner(4))))
  now = fingerprint.bindings(_Outer((_Inner(4), _Inner(6))))
  assert fingerprint.differences(before, now) == [
    '_Outer.value[1].width: 4 before, 6 now'
  ]
  shorter = fingerprint.bindings(_Outer((_Inner(4),)))
  assert (
    '_Outer.value[1].width: 4 before, absent now'
    in fingerprint.differences(before, shorter)
  )


def test_lists_and_tuples_are_the_same_value():
  assert fingerprint.bindings(_Outer([1, 2])) == fingerprint.bindings(
    _Outer((1, 2))
  )


@dataclasses.dataclass(frozen=True)
class _Grown:
  width: int = 4
  skip: int = dataclasses.field(default=0, metadata={'recorded': 'changed'})


def test_a_field_that_came_later_is_recorded_once_it_is_set():
  before = fingerprint.bindings(_Grown())
  assert before.keys() == {'_Grown', '_Grown.width'}
  now = fingerprint.bindings(_Grown(skip=2))
  assert fingerprint.differences(before, now) == [
    '_Grown.skip: absent before, 2 now'
  ]


def test_what_cannot_be_compared_is_refused_by_path():
  with pytest.raises(ValueError, match=r'_Outer\.value\[0\] is a object'):
    fingerprint.bindings(_Outer((object(),)))
