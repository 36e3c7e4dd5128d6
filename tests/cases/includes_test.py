"""Gin files that lie beside each other, wherever the command is given."""

import os

import pytest

from ttc.cli import configuration, main
from ttc.pipeline.experiment import ConfigurationError

_QUICK = 'gin/experiments/worksheet_quickstart.gin'


@pytest.fixture
def mine(tmp_path, monkeypatch):
  """A folder with a file that includes two beside it, and another folder."""
  (tmp_path / 'mine' / 'parts').mkdir(parents=True)
  (tmp_path / 'here').mkdir()
  texts = {
    'top.gin': "include 'base.gin'\ninclude 'parts/sizes.gin'\n",
    'base.gin': f"include '{_QUICK}'\nExperiment.name = 'top'\n",
    'parts/sizes.gin': "include '../seeds.gin'\ninclude 'more.gin'\n",
    'seeds.gin': 'Experiment.seeds = (7, 8)\n',
    'parts/more.gin': 'BUDGET = 16\n',
    # Further away, and of the same name.
    '../here/more.gin': 'BUDGET = 64\n',
  }
  for name, text in texts.items():
    (tmp_path / 'mine' / name).write_text(text)
  monkeypatch.chdir(tmp_path / 'here')
  return tmp_path / 'mine'


def _experiment(file):
  return configuration.load([str(file)], [], check=False)


def test_what_a_file_includes_is_looked_for_beside_it(mine):
  experiment, used = _experiment(mine / 'top.gin')
  assert (experiment.name, experiment.seeds) == ('top', (7, 8))
  assert 'BUDGET = 16' in used
  relative = os.path.relpath(mine / 'top.gin')
  assert _experiment(relative)[0] == experiment


def test_a_circle_of_includes_is_told_however_it_is_spelt(mine):
  (mine / 'seeds.gin').write_text("include 'parts/../parts/sizes.gin'\n")
  with pytest.raises(ConfigurationError, match='about to be read already'):
    _experiment(mine / 'top.gin')


def test_a_missing_include_is_told_with_all_places(mine):
  (mine / 'parts' / 'more.gin').write_text("include 'nowhere.gin'\n")
  with pytest.raises(ConfigurationError) as refused:
    _experiment(mine / 'top.gin')
  told = str(refused.value)
  assert 'more.gin, line 1 includes nowhere.gin, which is not a file' in told
  assert f'neither from {mine / "parts"} nor from {os.getcwd()}' in told


def test_folders_to_search_can_be_given(mine, capsys):
  command = ['run', '--gin_file=top.gin', '--check=elsewhere']
  assert main.main(command) == 2
  assert '--gin_file=top.gin is not a file' in capsys.readouterr().err
  command = ['sweep', '--gin_file=top.gin', '--output=runs', '--only=search']
  command += ['--sweep.BUDGET=[16, 32]']
  assert main.main([*command, '--gin_search_paths=.,../mine']) == 0
  (first, _) = capsys.readouterr().out.splitlines()
  assert '--gin_search_paths=.,../mine' in first
  assert main.main(command) == 2  # they are of one command only


def test_a_folder_that_is_not_there_is_told(mine, capsys):
  with pytest.raises(SystemExit, match='2'):
    main.main(['run', '--gin_file=top.gin', '--gin_search_paths=../no'])
  assert 'there is no folder ../no' in capsys.readouterr().err
