"""From nothing to a report, as a user runs it, on four devices."""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests import joined, xla
from ttc.allocation import recorded
from ttc.allocation.allocation import Allocation
from ttc.allocation.ceiling import ceiling
from ttc.allocation.controller import Controller, Result
from ttc.pipeline import model_folders, records
from ttc.runtime import metrics
from ttc.runtime.canonical_json import canonical

_HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The experiment's folder and what its command printed, twice."""
  output = tmp_path_factory.mktemp('runs')
  command = [
    sys.executable,
    '-m',
    'ttc.cli.main',
    'run',
    f'--gin_file={_HERE / "pipeline.gin"}',
    f"--gin.Experiment.output='{output}'",
  ]
  outcomes = [
    subprocess.run(
      command,
      cwd=_HERE.parent,
      env=dict(os.environ, XLA_FLAGS=xla.flags(4, optimised=True)),
      capture_output=True,
      text=True,
      timeout=900,
      check=False,
    )
    for _ in range(2)
  ]
  for outcome in outcomes:
    assert outcome.returncode == 0, outcome.stderr[-4000:]
  return output / 'pipeline', outcomes


_AGAIN = ('sample', 'label', 'search', 'pilot', 'allocate', 'report')


@pytest.fixture(scope='module')
def pair(run, tmp_path_factory):
  """The folder of another run, where two processes sampled and reported."""
  output = tmp_path_factory.mktemp('pair')
  shutil.copytree(run[0], output / 'pipeline', symlinks=True)
  for stage in _AGAIN[:-1]:
    shutil.rmtree(output / 'pipeline' / 'seed-0' / stage)
  shutil.rmtree(output / 'pipeline' / 'report')
  started = [
    subprocess.Popen(
      [
        sys.executable,
        '-m',
        'ttc.cli.main',
        'run',
        f'--gin_file={_HERE / "pipeline.gin"}',
        f"--gin.Experiment.output='{output}'",
        *(f'--only={stage}' for stage in _AGAIN),
        *flags,
      ],
      cwd=_HERE.parent,
      env=dict(os.environ, XLA_FLAGS=xla.flags(4, optimised=True)),
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    for flags in joined.flags(2)
  ]
  for process in started:
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-4000:]
  return output / 'pipeline'


def test_two_processes_sample_search_label_and_report_as_one(run, pair):
  for stage in _AGAIN[:-1]:
    parts = sorted((run[0] / 'seed-0' / stage).glob('part-*'))
    assert parts
    for part in parts:
      other = pair / 'seed-0' / stage / part.name
      assert other.read_bytes() == part.read_bytes()
  first, second = (
    json.loads((folder / 'report' / 'summary.json').read_text())
    for folder in (run[0], pair)
  )
  for summary in (first, second):
    del summary['tables']['made_of']['runs']  # the commands, and when
  assert first['tables'] == second['tables']


def rows(run, stage):
  return records.read_rows(run[0] / 'seed-0' / stage)


def test_every_stage_is_complete(run):
  folder, (first, second) = run
  stages = [path.parent.name for path in folder.glob('seed-0/*/COMPLETE')]
  assert len(stages) == 26
  assert first.stderr.count('complete, skipped') == 0
  assert second.stderr.count('complete, skipped') == 27


def test_every_stage_that_samples_tells_how_busy_it_was(run):
  for stage in ('sample', 'label', 'difficulty', 'search', 'revise'):
    lines = metrics.read(run[0] / 'seed-0' / stage)
    steps = [line['step'] for line in lines]
    assert steps == sorted(set(steps))
    assert lines
    for line in lines:
      assert 0 < line['lanes_used'] <= 1
      assert 0 < line['slots_used'] <= 1
      assert line['executed_per_useful'] >= 1


def test_the_report_is_there_and_whole(run):
  folder, (first, second) = run
  summary = json.loads((folder / 'report' / 'summary.json').read_text())
  assert summary['claims']
  assert {f['id'] for f in summary['figures']} >= {
    'headline',
    'search-methods',
    'revisions-turns',
    'matched',
    'verifiers',
  }
  for figure in summary['figures']:
    assert (folder / 'report' / 'figures' / f'{figure["id"]}.svg').exists()
  page = (folder / 'report' / 'index.html').read_text()
  assert '<html' in page
  table = (folder / 'report' / 'table.txt').read_text()
  for outcome in (first, second):
    assert table.strip() in outcome.stdout


def test_budgets_are_exact(run):
  for row in rows(run, 'search'):
    ahead = 2 if 'lookahead=1' in row['strategy'] else 1
    assert len(row['rows']) * ahead == row['budget']
    assert all(r['scores'].keys() == {'orm'} for r in row['rows'])
  assert {len(r['rows']) for r in rows(run, 'revise')} == {8}


def test_questions_are_disjoint(run):
  asked = {
    stage: {r['problem'] for r in rows(run, stage)}
    for stage in ('sample', 'pilot', 'difficulty', 'search', 'revise')
  }
  assert asked['difficulty'] == asked['search'] == asked['revise']
  assert not asked['sample'] & asked['search']
  assert not asked['pilot'] & (asked['sample'] | asked['search'])


def test_labels_are_shares_of_the_rollouts(run):
  for row in rows(run, 'label'):
    for step, label in enumerate(row['labels'][:-1]):
      outcomes = [r['correct'] for r in row['rollouts'] if r['branch'] == step]
      assert len(outcomes) == 2
      assert label == sum(outcomes) / 2
    assert row['labels'][-1] in (0, 1)


def test_difficulty_is_sampled_apart(run):
  """The same model and questions, other draws than the arms are scored on."""
  texts = lambda stage, name: {
    r['problem']: [x['text'] for x in r['rows']]
    for r in rows(run, stage)
    if r['strategy'] == name
  }
  own, arms = texts('difficulty', 'BestOfN()'), texts('search', 'BestOfN()')
  assert own.keys() == arms.keys()
  assert all(own[problem] != arms[problem] for problem in own)


def test_allocation_spends_no_more_than_its_budgets(run):
  fitted = allocation(run)
  spent = collections.Counter()
  for row in rows(run, 'allocate'):
    if 'cost' in row:
      useful, _ = recorded.spend(row['cost'], shapes(run))
      rate = fitted.actions[row['decision']['action']].rate
      spent[row['budget']] += useful * rate
  questions = len({row['problem'] for row in rows(run, 'allocate')})
  assert set(spent) == {4, 8}
  for budget, flops in spent.items():
    assert flops <= budget * fitted.generation * questions


def test_every_question_of_an_allocation_stops_once_with_an_answer(run):
  stops = collections.Counter()
  for row in rows(run, 'allocate'):
    if row.get('decision', {}).get('stop'):
      stops[row['budget'], row['problem']] += 1
      assert row['attempts'] >= 1
      assert isinstance(row['correct'], bool)
  assert set(stops.values()) == {1}
  assert len(stops) == 2 * 20


def test_replay_decides_as_the_stage_did(run):
  """On the numbers of the stage itself: an action is what it gave online."""
  fitted, everything = allocation(run), rows(run, 'allocate')
  for budget in (4, 8):
    own = [row for row in everything if row['budget'] == budget]
    controller = Controller(
      fitted,
      budget * fitted.generation * 20,
      sorted({row['problem'] for row in own}),
      6,
      lambda question, action: ceiling(
        shapes(run),
        int(action.rpartition('=')[2]),
        9,
        36,
        action.startswith('StepSearch'),
      ),
    )
    for round_ in range(6):
      here = [row for row in own if row['round'] == round_]
      decisions = controller.decide()
      made = {
        row['problem']: row['decision'] for row in here if 'decision' in row
      }
      assert {d.question for d in decisions} == set(made)
      for decision in decisions:
        # Records round to six digits.
        assert canonical(decision.to_json()) == canonical(
          made[decision.question]
        )
      controller.learn(
        decisions,
        {
          row['problem']: Result(
            row['rows'], recorded.spend(row['cost'], shapes(run))[0]
          )
          for row in here
          if 'cost' in row
        },
      )


def allocation(run):
  path = run[0] / 'seed-0' / 'fit_allocation' / 'allocation.json'
  return Allocation.from_json(path.read_text())


def shapes(run):
  return model_folders.used(run[0] / 'seed-0' / 'allocate')
