"""Tests of the cells that a sweep has, and of what they are called."""

import itertools
import json
import random
import re

import pytest

from ttc.bindings.sweep_axes import axes
from ttc.pipeline.experiment import _NAME, ConfigurationError
from ttc.sweeps import cells
from ttc.sweeps.cells import Axis, Sweep


def _sweep(*statements, **options):
  return Sweep('runs/x', axes([], statements), ('a.gin',), **options)


def _names(*statements):
  return [cell.name for cell in _sweep(*statements).cells()]


def test_cells_are_all_combinations_named_by_what_they_choose():
  cells = _sweep('BUDGET=[4, 16]', 'Experiment.seeds=[(0,), (1, 2)]').cells()
  assert [cell.name for cell in cells] == [
    'budget-4_seeds-0',
    'budget-4_seeds-1-2',
    'budget-16_seeds-0',
    'budget-16_seeds-1-2',
  ]
  assert cells[1].choices == {'BUDGET': '4', 'Experiment.seeds': '1-2'}
  assert cells[1].arguments == (
    'run',
    '--gin_file=a.gin',
    '--gin.BUDGET=4',
    '--gin.Experiment.seeds=(1, 2)',
    "--gin.Experiment.output='runs/x'",
    "--gin.Experiment.name='budget-4_seeds-1-2'",
  )


def test_a_cell_is_called_the_same_in_a_larger_sweep():
  small = _names('BUDGET=[4]', 'M=["/models/a"]')
  large = _names('BUDGET=[4, 8]', "M=['/models/b', '/models/a', '/models-a']")
  assert set(small) < set(large)
  assert len(set(large)) == 6


def test_values_are_named_by_a_dict_and_kept_as_gin_writes_them():
  (axis,) = axes(
    [], ['search/Search.arms={"best": (@best/arms.Arm(), %X), "none": None}']
  )
  assert axis.binding == 'search/Search.arms'
  assert axis.labels == ['best', 'none']
  assert axis.values == ('(@best/arms.Arm(), %X)', 'None')


def test_gin_files_are_an_axis_after_those_of_all_cells():
  cells = _sweep('gin_file={"s": "small.gin", "l": "large.gin"}').cells()
  assert [cell.name for cell in cells] == ['gin_file-s', 'gin_file-l']
  assert cells[1].arguments[1:3] == ('--gin_file=a.gin', '--gin_file=large.gin')


def test_names_are_unique_and_fit_whatever_the_values():
  rng = random.Random(3)
  letters = 'aA/._-\'"é 0(,)@%='
  for _ in range(60):
    values = [
      repr(''.join(rng.choice(letters) for _ in range(rng.choice((9, 300)))))
      for _ in range(6)
    ]
    cells = Sweep(
      'x',
      (
        Axis('_P.a', tuple(set(values[:3])), ('',) * len(set(values[:3]))),
        Axis('s/Q.a', tuple(set(values[3:])), ('',) * len(set(values[3:]))),
        Axis('MODEL', ("'m'",), ('',)),
      ),
      (),
    ).cells()
    names = [cell.name for cell in cells]
    assert all(_NAME.fullmatch(name) and len(name) <= 120 for name in names)
    assert len({name.casefold() for name in names}) == len(names)


def test_the_same_last_word_is_told_apart_by_the_whole_binding():
  assert _names('a/Arm.budgets=[(4,)]', 'b/Arm.budgets=[(8,)]') == [
    'a.arm.budgets-4_b.arm.budgets-8'
  ]


def test_a_file_holds_axes_and_the_command_line_replaces_them(tmp_path):
  path = tmp_path / 'sweep.gin'
  path.write_text('# why\nBUDGET = [4,\n          8]\nFit:\n  rate = [1e-3]\n')
  found = axes([str(path)], ['BUDGET=[2]'])
  assert [(axis.binding, axis.values) for axis in found] == [
    ('BUDGET', ('2',)),
    ('Fit.rate', ('0.001',)),
  ]


@pytest.mark.parametrize(
  ('statement', 'message'),
  [
    ('BUDGET=4', r'BUDGET=4 is no list; write \[4\]'),
    ('BUDGET=[]', 'BUDGET has no values'),
    ('BUDGET=[4, 4]', "two values called '4'; remove one, or name them"),
    ('BUDGET=[4, "4"]', "two values called '4'"),
    ('BUDGET=["a", "A"]', "two values called 'a'"),
    ('BUDGET={"a/b": 4}', "'a/b' cannot be part of a file name"),
    ('BUDGET=[4', 'sweep.BUDGET'),
    ('import os', 'nothing but bindings'),
    ('Experiment.name=["a"]', 'a sweep binds Experiment.name itself'),
    ('experiment.Experiment.output=["a"]', 'itself'),
    ('gin_file=[4]', 'gin_file has 4, which is no path'),
    ('A=[1]\nA=[2]', 'A is an axis twice'),
  ],
)
def test_axes_that_cannot_be_are_named(statement, message):
  with pytest.raises(ConfigurationError, match=message):
    axes([], [statement])


@pytest.mark.parametrize(
  ('files', 'statements', 'bindings', 'message'),
  [
    ([], ['A=[1]', 'A=[2]'], [], 'A is an axis twice; give all of its values'),
    ([], ['Coin.bias=[1]', 'x.Coin.bias=[2]'], [], 'x.Coin.bias is an axis tw'),
    (['A=[1]', 'A=[2]'], [], [], 'A is an axis twice'),
    ([], ['A=[1]'], ['A=3'], '--gin.A=3: A is an axis of the sweep as well'),
    (['A=[1]'], [], ['A=3'], '--gin.A=3: A is an axis'),
    ([], ['x.Coin.bias=[1]'], ['Coin.bias=3'], 'x.Coin.bias is an axis'),
  ],
)
def test_nothing_is_bound_twice(tmp_path, files, statements, bindings, message):
  paths = []
  for number, text in enumerate(files):
    paths.append(tmp_path / f'{number}.gin')
    paths[-1].write_text(f'{text}\n')
  with pytest.raises(ConfigurationError, match=re.escape(message)):
    axes(map(str, paths), statements, bindings)


def test_scopes_are_other_bindings():
  assert (
    len(axes([], ['a/Coin.bias=[1]', 'b/Coin.bias=[1]'], ['Coin.bias=3'])) == 2
  )


def test_cells_that_would_share_a_folder_are_refused():
  with pytest.raises(ValueError, match='two cells would be called'):
    _sweep("A=['1', '1_b-2']", "B=['2_b-3', '3']").cells()


def test_what_is_written_is_read(tmp_path):
  sweep = _sweep('BUDGET=[4, 16]')
  assert cells.read(tmp_path) is None
  sweep.write(tmp_path / 'new', sweep.cells())
  found = cells.read(tmp_path / 'new')
  for cell, row in itertools.zip_longest(sweep.cells(), found):
    assert row == json.loads(json.dumps(cell.__dict__))
