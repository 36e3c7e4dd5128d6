"""The comparison of chains with independent samples, and its numbers."""

import json

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import flops, interpolate, pools
from ttc.comparisons import trust, turns
from ttc.comparisons.compare_chains import CompareChains
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun

_GUIDED = (
  "Guided(strategy=BestOfN(), first=1, width=1, keep=1, marks=Marks(bad='?'))"
)
_TRUTH = world.Truth(questions=20, width=8)
_TURNS = 4
_SEEDS = (0, 1)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  root = tmp_path_factory.mktemp('mini')
  for seed in _SEEDS:
    rng = np.random.default_rng(seed)
    without = ('difficulty', 'revise', 'large_greedy', 'large_samples')
    world.write(root, _TRUTH, seed, without)
    folder = root / f'seed-{seed}'
    for name, rows in (('blind', _chain(rng)), ('guided', _stopping(rng))):
      world.write_stage(folder / name, rows)
      world.write_solver(folder / name, 'revision', 'prm')
  stage = CompareChains('search', ('blind', 'guided'), longest=_TURNS)
  place = Place(root, _SEEDS, ('search', 'blind', 'guided'), 'ttc run')
  run = StageRun(stage, place, None)
  run.work()
  return run


def _answers(rng, skill, count):
  return [
    world.row(rng, rng.random() < skill, True, 'words') for _ in range(count)
  ]


def _chain(rng):
  """One chain of every question."""
  return [
    {
      **world.record(
        q,
        'Revise(keep=4)',
        _TURNS,
        [
          {**row, 'chain': 0, 'turn': turn}
          for turn, row in enumerate(_answers(rng, skill, _TURNS), start=1)
        ],
      ),
      'spent': [world.cost(n, True) for n in range(_TURNS + 1)],
    }
    for q, skill in enumerate(_TRUTH.skill)
  ]


def _stopping(rng):
  """Some questions stop before their budget."""
  found = []
  for q, skill in enumerate(_TRUTH.skill):
    count = _TURNS - q % 3
    rows = _answers(rng, skill, count)
    found.append(world.record(q, _GUIDED, _TURNS, rows))
    if count < _TURNS:
      found[-1]['stopped'] = True
  return found


def _read(run, stage):
  return [
    {pool.strategy: pool for pool in pools.read(folder / stage)}
    for folder in sorted(run.place.root.glob('seed-*'))
  ]


def _numbers(run):
  return json.loads((run.folder / 'turns.json').read_text(encoding='utf-8'))


def _cost(pool, answers):
  """Executed FLOPs of a question with so many answers."""
  spent = {k: np.array(v) for k, v in world.cost(answers, True).items()}
  exact = flops.exact(spent, *pool.models)
  return sum(kind[..., 1] for kind in exact.values())


def test_every_arm_is_compared_at_its_own_flops(run):
  rows = {
    (row['arm'], row['generations'], row['selection']): row
    for row in _numbers(run)['compared']
  }
  searches = _read(run, 'search')
  measure = []
  for found in searches:
    pool = found[world.BEST_OF_N]
    measure.append({})
    for n in (1, 2, 4, 8):
      hits = []
      for block in range(8 // n):
        own = slice(block * n, block * n + n)
        best = pool.score()[:, own].argmax(1)
        # Unparsable answers are not chosen where there are others.
        parsed = pool.answer[:, own] >= 0
        best = np.where(parsed, pool.score()[:, own], -1).argmax(1)
        hits.append(pool.correct[:, own][np.arange(len(best)), best])
      measure[-1][_cost(pool, n)] = np.mean(hits, 0)
      row = rows['search: samples', n, 'best-of-N']
      assert row['flops'] == pytest.approx(_cost(pool, n))
  for n in (1, 2, 4, 8):
    row = rows['search: samples', n, 'best-of-N']
    accuracies = [m[_cost(searches[0][world.BEST_OF_N], n)] for m in measure]
    assert row['accuracy'] == pytest.approx(100 * np.mean(accuracies))
  for n in (1, 2, 4):
    row = rows['blind: Revise(keep=4)', n, 'best-of-N']
    at = _cost(_read(run, 'blind')[0]['Revise(keep=4)'], n)
    assert row['flops'] == pytest.approx(at)
    same = [interpolate.accuracy_at(curve, at) for curve in measure]
    # The curve is the better of two selections.
    assert row['control'] >= 100 * np.mean(same) - 1e-9
    assert row['difference'] == pytest.approx(row['accuracy'] - row['control'])
    assert row['low'] <= row['difference'] <= row['high']


def test_a_question_that_stopped_has_what_it_has(run):
  (row,) = [
    row
    for row in _numbers(run)['compared']
    if row['arm'] == 'guided: guided' and row['selection'] == 'best-of-N'
  ]
  hits, spent = [], []
  for found in _read(run, 'guided'):
    pool = found[_GUIDED]
    assert pool.width == _TURNS
    for q in range(_TRUTH.questions):
      count = _TURNS - q % 3
      assert not pool.correct[q, count:].any()
      assert (pool.answer[q, count:] == -1).all()
      assert (pool.score()[q, count:] == 0).all()
      parsed = pool.answer[q] >= 0
      best = np.where(parsed, pool.score()[q], -1).argmax()
      hits.append(pool.correct[q, best])
      spent.append(_cost(pool, count))
  assert row['generations'] == _TURNS
  assert row['accuracy'] == pytest.approx(100 * np.mean(hits))
  assert row['flops'] == pytest.approx(np.mean(spent))


@pytest.mark.parametrize(
  ('stage', 'strategy', 'arm'),
  [
    ('blind', 'Revise(keep=4)', 'Revise(keep=4)'),
    ('guided', _GUIDED, 'guided'),
  ],
)
def test_turns_gain_and_lose_what_they_do(run, stage, strategy, arm):
  table = _numbers(run)['turns']
  assert list(table) == [
    'search: samples',
    'blind: Revise(keep=4)',
    'guided: guided',
  ]
  assert [row['turn'] for row in table[f'{stage}: {arm}']] == [1, 2, 3, 4]
  for row in table[f'{stage}: {arm}']:
    t = row['turn'] - 1
    counts = dict.fromkeys(('wrong', 'gained', 'right', 'lost', 'so_far'), 0)
    again = made = 0
    for found in _read(run, stage):
      pool = found[strategy]
      for q in range(_TRUTH.questions):
        score, right = pool.score()[q], pool.correct[q]
        counts['so_far'] += right[score[: t + 1].argmax()]
        if t and not (stage == 'guided' and t >= _TURNS - q % 3):
          made += 1
          was = right[score[:t].argmax()]
          counts['right' if was else 'wrong'] += 1
          counts['gained'] += bool(not was and right[t])
          counts['lost'] += bool(was and not right[t])
          again += pool.answer[q, t] in pool.answer[q, :t]
    total = len(_SEEDS) * _TRUTH.questions
    assert row['so_far'] == pytest.approx(100 * counts['so_far'] / total)
    if t:
      gained = 100 * counts['gained'] / counts['wrong']
      assert row['gained'] == pytest.approx(gained)
      assert row['lost'] == pytest.approx(
        100 * counts['lost'] / counts['right']
      )
      assert row['repeated'] == pytest.approx(100 * again / made)


def test_the_verifier_is_judged_on_what_was_made(run):
  table = _numbers(run)['verifier']
  for stage, strategy, arm in (
    ('blind', 'Revise(keep=4)', 'blind: Revise(keep=4)'),
    ('guided', _GUIDED, 'guided: guided'),
  ):
    aucs, believed = [], []
    for found in _read(run, stage):
      pool = found[strategy]
      for q in range(_TRUTH.questions):
        made = _TURNS - q % 3 if stage == 'guided' else _TURNS
        score, right = pool.score()[q, :made], pool.correct[q, :made]
        believed += [value > 0.9 for value in score[~right]]
        wins = [
          (a > b) + 0.5 * (a == b) for a in score[right] for b in score[~right]
        ]
        aucs += [np.mean(wins)] if wins else []
    assert table[arm]['auc'] == pytest.approx(np.mean(aucs))
    assert table[arm]['believed'] == pytest.approx(100 * np.mean(believed))


def test_a_verifier_without_wrong_attempts_is_not_judged():
  right = np.ones((2, 3), bool)
  pool = _pool(right, np.ones((2, 3, 1)))
  assert trust.of([pool]) == {'auc': None, 'believed': None}
  assert trust.text({'arm': trust.of([pool])}).splitlines()[1].strip() == 'arm'


def _pool(right, values):
  return pools.AnswerPool(
    'BestOfN()',
    right.shape[1],
    0,
    np.arange(len(right)),
    right,
    right.astype(int),
    right,
    values,
    {},
    None,
    None,
    {},
    {},
    None,
  )


def test_it_is_shown_as_text(run):
  shown = CompareChains('search', ('blind',)).show(run)
  for word in ('search: samples, N=8', 'guided: guided, N=4', 'gained', 'AUC'):
    assert word in shown


def test_a_pool_that_says_nothing_is_refused():
  rng = np.random.default_rng(0)
  pool = _pool(rng.random((3, 4)) < 0.5, None)
  with pytest.raises(ValueError, match=r'give its stage a Solver\.verifier'):
    list(turns.points(pool, 'arm'))
