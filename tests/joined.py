"""Several processes, joined as on several hosts."""

import os
import socket
import subprocess
import sys

# Meets twice, then ends by itself, or is asked to by its standard input.
_PROGRAM = """
import os, sys, time
from ttc.runtime import process_group
from ttc.runtime.coordinator import JoinError

address, count, index, about, timeout = sys.argv[1:]

def lost(who, code):
  print('lost', who.split()[1], code, flush=True)
  os._exit(1)

try:
  joined = process_group.join(
    address, int(count), int(index), {'the code': about}, float(timeout), lost,
    os.environ.get('TTC_JOIN_NONCE', ''))
except JoinError as error:
  print(error)
  sys.exit(2)
print(joined.meet('first', joined.index), joined.meet('second'), flush=True)
order = sys.stdin.readline().strip()
if order == 'die':
  os._exit(9)
if order == 'linger':
  joined.leave(143)
  time.sleep(1)
  print(time.monotonic(), flush=True)
  os._exit(143)
if order == 'leave':
  joined.leave(143)
  os._exit(143)
joined.meet('end')
joined.leave(0)
"""


def address() -> str:
  """Where nobody listens yet."""
  with socket.create_server(('127.0.0.1', 0)) as probe:
    return f'127.0.0.1:{probe.getsockname()[1]}'


def flags(count: int) -> list[list[str]]:
  """The arguments that join a command's processes, a list for each."""
  where = address()
  return [
    [
      '--distributed',
      f'--coordinator={where}',
      f'--processes={count}',
      f'--process={index}',
      '--join_timeout=60',
    ]
    for index in range(count)
  ]


def start(where, index, count=3, about='x', timeout=20, nonce=''):
  """A process that joins others and does little else."""
  arguments = [where, str(count), str(index), about, str(timeout)]
  return subprocess.Popen(
    [sys.executable, '-c', _PROGRAM, *arguments],
    env=os.environ | {'TTC_JOIN_NONCE': nonce},
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def order(process, text):
  """Tells a started process what to do."""
  process.stdin.write(f'{text}\n')
  process.stdin.flush()


def ends(started):
  """(exit code, output) of each started process, when all have ended."""
  for process in started:
    process.stdin.close()
    process.stdin = None
  outputs = [process.communicate(timeout=60)[0] for process in started]
  return [
    (process.returncode, output)
    for process, output in zip(started, outputs, strict=True)
  ]
