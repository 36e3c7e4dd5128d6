"""Metrics of a stage while it works, as JSON lines and TensorBoard events.

    metrics.jsonl    {"step": 40, "loss": 1.25, "step_seconds": 0.1, ...}
    tensorboard/     the same, where tensorboardX is installed

Each line is appended by one unbuffered write, so a kill loses none. A stage
that continues from an earlier step first drops the lines from that step on, so
no step is recorded twice. No stage reads metrics: where they cannot be written,
the work continues without them.
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
_UPLOAD_S = 30.0  # between two uploads of the whole file to an object store


def read(folder: pathlib.Path) -> list[dict]:
  """Reads the metrics of a stage.

  Args:
    folder: the stage's folder.

  Returns:
    One dict per line, in order, up to the first line that is cut short; [] if
    there is no file.
  """
  try:
    lines = (folder / FILE).read_bytes().split(b'\n')[:-1]
  except FileNotFoundError:
    return []
  entries = []
  for line in lines:
    try:
      entries.append(json.loads(line))
    except ValueError:
      break
  return entries


class MetricsFile:
  """Writes the metrics of one stage, from one process."""

  def __init__(self, folder: pathlib.Path, say: Callable[[str], None]):
    """Opens nothing yet; the first `add` does.

    Args:
      folder: the stage's folder.
      say: called once with a message if metrics cannot be written.
    """
    self._folder, self._say = folder, say
    # All lines, in an object store only: it cannot append, so each upload is
    # the whole file.
    self._lines: list[bytes] = []
    self._file: BinaryIO | None = None
    self._events: Events | None = None
    self._uploaded = 0.0
    self._begun = self._failed = False

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Writes the metrics of a step; steps must not decrease."""
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
    """Writes what is buffered and closes the files."""
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
    """Opens the files and drops the lines of steps that are repeated."""
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
      # An unbuffered write to a full disk may take a part without an error.
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
  """Metrics and trace of a stage at work; never affects what is computed.

  Only process 0 writes; in the others every method does nothing.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    leads: bool,
    profile: int | None,
    say: Callable[[str], None],
  ):
    """Writes nothing yet.

    Args:
      folder: the stage's folder.
      leads: whether this is process 0.
      profile: number of steps to trace; None for no trace.
      say: called with messages for people.
    """
    self._metrics = MetricsFile(folder, say) if leads else None
    traced = leads and profile is not None
    self._profile = Profile(folder, profile, say) if traced else None
    self._pace: SamplingPace | None = None

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Writes the metrics of a step, by name."""
    if self._metrics is not None:
      self._metrics.add(step, values)

  def tick(self, steps: int = 1) -> None:
    """Counts steps that are done, for the trace."""
    if self._profile is not None:
      self._profile.tick(steps)

  def watch(self, load: object) -> None:
    """Observes a round of sampling that is done.

    Args:
      load: the scheduler's `inference.utilization.Utilization`.
    """
    self.tick()
    if self._metrics is not None:
      if self._pace is None:
        from ttc.runtime.throughput import SamplingPace  # imports jax

        self._pace = SamplingPace()
      self._pace.see(load)

  def part(self, items: int) -> None:
    """Writes the metrics of sampling when a part is written.

    Args:
      items: number of items done so far; it is the step of the metrics.
    """
    if self._pace is not None:
      self.add(items, self._pace.take())

  def close(self) -> None:
    """Ends the trace and closes the files."""
    if self._profile is not None:
      self._profile.close()
    if self._metrics is not None:
      self._metrics.close()


def _line(values: Mapping[str, float]) -> bytes:
  return f'{canonical(values)}\n'.encode('ascii')
