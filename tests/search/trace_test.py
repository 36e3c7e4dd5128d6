"""Traces of searches: every attempt can be read off, and nothing is changed."""

import collections
import itertools

import pytest

from tests import testing
from tests.search import contract_test, reference, tools_test
from ttc.search.forced import Forced
from ttc.search.strategies import StepSearch
from ttc.search.trace import ROOT, SearchTrace

_TABLE, _VALUES = contract_test.TABLE, contract_test.VALUES
_LOOKAHEAD = StepSearch(lookahead=1)


def questions():
  models = testing.scripted_models(_TABLE, _VALUES)
  return testing.questions(models, *contract_test.PROMPTS)


def traced(strategy, question, budget):
  trace = SearchTrace()
  plan = trace.follow(strategy.plan(question, budget))
  rows, drawn, _ = reference.interpret(plan, _TABLE, _VALUES, most=4)
  return trace, rows, drawn


def path(trace, node):
  """Nodes from the first one to this."""
  found = []
  while node != ROOT:
    found.append(node)
    assert trace.parent[node] < node
    node = trace.parent[node]
  return found[::-1]


def said(trace, nodes):
  return [*itertools.chain(*(trace.tokens[n] for n in nodes))]


def fits(strategy, budget):
  try:
    return bool(strategy.rows(budget))
  except ValueError:
    return False


CASES = [
  case
  for case in itertools.product(contract_test.CASES, contract_test.BUDGETS)
  if fits(*case)
]
# It replaces what was drawn, so that its rows are no tree.
FORCED = [c for c in CASES if isinstance(c[0], Forced) and c[0].wait]
CASES = [case for case in CASES if case not in FORCED]


@pytest.mark.parametrize(('strategy', 'budget'), FORCED, ids=repr)
def test_rows_that_were_rewritten_are_said_to_be(strategy, budget):
  said_so = False
  for question in questions():
    trace, rows, _ = traced(strategy, question, budget)
    said_so |= trace.rewritten
    for row, end in zip(rows, trace.ends, strict=True):
      assert trace.rewritten or said(trace, path(trace, end)) == row.attempt
  assert said_so


@pytest.mark.parametrize(('strategy', 'budget'), CASES, ids=repr)
def test_attempts_are_paths_of_the_tree(strategy, budget):
  for one, other in zip(questions(), questions(), strict=True):
    plain, *_ = reference.interpret(
      strategy.plan(one, budget), _TABLE, _VALUES, most=4
    )
    trace, rows, _ = traced(strategy, other, budget)
    assert [r.tokens for r in rows] == [r.tokens for r in plain]
    assert [r.values for r in rows] == [r.values for r in plain]
    assert not trace.rewritten
    for row, end in zip(rows, trace.ends, strict=True):
      nodes = path(trace, end)
      assert said(trace, nodes) == row.attempt
      assert trace.value[end] == row.value
      rounds = [trace.round[n] for n in nodes]
      assert rounds == sorted(set(rounds))
      for n in nodes:
        length = sum(len(trace.tokens[m]) for m in path(trace, n))
        assert trace.value[n] == row.values[length - 1]


@pytest.mark.parametrize(('strategy', 'budget'), CASES, ids=repr)
def test_nothing_that_was_drawn_is_missing(strategy, budget):
  (question, _) = questions()
  trace, _, drawn = traced(strategy, question, budget)
  assert sum(map(len, trace.tokens)) == drawn


def test_rounds_of_a_beam_by_hand():
  """Children are as many as the allocator gave; who got none was pruned."""
  (question, _) = questions()
  strategy, given = StepSearch(), []

  class Watched(StepSearch):
    def parents(self, *arguments):
      chosen = super().parents(*arguments)
      given.append(chosen)
      return chosen

  trace, *_ = traced(Watched(), question, 8)
  by_round = collections.defaultdict(list)
  for node, number in enumerate(trace.round):
    by_round[number].append(node)
  for number, chosen in enumerate(given):
    before, now = by_round[number], by_round[number + 1]
    assert [before.index(trace.parent[n]) for n in now] == chosen
  assert strategy.rows(8) == len(by_round[0])


def test_a_look_ahead_is_a_branch_of_its_own():
  (question, _) = questions()
  trace, *_ = traced(_LOOKAHEAD, question, 8)
  greedy = [n for n, r in enumerate(trace.round) if r % 2 and trace.tokens[n]]
  kept = {n for end in trace.ends for n in path(trace, end)}
  assert greedy
  assert not kept & set(greedy[: _LOOKAHEAD.rows(8)])


def test_what_a_tool_said_is_in_the_tree():
  models = testing.scripted_models(tools_test.TABLE, tools_test.VALUES)
  (question, *_) = testing.questions(models, *tools_test.PROMPTS)
  trace = SearchTrace()
  plan = trace.follow(
    tools_test.Asking(tools_test.counted, 2).plan(question, 4)
  )
  rows, *_ = reference.interpret(
    plan, tools_test.TABLE, tools_test.VALUES, most=4
  )
  for row, end in zip(rows, trace.ends, strict=True):
    nodes = path(trace, end)
    assert said(trace, nodes) == row.attempt


def test_as_records_texts_are_kept_once():
  trace = SearchTrace(
    parent=[-1, -1, 0], round=[0, 0, 1], tokens=[[3], [3], [4, 5]],
    value=[0.5, None, 1.0], ends=[2, 1], rounds=2,
  )  # fmt: skip
  assert trace.record(lambda tokens: '-'.join(map(str, tokens))) == {
    'parent': [-1, -1, 0],
    'round': [0, 0, 1],
    'tokens': [1, 1, 2],
    'value': [0.5, None, 1.0],
    'text': [0, 0, 1],
    'texts': ['3', '-4-5'],
    'ends': [2, 1],
  }
