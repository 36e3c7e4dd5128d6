"""A stage's numbers for TensorBoard, where tensorboardX is installed."""

from collections.abc import Mapping
import os
import pathlib
import shutil
import tempfile
import time

from ttc.runtime import storage

FOLDER = 'tensorboard'
_FLUSH_S = 10.0  # events of so long are lost by a kill; metrics.jsonl has them


class Events:
  """An event file in a stage's folder; nothing without the library.

  The library's own SummaryWriter would write from a thread of its own, which
  neither tells of a full disk nor ends with one.
  """

  def __init__(self, folder: pathlib.Path, step: int):
    """Opens a file.

    Args:
      folder: of the stage.
      step: TensorBoard forgets what was written before of it and later ones.
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
    start = SessionLog(status=SessionLog.START)
    self._writer.write_event(
      Event(wall_time=time.time(), step=step, session_log=start)
    )
    self._flushed = time.monotonic()

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Adds what was measured at a step."""
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
    """Brings the file to an object store, which cannot append to any."""
    if self._writer is not None and self._local != self._folder:
      self._writer.flush()
      self._copy()

  def close(self) -> None:
    """Writes what waits."""
    if self._writer is None:
      return
    writer, self._writer = self._writer, None
    writer.close()
    if self._local != self._folder:
      self._copy()
      shutil.rmtree(self._local)

  def _copy(self) -> None:
    for found in self._local.iterdir():
      storage.write_atomic(self._folder / found.name, found.read_bytes())
