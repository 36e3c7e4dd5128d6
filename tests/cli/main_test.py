"""Tests of the command line, on an experiment of coin tosses."""

import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from ttc.cli import arguments, compare_runs, main
from ttc.pipeline.experiment import Experiment

_GIN = str(pathlib.Path(__file__).with_name('little.gin'))
_REPOSITORY = pathlib.Path(__file__).parents[2]


def _arguments(output, *bindings, stage='run'):
  given = [f'--gin.OUTPUT={str(output)!r}', *(f'--gin.{b}' for b in bindings)]
  return [stage, f'--gin_file={_GIN}', *given]


def _hashes(folder):
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.rglob('*'))
    if path.suffix in ('.jsonl', '.txt') and not path.name.startswith('.')
  }


def _started(arguments):
  return subprocess.Popen(
    [sys.executable, '-m', 'ttc.cli.main', *arguments],
    cwd=_REPOSITORY,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
  )


def _wait_for_parts(process, folder, count):
  while len(list(folder.glob('part-*'))) < count:
    assert process.poll() is None, process.stderr.read()
    time.sleep(0.001)


def test_an_experiment_runs_then_is_skipped_and_shown_again(tmp_path, capsys):
  arguments = _arguments(tmp_path, 'Experiment.seeds=(0, 1)')
  assert main.main(arguments) == 0
  first = capsys.readouterr()
  made = _hashes(tmp_path)
  assert 'seed-1/count: complete' in first.err
  assert re.search(r'seed-0/toss: complete, .* s; 4 stages left\b', first.err)
  assert re.search(r'seed-1/toss: .* s; 2 stages left, more than ', first.err)
  assert re.search(r'^report: complete, [0-9.]+ s$', first.err, re.M)
  assert 'skipped' not in first.err
  times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
  assert main.main(arguments) == 0
  second = capsys.readouterr()
  assert second.err.count('skipped') == 5
  assert second.out == first.out
  assert second.out.startswith('heads: ')
  assert _hashes(tmp_path) == made
  assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')} == times


def test_kill_at_random_moments_ends_bit_equal(tmp_path):
  pace = ('Toss.seconds=0.004', 'ITEMS=60')
  assert main.main(_arguments(tmp_path / 'whole', *pace)) == 0
  rng = random.Random(5)
  folder = tmp_path / 'killed' / 'little' / 'seed-0' / 'toss'
  for target in (1, 7, 13, 22):
    process = _started(_arguments(tmp_path / 'killed', *pace))
    _wait_for_parts(process, folder, target)
    time.sleep(rng.uniform(0, 0.015))
    process.kill()
    process.wait()
    process.stderr.close()
  assert 22 <= len(list(folder.glob('part-*'))) < 30
  assert main.main(_arguments(tmp_path / 'killed', *pace)) == 0
  whole, killed = _hashes(tmp_path / 'whole'), _hashes(tmp_path / 'killed')
  assert whole == killed
  assert len(whole) == 32


@pytest.mark.parametrize(
  ('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signals_keep_finished_parts_and_have_codes(tmp_path, number, code):
  arguments = _arguments(tmp_path, 'Toss.seconds=0.01', 'ITEMS=500')
  process = _started(arguments)
  folder = tmp_path / 'little' / 'seed-0' / 'toss'
  _wait_for_parts(process, folder, 2)
  os.kill(process.pid, number)
  _, errors = process.communicate()
  assert process.returncode == code
  assert 'Finished parts are kept' in errors
  assert 'Traceback' not in errors
  assert not list(folder.glob('.*.tmp'))


def test_failed_work_keeps_its_parts_and_shows_where_it_failed(
  tmp_path, capsys
):
  assert main.main(_arguments(tmp_path, 'Toss.fail_at=3')) == 1
  errors = capsys.readouterr().err
  assert 'the coin rolled away' in errors
  assert 'Traceback' in errors
  folder = tmp_path / 'little' / 'seed-0' / 'toss'
  assert len(list(folder.glob('part-*'))) == 3


def test_other_bindings_are_refused_by_name_before_any_work(tmp_path, capsys):
  assert main.main(_arguments(tmp_path)) == 0
  made = _hashes(tmp_path)
  bindings = ('Coin.bias=0.4', 'Toss.items=12', 'Experiment.seeds=(9, 0)')
  assert main.main(_arguments(tmp_path, *bindings)) == 2
  errors = capsys.readouterr().err
  assert 'Toss.coin.bias: 0.3 before, 0.4 now' in errors
  assert 'Toss.items: 10 before, 12 now' in errors
  assert 'Toss.size' not in errors
  assert _hashes(tmp_path) == made
  assert not (tmp_path / 'little' / 'seed-9').exists()


def test_one_kind_of_stage_needs_its_inputs(tmp_path, capsys):
  assert main.main(_arguments(tmp_path, stage='policy')) == 2
  assert 'reads seed-0/toss, which is not complete' in capsys.readouterr().err
  assert main.main(_arguments(tmp_path, stage='sample')) == 0
  assert main.main(_arguments(tmp_path, stage='policy')) == 0
  assert not (tmp_path / 'little' / 'report').exists()
  assert main.main([*_arguments(tmp_path), '--only=report']) == 0


@pytest.mark.parametrize('only', ['count', 'report'])
def test_what_an_earlier_stage_was_made_with_still_holds(
  tmp_path, capsys, only
):
  assert main.main([*_arguments(tmp_path), '--only=toss', '--only=count']) == 0
  made = _hashes(tmp_path)
  argument = f'--only={only}'
  capsys.readouterr()
  assert main.main([*_arguments(tmp_path, 'Coin.bias=0.4'), argument]) == 2
  errors = capsys.readouterr().err
  assert f'{tmp_path}/little/seed-0/toss was made with other' in errors
  assert 'Toss.coin.bias: 0.3 before, 0.4 now' in errors
  (tmp_path / 'little' / 'seed-0' / 'toss' / 'stage.json').unlink()
  assert main.main([*_arguments(tmp_path), argument]) == 2
  assert 'holds results but no stage.json' in capsys.readouterr().err
  left = {n: d for n, d in made.items() if not n.endswith('toss/stage.json')}
  assert _hashes(tmp_path) == left


def test_what_is_not_read_may_have_other_bindings(tmp_path):
  both = 'Experiment.stages=(@Toss(), @other/Toss(), @Count())'
  named = (both, 'other/Toss.name="other"')
  assert main.main(_arguments(tmp_path, *named)) == 0
  (tmp_path / 'little' / 'seed-0' / 'count' / 'COMPLETE').unlink()
  changed = _arguments(tmp_path, *named, 'other/Toss.items=3')
  assert main.main([*changed, '--only=count']) == 0
  assert main.main(changed) == 2


def test_more_seeds_make_the_report_again_and_nothing_else(tmp_path, capsys):
  assert main.main(_arguments(tmp_path)) == 0
  first = capsys.readouterr().out
  assert main.main(_arguments(tmp_path, 'Experiment.seeds=(0, 1)')) == 0
  second = capsys.readouterr()
  assert second.out != first
  assert 'seed-0/toss: complete, skipped' in second.err
  assert 'report: complete, skipped' not in second.err


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--gin.Coin.biaz=1'], "doesn't have a parameter named 'biaz'"),
    (['--gin.Coyn.bias=1'], "No configurable matching 'Coyn'"),
    (['--gin.other/Coin.bias=1'], 'other/Coin.bias is bound but nothing'),
    (['--gin.ITEMZ=1'], 'ITEMZ is bound but nothing'),
    (['--gin.Toss.coin=%NONE'], 'the macro NONE has no value'),
    (['--gin.Coin.bias=(1'], "'(' is never closed by ')'"),
    (['--gin.Coin.bias=1.5'], "stage 'toss': bias=1.5 is not in [0, 1]"),
    (['--gin.Count.source="tos"'], "reads 'tos', which is none of"),
    (['--gin.Experiment.name="a/b"'], "'a/b' cannot name a folder"),
    (['--gin.Experiment.seeds=()'], 'seeds=() is empty; list at least one'),
    (['--gin.Experiment.seeds=(1, 1)'], 'list each seed once'),
    (['--gin.Count.name="toss"'], "more than one stage named 'toss'"),
    (['--gin_file=missing.gin'], '--gin_file=missing.gin is not a file'),
    (['--only=nothing'], 'has no stage nothing; it has toss (sample)'),
  ],
)
def test_configuration_errors_are_one_line(
  tmp_path, capsys, arguments, message
):
  assert main.main([*_arguments(tmp_path), *arguments]) == 2
  errors = capsys.readouterr().err
  assert message in errors
  assert len(errors.splitlines()) == 1
  assert not list(tmp_path.iterdir())


def test_required_values_are_asked_for(capsys):
  assert main.main(['run', f'--gin_file={_GIN}']) == 2
  assert 'OUTPUT' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ([], 'required: STAGE'),
    (['nothing'], 'invalid choice'),
    (['run'], '--gin_file=PATH'),
    (['run', '--gin_file=x', '--size=3'], "unknown argument '--size=3'"),
    (['run', '--gin_file=x', '--gin.NAME'], "unknown argument '--gin.NAME'"),
  ],
)
def test_wrong_usage_exits_with_two(capsys, arguments, message):
  with pytest.raises(SystemExit) as stopped:
    main.main(arguments)
  assert stopped.value.code == 2
  assert message in capsys.readouterr().err


def test_git_ignores_what_commands_write():
  _, stages = arguments.program()
  compare_runs.add_parser(stages)
  page = stages.choices['compare_runs'].get_default('output')
  ignored = (_REPOSITORY / '.gitignore').read_text().split()
  assert {f'/{page}/', f'/{Experiment.output}/'} <= set(ignored)


def test_help_imports_nothing_heavy_and_a_run_no_models():
  code = """
import sys
from ttc.cli import main
try:
  main.main(['--help'])
except SystemExit:
  heavy = {'jax', 'numpy', 'gin', 'tensorflow', 'ttc.cli.runner'}
  print(sorted(heavy & set(sys.modules)))
import ttc.cli.runner
print(sorted({'flax', 'orbax', 'tensorflow', 'matplotlib'} & set(sys.modules)))
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=_REPOSITORY,
    check=True,
    capture_output=True,
    text=True,
  )
  assert done.stdout.splitlines()[-2:] == ['[]', '[]']
  assert 'revise_data' in done.stdout
