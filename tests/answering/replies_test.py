"""Answers are those that the stages of a run record for the same questions."""

import dataclasses
import json

import pytest

from tests.answering.small_run import BEAM, SEED, TASK
from tests.stages.random_models import stored
from ttc.allocation.evidence import answer
from ttc.analysis import names, study
from ttc.answering import asked, offers
from ttc.answering.replies import BELIEF, replies, VOTE, WEIGHTED_VOTE
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.search.strategies import BestOfN, Greedy
from ttc.stages.arms import Arm
from ttc.stages.sample import Sample


def _asked(run, strategy, budget, problems, only=''):
  experiment, root = run
  offer = offers.chosen(offers.of(experiment, only), strategy)
  folder = offers.finished(root, SEED)
  stage = offer.stage_for(problems, budget, folder)
  return replies(stage, problems, SEED)


def _recorded(run, stage, strategy=None):
  rows = records.read_rows(run[1] / f'seed-{SEED}' / stage)
  return {
    row['problem']: row
    for row in rows
    if strategy is None or row['strategy'] == repr(strategy)
  }


def test_what_is_sampled_can_be_chosen_from(run):
  # A first look has no arm of best-of-N, and four samples of a question.
  (search,) = [s for s in run[0].stages if s.name == 'search']
  search = dataclasses.replace(search, arms=(Arm(Greedy(), (1,)),))
  stages = (Sample(search.solver, num=7), search)
  found = offers.of(Experiment('first_look', stages))
  assert {name: offer.budgets for name, offer in found.items()} == {
    'greedy': (1,),
    'best-of-n': (7,),
  }


@pytest.mark.parametrize(
  ('name', 'strategy'), [('best-of-N', BestOfN()), ('Beam M=2', BEAM)]
)
def test_a_strategy_gives_what_the_search_stage_recorded(run, name, strategy):
  kept = _recorded(run, 'search', strategy)
  # Other questions beside them, and another order, change nothing.
  questions = [p.question for p in TASK.problems('test')[3:0:-1]]
  questions.append('13: 7 2 1 17: 5 4 3')
  problems = asked.posed(TASK, 'test', questions)
  found = _asked(run, name, 4, problems)
  assert [reply.question for reply in found] == questions
  for problem, reply in zip(problems[:-1], found, strict=False):
    row = kept[problem.id]
    assert list(reply.attempts) == row['rows']
    best = answer(row['rows'])
    assert (reply.answer, reply.text) == (best['answer'], best['text'])
    assert reply.attempts[reply.chosen] == best
    assert reply.score == best['values'][-1]
    assert reply.measure == WEIGHTED_VOTE
    scores = [(a['answer'], a['values'][-1]) for a in row['rows']]
    share = sum(s for a, s in scores if a == reply.answer)
    assert reply.confidence == pytest.approx(share / sum(s for _, s in scores))
    assert (reply.generations, reply.stop) == (4, 'budget spent')
    used = sum(count[0] for count in row['cost'].values())
    assert reply.tokens >= used > 0
    assert reply.flops > 0
  assert len(found[-1].attempts) == 4


def test_an_allocation_gives_what_its_stage_recorded(run):
  kept = records.read_rows(run[1] / f'seed-{SEED}' / 'allocate')
  problems = TASK.problems('test')
  found = _asked(run, 'allocation', 3, problems)
  for problem, reply in zip(problems, found, strict=True):
    rows = [row for row in kept if row['problem'] == problem.id]
    last = next(row for row in rows if 'correct' in row)
    own = [attempt for row in rows for attempt in row.get('rows', ())]
    assert list(reply.attempts) == own
    assert reply.answer == last['answer']
    assert reply.stop == last['decision']['stop']
    assert reply.measure == BELIEF
    assert reply.answer is not None
    assert reply.confidence == last['decision']['belief']
    assert reply.generations == len(own) == last['attempts']


def test_a_policy_bins_as_its_stages_did_and_answers_by_their_arms(run):
  seed = run[1] / f'seed-{SEED}'
  bins = study.load(seed, SEED, difficulty='difficulty').bins['predicted']
  policy = json.loads((seed / 'policy' / 'policy.json').read_text())
  arms = {
    (entry['bin'], entry['budget']): entry['arm']
    for entry in policy['search']['predicted']['policy']
  }
  problems = TASK.problems('test')
  samples = _recorded(run, 'difficulty')
  found = _asked(run, 'policy', 4, problems)
  seen = set()
  for problem, reply, bin in zip(problems, found, bins, strict=True):
    arm, spent = names.spent(arms[bin, 4], 4)
    told = f'budget spent by {arms[bin, 4]}, the arm of difficulty bin {bin}'
    assert reply.stop == told
    assert reply.generations == 3 + spent
    seen.add(arm)
    if spent == 4:
      strategy = BEAM if arm == 'beam M=2' else BestOfN()
      row = _recorded(run, 'search', strategy)[problem.id]
      assert list(reply.attempts) == row['rows']
      work = [*row['cost'].values(), *samples[problem.id]['cost'].values()]
      assert reply.tokens >= sum(count[0] for count in work)
  assert seen <= {'beam M=2', names.WEIGHTED}
  # What it does not know is the most that it knows below.
  (more,) = _asked(run, 'policy', 7, problems[:1])
  assert more.attempts == found[0].attempts


@pytest.mark.parametrize('name', ['allocation', 'policy'])
def test_what_was_fitted_with_other_models(run, tmp_path, name):
  experiment, root = run
  for role, path in (
    ('proposer', stored(tmp_path / 'proposer', mark='other')),
    ('verifier', stored(tmp_path / 'verifier', 'value', mark='other')),
  ):
    offer = offers.of(experiment)[name]
    solver = dataclasses.replace(offer.stage.solver, **{role: path})
    offer = dataclasses.replace(
      offer, stage=dataclasses.replace(offer.stage, solver=solver)
    )
    told = f'fitted with the {role} .* {path} is another; leave out'
    with pytest.raises(ValueError, match=told):
      offer.stage_for(TASK.problems('test')[:1], 4, offers.finished(root, SEED))


def test_without_a_verifier_votes_count_alone(run):
  problems = TASK.problems('test')[:2]
  kept = _recorded(run, 'greedy')
  for problem, reply in zip(
    problems, _asked(run, 'greedy', 1, problems, 'greedy'), strict=True
  ):
    assert list(reply.attempts) == kept[problem.id]['rows']
    assert (reply.measure, reply.score) == (VOTE, None)
    assert reply.confidence == (reply.answer is not None)


def test_the_names_that_can_answer(run):
  assert list(offers.of(run[0])) == [
    'best-of-n',
    'beam-m2',
    'greedy',
    'allocation',
    'policy',
  ]
  assert offers.written('lookahead k=1, M=√N') == 'lookahead-k1-msqrtn'
  assert offers.written('best-of-N T=0.4') == 'best-of-n-t0.4'


@pytest.mark.parametrize(
  ('strategy', 'budget', 'only', 'told'),
  [
    ('beem', 4, '', "'beem' is none .*: best-of-n, beam-m2, greedy, alloc"),
    ('best-of-n', 4, 'label', 'label is no stage .*; there is search, greedy'),
    ('best-of-n', 2.5, '', r'--budget=2\.5 .* give a whole one'),
    ('best-of-n', 0, '', '--budget=0 .* positive'),
    ('greedy', 4, '', 'its budget is 1, not 4'),
    ('beam M=2', 3, '', 'does not divide 3 rows.* multiple of 2'),
    ('allocation', -1, '', '--budget=-1 .* positive'),
    ('policy', 2.5, '', r'--budget=2\.5 .* give a whole one'),
    ('best-of-n', float('inf'), '', '--budget=inf .* positive'),
    ('best-of-n', float('nan'), '', '--budget=nan .* positive'),
  ],
)
def test_what_cannot_answer(run, strategy, budget, only, told):
  problems = TASK.problems('test')[:1]
  with pytest.raises(ValueError, match=told):
    _asked(run, strategy, budget, problems, only)


def test_a_run_without_a_model(run, tmp_path):
  offer = offers.of(run[0])['best-of-n']
  with pytest.raises(ValueError, match='seed-3/pretrain is not complete'):
    offer.stage_for(
      TASK.problems('test')[:1], 4, offers.finished(tmp_path, SEED)
    )


def test_a_question_that_leaves_no_room(run):
  question = ' '.join(['13: 7 2 1'] * 63)
  problems = asked.posed(TASK, 'test', [question])
  told = r'prompt of 253 tokens, more than 250 \(the context of .*256'
  with pytest.raises(ValueError, match=told):
    _asked(run, 'greedy', 1, problems)
