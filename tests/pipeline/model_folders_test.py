"""Models of a stage: those that its configuration names."""

import dataclasses

from tests.analysis import world
from ttc.pipeline import model_folders


def test_those_that_sampled_and_scored(tmp_path):
  folder = world.write(tmp_path)
  for name, solver in world.SOLVERS.items():
    proposer, verifier = (world.TRAINED.get(stage) for stage in solver)
    assert model_folders.used(folder / name) == (proposer, verifier)


def test_of_another_experiment(tmp_path):
  mine, other = world.write(tmp_path / 'a'), tmp_path / 'b'
  config = dataclasses.replace(world.SMALL, num_layers=7)
  world.write_model(other / 'pretrain', config)
  world.write_solver(mine / 'search', str(other / 'pretrain'), '')
  assert model_folders.used(mine / 'search') == (config, None)


def test_a_model_that_no_stage_made(tmp_path):
  folder, theirs = world.write(tmp_path / 'a'), tmp_path / 'theirs'
  config = dataclasses.replace(world.SMALL, num_layers=9)
  world.write_model(theirs, config)
  (theirs / 'model').rename(tmp_path / 'converted')
  world.write_solver(folder / 'search', str(tmp_path / 'converted'), '')
  assert model_folders.used(folder / 'search') == (config, None)
  assert model_folders.folder(tmp_path / 'converted') == tmp_path / 'converted'
  assert (
    model_folders.folder(folder / 'pretrain') == folder / 'pretrain' / 'model'
  )


def test_records_without_their_models(tmp_path):
  folder = world.write(tmp_path)
  assert model_folders.used(folder / 'nothing') is None
  (folder / 'search' / 'stage.json').unlink()
  assert model_folders.used(folder / 'search') is None
  (folder / 'pretrain' / 'model' / 'model.json').unlink()
  assert model_folders.used(folder / 'difficulty') is None
