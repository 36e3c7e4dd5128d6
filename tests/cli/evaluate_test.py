"""`ttc evaluate`, and the experiment of a checkpoint and a verifier alone."""

import json

import pytest

from tests import testing
from tests.data import toys
from ttc.checkpoints import orbax
from ttc.cli import main
from ttc.pipeline import records

_SMALL = ('--gin.ROWS=8', '--gin.BUDGET=8', '--gin.BEAM_BUDGETS=(4,)')
_SHORT = ('--gin.MAX_TOKENS=12', '--gin.Generation.max_step_tokens=6')
_READ = (
  "--gin.Questions.delimiter='\\n'",
  "--gin.Questions.accepted=('number',)",
)


def _model(folder, head='logits'):
  cfg = testing.small_config(vocab_size=384, context=512)
  params = testing.random_params(cfg, head)
  orbax.save_model(str(folder), cfg, head, params)
  records.mark_complete(folder, {'fingerprint': head}, 'model.json', 'params')
  return folder


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """Bindings of evaluate.gin, and the folder of its finished run."""
  folder = tmp_path_factory.mktemp('evaluate')
  toys.qwen(_model(folder / 'small'))
  _model(folder / 'verifier', 'value')
  lines = [
    json.dumps({'question': f'What is {n} + 1?', 'answer': n + 1})
    for n in range(4)
  ]
  (folder / 'q.jsonl').write_text('\n'.join([*lines, lines[0]]) + '\n')
  words = [
    '--gin_file=gin/experiments/evaluate.gin',
    '--gin_file=gin/templates/qwen.gin',
    f"--gin.SMALL='{folder / 'small'}'",
    f"--gin.VERIFIER='{folder / 'verifier'}'",
    f"--gin.TEST_FILE='{folder / 'q.jsonl'}'",
    f"--gin.Experiment.output='{folder / 'runs'}'",
    *(*_SMALL, *_SHORT, *_READ),
  ]
  assert main.main(['run', *words]) == 0
  return words, folder


def test_one_file_takes_a_checkpoint_and_a_verifier_to_a_page(made):
  run = made[1] / 'runs' / 'evaluate'
  assert (run / 'report' / 'index.html').exists()
  summary = json.loads((run / 'report' / 'summary.json').read_text())
  assert {'greedy', 'beam M=4'} <= set(summary['tables']['accuracy']['search'])
  assert any('beam' in claim['id'] for claim in summary['claims'])


@pytest.mark.parametrize('by', ['run', 'gin'])
def test_its_questions_stand_as_it_recorded_them(made, tmp_path, capsys, by):
  words, folder = made
  run = folder / 'runs' / 'evaluate'
  given = [f'--questions={folder / "q.jsonl"}', f'--output={tmp_path / "out"}']
  given += [f'--run={run}'] if by == 'run' else words
  named = ['--strategy=greedy,best-of-n,beam-m4,dvts-m4']
  assert main.main(['evaluate', *named, *given]) == 0
  shown = capsys.readouterr().out
  assert 'on 4 questions of' in shown
  assert '1 left out: asked twice' in shown
  for stage in ('greedy', 'search'):
    mine, own = (
      records.read_rows(root / 'seed-0' / stage)
      for root in (tmp_path / 'out', run)
    )
    key = lambda row: (row['strategy'], row['budget'], row['problem'])
    assert {key(r): r['rows'] for r in mine} == {key(r): r['rows'] for r in own}


def test_what_help_says(capsys):
  with pytest.raises(SystemExit, match='0'):
    main.main(['evaluate', '--help'])
  shown = capsys.readouterr().out
  for told in ('--run FOLDER', '--strategy NAME,NAME', 'allocation,policy'):
    assert told in shown


def test_what_has_to_be_named(capsys):
  with pytest.raises(SystemExit, match='2'):
    main.main(['evaluate', '--run=x', '--output=y'])
  assert '--questions' in capsys.readouterr().err
  words = ['evaluate', '--output=y', '--questions=q.jsonl']
  assert main.main(words) == 2
  assert 'name a finished run with --run=FOLDER' in capsys.readouterr().err
  assert main.main([*words, '--run=x', '--budgt=3']) == 2
  told = "unknown argument '--budgt=3' (did you mean --budget?); see ttc eval"
  assert told in capsys.readouterr().err
  with pytest.raises(SystemExit, match='2'):
    main.main([*words, '--run=x', '--budget=four'])
  assert "'four' is no list such as 4,16" in capsys.readouterr().err
