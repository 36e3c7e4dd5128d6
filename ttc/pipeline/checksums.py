"""SHA-256 of files: tells damage, and files from others of the same name."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
import functools
import hashlib
import os
import pathlib

from ttc.runtime import storage

# Small: as many as threads are in memory, beside the weights of a conversion.
_PIECE = 2**20
# Hashing releases the interpreter, and a bucket answers several requests.
_THREADS = 8


def of_bytes(data: bytes) -> str:
  """SHA-256 of bytes, in hexadecimal."""
  return hashlib.sha256(data).hexdigest()


def of_file(path: pathlib.Path) -> str:
  """SHA-256 of a file, local or in an object store.

  A local file is read once per process for each time that it was written.
  """
  if storage.is_remote(path):
    return _hashed(path)
  held = os.stat(path)
  return _once(str(path), held.st_size, held.st_mtime_ns)


def of_files(folder: pathlib.Path, names: Iterable[str]) -> dict[str, str]:
  """SHA-256 of several files below a folder, by name, in parallel."""
  names = list(names)
  with ThreadPoolExecutor(_THREADS) as pool:
    return dict(
      zip(names, pool.map(lambda n: of_file(folder / n), names), strict=True)
    )


def tree(folder: pathlib.Path, *below: str) -> list[str]:
  """Names of the given files, and of all files in the given folders, sorted.

  Args:
    folder: that names are relative to.
    *below: files and folders in it; one that does not exist is left out.
  """
  return sorted(_files(folder, below))


def _files(folder: pathlib.Path, below: Sequence[str]) -> Iterable[str]:
  for name in below:
    if (folder / name).is_dir():
      children = storage.names(folder / name)
      yield from _files(folder, [f'{name}/{child}' for child in children])
    elif (folder / name).exists():
      yield name


@functools.lru_cache(maxsize=4096)
def _once(path: str, size: int, written: int) -> str:
  del size, written  # tell one writing of a file from the next
  return _hashed(pathlib.Path(path))


def _hashed(path: pathlib.Path) -> str:
  digest = hashlib.sha256()
  with path.open('rb') as file:
    while piece := file.read(_PIECE):
      digest.update(piece)
  return digest.hexdigest()
