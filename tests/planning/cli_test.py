"""`ttc plan` as it is typed."""

import json

import pytest

from tests.planning.tpu import needs_libtpu
from ttc.cli.main import main

QUICK = '--gin_file=gin/experiments/worksheet_quickstart.gin'
MATH = '--gin_file=gin/experiments/math_qwen2_5_1_5b.gin'


@needs_libtpu
def test_what_does_not_fit_ends_with_one_and_names_the_binding(capsys):
  code = main(
    [
      'plan',
      QUICK,
      '--topology=v5e:2x2',
      '--stage=pretrain',
      '--price=2',
      '--json',
      '--gin.base/TransformerConfig.mlp_dim=20000000',
    ]
  )
  found = json.loads(capsys.readouterr().out)
  assert code == 1
  assert (found['topology'], found['chips'], found['fits']) == (
    'v5e:2x2',
    4,
    False,
  )
  stage = found['stages']['pretrain']
  assert stage['advice'].startswith('Layout.fsdp=4 (now 1)')
  assert sum(stage['resident'].values()) > found['chip']['hbm']


@needs_libtpu
def test_a_stage_is_told_in_programs_time_and_money(capsys):
  code = main(
    [
      'plan',
      QUICK,
      '--topology=v5e:2x2',
      '--stage=pretrain',
      '--price=2',
      '--json',
    ]
  )
  found = json.loads(capsys.readouterr().out)
  assert code == 0
  stage = found['stages']['pretrain']
  names = [program['name'] for program in stage['programs']]
  assert names == ['train step', 'evaluate']
  assert stage['largest']['most'] > stage['largest']['now']
  assert stage['chip_hours'] == pytest.approx(4 * stage['seconds'] / 3600)
  assert stage['usd'] == pytest.approx(2 * stage['chip_hours'])
  for program in stage['programs']:
    assert 0 < program['peak'] < found['chip']['hbm']
    # Tiny arrays are padded to whole tiles.
    assert program['estimate'] <= program['arguments']


@needs_libtpu
@pytest.mark.parametrize(
  ('options', 'said'),
  [
    ((QUICK, '--topology=v5e:2x2', '--stage=nobody'), "no stage 'nobody'"),
    ((QUICK, '--topology=v9:2x2'), 'is no slice'),
    ((QUICK, '--topology=v5e:2x2', '--gin.FitConfig.batsch=1'), 'batsch'),
    ((QUICK, '--topology=v5e:2x2', 'batch=1'), 'unknown argument'),
    (('--topology=v5e:2x2',), '--gin_file'),
    (
      (
        MATH,
        '--topology=v5e:2x2',
        '--stage=search',
        '--gin.Solver.model_parallel=3',
      ),
      'model_parallel=3',
    ),
    (
      (MATH, '--topology=v5e:2x2', '--stage=search', '--gin.Solver.shape=None'),
      '--shape=/small=SCOPE',
    ),
  ],
)
def test_what_cannot_be_planned_is_one_line(options, said, capsys):
  assert main(['plan', *options]) == 2
  last = capsys.readouterr().err.strip().splitlines()[-1]
  assert last.startswith('ttc: ')
  assert said in last


@needs_libtpu
def test_stages_without_work_for_devices_are_told(capsys):
  assert main(['plan', QUICK, '--topology=v5e:2x2', '--stage=policy']) == 0
  assert 'policy: no work for devices' in capsys.readouterr().err
