"""What disks and copies do to checkpoints, said so that it can be mended."""

from collections.abc import Iterator
import contextlib
import errno
import os
import pathlib
import re

from ttc.runtime import storage

# How TensorStore says what the system answered.
_NUMBER = re.compile(r"os_error_code='(\d+)'")
_LONGEST = 300


@contextlib.contextmanager
def writing(folder: pathlib.Path) -> Iterator[None]:
  """Names the folder, the reason and the fix where a write fails.

  Raises:
    OSError: the system would not write; other errors pass as they are.
  """
  try:
    yield
  except Exception as error:
    number = _number(error)
    if number is None:
      raise
    raise storage.explained(
      OSError(number, os.strerror(number)),
      folder,
      'the checkpoints that were whole are kept',
    ) from error


@contextlib.contextmanager
def reading(folder: pathlib.Path, fix: str) -> Iterator[None]:
  """Names the folder and the fix where a read fails.

  Args:
    folder: of what is read.
    fix: what to do about it.

  Raises:
    OSError: what is there cannot be read. Errors of devices and memory say
      nothing about files and pass as they are.
  """
  try:
    yield
  except (RuntimeError, MemoryError):
    raise
  except Exception as error:
    reason = ' '.join(str(error).split())[:_LONGEST]
    raise OSError(
      errno.EIO,
      f'{folder} cannot be read; it is damaged or was copied in part. {fix} '
      f'The reason: {type(error).__name__}: {reason}',
    ) from error


def _number(error: Exception) -> int | None:
  """The system's error number behind an error, None where there is none."""
  if isinstance(error, OSError):
    return error.errno
  found = _NUMBER.search(str(error))
  return int(found[1]) if found else None
