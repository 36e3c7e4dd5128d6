"""Run logs: when each process of a run began, at which stage, how it ended.

    <experiment>/attempts/20260314T091500.123456-host-4711.log

Each process of a `ttc run` that has work to do writes one such file of JSON
lines: one when it begins, one per stage, one when it ends. `ttc sweep` writes
one too, with lines for its cells. The names sort by time.

A killed process cannot log its end. So it holds a lock on its file for as long
as it lives, which the kernel releases however the process ends. A log without a
last line is of a running process if it is locked, and of a killed one if not.
"""

from collections.abc import Iterator
import dataclasses
import datetime
import fcntl
import json
import os
import pathlib
import re
import socket
import struct
import sys
import time
from typing import Any

from ttc.runtime import storage

FOLDER = 'attempts'
STOPPED = (130, 143)  # exit codes of an interrupt and a termination
_LONGEST = 600  # characters of an error that are kept
# Formats of struct flock, the argument and result of fcntl's F_GETLK. Linux
# begins with the lock's type; macOS and BSD with its offsets.
_LINUX = sys.platform.startswith('linux')
_FLOCK = '@hhqqi4x' if _LINUX else '@qqihh'


class RunLog:
  """The log of one process. Does nothing before `begin`.

  No method raises OSError. Where the log cannot be written, that is printed
  once and the work continues without one: a full disk should end the run with
  the error of a stage, not of its log.
  """

  def __init__(self):
    self._root: pathlib.Path | None = None
    self._facts: dict[str, Any] = {}
    self._path: pathlib.Path | None = None
    self._file = None
    self._lines: list[str] = []
    self._busy = False

  def begin(self, root: pathlib.Path, **facts: Any) -> None:
    """Sets where the log will be and what its first line holds.

    The file is made with the first stage, cell or error: a run that finds
    everything complete leaves none.

    Args:
      root: folder of the experiment or sweep.
      **facts: plain JSON for the first line, beside its host, pid and time.
    """
    self._root, self._facts = root, facts

  def stage(self, label: str) -> None:
    """Logs that the stage `label`, e.g. 'seed-0/search', begins."""
    self._add(stage=label)

  def cell(self, name: str, **facts: Any) -> None:
    """Logs that a cell of a sweep begins; with `code=` that it has ended."""
    self._add(cell=name, **facts)

  def give_way(self) -> None:
    """Notes that the run is refused because another command is at work."""
    self._busy = True

  def end(self, code: int, error: str = '') -> None:
    """Logs the exit code of the process and releases the lock.

    Args:
      code: the exit code. 0 is not logged by a process without work.
      error: the message of the error that ended it; '' for none.
    """
    if code or self._path:
      facts = {'busy': True} if self._busy else {}
      self._add(code=code, error=error[:_LONGEST], **facts)
    if self._file is not None:
      self._file.close()

  def _add(self, **facts: Any) -> None:
    if self._root is None:
      return
    try:
      if self._path is None:
        self._open()
      self._write(facts)
    except OSError as error:
      print(
        f'ttc: cannot record this attempt below {self._root / FOLDER} '
        f'({error.strerror}); ttc status will not know of it.',
        file=sys.stderr,
      )
      self._root = None

  def _write(self, facts: dict[str, Any]) -> None:
    line = json.dumps({'time': time.time(), **facts}, sort_keys=True)
    self._lines.append(line)
    if self._file is not None:
      self._file.write(f'{line}\n'.encode('ascii'))
    else:  # object stores have no appends
      text = ''.join(f'{line}\n' for line in self._lines)
      storage.write_atomic(self._path, text.encode('ascii'))

  def _open(self) -> None:
    folder = self._root / FOLDER
    storage.make_folder(folder)
    host, pid = socket.gethostname(), os.getpid()
    now = datetime.datetime.now(datetime.UTC)
    safe = re.sub('[^A-Za-z0-9]', '-', host)
    self._path = folder / f'{now:%Y%m%dT%H%M%S.%f}-{safe}-{pid}.log'
    hidden = self._path.with_name(f'.{self._path.stem}')
    if not storage.is_remote(folder):
      # Hidden until it is locked and has its first line: a log that a reader
      # finds without a lock would be that of a killed process. Unbuffered, so
      # that each line is in the file when `write` returns, and a kill loses
      # none.
      self._file = open(hidden, 'ab', buffering=0)  # noqa: SIM115
      fcntl.lockf(self._file, fcntl.LOCK_EX)
    self._write({'host': host, 'pid': pid, **self._facts})
    if self._file is not None:
      # Not storage.write_atomic: closing the file would release the lock.
      os.fsync(self._file.fileno())
      os.rename(hidden, self._path)
      storage.sync(folder)


@dataclasses.dataclass(frozen=True)
class Trace:
  """The log of one process, as read from its file.

  Attributes:
    lines: the lines of the log, parsed; at least one.
    held: whether its process is alive on this machine. False for processes of
      other machines and logs in a bucket, whose locks cannot be seen.
    written: time of the last write, in seconds since the epoch.
  """

  lines: tuple[dict[str, Any], ...]
  held: bool
  written: float

  @property
  def began(self) -> float:
    """Time of the first line, in seconds since the epoch."""
    return self.lines[0]['time']

  @property
  def code(self) -> int | None:
    """The exit code; None for a process that runs or was killed."""
    return self.lines[-1].get('code') if self._has_ended else None

  @property
  def busy(self) -> bool:
    """Whether it was refused because another command was at work.

    It says nothing about the experiment then.
    """
    return self._has_ended and self.lines[-1].get('busy', False)

  @property
  def process(self) -> tuple[int, int]:
    """Index of the process in its run, and their number."""
    index, count = self.lines[0].get('process', (0, 1))
    return index, count

  @property
  def failed(self) -> bool:
    """Whether it ended with an error and not by a signal to stop."""
    return self.code not in (None, 0, *STOPPED)

  @property
  def error(self) -> str:
    """The message of the error that ended it; '' for none."""
    return self.lines[-1].get('error', '') if self._has_ended else ''

  @property
  def stage(self) -> str:
    """Label of the stage that began last; '' before the first."""
    labels = [line['stage'] for line in self.lines if 'stage' in line]
    return labels[-1] if labels else ''

  @property
  def elsewhere(self) -> bool:
    """Whether it is from another machine, whose locks cannot be seen."""
    return self.lines[0].get('host') != socket.gethostname()

  @property
  def _has_ended(self) -> bool:
    # The end of a cell, in the log of a sweep, has a code too.
    last = self.lines[-1]
    return 'code' in last and 'cell' not in last


def read(root: pathlib.Path) -> list[Trace]:
  """Reads the logs of an experiment or sweep, the oldest first.

  Args:
    root: its folder.

  Returns:
    One trace per process of every run; [] where there is none.
  """
  return list(_traces(root / FOLDER))


def counted(traces: list[Trace]) -> list[Trace]:
  """The logs without those of runs that another command's work refused."""
  return [t for t in traces if not ((lead := _lead(t, traces)) and lead.busy)]


def last(traces: list[Trace]) -> list[Trace]:
  """The logs of the processes of the last run, process 0 first."""
  leads = [trace for trace in traces if not trace.process[0]]
  if not leads:
    return []
  others = {
    trace.process[0]: trace
    for trace in traces
    if trace.process[0] and _lead(trace, traces) is leads[-1]
  }
  return [leads[-1], *others.values()]


def _lead(trace: Trace, traces: list[Trace]) -> Trace | None:
  """The log of process 0 of a log's run; None if it has not been written."""
  index, count = trace.process
  if not index:
    return trace
  # Logs have no id of their run. Those of one run have the same number of
  # processes and begin at about the same time.
  leads = [t for t in traces if t.process == (0, count)]
  return min(leads, key=lambda t: abs(t.began - trace.began), default=None)


def _traces(folder: pathlib.Path) -> Iterator[Trace]:
  for name in storage.names(folder):
    if not name.endswith('.log'):
      continue
    path = folder / name
    # The lock is read before the lines. A process that ends in between then
    # shows as held with a last line. In the other order it would show as not
    # held without one, like a process that was killed.
    held = is_held(path)
    written = storage.modified(path)
    lines = tuple(_lines(path))
    if lines and 'host' in lines[0]:
      yield Trace(lines, held, written)


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  for line in path.read_bytes().split(b'\n')[:-1]:
    try:
      facts = json.loads(line)
      yield {**facts, 'time': float(facts['time'])}
    except (ValueError, KeyError, TypeError):
      return  # the disk was full in the middle of a line, or it is not ours


def is_held(path: pathlib.Path) -> bool:
  """Whether another process of this machine holds a lock on a file.

  Asks the kernel and takes no lock itself: one taken for the test, however
  briefly, could make a process that starts just then refuse to work.

  Locks of the calling process are not reported. Worse, POSIX releases them
  when the file is closed here: do not ask about a file that this process has
  locked and still needs.

  Args:
    path: the file.

  Returns:
    False also where that cannot be known: for a file in a bucket, or one that
    cannot be opened.
  """
  if storage.is_remote(path):
    return False
  whole = (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
  if not _LINUX:
    whole = (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
  try:
    with open(path, 'rb') as file:
      answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(_FLOCK, *whole))
  except OSError:
    return False
  fields = struct.unpack(_FLOCK, answer)
  return fields[0 if _LINUX else 3] != fcntl.F_UNLCK
