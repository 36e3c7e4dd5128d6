"""What a signal does, in a process of its own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

_REPOSITORY = pathlib.Path(__file__).parents[2]
_PROGRAM = """
import hashlib, sys, time
from ttc.runtime import termination

def last(code):
  print('last words', code, flush=True)

try:
  with termination.handling(last, grace=float(sys.argv[2])):
    if sys.argv[1] == 'stuck':
      if len(sys.argv) > 3:
        termination.shorten_grace(float(sys.argv[3]))
      print('ready', flush=True)
      hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)  # minutes, in C
    if sys.argv[1] == 'deaf':
      try:
        print('ready', flush=True)
        time.sleep(60)
      except BaseException:
        print('swallowed', flush=True)
      time.sleep(60)
    if sys.argv[1] == 'held':
      with termination.deferred():
        print('ready', flush=True)
        while not termination.requested():
          time.sleep(0.01)
        print('asked', flush=True)
        if len(sys.argv) > 3:
          time.sleep(60)
      print('not here', flush=True)
    print('ready', flush=True)
    time.sleep(60)
except termination.Terminated:
  print('terminated', flush=True)
except KeyboardInterrupt:
  print('interrupted', flush=True)
"""


def _said(*arguments, numbers):
  process = subprocess.Popen(
    [sys.executable, '-c', _PROGRAM, *arguments],
    cwd=_REPOSITORY,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  )
  assert process.stdout.readline() == 'ready\n'
  for number in numbers:
    time.sleep(0.2)  # it is ready to wait, not yet at it
    os.kill(process.pid, number)
  said, _ = process.communicate(timeout=30)
  return process.returncode, said.split('\n')[:-1]


@pytest.mark.parametrize(
  ('number', 'word'),
  [(signal.SIGTERM, 'terminated'), (signal.SIGINT, 'interrupted')],
)
def test_signals_end_work_at_once_or_when_it_asks(number, word):
  assert _said('free', '9', numbers=[number]) == (0, [word])
  assert _said('held', '9', numbers=[number]) == (0, ['asked', word])


@pytest.mark.parametrize('second', [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_what_is_held(second):
  code, words = _said('held', '9', 'long', numbers=[signal.SIGTERM, second])
  assert (code, words) == (0, ['asked', 'terminated'])


def test_a_signal_that_was_swallowed_comes_again():
  """As by a callback of the garbage collector."""
  code, words = _said('deaf', '20', numbers=[signal.SIGTERM])
  assert (code, words) == (0, ['swallowed', 'terminated'])


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_what_does_not_end_is_ended(number):
  """As a device call or a compilation, which no handler interrupts."""
  for grace in (['0.3'], ['60', '0.3']):
    code, words = _said('stuck', *grace, numbers=[number])
    assert (code, words) == (128 + number, [f'last words {128 + number}'])
