"""Tests of stages that are taken from another experiment."""

import pathlib
import shutil

from ttc.cli import main

_GIN = str(pathlib.Path(__file__).parents[1] / 'cli' / 'little.gin')


def _run(output, *bindings, check=False):
  return main.main(
    [
      'run',
      f'--gin_file={_GIN}',
      f'--gin.OUTPUT={str(output)!r}',
      *(f'--gin.{binding}' for binding in bindings),
      *['--check'] * check,
    ]
  )


def _reuse(path):
  return f'Experiment.reuse={str(path)!r}'


def test_equal_stages_are_taken_and_what_follows_a_change_is_run(
  tmp_path, capsys
):
  assert _run(tmp_path / 'a') == 0
  before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
  base = tmp_path / 'a' / 'little'
  assert _run(tmp_path / 'same', _reuse(base)) == 0
  told = capsys.readouterr().err
  assert f'seed-0/toss: taken from {base}' in told
  assert f'seed-0/count: taken from {base}' in told
  assert (tmp_path / 'same/little/seed-0/count').is_symlink()
  changed = (
    _reuse(tmp_path / 'same' / 'little'),
    'Count.name="tally"',
    'Total.source="tally"',
  )
  assert _run(tmp_path / 'b', *changed) == 0
  assert (tmp_path / 'b/little/seed-0/toss').resolve() == base / 'seed-0/toss'
  assert not (tmp_path / 'b/little/seed-0/tally').is_symlink()
  assert _run(tmp_path / 'c', _reuse(base), 'ITEMS=4') == 0
  told = capsys.readouterr().err
  assert 'seed-0/toss: not taken' in told
  assert 'Toss.items: 10 before, 4 now' in told
  assert 'seed-0/count: not taken' in told
  assert not (tmp_path / 'c/little/seed-0/toss').is_symlink()
  assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_stage_made_from_another_input_is_not_taken(tmp_path, capsys):
  assert _run(tmp_path / 'a') == 0
  assert _run(tmp_path / 'b', 'ITEMS=4') == 0
  shutil.rmtree(tmp_path / 'b/little/seed-0/count')
  base = tmp_path / 'a' / 'little'
  assert _run(tmp_path / 'b', 'ITEMS=4', _reuse(base)) == 0
  assert 'it was made from another seed-0/toss' in capsys.readouterr().err
  assert not (tmp_path / 'b/little/seed-0/count').is_symlink()


def test_nothing_is_written_through_a_link(tmp_path, capsys):
  assert _run(tmp_path / 'a') == 0
  base = tmp_path / 'a' / 'little'
  assert _run(tmp_path / 'b', _reuse(base)) == 0
  (base / 'seed-0' / 'toss' / 'COMPLETE').unlink()
  assert _run(tmp_path / 'b', _reuse(base)) == 2
  assert 'is not complete any more' in capsys.readouterr().err


def test_a_missing_experiment_is_named_before_any_work(tmp_path, capsys):
  for check in (True, False):
    assert _run(tmp_path / 'b', _reuse(tmp_path / 'a'), check=check) == 2
    assert 'is no folder' in capsys.readouterr().err
  assert not (tmp_path / 'b' / 'little' / 'seed-0').exists()


def test_to_and_from_a_bucket_stages_are_copied(tmp_path, bucket, capsys):
  assert _run(tmp_path / 'a') == 0
  made = {
    path.name: path.read_bytes()
    for path in (tmp_path / 'a/little/seed-0/toss').iterdir()
    if not path.name.startswith('.')
  }
  source = tmp_path / 'a' / 'little'
  for output in ('gs://reuse/b', 'gs://reuse/c', str(tmp_path / 'd')):
    assert _run(output, _reuse(source)) == 0
    told = capsys.readouterr().err
    assert f'seed-0/toss: copied from {source}' in told
    assert 'seed-0/count: complete, skipped' in told
    source = f'{output}/little'
  assert {
    path.name: path.read_bytes()
    for path in (tmp_path / 'd/little/seed-0/toss').iterdir()
  } == made


def test_a_copy_that_was_cut_off_is_made_again(tmp_path, bucket, capsys):
  assert _run(tmp_path / 'a') == 0
  whole = tmp_path / 'a' / 'little' / 'seed-0' / 'toss'
  part = next(whole.glob('part-*'))
  bucket.put(f'cut/b/little/seed-0/toss/{part.name}', b'{"problem": 7}\n')
  assert _run('gs://cut/b', _reuse(tmp_path / 'a' / 'little')) == 0
  assert 'seed-0/toss: copied' in capsys.readouterr().err
  name = f'cut/b/little/seed-0/toss/{part.name}'
  assert bucket.objects[name][1] == part.read_bytes()
