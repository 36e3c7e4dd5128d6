"""Where files lie: a local folder or an object store, by the path's scheme.

A local path is pathlib's. One such as gs://bucket/runs is etils.epath's, which
has the same methods and is imported when the first is met. Either way a file
appears whole or not at all: a local one by a rename, an object when its
upload is complete. Object stores have no folders, renames, locks or appends,
so none are asked of them.
"""

import contextlib
import errno
import os
import pathlib
import shutil

# What fsspec calls each store, and the library that it speaks to it with.
_STORES = {
  'gs': ('gcs', 'gcsfs'),
  's3': ('s3', 's3fs'),
  'az': ('az', 'adlfs'),
}
# Otherwise epath, once it was used, imports TensorFlow for its file system.
os.environ.setdefault('EPATH_USE_TF', 'false')
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_PERMISSION = (errno.EROFS, errno.EACCES, errno.EPERM)


def path(name: str | os.PathLike) -> pathlib.Path:
  """A path with pathlib's methods, local or in an object store.

  Raises:
    ValueError: the scheme is unknown, or the library for it is missing.
  """
  scheme, separator, _ = str(name).partition('://')
  if not separator:
    return pathlib.Path(name)
  _ready(scheme, name)
  from etils import epath

  return epath.Path(name)


def is_remote(name: str | os.PathLike) -> bool:
  """Whether a path is in an object store."""
  return '://' in str(name)


def is_absolute(name: str | os.PathLike) -> bool:
  """Whether a path means the same from every working directory."""
  return is_remote(name) or pathlib.PurePath(name).is_absolute()


def absolute(name: str | os.PathLike) -> pathlib.Path:
  """The same path from every working directory."""
  found = path(name)
  return found if is_remote(found) else found.expanduser().absolute()


def join(root: pathlib.Path, name: str) -> pathlib.Path:
  """`name` below `root`, or `name` itself where it is absolute."""
  return path(name) if is_absolute(name) else root / name


def make_folder(folder: pathlib.Path) -> None:
  """Makes a folder and those above it; object stores need none.

  Raises:
    OSError: it cannot be made; the message says what to do.
  """
  if is_remote(folder):
    return
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise OSError(
      error.errno,
      f'cannot make {folder}: {error.strerror}; choose another output folder.',
    ) from error


def remove_folder(folder: pathlib.Path) -> None:
  """Deletes a folder with all that is in it, if it is there."""
  if not folder.is_dir():
    return
  if is_remote(folder):
    folder.rmtree()
  else:
    shutil.rmtree(folder)


def names(folder: pathlib.Path) -> list[str]:
  """What a folder holds, in order; nothing where there is no folder."""
  try:
    return sorted(found.name for found in folder.iterdir())
  except FileNotFoundError:
    return []


def modified(name: str | os.PathLike) -> float:
  """When a file was last written, in seconds since the epoch.

  Raises:
    FileNotFoundError: there is none.
  """
  if not is_remote(name):
    return os.stat(name).st_mtime
  import fsspec

  store, place = fsspec.url_to_fs(str(name))
  return store.modified(place).timestamp()


def write_atomic(path: pathlib.Path, data: bytes) -> None:
  """Writes `data` so that `path` holds all of it or what was there before.

  Raises OSError that says what to do when the disk is full or the folder
  cannot be written; nothing is left behind then.
  """
  if is_remote(path):
    _upload(path, data)
    return
  temporary = path.with_name(f'.{path.name}.tmp')
  try:
    with open(temporary, 'wb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)
  except OSError as error:
    # The first error, which is raised, is the telling one.
    with contextlib.suppress(OSError):
      temporary.unlink(missing_ok=True)
    raise explained(error, path, 'finished parts are kept') from error


def explained(error: OSError, path: pathlib.Path, kept: str) -> OSError:
  """An error of the system's with the path and what to do about it.

  Args:
    error: why `path` could not be written.
    path: what was to be written.
    kept: what is not lost.
  """
  if error.errno in _NO_SPACE:
    advice = f'free some space there; {kept}'
  elif error.errno in _NO_PERMISSION:
    advice = 'choose another output folder or change its permissions'
  else:
    advice = kept
  reason = f'cannot write {path}: {error.strerror}; {advice}'
  return OSError(error.errno, reason)


def _upload(path: pathlib.Path, data: bytes) -> None:
  try:
    path.write_bytes(data)
  except Exception as error:  # every store has errors of its own
    number = getattr(error, 'errno', None) or errno.EIO
    raise OSError(
      number,
      f'cannot write {path}: {error}; see that the bucket exists and that you '
      'may write there. Finished parts are kept.',
    ) from error


def _ready(scheme: str, name: str | os.PathLike) -> None:
  """Lets epath reach a store through fsspec, which starts in no time."""
  if scheme not in _STORES:
    known = ', '.join(f'{other}://' for other in _STORES)
    raise ValueError(
      f'{name}: the scheme {scheme}:// is unknown; use a local path or one of '
      f'{known}.'
    )
  import fsspec
  from fsspec import config

  protocol, library = _STORES[scheme]
  # Other processes write too: a listing once seen is no listing for later.
  config.conf.setdefault(protocol, {}).setdefault('use_listings_cache', False)
  try:
    fsspec.get_filesystem_class(protocol)
  except ImportError as error:
    raise ValueError(
      f'{name}: {scheme}:// needs {library}, which is not installed; run '
      f'pip install {library}.'
    ) from error


def _sync_folder(folder: pathlib.Path) -> None:
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
