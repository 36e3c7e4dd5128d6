"""Attempts at an experiment, on record: begun, at which stage, how it ended.

    <experiment>/attempts/20260314T091500.123456-host-4711.log

Each process of a `ttc run` that has something to do leaves one such file of
JSON lines: one where it begins, one for each stage, one where it ends. While
the process lives it holds a lock on the file, which the system drops whatever
kills it, so that a reader can tell work that goes on from work cut off.
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
_LONGEST = 600
# struct flock, asked by F_GETLK: who, if anybody, holds the whole file.
_LINUX = sys.platform.startswith('linux')
_FLOCK = '@hhqqi4x' if _LINUX else '@qqihh'


class RunLog:
  """What one process records of its work; nothing before `begin`.

  Where nothing can be written it says so and lets the work go on, or end by
  an error that tells more.
  """

  def __init__(self):
    self._root: pathlib.Path | None = None
    self._facts: dict[str, Any] = {}
    self._path: pathlib.Path | None = None
    self._file = None
    self._lines: list[str] = []

  def begin(self, root: pathlib.Path, **facts: Any) -> None:
    """Says where to leave lines; none before there is work or an error.

    Args:
      root: folder of the experiment.
      **facts: what the first line says, beside host, process and time.
    """
    self._root, self._facts = root, facts

  def stage(self, label: str) -> None:
    """The stage `label` begins."""
    self._add(stage=label)

  def cell(self, name: str, **facts: Any) -> None:
    """A cell of a sweep begins, or ends with `code` among the facts."""
    self._add(cell=name, **facts)

  def end(self, code: int, error: str = '') -> None:
    """The process ends with an exit code."""
    if code or self._path:
      self._add(code=code, error=error[:_LONGEST])
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
    else:  # a bucket knows only whole files
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
      # Hidden until it is locked: a reader must not take it for dead.
      self._file = open(hidden, 'ab', buffering=0)  # noqa: SIM115
      fcntl.lockf(self._file, fcntl.LOCK_EX)
    self._write({'host': host, 'pid': pid, **self._facts})
    if self._file is not None:
      os.rename(hidden, self._path)


@dataclasses.dataclass(frozen=True)
class Trace:
  """What is known of an attempt.

  Attributes:
    lines: its lines, at least one.
    held: whether its process lives and can be seen from here.
    written: when a line was last added, in seconds since the epoch.
  """

  lines: tuple[dict[str, Any], ...]
  held: bool
  written: float

  @property
  def began(self) -> float:
    return self.lines[0]['time']

  @property
  def code(self) -> int | None:
    """The exit code; None while it has not ended, or when it was killed."""
    return self.lines[-1].get('code') if self._has_ended else None

  @property
  def failed(self) -> bool:
    """Whether it ended by an error of its own, not by being stopped."""
    return self.code not in (None, 0, *STOPPED)

  @property
  def error(self) -> str:
    """What ended it; '' where nothing did."""
    return self.lines[-1].get('error', '') if self._has_ended else ''

  @property
  def stage(self) -> str:
    """The stage that began last; '' before the first."""
    labels = [line['stage'] for line in self.lines if 'stage' in line]
    return labels[-1] if labels else ''

  @property
  def elsewhere(self) -> bool:
    """Whether its process, if it lives, cannot be seen from here."""
    return self.lines[0].get('host') != socket.gethostname()

  @property
  def _has_ended(self) -> bool:
    last = self.lines[-1]
    return 'code' in last and 'cell' not in last


def read(root: pathlib.Path) -> list[Trace]:
  """All attempts at the experiment in `root`, the oldest first."""
  return list(_traces(root / FOLDER))


def _traces(folder: pathlib.Path) -> Iterator[Trace]:
  for name in storage.names(folder):
    if not name.endswith('.log'):
      continue
    path = folder / name
    # Before the lines: what is added between the two is then an end, and an
    # attempt that has ended is not taken for one that was killed.
    held = is_held(path)
    written = storage.modified(path)
    lines = tuple(_lines(path))
    if lines:
      yield Trace(lines, held, written)


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  for line in path.read_text(encoding='utf-8').split('\n')[:-1]:
    try:
      yield json.loads(line)
    except ValueError:
      return  # the disk was full in the midst of a line


def is_held(path: pathlib.Path) -> bool:
  """Whether a process holds a lock on a file; takes no lock itself.

  A file that cannot be asked, as on a bucket, is held by nobody.
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
