"""What `ttc export` says where there is nothing to export."""

import shutil
import sys

import pytest

from ttc.cli import configuration, main
from ttc.exporting import recorded


def _told(capsys, *options):
  assert main.main(['export', *options]) == 2
  told = capsys.readouterr().err
  assert told.count('\n') == 1
  return told


@pytest.mark.parametrize(
  ('to', 'module', 'library'),
  [('inspect', 'inspect_ai.log', 'inspect_ai'), ('wandb', 'wandb', 'wandb')],
)
def test_a_missing_library_is_told_with_the_command(
  run, capsys, monkeypatch, to, module, library
):
  monkeypatch.setitem(sys.modules, module, None)
  told = _told(capsys, f'--to={to}', f'--run={run}')
  assert f"needs {library}; run pip install 'test-time-compute[{to}]'" in told


def test_what_is_no_run_is_told(run, tmp_path, capsys):
  for folder in (tmp_path, tmp_path / 'nowhere', run / 'seed-7'):
    told = _told(capsys, '--to=inspect', f'--run={folder}')
    assert f'--run={folder} holds no complete stage' in told
  told = _told(capsys, '--to=inspect', f'--run={run}', '--only=serach')
  assert '--only=serach is none of the complete stages: revise, search' in told
  told = _told(
    capsys, '--to=inspect', f'--run={run}', '--output=gs://bucket/logs'
  )
  assert 'gs://bucket/logs' in told
  with pytest.raises(SystemExit, match='2'):
    main.main(['export', '--to=neptune', f'--run={run}'])
  assert 'neptune' in capsys.readouterr().err


def test_questions_that_are_others_now_are_told(run, tmp_path):
  copy = tmp_path / 'e'
  shutil.copytree(run, copy)
  config = copy / 'seed-7' / 'search' / 'config.gin'
  text = config.read_text()
  config.write_text(text.replace('num_test = 3', 'num_test = 2'))
  folders = recorded.folders(copy, ['search'])
  with pytest.raises(ValueError, match=r'question \d+ of .*search is none of'):
    list(recorded.answered(folders, configuration.load))
