"""Tests of worker processes: killed, starved, forked from, left alone."""

import concurrent.futures
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from ttc.grading.grader import Grader, Limits
from ttc.grading.pool import WorkerError, WorkerPool

_REPOSITORY = pathlib.Path(__file__).parents[2]
_EASY = {'gold': '6', 'pred': '\\sum_{k=1}^{3} k', 'lenient': True}
_ENDLESS = {
  'gold': '3',
  'pred': '\\prod_{k=1}^{1000000} (x+k)',
  'lenient': True,
}


@pytest.fixture(scope='module')
def pool():
  pool = WorkerPool(1, 0.5, 1024)
  yield pool
  pool.close()


def _children(process):
  """The processes that `process` started, by /proc."""
  return [
    int(stat.parent.name)
    for stat in pathlib.Path('/proc').glob('[0-9]*/stat')
    if _read(stat).rpartition(')')[2].split()[1:2] == [str(process)]
  ]


def _read(path):
  try:
    return path.read_text()
  except (FileNotFoundError, ProcessLookupError):
    return ''  # it ended meanwhile


def _child(process):
  (child,) = _children(process)
  return child


def _limits(process):
  lines = pathlib.Path(f'/proc/{process}/limits').read_text().splitlines()
  return {line[:26].strip(): line[26:].split()[1] for line in lines[1:]}


def _gone(process):
  return not pathlib.Path(f'/proc/{process}').exists()


def _wait_until(done):
  end = time.monotonic() + 20
  while not done():
    assert time.monotonic() < end
    time.sleep(0.01)


def test_an_endless_question_ends_and_the_next_is_answered(pool):
  assert pool.ask(_ENDLESS) == {'failed': 'timeout'}
  assert pool.ask(_EASY) == {'same': True}


def test_killed_processes_are_replaced(pool):
  assert pool.ask(_EASY) == {'same': True}
  (worker,) = pool.processes
  os.kill(_child(worker), signal.SIGKILL)
  assert pool.ask(_EASY) == {'same': True}
  assert pool.processes == [worker]
  os.kill(worker, signal.SIGKILL)
  assert pool.ask(_EASY) == {'same': True}
  assert pool.processes != [worker]


def test_a_question_whose_workers_die_is_given_up_and_others_go_on():
  patient = WorkerPool(1, 60, 1024)
  assert patient.ask(_EASY) == {'same': True}
  with concurrent.futures.ThreadPoolExecutor(1) as executor:
    asked = executor.submit(patient.ask, _ENDLESS)
    killed = 0
    while killed < 2:
      time.sleep(0.02)
      for worker in patient.processes:
        if _children(worker):  # at work, not starting
          os.kill(worker, signal.SIGKILL)
          killed += 1
          _wait_until(lambda gone=worker: gone not in patient.processes)
    assert asked.result(60) == {'failed': 'crash'}
  assert patient.ask(_EASY) == {'same': True}
  patient.close()


def test_children_are_confined():
  small = WorkerPool(1, 30, 200)
  assert small.ask({'gold': '3', 'pred': 'x', 'lenient': True})['same'] is False
  limits = _limits(_child(small.processes[0]))
  assert limits['Max address space'] == str(200 << 20)
  assert limits['Max file size'] == limits['Max processes'] == '0'
  small.close()


def test_closing_ends_all_processes_and_asking_starts_new_ones(pool):
  pool.ask(_EASY)
  (worker,) = pool.processes
  child = _child(worker)
  pool.close()
  _wait_until(lambda: _gone(worker) and _gone(child))
  assert pool.ask(_EASY) == {'same': True}


def test_pairs_are_remembered_and_need_no_worker_again():
  sums = [rf'\sum_{{k=1}}^{{{n}}} k' for n in range(3, 6)]
  with Grader(workers=1) as grader:
    voted = grader.classes([*sums, '10'])
    assert grader.grade('6', sums[0]).correct
    grader.close()
    before = set(_children(os.getpid()))
    assert grader.classes([*sums, '10']) == voted == [0, 1, 2, 1]
    assert grader.classes([*reversed(sums), '10']) == [0, 1, 2, 1]
    assert grader.grade('6', sums[0]).correct
    assert set(_children(os.getpid())) <= before


def _grade_in_child(grader, queue):
  verdict = grader.grade(_EASY['gold'], _EASY['pred'])
  queue.put((verdict.correct, verdict.reason))


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_other_processes_have_workers_of_their_own(method):
  context = multiprocessing.get_context(method)
  with Grader(workers=1, limits=Limits(seconds=2)) as grader:
    assert grader.grade('7', _EASY['pred']).reason == 'different'
    queue = context.Queue()
    processes = [
      context.Process(target=_grade_in_child, args=(grader, queue))
      for _ in range(2)
    ]
    for process in processes:
      process.start()
    assert [queue.get(timeout=60) for _ in processes] == [(True, 'equal')] * 2
    for process in processes:
      process.join()
    assert grader.grade('8', _EASY['pred']).reason == 'different'


_KILLED = """
import os, signal
from ttc.grading.pool import WorkerPool
pool = WorkerPool(1, 1, 1024)
pool.ask({'gold': '7', 'pred': r'\\sum_{k=1}^{3} k', 'lenient': True})
print(*pool.processes, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_when_the_process_is_killed():
  done = subprocess.run(
    [sys.executable, '-c', _KILLED],
    cwd=_REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  (worker,) = done.stdout.split()
  _wait_until(lambda: _gone(worker))


def test_a_worker_that_cannot_start_says_why(monkeypatch, tmp_path):
  (tmp_path / 'math_verify.py').write_text("raise ImportError('not this one')")
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  with pytest.raises(WorkerError, match=r'not this one.*pip install'):
    WorkerPool(1, 1, 1024).ask(_EASY)
