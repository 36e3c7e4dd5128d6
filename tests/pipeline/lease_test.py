"""One command at a time in a bucket: threads race on a real fake of one."""

import json
import random
import subprocess
import sys
import threading
import time

import pytest

from ttc.pipeline.lease import HeldError, holding, Lease, shared
from ttc.runtime import storage


def _lease(name, **times):
  times = {'renew': 0.2, 'stale': 1.0, 'poll': 0.05} | times
  return Lease(storage.path(f'gs://lease/{name}'), **times)


def test_a_second_command_is_refused_while_the_first_is_at_work(bucket):
  first = _lease('busy')
  first.acquire()
  with pytest.raises(HeldError, match=r'another command .*is at work'):
    _lease('busy').acquire()
  first.check()
  first.release()
  second = _lease('busy')
  second.acquire()  # at once
  second.release()


def test_a_dead_command_is_waited_for_and_then_replaced(bucket):
  dead = _lease('dead', renew=60)
  dead.acquire()
  began = time.monotonic()
  second = _lease('dead')
  second.acquire()
  assert time.monotonic() - began > 1.0
  with pytest.raises(HeldError, match='has taken over'):
    dead.check()
  second.check()
  second.release()


@pytest.mark.parametrize('renewals', [1, 2, 5])
def test_a_command_that_was_stopped_for_long_notices(bucket, renewals):
  """However often the other one has renewed, and removed its old numbers."""
  stopped = _lease(f'stopped-{renewals}', renew=60)
  stopped.acquire()
  other = _lease(f'stopped-{renewals}', renew=60)
  other.acquire()
  for _ in range(renewals):
    other.check()
  with pytest.raises(HeldError):
    stopped.check()
  other.check()
  stopped.release()  # changes nothing
  other.check()


@pytest.mark.parametrize('seed', range(20))
def test_of_two_racing_commands_one_wins(bucket, seed):
  rng = random.Random(seed)
  name = f'race-{seed}'
  if seed % 3 == 0:  # a released lease lies there
    before = _lease(name)
    before.acquire()
    before.release()
  outcomes, wrote = {}, []
  start = threading.Barrier(2)

  def command(who, delay):
    lease = _lease(name, renew=0.1, stale=30.0)
    start.wait()
    time.sleep(delay)
    try:
      lease.acquire()
    except HeldError:
      outcomes[who] = 'refused'
      return
    for _ in range(5):
      wrote.append(who)
      time.sleep(0.02)
    lease.check()
    outcomes[who] = 'won'
    holds.append(lease)

  holds = []
  threads = [
    threading.Thread(target=command, args=(who, rng.uniform(0, 0.03)))
    for who in 'ab'
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(20)
  for lease in holds:
    lease.release()
  assert sorted(outcomes.values()) == ['refused', 'won']
  assert len(set(wrote)) == 1


def test_a_command_killed_on_this_machine_is_replaced_at_once(bucket):
  dead = _lease('killed', renew=60)
  dead.acquire()
  name = bucket.names('lease/killed/.lease/')[-1]
  entry = json.loads(bucket.objects[name][1])
  bucket.put(name, json.dumps({**entry, 'pid': _unused_pid()}).encode())
  second = _lease('killed', stale=60)
  began = time.monotonic()
  second.acquire()
  assert time.monotonic() - began < 30
  second.release()


def _unused_pid():
  process = subprocess.Popen(['true'])
  process.wait()
  return process.pid


_LOSES = 'from ttc.runtime import join\n  join._lost("process 1", None)'
_IS_FORCED = """import os, signal, time
  from ttc.runtime import termination
  with termination.handling(grace=0.2), termination.deferred():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)"""


@pytest.mark.parametrize('end', [_LOSES, _IS_FORCED], ids=['loses', 'forced'])
def test_a_forced_exit_gives_the_lease_back(bucket, end):
  """So that another machine does not wait for it to become stale."""
  name = f'gs://lease/{hash(end)}'
  program = f"""
from ttc.pipeline import lease
from ttc.runtime import storage
with lease.holding(storage.path({name!r}), 0):
  {end}
"""
  done = subprocess.run([sys.executable, '-c', program], check=False)
  assert done.returncode > 0
  (last,) = bucket.names(f'{name[5:]}/.lease/')
  assert json.loads(bucket.objects[last][1])['released']


def test_a_local_folder_has_a_lock(tmp_path):
  with holding(tmp_path, 0) as hold:
    hold.check()
    with holding(tmp_path, 1):
      pass


def test_an_object_is_created_once(bucket, tmp_path):
  for folder in (tmp_path, storage.path('gs://lease/once')):
    assert storage.create(folder / 'x', b'1')
    assert not storage.create(folder / 'x', b'2')
    assert (folder / 'x').read_bytes() == b'1'


def test_entries_say_who(bucket):
  lease = _lease('who')
  lease.acquire()
  name = bucket.names('lease/who/.lease/')[-1]
  assert 'process' in json.loads(bucket.objects[name][1])['who']
  lease.release()


def test_the_other_processes_of_a_run_see_when_its_lease_is_lost(bucket):
  stopped = _lease('pod', renew=60)
  stopped.acquire()
  folder = storage.path('gs://lease/pod')
  worker = shared(_OfProcess(stopped.id), folder, _OfProcess(stopped.id), 'x')
  worker.check()
  stopped.check()  # renewed: another number, the same command
  worker.check()
  other = _lease('pod', renew=60)
  other.acquire()
  with pytest.raises(HeldError, match='has taken over'):
    worker.check()
  other.release()


class _OfProcess:
  """Process 1 of a run, whose process 0 holds a lease."""

  id = ''

  def __init__(self, held):
    self._held = held

  def meet(self, what, value):
    """What both bring."""
    del what
    return [self._held, value]
