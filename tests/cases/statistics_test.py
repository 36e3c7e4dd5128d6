"""Degenerate statistics decide nothing, and say why."""

import json
import re
import shutil

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import study
from ttc.claims import catalogue, compare, verdicts, verifier, words
from ttc.pages import claim_list
from ttc.pipeline import records
from ttc.reporting import report, tables
from ttc.reporting.figures import catalogue as figures

# Every answer of every arm becomes this one.
OUTCOMES = {
  'right': {'correct': True, 'answer': 'A'},
  'wrong': {'correct': False, 'answer': 'B'},
  'unparsable': {'correct': False, 'answer': None},
  'cut short': {'correct': False, 'answer': None, 'truncated': True},
}
M = 13.5


def change(folder, update, of=lambda record: True):
  """Gives the answers of all records, or of some, other outcomes."""
  for stage in sorted(path.parent for path in folder.glob('*/COMPLETE')):
    about = (stage / 'stage.json').read_text()
    rows = records.read_rows(stage)
    for record in filter(of, rows):
      for row in record['rows']:
        row.update(update)
    shutil.rmtree(stage)
    world.write_stage(stage, rows)
    (stage / 'stage.json').write_text(about)


def claims_of(*folders):
  studies = [study.load(f, seed, subsets=5) for seed, f in enumerate(folders)]
  claims = catalogue.build(studies, M)
  json.dumps([c.to_json() for c in claims], allow_nan=False)
  assert all(bool(c.why) == (c.holds is None) for c in claims)
  assert all(c.is_measurable == (c.estimate is not None) for c in claims)
  return {c.id: c for c in claims}


@pytest.mark.parametrize('outcome', OUTCOMES)
def test_arms_that_are_all_equal_decide_nothing(tmp_path, outcome):
  """P30, NVIDIA/garak#2076: an interval without width is no certainty."""
  folder = world.write(tmp_path, world.Truth(questions=20, chains=4))
  change(folder, OUTCOMES[outcome])
  claims = claims_of(folder)
  factors = [c for id, c in claims.items() if '.factor.' in id]
  assert factors
  for claim in factors:
    assert (claim.holds, claim.estimate) == (None, 1.0)
    assert claim.why == 'no questions bear on it, and a decision takes 6'
  assert [c.id for c in claims.values() if c.holds is not None] == []
  # No right answer beside a wrong one: nothing to rank, not even undecidedly.
  assert not claims['verifier.auc.final'].is_measurable


def test_an_arm_that_is_always_right_beats_one_that_never_is(tmp_path):
  """P30, the other way: what is certain is still decided."""
  folder = world.write(tmp_path, world.Truth(questions=20), without=('revise',))
  change(folder, OUTCOMES['wrong'], lambda r: r['strategy'] == 'BestOfN()')
  change(folder, OUTCOMES['right'], lambda r: r['strategy'] == world.BEAM)
  claims = claims_of(folder)
  claim = claims['search.beam-m-4-vs-best-of-n.all.n4']
  assert (claim.holds, claim.estimate) == (True, 100)


def flat(accuracy, questions=30):
  return {n: np.full(questions, a) for n, a in accuracy.items()}


@pytest.mark.parametrize(
  ('baseline', 'accuracy', 'factor', 'holds'),
  [
    # At the ceiling the baseline has the accuracy at the same budget too.
    ({1: 0.5, 4: 1.0, 16: 1.0, 64: 1.0}, 1.0, 1, None),
    ({1: 0.5, 4: 1.0, 16: 1.0}, 1.0, 1, None),
    ({1: 0.0, 4: 0.0, 16: 0.0}, 0.0, 1, None),
    # A plateau that ends before, or begins after, still tells.
    ({1: 0.2, 2: 0.6, 4: 0.6, 16: 0.9}, 0.6, 0.25, False),
    ({1: 0.2, 16: 0.3, 32: 0.6, 64: 0.6}, 0.6, 2, True),
    # Flat, and worse or better everywhere.
    ({1: 0.3, 16: 0.3, 64: 0.3}, 0.9, 4, True),
    ({1: 0.9, 16: 0.9, 64: 0.9}, 0.3, 1 / 16, False),
  ],
)
def test_a_factor_on_a_plateau(baseline, accuracy, factor, holds):
  """P30: of budgets with equal accuracy, the nearest counts."""
  claim = compare.factor(
    'id', 's', [flat({16: accuracy})], [flat(baseline)], 16
  )
  assert claim.estimate == pytest.approx(factor)
  assert claim.holds is holds


def test_equal_up_to_rounding_is_equal():
  """P30: 0.1 + 0.2 and 0.3 are one accuracy."""
  baseline = flat({1: 0.1, 4: 0.3, 16: 0.3})
  claim = compare.factor('i', 's', [flat({16: 0.1 + 0.2})], [baseline], 16)
  assert (claim.estimate, claim.holds) == (pytest.approx(1), None)
  same = compare.better('i', 's', [np.full(30, 0.1 + 0.2)], [np.full(30, 0.3)])
  assert same.why.startswith('no questions bear on it')


@pytest.mark.parametrize('questions', range(1, 9))
def test_few_questions_that_agree_decide_nothing(questions):
  """P30: one question has an interval of width 0."""
  right, wrong = np.ones(questions), np.zeros(questions)
  claim = compare.better('id', 's', [right], [wrong])
  assert claim.interval == (100, 100)
  assert claim.holds is (True if questions >= verdicts.FEWEST else None)
  if claim.holds is None:
    noun = 'question bears' if questions == 1 else 'questions bear'
    assert claim.why == f'{questions} {noun} on it, and a decision takes 6'


def test_questions_that_make_no_difference_do_not_count():
  """P30: 5 of 200 questions tell two arms apart."""
  a, b = np.ones(200), np.ones(200)
  b[:5] = 0
  claim = compare.better('id', 's', [a], [b])
  assert (claim.holds, claim.why[:1]) == (None, '5')
  b[5] = 0
  assert compare.better('id', 's', [a], [b]).holds is True


@pytest.mark.parametrize(
  ('members', 'measurable', 'why'),
  [
    (0, False, 'there is nothing to measure it on'),
    (1, True, '1 question bears on it, and a decision takes 6'),
    (5, True, '5 questions bear on it, and a decision takes 6'),
    (6, True, ''),
  ],
)
def test_bins_with_few_questions(members, measurable, why):
  """P32: an empty bin is not measured, a small one undecided."""
  bin_ = np.arange(40) < members
  claim = compare.better('id', 's', [np.ones(40)], [np.zeros(40)], [bin_])
  assert (claim.is_measurable, claim.why) == (measurable, why)
  assert claim.holds is (None if why else True)


def test_seeds_share_their_questions():
  """Three seeds of two questions each are two questions."""
  a, b = np.ones(2), np.zeros(2)
  claim = compare.better('id', 's', [a] * 3, [b] * 3)
  assert (claim.holds, claim.why[:1]) == (None, '2')


def test_a_seed_without_the_group_leaves_it_open():
  """A bin that one of two seeds has no question in."""
  a, b = np.ones(40), np.zeros(40)
  claim = compare.better(
    'id', 's', [a, a], [b, b], [np.ones(40, bool), np.zeros(40, bool)]
  )
  assert claim.is_measurable
  assert (claim.holds, claim.seeds) == (None, (100, None))
  assert claim.why == 'there is too little to measure it on'


def test_questions_that_are_all_equally_easy_have_no_spread(tmp_path):
  """P30: the easiest bin is the hardest one too."""
  folder = world.write(tmp_path, world.Truth(questions=20), without=('revise',))
  change(folder, OUTCOMES['right'], lambda r: r['budget'] == 32)
  found = study.load(folder, 0, subsets=3)
  assert set(found.bins['oracle']) == {1}
  by_id = {c.id: c for c in verifier.claims([found])}
  assert not by_id['base.spread.oracle'].is_measurable


@pytest.mark.parametrize(
  'truth',
  [
    world.Truth(questions=1),
    world.Truth(questions=1, width=1, chains=1),
    world.Truth(questions=2, width=4, chains=2),
    world.Truth(questions=4, width=16, chains=8),
  ],
  ids=repr,
)
@pytest.mark.parametrize('seeds', [1, 2])
def test_tiny_sets_are_reported_and_decide_nothing(tmp_path, truth, seeds):
  """P32: a single question, a single budget, chains of one turn."""
  folders = [world.write(tmp_path, truth, seed) for seed in range(seeds)]
  claims = claims_of(*folders)
  assert claims
  assert not [c.id for c in claims.values() if c.holds is not None]


@pytest.mark.parametrize('valued', [True, False])
@pytest.mark.parametrize('seeds', [1, 2])
@pytest.mark.parametrize(
  'strategies',
  [
    (world.BEST_OF_N,),
    (world.GREEDY,),
    (world.BEAM,),
    (world.BEST_OF_N, world.GREEDY),
    (world.GREEDY, world.BEAM, world.SQRT),
  ],
  ids=' '.join,
)
def test_a_run_with_a_strategy_or_two_is_reported(
  tmp_path, strategies, seeds, valued
):
  """Figures and tables of what there is; the others are left out."""
  rng = np.random.default_rng(0)
  studies = []
  for seed in range(seeds):
    folder = world.write(tmp_path, world.Truth(), seed, ('search', 'revise'))
    rows = [
      world.record(q, s, n, [world.row(rng, q % 2, valued, '')] * n)
      for s in strategies
      for n in ((1,) if s == world.GREEDY else (2, 4))
      for q in range(60)
    ]
    world.write_stage(folder / 'search', rows)
    studies.append(study.load(folder, seed, subsets=2))
  assert figures.build(studies, M).figures
  assert tables.accuracy(studies)
  assert tables.policies(studies) is not None
  claims = catalogue.build(studies, M)
  json.dumps([c.to_json() for c in claims], allow_nan=False)


@pytest.mark.parametrize('outcome', [None, 'unparsable'])
def test_a_report_of_one_question_is_whole(tmp_path, outcome):
  """P32: no NaN in summary.json, and a verdict in words for each claim."""
  truth = world.Truth(questions=1, width=2, chains=1)
  folder = world.write(tmp_path, truth, without=('large_samples',))
  if outcome:
    change(folder, OUTCOMES[outcome])
  about = report.About('tiny', 'ttc run', {}, size_ratio=M, subsets=2)
  text = report.write(tmp_path / 'report', {0: folder}, about)
  summary = json.loads(
    (tmp_path / 'report' / 'summary.json').read_text(),
    parse_constant=pytest.fail,
  )
  assert all(c['holds'] is None and c['why'] for c in summary['claims'])
  counted = re.search(
    r'claims: 0 hold, 0 do not, (\d+) are undecided, (\d+) not measurable', text
  )
  assert sum(map(int, counted.groups())) == len(summary['claims'])


def test_undecided_and_not_measurable_read_apart():
  """P30: two words for two things, with the reason."""
  a, b = np.ones(3), np.zeros(3)
  few = compare.better('search.a', 'few.', [a], [b])
  none = compare.better('search.b', 'none.', [a], [b], [a < 0])
  mixed = np.tile([1.0, 0.0], 5)
  open_ = compare.better('search.c', 'open.', [mixed], [1 - mixed])
  assert (few.verdict, none.verdict, open_.verdict) == (
    'not measurable',
    'not measurable',
    'undecided',
  )
  assert words.number(few) == (
    '+100.0 points [+100.0, +100.0]: 3 questions bear on it, and a decision '
    'takes 6'
  )
  assert words.number(none) == (
    'not measurable: there is nothing to measure it on'
  )
  html = claim_list.every([few, none, open_])
  shown = [f'</span> {word}</span>' for word in ('not measurable', 'undecided')]
  assert [html.count(text) for text in shown] == [2, 1]
