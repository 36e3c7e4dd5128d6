"""A policy over turns and chains answers as its stages recorded."""

import dataclasses
import json

import pytest

from tests.answering import small_run
from tests.answering.small_run import SEED, TASK
from tests.stages.random_models import stored
from ttc.allocation.evidence import Evidence, voters
from ttc.analysis import aggregate, chains, names, study
from ttc.answering import offers
from ttc.answering.replies import replies, WEIGHTED_VOTE
from ttc.pipeline import records

BUDGET = 4


@pytest.fixture(scope='module')
def revised(run):
  """The run with a policy over revisions, and its root."""
  experiment, root = run
  return small_run.revised(experiment, root), root


@pytest.fixture(scope='module')
def answered(revised):
  """Replies at a budget, by the ids of their questions."""
  experiment, root = revised
  offer = offers.of(experiment)[offers.REVISIONS]
  problems = TASK.problems('test')
  folder = offers.finished(root, SEED)
  stage = offer.stage_for(problems, BUDGET, folder)
  found = replies(stage, problems, SEED)
  return {p.id: reply for p, reply in zip(problems, found, strict=True)}


def test_what_is_offered(run, revised):
  assert offers.REVISIONS not in offers.of(run[0])
  offer = offers.of(revised[0])[offers.REVISIONS]
  assert offer.budgets == (1, 2, 4)


def test_it_bins_as_its_stages_did_and_revises_as_they_recorded(
  revised, answered
):
  seed = revised[1] / f'seed-{SEED}'
  bins = study.load(seed, SEED, difficulty='difficulty').bins['predicted']
  policy = json.loads((seed / 'fit_revisions' / 'policy.json').read_text())
  arms = {
    (entry['bin'], entry['budget']): entry['arm']
    for entry in policy['revise']['predicted']['policy']
  }
  kept = {row['problem']: row for row in records.read_rows(seed / 'revise')}
  samples = {
    row['problem']: row for row in records.read_rows(seed / 'difficulty')
  }
  for (id, reply), bin in zip(answered.items(), bins, strict=True):
    arm, spent = names.spent(arms[bin, BUDGET], BUDGET)
    (turns, count), *_ = [
      split for split in chains.splits(spent) if names.ratio(*split) == arm
    ]
    told = f'{turns} turns in each of {count} chains'
    assert reply.stop == (
      f'budget spent by {told}, the arm of difficulty bin {bin}'
    )
    assert reply.generations == 3 + spent
    assert reply.measure == WEIGHTED_VOTE
    assert list(reply.attempts) == [
      row
      for row in kept[id]['rows']
      if row['chain'] < count and row['turn'] <= turns
    ]
    used = sum(work[0] for work in samples[id]['cost'].values())
    assert reply.tokens > used


def test_it_chooses_as_the_study_that_fitted_it(answered):
  for reply in answered.values():
    evidence = Evidence.of(reply.attempts)
    shape = 1 + reply.attempts[-1]['chain'], reply.attempts[-1]['turn']
    index = aggregate.hierarchical(
      evidence.answer.reshape(shape), evidence.score.reshape(shape)
    )
    assert reply.chosen == index
    assert reply.chosen in voters(reply.attempts)
    assert reply.answer == reply.attempts[index]['answer']


@pytest.mark.parametrize(
  ('role', 'told'),
  [
    ('solver', 'fitted with the proposer seed-3/revision as'),
    ('binning', 'fitted with the proposer seed-3/pretrain as'),
  ],
)
def test_what_was_fitted_with_other_models(revised, tmp_path, role, told):
  experiment, root = revised
  offer = offers.of(experiment)[offers.REVISIONS]
  other = stored(tmp_path / 'proposer', mark='other')
  solver = dataclasses.replace(getattr(offer.stage, role), proposer=other)
  stage = dataclasses.replace(offer.stage, **{role: solver})
  offer = dataclasses.replace(offer, stage=stage)
  with pytest.raises(ValueError, match=told):
    offer.stage_for(
      TASK.problems('test')[:1], BUDGET, offers.finished(root, SEED)
    )


def test_a_policy_without_revisions_is_told(run, revised):
  experiment, root = revised
  offer = offers.of(experiment)[offers.REVISIONS]
  stage = dataclasses.replace(offer.stage, policy='policy')
  offer = dataclasses.replace(offer, stage=stage)
  problems = TASK.problems('test')[:1]
  stage = offer.stage_for(problems, BUDGET, offers.finished(root, SEED))
  with pytest.raises(ValueError, match='has no policy over revisions by'):
    replies(stage, problems, SEED)
