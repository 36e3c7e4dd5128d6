"""Proposers compared: against a world whose truth is known, and by loops."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import flops
from ttc.comparisons.compare_proposers import CompareProposers, Proposer
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver

_WIDTH = 6


def _sampled(root, name, skill, seed):
  """Independent answers to 40 questions, each right with its skill."""
  rng = np.random.default_rng((seed, len(name)))
  rows = [
    world.record(
      q,
      world.BEST_OF_N,
      _WIDTH,
      [world.row(rng, rng.random() < p, False, '') for _ in range(_WIDTH)],
    )
    for q, p in enumerate(skill)
  ]
  folder = root / f'seed-{seed}' / name
  world.write_stage(folder, rows)
  world.write_solver(folder, 'pretrain', '')
  return rows


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
  """Records by stage and seed, and what the stage wrote about them.

  The proposer that narrowed is sure: all its answers to a question are right,
  or none.
  """
  root = tmp_path_factory.mktemp('compared')
  spread = np.linspace(0.1, 0.7, 40)
  sure = (np.arange(40) % 2).astype(float)
  written = {}
  for seed in (0, 1):
    world.write_model(root / f'seed-{seed}' / 'pretrain', world.SMALL)
    for name, skill in (('base', spread), ('sure', sure), ('same', spread)):
      written[name, seed] = _sampled(root, name, skill, seed)
  stage = CompareProposers(
    (
      Proposer('base'),
      Proposer('sure', made=('same',), against='same'),
      Proposer('same', made=('same', 'sure')),
    ),
    n=4,
  )
  run = StageRun(stage, Place(root, seeds=(0, 1)), None)
  run.work()
  found = json.loads((run.folder / 'compare.json').read_text())
  return written, found['proposers'], stage.show(run)


def _of(written, name, measure):
  return np.mean(
    [
      measure([row['correct'] for row in record['rows']])
      for seed in (0, 1)
      for record in written[name, seed]
    ]
  )


def _coverage(right):
  """Share of the subsets of four with a right one."""
  return np.mean([any(s) for s in itertools.combinations(right, 4)])


def test_shares_are_those_of_all_subsets(compared):
  written, rows, _ = compared
  assert [row['proposer'] for row in rows] == ['base', 'sure', 'same']
  for row in rows:
    name = row['proposer']
    assert row['pass@1'] == pytest.approx(
      100 * _of(written, name, np.mean), rel=1e-5
    )
    assert row['coverage'] == pytest.approx(
      100 * _of(written, name, _coverage), rel=1e-5
    )
    distinct = [
      len({r['answer'] for r in record['rows'][:4]} - {None})
      for seed in (0, 1)
      for record in written[name, seed]
    ]
    assert row['distinct'] == pytest.approx(np.mean(distinct), rel=1e-5)


def test_a_narrowed_proposer_gains_one_answer_and_loses_coverage(compared):
  _, rows, shown = compared
  base, sure, same = rows
  assert base['gain'] is None
  estimate, low, high = sure['gain']['coverage']
  assert estimate == pytest.approx(
    sure['coverage'] - base['coverage'], abs=1e-3
  )
  assert low < estimate < high < 0
  assert sure['gain']['pass@1'][2] > 0
  assert sure['edge']['coverage'][2] < 0
  assert 'edge' not in same
  assert same['gain']['coverage'] == [0, 0, 0]  # of the same answers
  assert 'sure over same: pass@1' in shown
  assert f'{base["coverage"]:.1f}' in shown


def test_data_cost_what_was_executed_for_all_rounds(compared):
  _, rows, _ = compared
  counts = world.cost(_WIDTH, False)
  spent = flops.exact(counts, world.SMALL)
  once = 40 * float(sum(spent.values())[1])
  assert [row['spent'] for row in rows] == [
    pytest.approx(n * once, rel=1e-5) for n in (0, 1, 2)
  ]


def test_what_cannot_be_compared_is_told_before_any_work():
  with pytest.raises(ValueError, match=r"has the samples 'a' twice"):
    CompareProposers((Proposer('a'), Proposer('a')))
  with pytest.raises(ValueError, match=r"against='b' is none of a"):
    CompareProposers((Proposer('a', against='b'),))
  task = Worksheet(goals=(1,), num_pretrain=5, num_finetune=8, num_test=4)
  solver = Solver(task, Generation(max_tokens=8))
  few = Sample(solver, num=8)
  learned = Sample(
    dataclasses.replace(solver, split='finetune'), name='learned'
  )
  check = lambda stage: stage.check(Experiment('e', (few, learned), stage))
  with pytest.raises(ValueError, match=r"n=64 answers, and 'sample' samples 8"):
    check(CompareProposers((Proposer('sample'),)))
  check(CompareProposers((Proposer('sample', made=('learned',)),), n=8))
  with pytest.raises(ValueError, match=r"4 questions of 'sample' are also of"):
    check(CompareProposers((Proposer('sample', made=('sample',)),), n=8))
