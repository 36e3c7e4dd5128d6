"""Processes of this package that answer lines, and may never answer."""

from collections.abc import Mapping
import json
import os
import pathlib
import select
import subprocess
import sys
import time

_PACKAGE_ROOT = pathlib.Path(__file__).parents[2]
_PIECE = 65536  # bytes, as many as a pipe holds


def start(module: str, limits: Mapping[str, float]) -> subprocess.Popen:
  """Starts a module, in a session of its own.

  Args:
    module: which is run as a program.
    limits: its only argument, as JSON.
  """
  paths = [str(_PACKAGE_ROOT), os.environ.get('PYTHONPATH', '')]
  return subprocess.Popen(
    [sys.executable, '-P', '-m', module, json.dumps(limits)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    start_new_session=True,  # no Ctrl-C; killpg kills its children as well
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))},
  )


def read_line(descriptor: int, patience: float) -> bytes:
  """The next line of a pipe; b'' at its end or after `patience` seconds."""
  poll = select.poll()
  poll.register(descriptor, select.POLLIN)
  end, data = time.monotonic() + patience, b''
  while not data.endswith(b'\n'):
    left = end - time.monotonic()
    if left <= 0 or not poll.poll(1000 * left):
      return b''
    piece = os.read(descriptor, _PIECE)
    if not piece:
      return b''
    data += piece
  return data
