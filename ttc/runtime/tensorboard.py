"""TensorBoard event files of a stage, where tensorboardX is installed."""

from collections.abc import Mapping
import os
import pathlib
import shutil
import tempfile
import time

from ttc.runtime import storage

FOLDER = 'tensorboard'
# Seconds between flushes. A kill loses the events since the last one, but not
# the same numbers in metrics.jsonl.
_FLUSH_S = 10.0


class Events:
  """An event file in a stage's folder; does nothing without tensorboardX.

  Uses the library's low-level writer: its SummaryWriter writes from a thread of
  its own, which neither reports a full disk nor ends because of one.
  """

  def __init__(self, folder: pathlib.Path, step: int):
    """Opens a new event file.

    Args:
      folder: the stage's folder.
      step: first step of this file; TensorBoard discards events of this and
        later steps from earlier files.

    Raises:
      OSError: the file cannot be written.
    """
    self._folder, self._local = folder / FOLDER, folder / FOLDER
    self._writer = None
    try:
      from tensorboardX.event_file_writer import EventsWriter
      from tensorboardX.proto.event_pb2 import Event, SessionLog
    except ImportError:
      return
    if storage.is_remote(folder):
      self._local = pathlib.Path(tempfile.mkdtemp())
    storage.make_folder(self._local)
    self._writer = EventsWriter(
      str(self._local / 'events'), f'.{os.getpid()}.{step}'
    )
    # On this event TensorBoard discards the steps that a resumed stage repeats.
    start = SessionLog(status=SessionLog.START)
    self._writer.write_event(
      Event(wall_time=time.time(), step=step, session_log=start)
    )
    self._flushed = time.monotonic()

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Adds the metrics of a step, by name.

    Raises:
      OSError: the file cannot be written.
    """
    if self._writer is None:
      return
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    summary = Summary(
      value=[
        Summary.Value(tag=name, simple_value=value)
        for name, value in values.items()
      ]
    )
    self._writer.write_event(
      Event(wall_time=time.time(), step=step, summary=summary)
    )
    if time.monotonic() - self._flushed > _FLUSH_S:
      self._writer.flush()
      self._flushed = time.monotonic()

  def upload(self) -> None:
    """Copies the file to an object store, which cannot append to files.

    Does nothing for a local folder.
    """
    if self._writer is not None and self._local != self._folder:
      self._writer.flush()
      self._copy()

  def close(self) -> None:
    """Writes what is buffered and closes the file."""
    if self._writer is None:
      return
    writer, self._writer = self._writer, None
    writer.close()
    if self._local != self._folder:
      self._copy()
      shutil.rmtree(self._local)

  def _copy(self) -> None:
    for file in self._local.iterdir():
      storage.write_atomic(self._folder / file.name, file.read_bytes())
