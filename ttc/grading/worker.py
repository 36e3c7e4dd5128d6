"""A worker process, which checks pairs in a child process with limits.

    python -m ttc.grading.worker '{"seconds": 1, "megabytes": 1024}'

The worker imports math-verify once and forks. The child checks one pair after
another, under limits that kill it: processor time, memory, no files, no
processes. The worker waits, reports what happened and forks the next child, in
milliseconds. It has no threads, so that forking is safe, and exits at the end
of its input, so that no orphan stays behind.

Input lines are {"gold", "pred", "lenient"}. Output lines are {"same": true,
false or null} or {"failed": why}, the first {"ready": true} or {"error": why}.
"""

import gc
import json
import os
import resource
import select
import signal
import sys

_RECYCLE = 500  # pairs per child, whose caches grow
_MEMORY_EXIT = 3
_CRASH = {'failed': 'crash'}
_OUT_OF_TIME = (signal.SIGPROF, signal.SIGXCPU, signal.SIGVTALRM)


def main(limits: dict[str, float]) -> int:
  """Answers standard input line by line; returns the exit code."""
  try:
    from ttc.grading import checker

    checker.warm()
  except Exception as error:
    _reply({'error': f'{type(error).__name__}: {error}'})
    return 1
  gc.collect()
  gc.freeze()
  _reply({'ready': True})
  child = None
  for line in sys.stdin.buffer:
    for _ in range(2):  # a child may have been killed from outside: retry
      child = child or _Child(limits)
      reply = child.ask(line)
      if 'failed' in reply or child.asked >= _RECYCLE:
        child.end()
        child = None
      if reply != _CRASH:
        break
    _reply(reply)
  if child:
    child.end()
  return 0


def _reply(reply: dict) -> None:
  sys.stdout.write(f'{json.dumps(reply)}\n')
  sys.stdout.flush()


class _Child:
  def __init__(self, limits: dict[str, float]):
    self.asked = 0
    # The limit is on processor time; this is for a child that does not run.
    self._patience = 5 * limits['seconds'] + 2
    theirs, self._requests = os.pipe()
    self._replies, mine = os.pipe()
    self._process = os.fork()
    if not self._process:
      os.close(self._requests)
      os.close(self._replies)
      _serve(theirs, mine, limits)
    os.close(theirs)
    os.close(mine)

  def ask(self, line: bytes) -> dict:
    self.asked += 1
    try:
      os.write(self._requests, line)
    except BrokenPipeError:
      return _CRASH
    if not select.select([self._replies], [], [], self._patience)[0]:
      return {'failed': 'timeout'}
    reply = os.read(self._replies, 4096)
    if reply:
      return json.loads(reply)
    _, status = os.waitpid(self._process, 0)
    self._process = 0
    if os.WIFSIGNALED(status):
      late = os.WTERMSIG(status) in _OUT_OF_TIME
      return {'failed': 'timeout'} if late else _CRASH
    memory = os.WEXITSTATUS(status) == _MEMORY_EXIT
    return {'failed': 'memory'} if memory else _CRASH

  def end(self) -> None:
    if self._process:
      os.kill(self._process, signal.SIGKILL)
      os.waitpid(self._process, 0)
    os.close(self._requests)
    os.close(self._replies)


def _serve(requests: int, replies: int, limits: dict[str, float]) -> None:
  """The work of the child; never returns."""
  code = 1
  try:
    _confine(limits)
    with open(requests, 'rb') as lines:
      for line in lines:
        signal.setitimer(signal.ITIMER_PROF, limits['seconds'])
        reply = _checked(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(replies, f'{json.dumps(reply)}\n'.encode())
    code = 0
  except MemoryError:
    code = _MEMORY_EXIT
  finally:
    os._exit(code)


def _confine(limits: dict[str, float]) -> None:
  quiet = os.open(os.devnull, os.O_RDWR)
  for standard in (0, 1, 2):
    os.dup2(quiet, standard)
  size = int(limits['megabytes']) << 20
  resource.setrlimit(resource.RLIMIT_AS, (size, size))
  for name in ('RLIMIT_CORE', 'RLIMIT_FSIZE', 'RLIMIT_NPROC'):
    resource.setrlimit(getattr(resource, name), (0, 0))


def _checked(request: dict) -> dict:
  from ttc.grading import checker

  try:
    return {'same': checker.check(**request)}
  except RecursionError:
    return {'failed': 'too deep'}


if __name__ == '__main__':
  sys.exit(main(json.loads(sys.argv[1])))
