"""Numbers of a stage while it works, as JSON lines and TensorBoard's events.

    metrics.jsonl    {"step": 40, "loss": 1.25, "step_seconds": 0.1, ...}
    tensorboard/     the same, where tensorboardX is installed

A line is appended at once and whole, so a kill loses none. A stage that goes
on from an earlier step first drops the lines from there on: no step is there
twice. Nothing reads them but people and reports; where they cannot be written
the work goes on.
"""

from collections.abc import Callable, Mapping
import errno
import json
import os
import pathlib
import time
from typing import BinaryIO, TYPE_CHECKING

from ttc.runtime import storage
from ttc.runtime.canonical_json import canonical
from ttc.runtime.profiling import Profile
from ttc.runtime.tensorboard import Events

if TYPE_CHECKING:
  from ttc.runtime.throughput import SamplingPace

FILE = 'metrics.jsonl'
_UPLOAD_S = 30.0  # between two uploads of the file, in an object store


def read(folder: pathlib.Path) -> list[dict]:
  """The lines of a stage, in order; [] where there are none.

  What follows a line that is not whole is left out.
  """
  try:
    lines = (folder / FILE).read_bytes().split(b'\n')[:-1]
  except FileNotFoundError:
    return []
  found = []
  for line in lines:
    try:
      found.append(json.loads(line))
    except ValueError:
      break
  return found


class MetricsFile:
  """Where one process writes the numbers of one stage."""

  def __init__(self, folder: pathlib.Path, say: Callable[[str], None]):
    """Nothing is opened before there is a number.

    Args:
      folder: of the stage.
      say: is told, once, when numbers cannot be written.
    """
    self._folder, self._say = folder, say
    self._lines: list[bytes] = []  # of a file in an object store
    self._file: BinaryIO | None = None
    self._events: Events | None = None
    self._uploaded = 0.0
    self._begun = self._failed = False

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Writes what was measured at a step; steps never decrease."""
    if self._failed:
      return
    try:
      if not self._begun:
        self._begin(step)
      self._write({'step': step, **values})
      self._events.add(step, values)
    except OSError as error:
      self._fail(error)

  def close(self) -> None:
    """Writes what waits."""
    try:
      if self._lines and not self._failed:
        self._upload()
      if self._file is not None:
        self._file.close()
      if self._events is not None:
        self._events.close()
    except OSError as error:
      self._fail(error)

  def _begin(self, step: int) -> None:
    """Opens the files, without lines of steps that are done again."""
    self._begun = True
    path = self._folder / FILE
    kept = [line for line in read(self._folder) if line['step'] < step]
    lines = [_line(line) for line in kept]
    if storage.is_remote(path):
      self._lines = lines
    else:
      storage.write_atomic(path, b''.join(lines))
      self._file = open(path, 'ab', buffering=0)  # noqa: SIM115
    self._events = Events(self._folder, step)

  def _write(self, values: Mapping[str, float]) -> None:
    line = _line(values)
    if self._file is not None:
      if self._file.write(line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
      return
    self._lines.append(line)
    if time.monotonic() - self._uploaded > _UPLOAD_S:
      self._upload()

  def _upload(self) -> None:
    storage.write_atomic(self._folder / FILE, b''.join(self._lines))
    self._events.upload()
    self._uploaded = time.monotonic()

  def _fail(self, error: OSError) -> None:
    if not self._failed:
      self._say(f'no more metrics: {error.strerror or error}')
    self._failed = True


class StageMetrics:
  """What is measured of a stage at work; it never changes what is computed.

  Only process 0 writes.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    leads: bool,
    profile: int | None,
    say: Callable[[str], None],
  ):
    """Nothing is written yet.

    Args:
      folder: of the stage.
      leads: whether this is process 0.
      profile: steps to trace; None traces none.
      say: for messages to people.
    """
    self._metrics = MetricsFile(folder, say) if leads else None
    traced = leads and profile is not None
    self._profile = Profile(folder, profile, say) if traced else None
    self._pace: SamplingPace | None = None

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Writes what was measured at a step."""
    if self._metrics is not None:
      self._metrics.add(step, values)

  def tick(self, steps: int = 1) -> None:
    """So many steps are done, for a trace."""
    if self._profile is not None:
      self._profile.tick(steps)

  def watch(self, load: object) -> None:
    """A round of sampling is done."""
    self.tick()
    if self._metrics is not None:
      if self._pace is None:
        from ttc.runtime.throughput import SamplingPace

        self._pace = SamplingPace()
      self._pace.see(load)

  def part(self, items: int) -> None:
    """A part is written, the last of so many items."""
    if self._pace is not None:
      self.add(items, self._pace.take())

  def close(self) -> None:
    """Ends what has begun."""
    if self._profile is not None:
      self._profile.close()
    if self._metrics is not None:
      self._metrics.close()


def _line(values: Mapping[str, float]) -> bytes:
  return f'{canonical(values)}\n'.encode('ascii')
