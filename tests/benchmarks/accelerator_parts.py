"""Parts that find something, fail, hang or die, for processes of their own."""

import os
import pathlib
import subprocess
import sys
import time

from benchmarks.accelerator.record import Measured, UnavailableError


def finds(what: str) -> Measured:
  return Measured(what, f'{what} found')


def meets(what: str) -> Measured:
  """Does what is asked for, and finds something otherwise."""
  if what == 'a bad value':
    raise ValueError('7 is too much\nand much is said about it')
  if what == 'no device':
    raise UnavailableError('there is no device')
  if what == 'an end':
    print('first words\nthe last words\n', flush=True)
    os._exit(3)
  return finds(what)


def hangs(what: str, child: str = '') -> Measured:
  """Starts a process that hangs too, whose id is written to a file."""
  if child:
    other = subprocess.Popen(
      [sys.executable, '-c', 'import time; time.sleep(99)']
    )
    pathlib.Path(child).write_text(f'{os.getpid()} {other.pid}')
    time.sleep(99)
  return finds(what)
