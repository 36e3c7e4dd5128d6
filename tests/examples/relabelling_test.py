"""Labels made again, against loops over the rollouts of random records."""

import json

import numpy as np
import pytest

from ttc.examples import labelling
from ttc.examples.relabelling import Relabel

STEP_END = np.array([False, True, False, False])


def _record(problem, rollouts=5, steps=4, share=0.4):
  rng = np.random.default_rng((5, problem))
  tokens = [int(t) for _ in range(steps) for t in (rng.integers(2, 4), 1)]
  outcomes = [
    (branch, [3, 1], bool(rng.random() < share))
    for branch in range(steps - 1)
    for _ in range(rollouts)
  ]
  order = rng.permutation(len(outcomes))
  return labelling.label_record(
    problem,
    problem % 3,
    tokens,
    bool(rng.random() < share),
    [outcomes[i] for i in order],
    STEP_END,
  )


def _outcomes(record, branch):
  return [r['correct'] for r in record['rollouts'] if r['branch'] == branch]


def test_as_it_is_a_record_stays_what_it_was():
  for problem in range(20):
    record = _record(problem)
    assert Relabel()(record) == record
    assert Relabel(most=5)(record) == record
    assert json.dumps(Relabel()(record)) == json.dumps(record)


@pytest.mark.parametrize('hard', [False, True])
@pytest.mark.parametrize('most', [1, 2, 4, None])
def test_labels_are_of_the_first_rollouts(most, hard):
  for problem in range(20):
    record = _record(problem)
    made = Relabel(most=most, hard=hard)(record)
    for branch in range(3):
      own = _outcomes(record, branch)[:most]
      assert _outcomes(made, branch) == own
      right = sum(own)
      expected = float(right > 0) if hard else right / len(own)
      assert made['labels'][branch] == expected
    assert made['labels'][3] == record['labels'][3]
    assert {k: made[k] for k in ('tokens', 'ends', 'problem', 'sample')} == {
      k: record[k] for k in ('tokens', 'ends', 'problem', 'sample')
    }


@pytest.mark.parametrize('flipped', [0.1, 0.2])
def test_grades_err_as_often_as_they_should_and_labels_follow(flipped):
  relabel = Relabel(flipped=flipped)
  wrong, graded = 0, 0
  for problem in range(200):
    record = _record(problem)
    made = relabel(record)
    pairs = list(zip(record['rollouts'], made['rollouts'], strict=True))
    pairs = [(a['correct'], b['correct']) for a, b in pairs]
    pairs.append((record['labels'][-1] == 1, made['labels'][-1] == 1))
    wrong += sum(a != b for a, b in pairs)
    graded += len(pairs)
    for branch in range(3):
      assert made['labels'][branch] == np.mean(_outcomes(made, branch))
    # The same grades err where fewer rollouts count.
    few = Relabel(flipped=flipped, most=2)(record)
    for branch in range(3):
      assert _outcomes(few, branch) == _outcomes(made, branch)[:2]
    assert few['labels'][-1] == made['labels'][-1]
  # Of 3,200 grades; the standard deviation of the share is below 0.0071.
  assert abs(wrong / graded - flipped) < 0.03


def test_flips_differ_by_seed_and_not_by_run():
  record = _record(1, rollouts=40)
  one, other = Relabel(flipped=0.2), Relabel(flipped=0.2, seed=1)
  assert one(record) == one(record)
  assert one(record) != other(record)


@pytest.mark.parametrize(
  ('fields', 'told'),
  [
    ({'most': 0}, 'most'),
    ({'flipped': 1.0}, 'flipped'),
    ({'seed': -1}, 'seed'),
  ],
)
def test_nonsense_is_refused(fields, told):
  with pytest.raises(ValueError, match=rf'Relabel\.{told}='):
    Relabel(**fields)
