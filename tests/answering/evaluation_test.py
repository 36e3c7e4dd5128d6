"""Strategies judged on questions with references, by a command line."""

import argparse
import dataclasses
import json
import shutil

import numpy as np
import pytest

from tests.answering.small_run import BEAM, SEED, TASK
from tests.stages.random_models import stored
from ttc.allocation import ledger
from ttc.allocation.evidence import answer
from ttc.analysis import bootstrap
from ttc.answering import evaluation, options
from ttc.pipeline import records
from ttc.search.strategies import BestOfN

ALL = ('greedy', 'best-of-n', 'beam-m2', 'policy')


@pytest.fixture(scope='module')
def questions(tmp_path_factory):
  """The run's own test questions, in a file."""
  path = tmp_path_factory.mktemp('questions') / 'q.jsonl'
  lines = [json.dumps({'question': p.question}) for p in TASK.problems('test')]
  lines[0] = lines[0].replace('}', ', "answer": "7"}')  # which is not read
  path.write_text('\n'.join(lines) + '\n')
  return path


def _evaluate(run, *words):
  experiment, root = run
  parser = argparse.ArgumentParser()
  parent = argparse.ArgumentParser(add_help=False)
  parent.add_argument('--gin_file', action='append', default=[])
  parent.add_argument('--debug', action='store_true')
  options.add_evaluate(parser.add_subparsers(dest='stage'), parent, '')
  # In place of a gin file: `load` is the caller's to give.
  words = ['evaluate', '--gin_file=e.gin', *map(str, words)]
  parsed, rest = parser.parse_known_args(words)
  load = lambda files, bindings, check: (experiment, 'text')
  del root
  return evaluation.run(parsed, rest, load, 'ttc evaluate')


@pytest.fixture(scope='module')
def judged(run, questions, tmp_path_factory):
  """The folder of an evaluation of everything that the run has."""
  output = tmp_path_factory.mktemp('judged') / 'out'
  given = (f'--questions={questions}', f'--output={output}')
  code = _evaluate(run, f'--strategy={",".join(ALL)}', '--budget=4', *given)
  assert code == 0
  other = output.with_name('allocated')
  given = (f'--questions={questions}', f'--output={other}')
  assert _evaluate(run, '--strategy=allocation', '--budget=3', *given) == 0
  return output, other


def _rows(folder, **wanted):
  return [
    row
    for row in records.read_rows(folder)
    if all(row.get(k) == v for k, v in wanted.items())
  ]


def _attempts(rows):
  return {row['problem']: row['rows'] for row in rows}


def _standing(output, strategy):
  facts = json.loads((output / evaluation.FILE).read_text())
  (row,) = [r for r in facts['table'] if r['strategy'] == strategy]
  return row


@pytest.mark.parametrize(
  ('name', 'stage', 'strategy'),
  [
    ('best-of-n', 'search', BestOfN()),
    ('beam-m2', 'search', BEAM),
    ('greedy', 'greedy', None),
  ],
)
def test_the_questions_of_the_run_stand_as_the_run_recorded_them(
  run, judged, name, stage, strategy
):
  wanted = {'strategy': repr(strategy)} if strategy else {}
  own = _rows(run[1] / f'seed-{SEED}' / stage, **wanted)
  found = _rows(judged[0] / f'seed-{SEED}' / stage, **wanted)
  assert _attempts(found) == _attempts(own)
  right = np.array([answer(row['rows'])['correct'] for row in own], float)
  estimate, low, high = bootstrap.interval(
    [right[None]], lambda m: 100 * m[..., 0]
  )
  row = _standing(judged[0], name)
  assert (row['accuracy'], row['low'], row['high']) == pytest.approx(
    (estimate, low, high), abs=1e-4
  )
  assert row['generations'] == own[0]['budget']
  assert row['tokens'] > 0
  assert row['flops'] > 0


def test_an_allocation_stands_as_its_stage_recorded_it(run, judged):
  folders = [root / f'seed-{SEED}' / 'allocate' for root in (run[1], judged[1])]
  own, found = map(records.read_rows, folders)
  assert own == found
  (spent,) = ledger.read(folders[0])
  row = _standing(judged[1], 'allocation')
  assert row['accuracy'] == pytest.approx(100 * spent.correct.mean())
  assert row['flops'] == pytest.approx(spent.flops.mean(), rel=1e-5)
  assert (row['budget'], row['total']) == (3, 3 * len(spent.problem))


def test_a_policy_is_charged_the_samples_that_tell_bins(run, judged):
  folder = judged[0] / f'seed-{SEED}' / 'apply_policy'
  samples = [row for row in _rows(folder) if 'bin' in row]
  own = _rows(run[1] / f'seed-{SEED}' / 'difficulty')
  assert _attempts(samples) == _attempts(own)
  answers = _rows(folder, policy=4)
  row = _standing(judged[0], 'policy')
  spent = [3 + answer['budget'] for answer in answers]
  assert row['generations'] == pytest.approx(np.mean(spent))
  executed = [
    sum(work[1] for work in row['cost'].values()) for row in samples + answers
  ]
  assert row['tokens'] == pytest.approx(sum(executed) / len(samples), rel=1e-5)


def test_differences_are_paired_and_of_every_two_strategies(judged):
  facts = json.loads((judged[0] / evaluation.FILE).read_text())
  assert len(facts['differences']) == 6
  one, other = (_standing(judged[0], n) for n in ('best-of-n', 'beam-m2'))
  (claim,) = [
    claim
    for claim in facts['differences']
    if {'best-of-n-at-4', 'beam-m2-at-4'} == set(claim['id'].split('.vs.'))
  ]
  assert claim['estimate'] == pytest.approx(
    abs(one['accuracy'] - other['accuracy']), abs=1e-3
  )
  table = (judged[0] / 'table.txt').read_text()
  # Five questions decide nothing, and one line says so.
  assert 'not measurable  6 of 6 differences; see evaluation.json' in table
  assert facts['asked'] == 5
  assert "; 'answer' of 1 lines is not read, since these questions" in table


def _bytes(folder):
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in sorted(folder.rglob('*'))
    if path.name.startswith('part-') or path.name == evaluation.FILE
  }


def test_what_a_kill_left_is_finished_with_the_same_bytes(
  run, judged, questions, tmp_path, capsys
):
  output = tmp_path / 'out'
  shutil.copytree(judged[0], output)
  # A kill leaves whole parts, and no mark: files appear in that order.
  (output / evaluation.FILE).unlink()
  for stage in ('search', 'apply_policy'):
    folder = output / f'seed-{SEED}' / stage
    (folder / records.MARK).unlink()
    records.part_paths(folder)[-1].unlink()
  given = (f'--questions={questions}', f'--output={output}')
  words = (f'--strategy={",".join(reversed(ALL))}', '--budget=4', *given)
  assert _evaluate(run, *words) == 0
  assert _bytes(output) == _bytes(judged[0])
  shown = capsys.readouterr()
  assert f'seed-{SEED}/greedy: complete, skipped' in shown.err
  assert shown.out == (judged[0] / 'table.txt').read_text()
  before = {p: p.stat().st_mtime_ns for p in output.rglob('part-*')}
  assert _evaluate(run, *words) == 0
  assert {p: p.stat().st_mtime_ns for p in output.rglob('part-*')} == before
  assert capsys.readouterr().out == shown.out


@pytest.mark.parametrize(
  ('words', 'told'),
  [
    (
      ('--strategy=beem,greedy,best',),
      "--strategy='beem,best': none of those that can answer, which are best-",
    ),
    (
      ('--strategy=beam-m2', '--budget=2,3,5'),
      'does not divide 3 rows; choose a budget that is a multiple of 2, or '
      'another width. Beam(width=2) does not divide 5 rows',
    ),
    (('--budget=2.5',), '--budget=2.5 is no number of generations'),
    (('--strategy=policy', '--budget=0'), '--budget=0 buys nothing'),
    (('--strategy=greedy', '--budget=-1'), '--budget=-1 buys nothing'),
    (
      ('--budget=1e6',),
      '--budget=1000000 is that many generations for each question, of which '
      '10000 are the most; the run spent up to 4.',
    ),
    (('--seed=3,4',), '--seed=4 is none of the seeds (3,)'),
    (('--only=label',), '--only=label is no stage that could answer'),
    (('--output={root}',), 'is the folder of the run itself'),
    (('--output={parent}',), 'of the run itself, or one that it is in'),
    (('--output={questions}',), 'is a file; name a folder for the output'),
    (('--questions={root}/none.jsonl',), 'no file'),
    (('--questions={root}',), 'is a folder; name a file in it: JSON lines, gz'),
    (('--field=text',), "line 1: field 'text' is missing; the line has 'quest"),
    (
      ('--strategy=beam-m2', '--budget=2', '--output={out}'),
      'was begun with other questions or settings (Search.arms[0].budgets[0]: '
      '4 before, 2 now',
    ),
  ],
)
def test_what_is_refused_in_one_line(
  run, judged, questions, tmp_path, capsys, words, told
):
  places = {'root': run[1], 'parent': run[1].parent, 'out': judged[0]}
  places['questions'] = questions
  words = [word.format(**places) for word in words]
  given = [f'--questions={questions}', f'--output={tmp_path / "new"}']
  assert _evaluate(run, *given, *words) == 2
  shown = capsys.readouterr()
  assert not shown.out
  assert shown.err.startswith('ttc: ')
  assert shown.err.count('\n') == 1
  assert told in shown.err
  assert not (tmp_path / 'new').exists()


def test_another_file_of_questions_is_refused(
  run, judged, questions, tmp_path, capsys
):
  path = tmp_path / 'q.jsonl'
  text = questions.read_text().splitlines()
  path.write_text('\n'.join(text[:-1]) + '\n')
  words = (f'--strategy={",".join(ALL)}', '--budget=4')
  given = (f'--questions={path}', f'--output={judged[0]}')
  assert _evaluate(run, *words, *given) == 2
  assert 'begun with other questions' in capsys.readouterr().err


def test_a_run_without_its_models_is_told(run, questions, tmp_path, capsys):
  root = tmp_path / 'empty'
  (root / 'seed-3' / 'greedy').mkdir(parents=True)
  (root / 'seed-3' / 'greedy' / 'config.gin').write_text('')
  given = (f'--questions={questions}', f'--output={tmp_path / "new"}')
  assert _evaluate(run, f'--run={root}', *given) == 2
  assert 'seed-3/pretrain is not complete' in capsys.readouterr().err


def test_models_that_a_policy_was_not_fitted_with(
  run, questions, tmp_path, capsys
):
  experiment, root = run
  copied = tmp_path / 'run'
  shutil.copytree(root, copied)
  shutil.rmtree(copied / f'seed-{SEED}' / 'pretrain')
  stored(copied / f'seed-{SEED}' / 'pretrain', mark='another')
  (copied / f'seed-{SEED}' / 'policy' / 'config.gin').write_text('')
  given = (f'--questions={questions}', f'--output={tmp_path / "new"}')
  words = ('--strategy=policy', f'--run={copied}', *given)
  assert _evaluate((experiment, copied), *words) == 2
  assert 'was fitted with the proposer' in capsys.readouterr().err


def test_a_budget_that_an_allocation_cannot_begin_with(
  run, questions, tmp_path, capsys
):
  given = (f'--questions={questions}', f'--output={tmp_path / "out"}')
  words = ('--strategy=best-of-n,allocation', '--budget=1', *given)
  assert _evaluate(run, *words) == 2
  shown = capsys.readouterr()
  assert 'raise it' in shown.err
  assert not list(tmp_path.rglob('part-*'))  # it is found before any work


def test_several_seeds_are_judged_together(run, questions, tmp_path):
  experiment, root = run
  copied = tmp_path / 'run'
  shutil.copytree(root, copied)
  stored(copied / 'seed-4' / 'pretrain', seed=4)
  both = dataclasses.replace(
    experiment, seeds=(SEED, 4), name=copied.name, output=str(tmp_path)
  )
  given = (f'--questions={questions}', f'--output={tmp_path / "out"}')
  words = ('--strategy=best-of-n', '--budget=2', f'--seed={SEED},4', *given)
  assert _evaluate((both, copied), *words) == 0
  right = []
  for seed in (SEED, 4):
    rows = _rows(tmp_path / 'out' / f'seed-{seed}' / 'search')
    right.append([answer(row['rows'])['correct'] for row in rows])
    assert {row['seed'] for row in rows} == {seed}
  row = _standing(tmp_path / 'out', 'best-of-n')
  assert row['accuracy'] == pytest.approx(100 * np.mean(right))


def test_questions_that_fitted_a_policy_are_told(judged):
  facts = json.loads((judged[0] / evaluation.FILE).read_text())
  assert facts['fitted_on'] == facts['asked']
  table = (judged[0] / 'table.txt').read_text()
  assert '5 of them fitted the policy' in table.splitlines()[0]
