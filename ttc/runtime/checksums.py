"""SHA-256 of files: tells damage, and files from others of the same name."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
import functools
import hashlib
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

  It is read once per process for each time that it was written.
  """
  version = storage.version(path)
  return _hashed(path) if version is None else _once(path, version)


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
def _once(path: pathlib.Path, version: tuple) -> str:
  del version
  return _hashed(path)


def _hashed(path: pathlib.Path) -> str:
  digest = hashlib.sha256()
  with path.open('rb') as file:
    while piece := file.read(_PIECE):
      digest.update(piece)
  return digest.hexdigest()
