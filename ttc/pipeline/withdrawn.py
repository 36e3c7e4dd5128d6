"""A stage that is refused before it has any result leaves no folder."""

from collections.abc import Iterator
import contextlib
import pathlib

from ttc.pipeline import records
from ttc.pipeline.origin import BusyError, FILE
from ttc.runtime import storage

_DESCRIPTION = (FILE, records.CONFIG)


@contextlib.contextmanager
def if_refused(folder: pathlib.Path, processes: int) -> Iterator[None]:
  """Removes a folder made within, where a ValueError finds no result in it.

  Args:
    folder: of the stage; one that was there before is left alone.
    processes: of the run. Where there are others, they may still read what the
      first has written, and the folder stays.
  """
  fresh = processes == 1 and not storage.names(folder)
  try:
    yield
  except BusyError:
    raise  # the folder is another command's
  except ValueError:
    names = storage.names(folder)
    locks = [name for name in names if name.startswith('.lock-')]
    if fresh and not set(names) - {*_DESCRIPTION, *locks}:
      storage.remove_folder(folder)
    raise
