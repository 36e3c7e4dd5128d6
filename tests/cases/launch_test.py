"""Public reports about machines that were paid for before a look at the job.

A case is named by where it was reported; O and P are those of this project's
own list.
"""

import json
import pathlib
import shutil
import sys

import pytest

from tests.data import toys
from tests.launch.clouds import Cloud
from ttc.bindings import chosen, elsewhere
from ttc.bindings.sweep_axes import axes
from ttc.cli import configuration, main
from ttc.data import jsonl
from ttc.pipeline.experiment import ConfigurationError
from ttc.sweeps import jobs
from ttc.sweeps.cells import Sweep

_QUICK = 'gin/experiments/worksheet_quickstart.gin'


def _sky(folder, *more, output='gs://b/runs'):
  return main.main(
    [
      'sweep',
      f'--gin_file={_QUICK}',
      f'--output={output}',
      f'--sky={folder}',
      '--accelerator=v5litepod-8',
      *more,
    ]
  )


def test_a_slash_at_the_end_makes_no_other_job(tmp_path):
  # datasketches-bigquery#142, awesome-database-backup#827.
  names = []
  for number, output in enumerate(
    ('gs://b/runs', 'gs://b/runs/', 'gs://b//runs', 'gs://b/runs//')
  ):
    folder = tmp_path / str(number)
    assert _sky(folder, '--sweep.BUDGET=[16]', output=output) == 0
    (job,) = folder.glob('*.yaml')
    assert "output='\"'\"'gs://b/runs'\"'\"'" in job.read_text()
    assert (folder / 'output').read_text() == 'gs://b/runs\n'
    names.append(job.name)
  assert len(set(names)) == 1


@pytest.mark.parametrize(
  ('more', 'told'),
  [
    # skypilot#9423: misconfigurations are errors when a job is submitted.
    (['--sweep.BUDGTE=[16, 64]'], 'BUDGTE is bound but nothing'),
    (['--sweep.prm/FitConfig.bach=[16]'], "parameter named 'bach'"),
    (['--sweep.prm/FitConfig.batch=[0]'], 'FitConfig.batch=0; give a whole'),
    (['--sweep.best_of_n/Arm.budgets=[(16)]'], 'write (16,)'),
    (['--sweep.BUDGET=[16]', '--gin_file=nope.gin'], 'nope.gin is not a file'),
    (['--sweep.gin_file=["nope.gin"]'], 'nope.gin is not a file'),
    (['--sweep.BUDGET=[16'], "'[' is never closed"),
    (
      ['--sweep.BUDGET=[16]', '--accelerator=v5litepod-9999x'],
      '--accelerator=tpu-v5litepod-9999x is no TPU slice; write',
    ),
    (
      ['--sweep.BUDGET=[16]', '--only=serach'],
      'no stage serach (did you mean search?); it has pretrain (pretrain)',
    ),
    (
      [
        '--sweep.BUDGET=[16]',
        '--only=serach',
        '--mounted=/models',
        "--gin.search/Solver.verifier='/models/prm'",
      ],
      'no stage serach (did you mean search?); it has pretrain (pretrain)',
    ),
    (
      ['--sweep.BUDGET=[16]', "--gin.Experiment.reuse='runs/quickstart'"],
      "Experiment.reuse='runs/quickstart' is on this machine",
    ),
    (
      [
        '--sweep.BUDGET=[16]',
        "--gin.OLD='runs/quickstart'",
        '--gin.Experiment.reuse=%OLD',
      ],
      "OLD='runs/quickstart' is on this machine",
    ),
    (
      ['--sweep.BUDGET=[16]', "--gin.Experiment.reuse='/data/quickstart'"],
      'copy it to a bucket (gcloud storage cp',
    ),
    (
      ['--sweep.BUDGET=[16]', "--gin.search/Solver.verifier='/models/prm'"],
      'give --mounted=/models',
    ),
    (
      ['--sweep.BUDGET=[16]', "--gin.search/Solver.scorers=(('a', '/m/b'),)"],
      'Solver.scorers=',
    ),
    (
      ['--sweep.search/Solver.verifier=["prm", "~/prm"]'],
      "Solver.verifier='~/prm' is on this machine",
    ),
    # What `check` knows of stages costs most where it is not asked.
    (
      ['--sweep.BUDGET=[16]', "--gin.search/Solver.verifier='prmm'"],
      "stage 'search': search reads 'prmm', which is none of the stages",
    ),
    (
      ['--sweep.BEAM_BUDGETS=[(4,), (18,)]'],
      'beam_budgets-18: stage \'search\': Beam(width=4) does not divide 18',
    ),
    (['--sweep.SAMPLED_QUESTIONS=[2]'], 'Fit.held_out=0.1 holds out none'),
    (['--sweep.prm/FitConfig.seq_len=[30]'], 'FitConfig.seq_len=30, but an'),
    (
      ['--sweep.BUDGET=[16]', '--accelerator=v5e-8'],
      'clouds call v5e v5litepod; write tpu-v5litepod-8',
    ),
    (['--sweep.BUDGET=[16]', '--output=gs://my runs/a'], 'can be no bucket'),
    (['--sweep.BUDGET=[16]', '--output=gs://b/$USER'], 'a variable of a shell'),
  ],
)  # fmt: skip
def test_what_would_fail_on_the_machine_is_told_here(
  tmp_path, capsys, more, told
):
  assert _sky(tmp_path / 'jobs', *more) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert told in line
  assert not (tmp_path / 'jobs').exists()


def test_what_the_machine_has_may_be_named(tmp_path):
  given = ['--sweep.BUDGET=[16]', "--gin.search/Solver.verifier='/models/prm'"]
  assert _sky(tmp_path / 'jobs', *given, '--mounted=/models') == 0
  assert _sky(tmp_path / 'more', *given, '--mounted=/other') == 2
  given = ['--sweep.BUDGET=[16]', "--gin.Experiment.reuse='gs://b/quick'"]
  assert _sky(tmp_path / 'reuse', *given) == 0


@pytest.mark.parametrize(
  ('option', 'told'),
  [
    ('--sky=gs://b/jobs', 'are written to a folder of this machine'),
    ('--xpk=gs://b/jobs', 'are written to a folder of this machine'),
    ('--sky=', 'names no folder'),
  ],
)
def test_jobs_are_written_here(option, told, capsys):
  given = ('--output=gs://b/x', '--accelerator=v6e-8', '--sweep.BUDGET=[16]')
  command = ['sweep', f'--gin_file={_QUICK}', *given, option]
  assert main.main(command) == 2
  assert told in capsys.readouterr().err


@pytest.fixture
def asked(tmp_path):
  """How a sweep names questions and a tokenizer that are here."""
  toys.qwen(tmp_path)
  row = '{"problem": "1+1", "solution": "2", "answer": "2", "level": 1}\n'
  (tmp_path / 'rows.jsonl').write_text(row)

  def words(path):
    bound = {'SMALL': tmp_path, 'FINETUNE_FILE': path, 'TEST_FILE': path}
    return (
      ['gin/experiments/first_look.gin', 'gin/templates/math_four_shot.gin'],
      [f'{name}={str(value)!r}' for name, value in bound.items()],
    )

  return words


def test_what_lies_in_the_working_directory_does_not_travel(
  asked, tmp_path, monkeypatch
):
  mounted = [str(tmp_path)]
  with pytest.raises(ConfigurationError, match='absolute path of one that'):
    elsewhere.check(*asked('nowhere.jsonl'), mounted)
  with pytest.raises(ConfigurationError, match='so no complete model; run'):
    elsewhere.check(*asked(tmp_path / 'rows.jsonl'), mounted)
  # What cannot be read here is left to the machine.
  monkeypatch.setattr(jsonl, 'check_source', lambda path: None)  # needs gcsfs
  stages = elsewhere.check(*asked('gs://b/rows.jsonl'), mounted)
  assert [stage.name for stage in stages][:2] == ['search', 'label']


def test_devices_of_the_other_machine_are_not_known():
  files, bound = [_QUICK, 'gin/partitioning/fsdp.gin'], ['Layout.data=4096']
  with pytest.raises(ConfigurationError, match='but there are'):
    configuration.load(files, bound)
  assert elsewhere.check(files, bound)


def test_gin_files_have_to_travel(tmp_path, capsys, monkeypatch):
  mine = tmp_path / 'mine.gin'
  mine.write_text(f"include '{_QUICK}'\nExperiment.name = 'mine'\n")
  axis = '--sweep.BUDGET=[16]'
  monkeypatch.chdir(tmp_path)
  for given in ('mine.gin', str(mine)):
    assert _sky(tmp_path / 'jobs', axis, f'--gin_file={given}') == 2
    assert 'files alone are copied' in capsys.readouterr().err
  whole = pathlib.Path(main.__file__).parents[2] / _QUICK
  assert _sky(tmp_path / 'jobs', axis, f'--gin_file={whole}') == 2
  assert f'write --gin_file={_QUICK}' in capsys.readouterr().err


def test_a_sweep_does_not_hide_an_experiment(tmp_path, capsys):
  # O10.
  given = ['--gin_file=tests/cli/little.gin', f"--gin.OUTPUT='{tmp_path}'"]
  assert main.main(['run', *given]) == 0
  folder = tmp_path / 'little'
  for output in (folder, f'{folder}/'):
    sweep = ['sweep', *given, f'--output={output}', '--sweep.Coin.bias=[0.5]']
    capsys.readouterr()
    assert main.main([*sweep, '--run']) == 2
    assert 'is the folder of an experiment' in capsys.readouterr().err
  assert not (folder / 'sweep.json').exists()


def test_a_typo_in_a_sweep_is_told_for_every_cell(tmp_path, capsys):
  given = ['--gin_file=tests/cli/little.gin', "--gin.OUTPUT='unused'"]
  sweep = ['sweep', *given, f'--output={tmp_path}', '--sweep.BIASS=[0.5, 1]']
  assert main.main([*sweep, '--check']) == 2
  (line,) = [json.loads(x) for x in capsys.readouterr().out.splitlines()]
  assert line['cells'] == 2
  assert 'BIASS is bound but nothing' in line['error']


def test_names_of_jobs_stay_what_they_were():
  # Jobs of an earlier version that still run must be found by their names.
  table = axes([], ['BUDGET=[16]'])
  sweep = Sweep('gs://b/runs', table, (_QUICK,))
  (cell,) = sweep.cells()
  assert jobs.name_of(sweep, cell) == 't-budget-16-0d402b89'


@pytest.mark.parametrize('mode', ['here', 'elsewhere'])
def test_a_command_can_be_checked_alone(tmp_path, capsys, mode):
  given = [
    'run',
    '--gin_file=tests/cli/little.gin',
    f"--gin.OUTPUT='{tmp_path / 'runs'}'",
    f'--check={mode}',
  ]
  assert main.main(given) == 0
  assert 'is in order' in capsys.readouterr().err
  assert main.main([*given, '--gin.BIASS=1']) == 2
  assert 'BIASS is bound but nothing' in capsys.readouterr().err
  assert not (tmp_path / 'runs').exists()


def test_names_of_stages_are_known_without_building_them():
  # The machine's own files cannot be read here, and building may read them.
  for file in pathlib.Path(main.__file__).parents[2].glob('gin/*/*.gin'):
    try:
      built = configuration.load((str(file),), (), check=False)[0]
    except ConfigurationError:
      continue  # a part of others, or of files that are not here
    planned = chosen.planned()
    assert [*planned] == [(s.name, s.kind) for s in built.everything], file


@pytest.fixture
def cloud(tmp_path):
  cloud = Cloud(tmp_path)
  # A ttc of the launching machine, which answers as the real one.
  program = cloud.repository / '.venv' / 'bin' / 'ttc'
  program.parent.mkdir(parents=True)
  root = pathlib.Path(main.__file__).parents[2]
  program.write_text(
    f'#!/bin/sh\nexport PYTHONPATH={cloud.repository}\n'
    f'exec {sys.executable} -m ttc.cli.main "$@"\n'
  )
  program.chmod(0o755)
  for name in ('gin', 'tests/cli'):
    shutil.copytree(root / name, cloud.repository / name)
  (cloud.repository / 'ttc').symlink_to(root / 'ttc')
  return cloud


_SLICE = ('--name=quick', '--zone=z', '--type=v6e-16')


@pytest.mark.parametrize(
  ('words', 'told'),
  [
    (('ttc', 'run', f'--gin_file={_QUICK}'), 'leave out the word ttc'),
    (('run', '--gin_file', _QUICK, '--gin.BUDGTE=16'), 'BUDGTE is bound'),
    (('run', '--gin_file=nope.gin'), 'nope.gin is not a file'),
    (('run', f'--gin_file={_QUICK}', '--only=serach'), 'no stage serach'),
    (
      ('run', f'--gin_file={_QUICK}', "--gin.Experiment.reuse='runs/q'"),
      'is on this machine',
    ),
    (('rnu', f'--gin_file={_QUICK}'), 'invalid choice'),
    (('run', '--gin.BUDGTE=16'), 'name the experiment to run'),
    (('evaluate', '--run=a'), 'ttc evaluate does not run on several machines'),
    (('sweep', f'--gin_file={_QUICK}'), 'ttc sweep is not run on a pod'),
    (('run', "--gin.Experiment.output='x'"), 'bound by --output alone'),
  ],
)
def test_no_slice_is_asked_for_in_vain(cloud, words, told):
  code, _, errors = cloud.launch(
    'launch/tpu_vm.sh', *_SLICE, '--output=gs://b/runs', '--', *words
  )
  assert code == 2
  assert told in errors
  assert 'Traceback' not in errors
  assert cloud.calls() == []


def test_pods_of_ones_own_may_hold_anything_but_a_typo(cloud):
  pod = ('launch/pod.sh', '--hosts=a,b', '--dry-run', '--', 'run')
  file = f'--gin_file={_QUICK}'
  code, _, errors = cloud.launch(*pod, file, '--gin.BUDGTE=16')
  assert (code, 'BUDGTE is bound' in errors) == (2, True)
  code, _, errors = cloud.launch(
    *pod, file, "--gin.search/Solver.verifier='/models/prm'"
  )
  assert code == 0, errors
  code, _, errors = cloud.launch(
    'launch/pod.sh', '--hosts=a', '--', 'ttc', 'run', file
  )
  assert (code, 'leave out the word ttc' in errors) == (2, True)


@pytest.mark.parametrize(
  ('words', 'told'),
  [
    (('launch/pod.sh', '--hosts=a,me@b,a', '--', 'run'), 'names a twice'),
    (('launch/pod.sh', '--hosts=a,a', '--', 'run'), 'names a twice'),
    (('launch/pod.sh', '--hosts=a', '--port=0', '--', 'run'), '1 to 65535'),
    (('launch/pod.sh', '--hosts=a', '--port=70000', '--', 'run'), '1 to 65535'),
    (('launch/sky/launch.sh', 'jobs', 'two'), 'one folder at a time'),
    (('launch/sky/launch.sh', 'jobs', '--retry'), 'unknown option --retry'),
    (('launch/sky/launch.sh', 'jobs'), 'holds no jobs of ttc sweep --sky'),
    (
      ('launch/xpk/launch.sh', 'none', '--cluster=c', '--tpu-type=v6e-8'),
      'holds no jobs of ttc sweep --xpk',
    ),
  ],
)
def test_words_that_launchers_would_pass_over(tmp_path, words, told):
  cloud = Cloud(tmp_path)
  for name in ('jobs', 'none'):
    (cloud.repository / name).mkdir()
    (cloud.repository / name / 'sweep.json').write_text('{"cells": []}')
  (cloud.repository / 'jobs' / 't-a-00000000.command').write_text('ttc run')
  code, _, errors = cloud.launch(*words)
  assert (code, cloud.calls()) == (2, [])
  assert told in errors


def test_a_pod_may_have_many_hosts_of_like_names(tmp_path):
  words = ('--hosts=a,aa,a.b,x@a', '--dry-run', '--', 'run')
  code, _, errors = Cloud(tmp_path).launch('launch/pod.sh', *words)
  assert code == 0, errors
  assert 'the command is not checked before it starts there' in errors


def test_a_slash_at_the_end_asks_for_no_other_slice(tmp_path):
  cloud, made = Cloud(tmp_path), []
  for output in ('gs://b/runs', 'gs://b/runs/', 'gs://b/runs//'):
    code, out, errors = cloud.launch(
      'launch/tpu_vm.sh',
      *_SLICE,
      f'--output={output}',
      '--dry-run',
      '--',
      'run',
    )
    assert code == 0, errors
    made.append([x for x in out.splitlines() if 'queued-resources create' in x])
  assert made[0]
  assert made[0] == made[1] == made[2]
