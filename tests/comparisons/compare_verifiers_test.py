"""Verifiers on the same answers: one that knows, one that guesses, a copy."""

import json
from typing import get_args

import numpy as np
import pytest

from tests.analysis import world
from tests.stages.random_models import TASK
from ttc.analysis import aggregate
from ttc.comparisons.compare_verifiers import CompareVerifiers
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver
from ttc.verifiers import first_error
from ttc.verifiers.evaluate_prm import EvaluatePrm

_WIDTH, _STEPS = 8, 3


def _read(rng, answers, knows):
  """Rows of a verifier; the first error of a wrong answer is anywhere."""
  rows = []
  for record, firsts in answers:
    read = []
    for first in firsts:
      values = rng.random(_STEPS)
      if knows:
        # As an honest verifier would, with little noise.
        good = [first < 0 or i < first for i in range(_STEPS)]
        values = np.where(good, 0.8, 0.2) + 0.1 * values
      read.append({'values': values.tolist(), 'first': first})
    rows.append({'problem': record['problem'], 'rows': read})
  return rows


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
  root = tmp_path_factory.mktemp('verifiers')
  written = {}
  for seed in (0, 1):
    rng = np.random.default_rng(seed)
    folder = root / f'seed-{seed}'
    answers = []
    for q, skill in enumerate(np.linspace(0.1, 0.6, 40)):
      rows = [
        world.row(rng, rng.random() < skill, False, '') for _ in range(_WIDTH)
      ]
      firsts = [
        None
        if row['answer'] is None
        else -1
        if row['correct']
        else int(rng.integers(_STEPS))
        for row in rows
      ]
      # A known verifier values what cannot be parsed as wrong from the start.
      known = [0 if first is None else first for first in firsts]
      answers.append((world.record(q, 'BestOfN()', _WIDTH, rows), known))
      written[seed, q] = rows
    world.write_stage(folder / 'answers', [record for record, _ in answers])
    for name, knows in (('knows', True), ('guesses', False)):
      world.write_stage(folder / name, _read(rng, answers, knows))
    copied = json.loads(
      json.dumps(_read(np.random.default_rng(9), answers, True))
    )
    for name in ('one', 'copy'):
      world.write_stage(folder / name, copied)
  verifiers = ('guesses', 'knows', 'one', 'copy')
  stage = CompareVerifiers('answers', verifiers, n=_WIDTH, subsets=2)
  run = StageRun(stage, Place(root, seeds=(0, 1)), None)
  run.work()
  found = json.loads((run.folder / 'compare.json').read_text())['verifiers']
  return written, {row['verifier']: row for row in found}, stage.show(run)


def test_who_knows_is_above_who_guesses_in_everything(compared):
  _, rows, shown = compared
  assert rows['knows']['final AUC']['estimate'] == 1
  assert 0.4 < rows['guesses']['final AUC']['estimate'] < 0.6
  assert rows['knows']['first errors']['estimate'] == 100
  for measure in ('final AUC', 'inner AUC', 'first errors', 'last', 'mean'):
    estimate, low, high = rows['knows'][measure]['difference']
    assert 0 < low <= estimate <= high
    assert estimate == pytest.approx(
      rows['knows'][measure]['estimate'] - rows['guesses'][measure]['estimate'],
      abs=1e-3,
    )
    assert rows['guesses'][measure]['difference'] is None
  assert 'knows over guesses: inner AUC' in shown


def test_the_same_values_are_worth_the_same(compared):
  rows = compared[1]
  for measure, found in rows['one'].items():
    if measure != 'verifier':
      assert found == rows['copy'][measure]


def test_a_vote_of_all_answers_is_what_a_loop_finds(compared):
  written, rows, _ = compared
  right = []
  for (_, _), answers in written.items():
    # Who knows gives every right answer at least 0.8, and others at most 0.3.
    named = {a['answer'] for a in answers if a['answer'] is not None}
    totals = {
      name: sum(
        0.85 if a['correct'] else 0.25 for a in answers if a['answer'] == name
      )
      for name in named
    }
    best = max(totals, key=totals.get) if totals else None
    right.append(best == 'right')
  # The noise of a tenth decides few questions.
  assert rows['knows']['last']['estimate'] == pytest.approx(
    100 * np.mean(right), abs=5
  )
  assert set(rows['guesses']['over last']) == {
    how for how in get_args(aggregate.Reduction) if how != 'last'
  }


def test_f1_of_a_guess_is_that_of_its_judgements(compared):
  estimate = compared[1]['guesses']['first errors']['estimate']
  assert 0 < estimate < 60
  assert first_error.f1(np.array([1.0, 2.0, 1.0, 2.0])) == 0.5


def test_only_readers_of_the_same_answers_are_compared():
  solver = Solver(
    TASK, Generation(max_tokens=8), proposer='p', verifier='v', questions=2
  )
  answers, others = (Sample(solver, num=4, name=n) for n in ('answers', 'b'))
  one = EvaluatePrm(solver, source='answers', name='one')
  other = EvaluatePrm(solver, source='b', name='other')
  check = lambda stage: stage.check(
    Experiment('e', (answers, others, one, other), stage)
  )
  check(CompareVerifiers('answers', ('one',), n=4))
  with pytest.raises(ValueError, match="'other' read 'b' and not 'answers'"):
    check(CompareVerifiers('answers', ('one', 'other'), n=4))
  with pytest.raises(ValueError, match="n=16 answers, and 'answers' samples 4"):
    check(CompareVerifiers('answers', ('one',)))
  with pytest.raises(ValueError, match='list each once'):
    CompareVerifiers('answers', ('one', 'one'))
