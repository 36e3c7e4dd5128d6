"""Standings of outcomes that are drawn at random."""

import re

import numpy as np
import pytest

from ttc.analysis import bootstrap
from ttc.answering import standings
from ttc.answering.judged import Judged
from ttc.answering.standings import Standing


def _outcomes(rng, share, questions=40):
  draw = lambda low, high: rng.integers(low, high, questions)
  right = rng.random(questions) < share
  return Judged(
    problem=np.arange(questions),
    correct=right,
    unread=~right & (rng.random(questions) < 0.3),
    undecided=~right & (rng.random(questions) < 0.1),
    generations=draw(1, 9),
    tokens=draw(100, 900).astype(float),
    flops=draw(1000, 9000).astype(float),
  )


def _entries(rng, *wanted, seeds=1):
  return [
    Standing(name, budget, [_outcomes(rng, share) for _ in range(seeds)])
    for name, budget, share in wanted
  ]


@pytest.mark.parametrize('seeds', [1, 3])
def test_a_row_has_the_means_and_the_interval_of_its_outcomes(seeds):
  rng = np.random.default_rng(0)
  entry = _entries(rng, ('beam', 4, 0.6), seeds=seeds)[0]
  (row,) = standings.table([entry])
  whole = lambda name: np.mean([getattr(o, name) for o in entry.seeds])
  assert row['accuracy'] == pytest.approx(100 * whole('correct'))
  for name in ('generations', 'tokens', 'flops'):
    assert row[name] == pytest.approx(whole(name))
  for name in ('unread', 'undecided'):
    assert row[name] == pytest.approx(100 * whole(name))
  means = bootstrap.resampled([o.correct[None] * 1.0 for o in entry.seeds])
  low, high = np.quantile(100 * means[:, 0], [0.025, 0.975])
  # Student's t and small counts make it somewhat wider than plain quantiles.
  assert row['low'] <= low < row['accuracy'] < high <= row['high']
  assert row['high'] - row['low'] < 1.2 * (high - low)
  assert row['total'] == 160


@pytest.mark.parametrize('seeds', [1, 2])
@pytest.mark.parametrize('questions', [1, 24])
@pytest.mark.parametrize('share', [0.0, 1.0])
def test_questions_that_are_all_alike_are_no_certainty(share, questions, seeds):
  # garak#2076: at the bound, all are alike in one of 40 cases.
  rng = np.random.default_rng(0)
  same = [_outcomes(rng, share, questions)] * seeds
  (row,) = standings.table([Standing('beam', 4, same)])
  bound = row['high'] if share == 0 else 100 - row['low']
  assert row['accuracy'] == 100 * share
  assert row['low'] <= row['accuracy'] <= row['high']
  assert (1 - bound / 100) ** questions == pytest.approx(0.025)


def test_differences_are_of_the_same_questions():
  rng = np.random.default_rng(1)
  one, other = _entries(rng, ('a', 4, 0.6), ('b', 4, 0.6))
  # Of the same outcomes nothing is left to chance, however few there are.
  (claim,) = standings.differences([one, Standing('b', 4, one.seeds)])
  assert (claim.estimate, claim.holds) == (0, None)
  worse = [
    Judged(**{**vars(o), 'correct': o.correct & (o.problem % 2 == 0)})
    for o in one.seeds
  ]
  for pair in ([one, Standing('b', 4, worse)], [Standing('b', 4, worse), one]):
    (claim,) = standings.differences(pair)
    assert claim.id == 'a-at-4.vs.b-at-4'
    assert claim.holds is True
  apart = one.seeds[0].correct.mean() - other.seeds[0].correct.mean()
  (claim,) = standings.differences([one, other])
  assert claim.estimate == pytest.approx(100 * abs(apart))


def test_what_is_compared():
  rng = np.random.default_rng(2)
  wanted = (('a', 4), ('a', 8), ('b', 4), ('b', 8), ('c', 2), ('d', 3))
  entries = _entries(rng, *((name, n, 0.5) for name, n in wanted))
  found = {claim.id for claim in standings.differences(entries)}
  pairs = {('a4', 'b4'), ('a8', 'b8'), ('c2', 'd3')}
  pairs |= {(x, y) for x in ('a4', 'a8', 'b4', 'b8') for y in ('c2', 'd3')}
  named = lambda x: f'{x[0]}-at-{x[1:]}'
  assert {frozenset(id.split('.vs.')) for id in found} == {
    frozenset(map(named, pair)) for pair in pairs
  }


def test_the_text_says_all_and_its_columns_line_up():
  rng = np.random.default_rng(3)
  entries = _entries(rng, ('greedy', 1, 0.4), ('beam-m4', 16, 0.7))
  rows, claims = standings.table(entries), standings.differences(entries)
  lines = standings.text('the\x1b title', rows, claims).splitlines()
  assert '\x1b' not in lines[0]
  table = lines[2:5]
  assert len({len(line) for line in table}) == 1
  assert re.search(r'beam-m4 +16 +640 +\d+\.\d +\[', table[2])
  assert 'Beam-m4 at 16 is more accurate than greedy at 1. +' in lines[-1]


def test_one_line_is_enough_for_all_that_is_undecided():
  rng = np.random.default_rng(3)
  entries = _entries(rng, *((name, 1, 0.5) for name in 'abc'))
  entries += _entries(rng, ('wrong', 1, 0.0))
  for some, shown in (
    (entries[:2], ['     undecided  A at 1 is']),
    (
      entries,
      [*3 * ['         holds  '], '     undecided  3 of 6'],
    ),
  ):
    claims = standings.differences(some)
    text = standings.text('', standings.table(some), claims)
    told = text.splitlines()[-len(shown) - 1 :]
    assert told[0].startswith('differences, ')
    assert [t[: len(s)] for t, s in zip(told[1:], shown, strict=True)] == shown
