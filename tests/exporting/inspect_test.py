"""Exported logs, as the library that shows them reads them."""

import datetime

import pytest

from tests.stages.random_models import TASK
from ttc.cli import main
from ttc.exporting import inspect_events
from ttc.pipeline import records
from ttc.search.allocate import Beam
from ttc.search.strategies import StepSearch

logs = pytest.importorskip('inspect_ai.log', reason='needs inspect_ai')


@pytest.fixture(scope='module')
def exported(run, tmp_path_factory):
  """The logs by strategy and budget."""
  folder = tmp_path_factory.mktemp('logs')
  command = ['export', '--to=inspect', f'--run={run}', f'--output={folder}']
  assert main.main(command) == 0
  assert main.main(command) == 0  # over the same files
  found = {}
  for info in logs.list_eval_logs(str(folder)):
    log = logs.read_eval_log(info)
    strategy = log.eval.metadata['strategy']
    found[strategy, log.eval.metadata['budget']] = log
  assert len(found) == len(list(folder.iterdir()))
  return found


def _rows(run, strategy, budget):
  stage = 'revise' if strategy == _CHAINS else 'search'
  return [
    row
    for row in records.read_rows(run / 'seed-7' / stage)
    if (row['strategy'], row['budget']) == (strategy, budget)
  ]


_CHAINS = 'Revise(keep=4)'
# Figures call both searches beam M=4.
_BEAM, _SHORT = (repr(StepSearch(Beam(), rounds=rounds)) for rounds in (40, 2))
_MADE = {
  (_BEAM, 4),
  (_SHORT, 4),
  ('BestOfN()', 4),
  ('BestOfN()', 8),
  (_CHAINS, 6),
}
_EACH = pytest.mark.parametrize(('strategy', 'budget'), sorted(_MADE))


def test_there_is_a_log_for_each_strategy_and_budget(exported):
  assert exported.keys() == _MADE
  for log in exported.values():
    assert log.status == 'success'
    assert log.eval.model == 'ttc/model'


@_EACH
def test_samples_are_the_records(run, exported, strategy, budget):
  log = exported[strategy, budget]
  rows = _rows(run, strategy, budget)
  assert [s.id for s in log.samples] == [row['problem'] for row in rows]
  for sample, row in zip(log.samples, rows, strict=True):
    right = [attempt['correct'] for attempt in row['rows']]
    assert sample.scores['mean'].value == sum(right) / len(right)
    assert sample.scores['any'].value == 'CI'[not any(right)]
    assert sample.output.completion in [x['text'] for x in row['rows']]
    decode = row['cost']['proposer_decode'][0]
    assert sample.output.usage.output_tokens == decode
    assert sample.input
  totals = {score.name: score.metrics for score in log.results.scores}
  mean = totals['mean']['accuracy'].value
  assert mean == pytest.approx(
    sum(s.scores['mean'].value for s in log.samples) / len(log.samples)
  )


@_EACH
def test_every_attempt_ends_once_in_the_tree_of_events(
  run, exported, strategy, budget
):
  from inspect_ai import event

  rows = _rows(run, strategy, budget)
  for sample, row in zip(exported[strategy, budget].samples, rows, strict=True):
    ends = [e for e in sample.events if isinstance(e, event.ScoreEvent)]
    assert sorted(int(e.scorer.split()[1]) for e in ends) == list(
      range(len(row['rows']))
    )
    spans = {
      e.id: e for e in sample.events if isinstance(e, event.SpanBeginEvent)
    }
    steps = {}
    for found in sample.events:
      if isinstance(found, event.InfoEvent):
        steps.setdefault(found.span_id, []).append(found.data)
    for end in ends:
      attempt = row['rows'][int(end.scorer.split()[1])]
      assert end.score.value == 'CI'[not attempt['correct']]
      if strategy == _CHAINS:
        assert attempt['text'] in steps[end.span_id]
        continue
      # The steps on the way down are the attempt.
      path, at = [], end.span_id
      while at:
        path.insert(0, at)
        at = spans[at].parent_id
      way = [step for span in path for part in steps[span] for step in part]
      assert sum(step['tokens'] for step in way) == len(attempt['tokens'])
      assert ''.join(step['text'] for step in way) == attempt['text']
      assert [s['value'] for s in way if 'value' in s] == attempt['values']


def test_branches_begin_where_their_parent_ends():
  from inspect_ai import event

  vocabulary = TASK.vocabulary
  attempts = [
    {
      'tokens': [*vocabulary.encode(text), vocabulary.eos_id],
      'values': [0.25, 0.75],
      'text': text,
      'answer': None,
      'correct': False,
      'logprob': -1.0,
      'truncated': False,
    }
    for text in ('13: 7\n1', '13: 7\n2', '13: 8\n1')
  ]
  when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
  events = list(inspect_events.of(attempts, TASK, when))
  spans = {e.id: e for e in events if isinstance(e, event.SpanBeginEvent)}
  assert [(s.name, s.parent_id is None) for s in spans.values()] == [
    ('2 attempts, value 0.250', True),
    ('1 attempt, value 0.750', False),
    ('1 attempt, value 0.750', False),
    ('1 attempt, value 0.750', True),
  ]
  (anchor,) = (e for e in events if isinstance(e, event.AnchorEvent))
  branches = [e for e in events if isinstance(e, event.BranchEvent)]
  assert len(branches) == 2
  for branch in branches:
    assert branch.from_anchor == anchor.anchor_id
    assert spans[branch.span_id].parent_id == anchor.span_id
  # Every span ends after all that is in it.
  open_ = []
  for found in events:
    if isinstance(found, event.SpanBeginEvent):
      assert found.parent_id == (open_[-1] if open_ else None)
      open_.append(found.id)
    elif isinstance(found, event.SpanEndEvent):
      assert open_.pop() == found.id
    else:
      assert found.span_id == open_[-1]
  assert open_ == []
