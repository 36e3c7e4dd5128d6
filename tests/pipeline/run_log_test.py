"""Tests of what attempts leave behind, whatever ends them."""

import pathlib
import subprocess
import sys

import pytest

from ttc.pipeline import run_log

_REPOSITORY = pathlib.Path(__file__).parents[2]
_PROGRAM = """
import pathlib, sys
from ttc.pipeline.run_log import RunLog
attempt = RunLog()
attempt.begin(pathlib.Path(sys.argv[1]), stages=['seed-0/toss'])
attempt.stage('seed-0/toss')
print('begun', flush=True)
sys.stdin.readline()
attempt.end(int(sys.argv[2]), 'it broke')
sys.stdin.readline()
"""


@pytest.fixture
def begun(tmp_path):
  """Starts an attempt in a process of its own, to end with a code."""
  processes = []

  def start(code=0):
    process = subprocess.Popen(
      [sys.executable, '-c', _PROGRAM, str(tmp_path), str(code)],
      cwd=_REPOSITORY,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )
    processes.append(process)
    assert process.stdout.readline() == 'begun\n'
    return process

  yield start
  for process in processes:
    process.kill()
    process.communicate()


def test_a_living_attempt_is_held_and_a_killed_one_is_not(tmp_path, begun):
  process = begun()
  (alive,) = run_log.read(tmp_path)
  assert alive.held
  assert alive.code is None
  assert alive.stage == 'seed-0/toss'
  assert alive.lines[0]['stages'] == ['seed-0/toss']
  process.kill()
  process.wait()
  (dead,) = run_log.read(tmp_path)
  assert not dead.held
  assert (dead.code, dead.failed, dead.error) == (None, False, '')


@pytest.mark.parametrize(
  ('code', 'failed'), [(0, False), (143, False), (1, True), (2, True)]
)
def test_an_attempt_that_ended_tells_how(tmp_path, begun, code, failed):
  process = begun(code)
  process.communicate('end\n\n')
  (ended,) = run_log.read(tmp_path)
  assert not ended.held
  assert (ended.code, ended.failed, ended.error) == (code, failed, 'it broke')


def test_asking_takes_no_lock(tmp_path, begun):
  process = begun()
  (path,) = (tmp_path / run_log.FOLDER).iterdir()
  assert run_log.is_held(path)
  assert run_log.is_held(path)
  process.kill()
  process.wait()
  assert not run_log.is_held(path)


def test_nothing_to_do_leaves_nothing(tmp_path):
  attempt = run_log.RunLog()
  attempt.begin(tmp_path / 'here')
  attempt.end(0)
  assert not (tmp_path / 'here').exists()
  assert run_log.read(tmp_path / 'here') == []


def test_a_folder_that_cannot_be_made_is_told_and_not_fatal(tmp_path, capsys):
  (tmp_path / 'file').write_text('')
  attempt = run_log.RunLog()
  attempt.begin(tmp_path / 'file')
  attempt.stage('seed-0/toss')
  attempt.end(1, 'it broke')
  told = capsys.readouterr().err
  assert told.count('cannot record this attempt') == 1
  assert 'Not a directory' in told


def test_a_torn_line_ends_what_is_known(tmp_path):
  attempt = run_log.RunLog()
  attempt.begin(tmp_path)
  attempt.stage('seed-0/toss')
  attempt.end(1, 'it broke')
  (path,) = (tmp_path / run_log.FOLDER).iterdir()
  path.write_text(path.read_text()[:-9])
  (trace,) = run_log.read(tmp_path)
  assert trace.stage == 'seed-0/toss'
  assert trace.code is None
