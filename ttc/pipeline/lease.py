"""One command at a time in a folder: a lock, or in a bucket a lease.

A local folder has a file that the kernel unlocks when its process dies. Object
stores have no locks, but every one can create an object only if there is none
of that name (a precondition on its generation). A lease is a series of such
objects, of which the last one counts:

    <stage>/.lease/00000007    {"who": "host 4711", "id": "5c1e…", …}

Whoever creates the next number holds the folder, and keeps it by creating the
one after that before it is stale. So two commands cannot both hold it: of two
that create a number one fails. A command that finds a lease watches it by its
own clock: renewed, it belongs to a command at work; else it becomes stale. A
command that was killed on the same machine is known to be dead at once.
"""

from collections.abc import Iterator
import contextlib
import fcntl
import json
import os
import pathlib
import socket
import sys
import threading
import time
from typing import Protocol
import uuid

from ttc.runtime import storage, termination
from ttc.runtime.process_group import Processes

_FOLDER = '.lease'
RENEW_S, STALE_S = 20.0, 90.0
_POLL_S = 2.0


class HeldError(ValueError):
  """Another command is at work in the folder, or has taken it over."""


class Hold(Protocol):
  """The right to write to a folder.

  Attributes:
    id: of the command that holds it; '' where a lock suffices.
  """

  id: str

  def check(self) -> None:
    """Raises HeldError if the right is lost."""


class _Locked:
  """A lock cannot be lost."""

  id = ''

  def check(self) -> None:
    """Never raises."""


@contextlib.contextmanager
def holding(folder: pathlib.Path, process: int) -> Iterator[Hold]:
  """Holds a folder against other commands, inside.

  Args:
    folder: of a stage.
    process: index of this process in its run. Each has a lock of its own; in a
      bucket process 0 holds the lease for all, which wait for it to begin.

  Raises:
    HeldError: another command is at work there; nothing was written.
  """
  if not storage.is_remote(folder):
    with _locked(folder, process):
      yield _Locked()
  elif process:
    yield _Locked()
  else:
    lease = Lease(folder)
    lease.acquire()
    with termination.giving_back(lease.release):
      yield lease


def shared(
  hold: Hold, folder: pathlib.Path, processes: Processes, name: str
) -> Hold:
  """Lets all processes of a run check the lease of process 0; a barrier.

  Args:
    hold: what `holding` gave to this process.
    folder: of the stage.
    processes: of the run.
    name: of the barrier, for error messages.
  """
  held = processes.meet(name, hold.id)[0]
  return _Followed(folder, held) if held and not hold.id else hold


class _Followed:
  """The lease of process 0, seen from another process of its run."""

  id = ''

  def __init__(self, folder: pathlib.Path, held: str):
    self._folder, self._held = folder / _FOLDER, held

  def check(self) -> None:
    """Raises HeldError if the last entry is not of process 0."""
    # A renewal deletes the entry that was the last one when we looked.
    for _ in range(3):
      entry = _entry(self._folder, _last(self._folder))
      if entry.get('id') == self._held:
        return
    raise HeldError(
      f'another command ({entry.get("who", "unknown")}) has taken over '
      f'{self._folder.parent}; it does the rest.'
    )


@contextlib.contextmanager
def _locked(folder: pathlib.Path, process: int) -> Iterator[None]:
  # The kernel releases the lock of a killed process, so no lock can be stale.
  with open(folder / f'.lock-{process}', 'w', encoding='ascii') as lock:
    try:
      fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise HeldError(
        f'another process is at work in {folder}; wait for it or end it.'
      ) from error
    yield


class Lease:
  """The lease of one folder in an object store; see the module."""

  def __init__(
    self,
    folder: pathlib.Path,
    renew: float = RENEW_S,
    stale: float = STALE_S,
    poll: float = _POLL_S,
  ):
    """Holds nothing yet.

    Args:
      folder: of the stage.
      renew: seconds between renewals.
      stale: seconds without one after which others may take over; above
        `renew` by the longest pause of a process that is to survive.
      poll: seconds between two looks at somebody else's lease.
    """
    self._folder = folder / _FOLDER
    self._renew, self._stale, self._poll = renew, stale, poll
    self.id = uuid.uuid4().hex
    self._number = 0
    self._lost = False
    self._lock = threading.Lock()
    self._released = threading.Event()

  def acquire(self) -> None:
    """Takes the lease, when nobody has it or it has become stale.

    Raises:
      HeldError: another command renews it, or was faster.
    """
    last = _last(self._folder)
    began = time.monotonic()
    if last and not self._is_over(last):
      print(
        f'ttc: {self._folder.parent} belongs to {self._who(last)}; watching '
        f'for up to {self._stale:.0f} s whether that command is alive',
        file=sys.stderr,
        flush=True,
      )
    while last and not self._is_over(last):
      if time.monotonic() - began > self._stale:
        break  # its command is dead
      time.sleep(self._poll)
      now = _last(self._folder)
      if now != last and not self._is_over(now):
        raise HeldError(
          f'another command ({self._who(now)}) is at work in '
          f'{self._folder.parent}; wait for it or end it.'
        )
      last = now
    if not self._create(last + 1):
      raise HeldError(
        f'another command ({self._who(last + 1)}) has begun in '
        f'{self._folder.parent} at this moment; wait for it or end it.'
      )
    threading.Thread(target=self._keep, daemon=True).start()

  def check(self) -> None:
    """Renews the lease now, so that it is known to be held.

    Raises:
      HeldError: another command has taken over, since this one was stopped
        for longer than its lease.
    """
    with self._lock:
      if not self._lost and not self._create(self._number + 1):
        self._lost = True
      if self._lost:
        raise HeldError(
          f'another command ({self._who(_last(self._folder))}) has taken over '
          f'{self._folder.parent}, since this one was stopped for more than '
          f'{self._stale:.0f} s; it does the rest.'
        )

  def release(self) -> None:
    """Lets others begin at once."""
    self._released.set()
    # Without the entry others wait until the lease is stale. What ended the
    # work must not be hidden behind an error of the store.
    with self._lock, contextlib.suppress(Exception):
      if not self._lost:
        self._lost = True  # a forced exit does not end the work before this
        self._create(self._number + 1, released=True)

  def _keep(self) -> None:
    while not self._released.wait(self._renew):
      # Tried again in time; each store's library has exceptions of its own.
      with self._lock, contextlib.suppress(Exception):
        if not self._released.is_set() and not self._create(self._number + 1):
          self._lost = True
          return

  def _create(self, number: int, released: bool = False) -> bool:
    """Creates a number of the series; False where there is one already."""
    entry = {
      'id': self.id,
      'who': f'{socket.gethostname()}, process {os.getpid()}',
      'machine': _machine(),
      'pid': os.getpid(),
      'released': released,
    }
    data = json.dumps(entry).encode('ascii')
    if not storage.create(self._folder / f'{number:08d}', data):
      # Our own, if the answer to an earlier try was lost on its way.
      if _entry(self._folder, number).get('id') != self.id:
        return False
    elif _last(self._folder) > number:
      # Stopped for long, and others have gone on and removed this number.
      with contextlib.suppress(OSError):
        (self._folder / f'{number:08d}').unlink(missing_ok=True)
      return False
    before, self._number = self._number, number
    if before:  # only the last one counts
      with contextlib.suppress(OSError):
        (self._folder / f'{before:08d}').unlink(missing_ok=True)
    return True

  def _is_over(self, number: int) -> bool:
    """Whether its command has released it, or is seen to be dead."""
    entry = _entry(self._folder, number)
    if entry.get('released'):
      return True
    here = entry.get('machine') and entry['machine'] == _machine()
    return bool(here) and not pathlib.Path(f'/proc/{entry["pid"]}').exists()

  def _who(self, number: int) -> str:
    return _entry(self._folder, number).get('who', 'unknown')


def _last(folder: pathlib.Path) -> int:
  """The last number of a series; 0 before the first."""
  return max(map(int, storage.names(folder)), default=0)


def _entry(folder: pathlib.Path, number: int) -> dict:
  try:
    text = (folder / f'{number:08d}').read_text(encoding='utf-8')
    return json.loads(text)
  except (FileNotFoundError, ValueError):
    return {}


def _machine() -> str:
  """Where a process number has a meaning: boot and namespace; '' if unknown."""
  try:
    boot = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    return f'{boot} {os.stat("/proc/self/ns/pid").st_ino}'
  except OSError:
    return ''
