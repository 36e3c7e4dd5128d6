"""Plans served by an endpoint, beside the same plans served here.

The server behind the endpoint draws with our engine from the seed that it is
sent. So where the rows here draw from those seeds too, all has to be equal:
tokens, ends, log-probabilities, values, and what a plan makes of them.
"""

import collections
import dataclasses
import itertools

import numpy as np
import pytest

from tests import testing
from tests.external.stand_in import LETTERS, NAME, serving
from ttc.examples.marks import Marks
from ttc.external.completions import Call
from ttc.external.endpoint import Endpoint
from ttc.external.remote import RemoteScheduler
from ttc.inference import keys
from ttc.inference.requests import Extend, Prefill
from ttc.inference.rows import fold_keys
from ttc.inference.without_history import WithoutHistory
from ttc.search.allocate import Beam, Rebase
from ttc.search.backtrack import Backtrack
from ttc.search.greedy_seeded import GreedySeeded
from ttc.search.guided import Guided
from ttc.search.mcts import Mcts
from ttc.search.revisions import Chains, Trail
from ttc.search.sparse import Sparse
from ttc.search.strategies import BestOfN, Greedy, StepSearch
from ttc.search.tempered import Tempered

MARKS = Marks(testing.Spelling(16), good='d', bad='e', threshold=0.9)
PROMPTS = ([3, 4], [5, 6, 7], [8], [3, 4, 9, 12], [10, 11])
STRATEGIES = [
  (BestOfN(), 4),
  (Greedy(), 1),
  (GreedySeeded(), 3),
  (Tempered(BestOfN(), 0.3), 4),
  (StepSearch(Beam(2)), 4),
  (StepSearch(Rebase()), 4),
  (StepSearch(Beam(2), lookahead=2), 6),
  (Mcts(width=2, leaves=2), 6),
  (Mcts(width=2, rollouts=2), 8),
  (Backtrack(first=2, batch=1), 6),
  (Guided(first=2, width=2, keep=2, marks=MARKS), 6),
  (Guided(StepSearch(Beam(2)), first=2, width=2, marks=MARKS), 4),
]


@pytest.fixture(scope='module')
def models():
  return testing.looking_back(max_step_tokens=4)


@pytest.fixture(scope='module')
def server(models):
  with serving(models) as server:
    yield server


def remote(server, models, **settings):
  """A scheduler that asks the server; the verifier reads here."""
  settings = dict(concurrency=4, timeout=60.0, retries=2) | settings
  here = dataclasses.replace(models, proposer=None)
  reader = testing.scheduler(here) if models.verifier else None
  endpoint = Endpoint(server.url, NAME, **settings)
  return RemoteScheduler(endpoint, LETTERS, here, reader)


def from_seeds(plan):
  """The plan, its rows drawn from the seeds that an endpoint is sent."""
  while True:
    try:
      request = next(plan)
    except StopIteration as stop:
      return stop.value
    rows = list(request.rows) if isinstance(request, Extend) else []
    fold_keys(rows)
    own = [row.key for row in rows]
    for row in rows:
      row.key = keys.root(Call(row.tokens, 1, 1, 1.0, row.key).seed)
    yield request
    for row, key in zip(rows, own, strict=True):
      row.key = key


def solved(scheduler, models, strategy, budget, plan=lambda plan: plan):
  """What a strategy finds for all prompts, but for its costs."""
  plans = [
    (q, plan(strategy.plan(q, budget)), strategy.slots(budget))
    for q in testing.questions(models, *PROMPTS)
  ]
  return [
    [dataclasses.asdict(attempt) for attempt in solution.attempts]
    for solution in testing.run(scheduler, models, plans)
  ]


def assert_equal(there, here):
  """Numbers may be rounded otherwise, where other rows were read with them."""
  assert len(there) == len(here) == len(PROMPTS)
  for one, other in zip(there, here, strict=True):
    for name in ('tokens', 'truncated'):
      assert [a[name] for a in one] == [a[name] for a in other]
    for name in ('values', 'logprob'):
      for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-4)


@pytest.mark.parametrize(('strategy', 'budget'), STRATEGIES, ids=repr)
def test_a_strategy_finds_elsewhere_what_it_finds_here(
  server, models, strategy, budget
):
  there = solved(remote(server, models), models, strategy, budget)
  here = solved(testing.scheduler(models), models, strategy, budget, from_seeds)
  assert_equal(there, here)


@pytest.mark.parametrize(
  'strategy',
  [Sparse(StepSearch(Beam(2)), every=3), StepSearch(Beam(2), lookahead=1)],
  ids=repr,
)
def test_several_steps_are_several_calls(server, models, strategy):
  # Each call has a seed of its own, so that only likely tokens are the same.
  strategy = Tempered(strategy, 0.0)
  there = solved(remote(server, models), models, strategy, 4)
  here = solved(testing.scheduler(models), models, strategy, 4)
  assert_equal(there, here)


@pytest.mark.parametrize('verifier', ['there', 'alone', 'none'])
def test_chains_of_revisions(server, models, verifier):
  if verifier == 'none':
    models = dataclasses.replace(models, verifier=None)
  if verifier == 'alone':  # it reads no earlier attempts
    prompts = dict(enumerate(PROMPTS, start=10))
    models = dataclasses.replace(models, bridge=WithoutHistory(prompts, {}))
  chains = Chains((3, 3, 1), LETTERS, keep=1)
  found = []
  for scheduler, change in (
    (remote(server, models), lambda plan: plan),
    (testing.scheduler(models), from_seeds),
  ):
    trails = collections.defaultdict(Trail)
    plans = [
      (q, change(chains.plan(q, models, trails[q.id])), chains.slots)
      for q in testing.questions(models, *PROMPTS)
    ]
    testing.run(scheduler, models, plans)
    found.append(
      [
        [dataclasses.asdict(r.attempt) for r in trails[id].revisions]
        for id in sorted(trails)
      ]
    )
  if verifier == 'none':
    assert all(a['values'] is None for q in found[0] for a in q)
    for attempt in itertools.chain(*itertools.chain(*found)):
      attempt['values'] = 0.0
  assert_equal(*found)


def test_several_answers_in_one_call(server, models):
  before = len(server.calls)
  found = solved(remote(server, models, choices=3), models, BestOfN(), 8)
  counts = [call.get('n', 1) for call in server.calls[before:]]
  assert sorted(counts) == sorted([3, 3, 2] * len(PROMPTS))
  assert all(len(attempts) == 8 for attempts in found)
  assert any(len({tuple(a['tokens']) for a in q}) > 1 for q in found)
  # Of most likely tokens no server is asked for several.
  before = len(server.calls)
  solved(remote(server, models, choices=3), models, Tempered(BestOfN(), 0.0), 3)
  assert all('n' not in call for call in server.calls[before:])


def test_costs_are_those_of_the_usage(server, models):
  scheduler = remote(server, models)
  before = len(server.calls)
  plans = [
    (q, BestOfN().plan(q, 3), 2) for q in testing.questions(models, *PROMPTS)
  ]
  for solution in testing.run(scheduler, models, plans):
    prompt = len(solution.question.prompt)
    read, sampled = (
      solution.cost[kind] for kind in ('proposer_prefill', 'proposer_decode')
    )
    assert read[:2] == [3 * prompt] * 2  # once for each call
    lengths = [len(attempt.tokens) for attempt in solution.attempts]
    assert sampled[:2] == [sum(lengths)] * 2
    seen = sum(prompt + i + 1 for n in lengths for i in range(n))
    assert sampled[2:] == [seen] * 2
    # The verifier here reads the prompt once.
    assert solution.cost['verifier_prefill'][0] == prompt
    assert solution.cost['verifier_decode'][0] == sum(lengths)
  assert len(server.calls) - before == 3 * len(PROMPTS)
  traffic = scheduler.traffic
  assert traffic.answers == 3 * len(PROMPTS)
  assert str(traffic) == '0 calls under way, 15 answers'


def test_texts_instead_of_ids(server, models):
  models = dataclasses.replace(models, verifier=None)
  texts, ids = (
    solved(remote(server, models, ids=ids), models, GreedySeeded(), 3)
    for ids in (False, True)
  )
  assert {type(call['prompt']) for call in server.calls[-30:]} == {str, list}
  for attempt in itertools.chain(*ids):  # special tokens have no text
    attempt['tokens'] = [t for t in attempt['tokens'] if t not in (0, 2)]
  assert texts == ids


def test_a_text_does_not_tell_a_step_from_an_end(server, models):
  before = len(server.calls)
  with pytest.raises(ValueError, match=r'stops at the ends of steps.*ids=True'):
    solved(remote(server, models, ids=False), models, StepSearch(), 4)
  assert len(server.calls) == before


def test_unknown_log_probabilities_are_left_out(server, models):
  found = solved(remote(server, models, logprobs=False), models, BestOfN(), 2)
  assert {a['logprob'] for q in found for a in q} == {None}


def test_known_tokens_are_added_between_steps(server, models):
  """A tool's text, which a plan adds, is sent on and valued."""

  def plan(question):
    row = question.root()
    yield Prefill([row])
    yield Extend([row], steps=1)
    row.tokens += [4, 5]
    row.done = False
    yield Prefill([row])
    assert len(row.values) == len(row.attempt)
    yield Extend([row])
    return [row]

  ((solution,),) = (
    testing.run(remote(server, models), models, [(q, plan(q), 1)])
    for q in testing.questions(models, [3, 4])
  )
  attempt = solution.attempts[0]
  _, values = testing.read_whole(models, [3, 4], attempt.tokens)
  np.testing.assert_allclose(attempt.values[-1], values[-1], rtol=1e-4)
  assert [4, 5] in [attempt.tokens[i : i + 2] for i in range(8)]
