"""`ttc run` on two real processes, joined as on two hosts."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests import joined
from ttc.pipeline import records

_GIN = str(pathlib.Path(__file__).with_name('little.gin'))
_REPOSITORY = pathlib.Path(__file__).parents[2]


def _started(output, flags, *bindings, **environ):
  """One process of a run."""
  arguments = [
    'run',
    f'--gin_file={_GIN}',
    f'--gin.OUTPUT={str(output)!r}',
    *(f'--gin.{binding}' for binding in bindings),
  ]
  return subprocess.Popen(
    [sys.executable, '-m', 'ttc.cli.main', *arguments, *flags],
    cwd=_REPOSITORY,
    env=os.environ | environ,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _start(output, *bindings, count=2):
  """All processes of a run."""
  return [_started(output, flags, *bindings) for flags in joined.flags(count)]


def _ends(processes):
  """(exit code, standard error) of each."""
  said = [process.communicate(timeout=120)[1] for process in processes]
  return [(p.returncode, text) for p, text in zip(processes, said, strict=True)]


def _parts(output):
  folder = pathlib.Path(output) / 'little' / 'seed-0' / 'toss'
  return {p.name: p.read_bytes() for p in folder.glob('part-*')}


def _wait_for_parts(processes, output, count):
  while len(_parts(output)) < count:
    for process in processes:
      assert process.poll() is None, process.communicate()
    time.sleep(0.01)


def test_parts_are_shared_out_and_the_same_whoever_does_them(tmp_path):
  ends = {}
  for count in (1, 2, 3):
    output = tmp_path / str(count)
    ends[count] = _ends(_start(output, 'ITEMS=11', count=count))
    assert [code for code, _ in ends[count]] == [0] * count, ends
  assert _parts(tmp_path / '1') == _parts(tmp_path / '2')
  assert _parts(tmp_path / '1') == _parts(tmp_path / '3')
  rows = records.read_rows(tmp_path / '3' / 'little' / 'seed-0' / 'toss')
  assert [row['problem'] for row in rows] == list(range(11))
  for index, done in enumerate(('6/6', '5/5')):
    assert f'[{index}/2] seed-0/toss: 100% {done}' in ends[2][index][1]


@pytest.mark.parametrize(('victim', 'count'), [(0, 3), (1, 1)])
def test_who_was_killed_is_named_and_any_number_goes_on(
  tmp_path, victim, count
):
  pace = ('Toss.seconds=0.02', 'ITEMS=60')
  processes = _start(tmp_path, *pace)
  _wait_for_parts(processes, tmp_path, 4)
  processes[victim].kill()
  ends = _ends(processes)
  code, said = ends[1 - victim]
  assert code in (137, -signal.SIGABRT)
  assert f'process {victim} ({socket.gethostname()}) died' in said
  begun = _parts(tmp_path)
  assert 4 <= len(begun) < 30
  ends = _ends(_start(tmp_path, *pace, count=count))
  assert [code for code, _ in ends] == [0] * count, ends
  parts = _parts(tmp_path)
  assert len(parts) == 30
  assert begun.items() <= parts.items()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_stops_all(tmp_path, number):
  processes = _start(tmp_path, 'Toss.seconds=0.02', 'ITEMS=500')
  _wait_for_parts(processes, tmp_path, 2)
  processes[1].send_signal(number)
  (code, said), (own, _) = _ends(processes)
  assert (code, own) == (143, 128 + number)
  assert 'process 1 (' in said
  assert 'Traceback' not in said


@pytest.mark.parametrize(
  ('bindings', 'environ', 'message'),
  [
    (('ITEMS=11',), {}, 'items: 10 in process 0, 11 in process 1'),
    ((), {'JAX_NUM_CPU_DEVICES': '3', 'XLA_FLAGS': ''}, ', 3 in process 1'),
  ],
)
def test_a_host_that_disagrees_is_named(tmp_path, bindings, environ, message):
  first, second = joined.flags(2)
  processes = [
    _started(tmp_path, first),
    _started(tmp_path, second, *bindings, **environ),
  ]
  for code, said in _ends(processes):
    assert code == 2
    assert 'process 1 (' in said
    assert 'differs from process 0 (' in said
    assert message in said
  assert not (tmp_path / 'little').exists()


def test_a_host_with_another_nonce_is_refused_and_may_try_again(tmp_path):
  first, second = joined.flags(2)
  waiting = _started(tmp_path, first, TTC_JOIN_NONCE='one')
  ((code, said),) = _ends([_started(tmp_path, second, TTC_JOIN_NONCE='two')])
  assert code == 2
  assert 'has another TTC_JOIN_NONCE than process 0, or none' in said
  ends = _ends([waiting, _started(tmp_path, second, TTC_JOIN_NONCE='one')])
  assert [code for code, _ in ends] == [0, 0], ends
  assert 'ttc: closed a connection from 127.0.0.1: process 1 (' in ends[0][1]


def test_one_process_that_fails_ends_all(tmp_path):
  ends = _ends(
    _start(tmp_path, 'Toss.fail_at=1', 'Toss.seconds=0.05', 'ITEMS=100')
  )
  assert [code for code, _ in ends] == [1, 1]
  assert 'the coin rolled away' in ends[1][1]
  assert 'process 1 (' in ends[0][1]
  assert 'ended with exit code 1' in ends[0][1]


def test_a_cluster_that_nobody_knows(tmp_path):
  process = subprocess.run(
    [
      sys.executable,
      '-m',
      'ttc.cli.main',
      'run',
      f'--gin_file={_GIN}',
      f'--gin.OUTPUT={str(tmp_path)!r}',
      '--distributed',
    ],
    cwd=_REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert process.returncode == 2
  assert 'give --coordinator=host:port' in process.stderr
  assert len(process.stderr.splitlines()) == 1
