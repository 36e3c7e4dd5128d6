"""Threads that do jobs for somebody who must not wait for all of them."""

import threading

import pytest

from ttc.external.crew import Crew


def everything(crew):
  found = []
  while crew.under_way:
    found += crew.take(60.0)
  return found


@pytest.mark.parametrize('size', [1, 3])
def test_every_job_is_done_once(size):
  jobs = [None, 0, '', False, *range(2, 50)]
  with Crew(lambda job: (job, 'done'), size) as crew:
    for job in jobs:
      crew.give(job)
    found = everything(crew)
  assert sorted(map(repr, found)) == sorted(
    repr((j, (j, 'done'))) for j in jobs
  )
  assert not list(crew.take(60.0))


def test_what_is_not_done_yet_is_not_waited_for():
  go = threading.Event()
  with Crew(lambda job: go.wait(60), 1) as crew:
    crew.give('job')
    assert not list(crew.take(0.0))
    assert crew.under_way == 1
    go.set()
    assert everything(crew) == [('job', True)]


def test_an_error_is_raised_where_jobs_are_taken():
  with Crew(lambda job: 1 / job, 2) as crew:
    crew.give(0)
    with pytest.raises(ZeroDivisionError):
      everything(crew)


def test_at_the_end_nothing_more_begins():
  begun, go = [], threading.Event()

  def do(job):
    begun.append(job)
    go.wait(60)

  with Crew(do, 1) as crew:
    crew.give(1)
    crew.give(2)
    while not begun:
      pass
  go.set()
  assert not [job for job, _ in crew.take(1.0) if job == 2]
  assert begun == [1]
