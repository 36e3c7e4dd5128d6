"""Errors of reading and writing checkpoints, with the path and a remedy."""

from collections.abc import Iterator
import contextlib
import errno
import os
import pathlib
import re

from ttc.runtime import storage

# TensorStore's errors have the system's error number in their text only.
_NUMBER = re.compile(r"os_error_code='(\d+)'")
_LONGEST = 300  # characters of a quoted reason


@contextlib.contextmanager
def writing(folder: pathlib.Path) -> Iterator[None]:
  """Explains errors of writes inside the context.

  Args:
    folder: of what is written, for the message.

  Raises:
    OSError: the system refused a write; the message has the folder, the reason
      and a remedy. Other exceptions pass unchanged.
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
  """Explains errors of reads inside the context.

  Args:
    folder: of what is read, for the message.
    fix: remedy, for the message.

  Raises:
    OSError: the content cannot be read. RuntimeError and MemoryError pass
      unchanged: they come from devices and memory, not from files.
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
  """The system's error number behind an exception, or None."""
  if isinstance(error, OSError):
    return error.errno
  match = _NUMBER.search(str(error))
  return int(match[1]) if match else None
