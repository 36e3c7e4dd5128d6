"""`ttc solve` on a run of random models, from the command line."""

import io
import json
import subprocess
import sys

import pytest

from tests.stages.random_models import search_gin
from ttc.cli import main
from ttc.pipeline import records


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """Folder of a finished run with the records of its search."""
  folder = tmp_path_factory.mktemp('solve')
  path = search_gin(folder, 'StepSearch', (4,))
  assert main.main(['run', f'--gin_file={path}']) == 0
  return folder, records.read_rows(folder / 'runs' / 'e' / 'seed-7' / 'search')


def _question(made, index):
  from ttc.data.worksheet import Worksheet

  task = Worksheet(goals=(2,), num_test=2, num_finetune=0, num_pretrain=0)
  return task.problems('test')[index].question


def test_a_run_answers_as_it_did(made, capsys):
  folder, rows = made
  capsys.readouterr()
  # The run alone, or the gin file that made it.
  for source in (f'--run={folder}/runs/e', f'--gin_file={folder}/e.gin'):
    given = [f'--question={_question(made, 1)}', '--json', '--show']
    assert main.main(['solve', source, '--strategy=beam-m4', *given]) == 0
    told = capsys.readouterr()
    (line,) = told.out.splitlines()
    facts = json.loads(line)
    for attempt, kept in zip(facts['attempts'], rows[1]['rows'], strict=True):
      assert attempt == {name: kept[name] for name in attempt}
      assert attempt['values']
    assert facts['generations'] == 4
  assert {p.name for p in (folder / 'runs').iterdir()} == {'e'}


def test_a_file_of_questions(made, capsys, tmp_path):
  path = tmp_path / 'q.jsonl'
  questions = [_question(made, 0), '13: 7 2 1', _question(made, 0)]
  path.write_text(''.join(json.dumps({'q': q}) + '\n' for q in questions))
  given = [f'--run={made[0]}/runs/e', f'--questions={path}', '--budget=1']
  assert main.main(['solve', *given, '--field=q']) == 0
  blocks = capsys.readouterr().out.split('\n\n')
  assert [block.splitlines()[0].split(None, 1)[1] for block in blocks] == (
    questions
  )
  assert blocks[0].strip() == blocks[2].strip()
  assert main.main(['solve', *given]) == 2
  assert "line 1: field 'question' is missing" in capsys.readouterr().err


def test_a_question_on_standard_input(made, capsys, monkeypatch):
  monkeypatch.setattr('sys.stdin', io.StringIO('13: 7 2 1\n'))
  given = ['--strategy=greedy', '--json']
  assert main.main(['solve', f'--run={made[0]}/runs/e', *given]) == 0
  assert json.loads(capsys.readouterr().out)['question'] == '13: 7 2 1'


def test_a_reader_that_has_seen_enough(made):
  given = [f'--run={made[0]}/runs/e', '--strategy=greedy']
  process = subprocess.Popen(
    [
      *(sys.executable, '-m', 'ttc.cli.main', 'solve'),
      *(*given, '--question=13: 7 2 1'),
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  process.stdout.close()
  assert process.stderr.read() == ''
  process.stderr.close()
  assert process.wait() == 0


@pytest.mark.parametrize(
  ('given', 'told'),
  [
    ([], '--run='),
    (['--run={0}/none'], '{0}/none holds no run'),
    (['--run={0}/runs/e', 'more'], "unknown argument 'more'; see ttc solve"),
    (
      ['--run={0}/runs/e', '--strategi=beam-m4'],
      "unknown argument '--strategi=beam-m4' (did you mean --strategy?); see",
    ),
    (['--run={0}/runs/e', '--only=label'], 'no stage that could answer'),
    (['--run={0}/runs/e', '--seed=8'], '--seed=8 is none of the seeds (7,)'),
    (['--run={0}/runs/e', '--strategy=a\x1bb'], 'beam-m4, best-of-n, greedy.'),
    (
      ['--run={0}/runs/e', '--strategy=beam-m4', '--budget=3'],
      'does not divide 3 rows; choose a budget that is a multiple of 4',
    ),
    (['--run={0}/runs/e', '--questions={0}/gone.jsonl'], 'no file {0}/gone'),
    (
      ['--run={0}/runs/e', "--gin.solver.Solver.proposer='{0}/gone'"],
      '{0}/gone, from which these answers are, does not exist',
    ),
  ],
)
def test_what_is_refused(made, capsys, given, told):
  given = [word.format(made[0]) for word in given]
  if not any(word.startswith('--questions') for word in given):
    given.append('--question=13: 7 2 1')
  assert main.main(['solve', *given]) == 2
  shown = capsys.readouterr()
  assert not shown.out
  assert shown.err.startswith('ttc: ')
  assert shown.err.count('\n') == 1
  assert told.format(made[0]) in shown.err
  assert '\x1b' not in shown.err


def test_a_damaged_record_of_the_configuration_is_told(tmp_path, capsys):
  folder = tmp_path / 'seed-0' / 'greedy'
  folder.mkdir(parents=True)
  (folder / 'config.gin').write_text(
    'from __gin__ import dynamic_registration\n'
    'from ttc.pipeline import experiment\n'
    'experiment.Experiment.name = "x"\n'
    + ''.join(f'A{number} = {number}\n' for number in range(30))
  )
  assert main.main(['solve', f'--run={tmp_path}', '--question=x']) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert 'A0 is bound but nothing in the experiment uses it (as are A1' in line
  assert 'and 21 more); ' in line
  assert 'if it is damaged, give its gin files with --gin_file' in line
