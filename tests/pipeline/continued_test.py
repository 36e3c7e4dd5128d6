"""A run begun by an earlier revision is continued by this one, bit-equal.

`continued/run` was left by revision 363a090, which named stages by the module
of their class and was killed in the second of three stages; `expected` is what
that revision wrote when it was not killed. Made there, with continued.gin, on
two CPU devices.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from ttc.cli import configuration
from ttc.pipeline import records
from ttc.pipeline.experiment import ConfigurationError

_HERE = pathlib.Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_BEGUN = 2  # parts of `sample` that were there


@pytest.fixture(scope='module')
def seed(tmp_path_factory):
  """The folder of the seed, and what continuing it printed."""
  output = tmp_path_factory.mktemp('runs')
  shutil.copytree(_HERE / 'continued' / 'run', output, dirs_exist_ok=True)
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'ttc.cli.main',
      'run',
      f'--gin_file={_HERE / "continued.gin"}',
      f"--gin.Experiment.output='{output}'",
    ],
    cwd=_REPOSITORY,
    env=dict(os.environ, XLA_FLAGS='--xla_force_host_platform_device_count=2'),
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-4000:]
  return output / 'continued' / 'seed-0', done.stderr


def test_finished_work_is_not_done_again(seed):
  folder, said = seed
  assert 'seed-0/pretrain: complete, skipped' in said
  before = _HERE / 'continued' / 'run' / 'continued' / 'seed-0' / 'sample'
  parts = records.part_paths(before)
  assert len(parts) == _BEGUN
  for part in parts:
    assert (folder / 'sample' / part.name).read_bytes() == part.read_bytes()


@pytest.mark.parametrize('stage', ['sample', 'difficulty'])
def test_the_rest_is_what_that_revision_would_have_written(seed, stage):
  expected = records.part_paths(_HERE / 'continued' / 'expected' / stage)
  assert len(expected) > _BEGUN
  for part in expected:
    ours = records.read_part(seed[0] / stage / part.name)
    theirs = records.read_part(part)
    # Last digits of floats are the processor's, all else is not.
    for row in (*ours, *theirs):
      for answer in row['rows']:
        answer['logprob'] = pytest.approx(answer['logprob'], rel=1e-4)
    assert ours == theirs


def test_a_changed_binding_is_still_refused(tmp_path):
  shutil.copytree(_HERE / 'continued' / 'run', tmp_path, dirs_exist_ok=True)
  about = tmp_path / 'continued' / 'seed-0' / 'sample' / 'stage.json'
  held = json.loads(about.read_text())
  assert held['bindings']['Sample'] == 'ttc.cli.sample.Sample'
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'ttc.cli.main',
      'run',
      f'--gin_file={_HERE / "continued.gin"}',
      f"--gin.Experiment.output='{tmp_path}'",
      '--gin.generation.Generation.temperature=0.5',
    ],
    cwd=_REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  assert 'temperature: 0.7 before, 0.5 now' in done.stderr
  assert 'Sample.solver:' not in done.stderr


def test_a_gin_file_with_an_old_module_is_told_the_new_one():
  """As the config.gin that an earlier revision left beside its records."""
  path = _HERE / 'continued' / 'run' / 'continued' / 'seed-0' / 'sample'
  with pytest.raises(ConfigurationError) as why:
    configuration.load((str(path / 'config.gin'),), ())
  assert str(why.value).startswith('ttc.cli.')
  assert 'has moved; write `from ttc.stages import' in str(why.value)
  assert '\n' not in str(why.value)
