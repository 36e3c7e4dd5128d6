"""Files and folders, local or in an object store, by the scheme of the path.

A local path is a pathlib.Path. A path such as gs://bucket/runs is an
etils.epath.Path, which has the same methods; epath is imported when the first
such path is met. Either way a file appears whole or not at all: a local one by
a rename, an object when its upload is complete. Object stores have no folders,
renames, locks or appends, so nothing here relies on them there.
"""

import contextlib
import errno
import logging
import os
import pathlib
import shutil

from ttc.runtime.spelling import check, is_remote

# For each scheme: fsspec's protocol, and the library that implements it.
_STORES = {
  'gs': ('gcs', 'gcsfs'),
  's3': ('s3', 's3fs'),
  'az': ('az', 'adlfs'),
}
# What raises when a store does not answer.
_LIBRARIES = (
  *('gcsfs', 's3fs', 'adlfs', 'fsspec', 'google', 'botocore', 'azure'),
  *('aiohttp', 'requests', 'urllib3'),
)
# Without this, epath imports TensorFlow on first use, for its file system.
os.environ.setdefault('EPATH_USE_TF', 'false')
# Facts of fsspec's that change whenever an object is written, by store: the
# generation of gcsfs, the tags of s3fs and of adlfs.
_STAMPS = ('generation', 'ETag', 'etag')
# Errors that get advice of their own, see `explained`.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_PERMISSION = (errno.EROFS, errno.EACCES, errno.EPERM)


def normal(name: str) -> str:
  """One name for all spellings of a path: no slash at its end, none twice.

  Raises:
    ValueError: as `check`.
  """
  check(name)
  if not is_remote(name):
    return os.path.normpath(name)
  scheme, _, rest = name.partition('://')
  return f'{scheme}://{"/".join(filter(None, rest.split("/")))}'


def local(name: str | os.PathLike) -> pathlib.Path:
  """A path whose files are read by libraries that know local files only.

  Raises:
    ValueError: as `check`; or it is in an object store, or begins with ~.
  """
  check(name)
  if is_remote(name):
    raise ValueError(
      f'{name} is in a bucket, and only local files are read here; copy it to '
      'this machine and give the absolute path of the copy.'
    )
  if str(name).startswith('~'):
    # It is part of a configuration, and another user has another home.
    raise ValueError(
      f'{name}: ~ stands for another folder on each machine; write '
      f'{pathlib.Path(name).expanduser()}.'
    )
  return pathlib.Path(name)


def path(name: str | os.PathLike) -> pathlib.Path:
  """Makes a path with pathlib's methods, local or in an object store.

  Args:
    name: a local path, or one that begins with gs://, s3:// or az://.

  Raises:
    ValueError: as `check`, or the library for its scheme is not installed.
  """
  check(name)
  if not is_remote(name):
    return pathlib.Path(name)
  _prepare(str(name).partition(':')[0], name)
  from etils import epath

  return epath.Path(name)


def is_absolute(name: str | os.PathLike) -> bool:
  """Whether a path does not depend on the working directory."""
  return is_remote(name) or pathlib.PurePath(name).is_absolute()


def absolute(name: str | os.PathLike) -> pathlib.Path:
  """Makes a path absolute, with ~ expanded; a remote one is so already.

  Raises:
    ValueError: as `path`.
  """
  place = path(name)
  if is_remote(place):
    return place
  try:
    return place.expanduser().absolute()
  except RuntimeError as error:  # ~name, and there is no such user
    raise ValueError(f'{name}: {error}') from error


def join(root: pathlib.Path, name: str) -> pathlib.Path:
  """Joins two paths: `name` below `root`, or `name` itself if it is absolute.

  Raises:
    ValueError: as `path`.
  """
  return path(name) if is_absolute(name) else root / name


def make_folder(folder: pathlib.Path) -> None:
  """Makes a folder and its parents; does nothing in an object store.

  Raises:
    OSError: the folder cannot be made; the message says what to do.
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


def check_folder(folder: pathlib.Path) -> None:
  """Raises ValueError where a file is in the place of an absolute folder."""
  for place in () if is_remote(folder) else (folder, *folder.parents):
    if place.is_file():
      raise ValueError(f'{place} is a file; name a folder for the output.')


def remove_folder(folder: pathlib.Path) -> None:
  """Deletes a folder with its content; does nothing if there is none."""
  if not folder.is_dir():
    return
  if is_remote(folder):
    folder.rmtree()
  else:
    shutil.rmtree(folder)


def names(folder: pathlib.Path) -> list[str]:
  """The sorted names in a folder; [] if there is no such folder."""
  try:
    return sorted(entry.name for entry in folder.iterdir())
  except (FileNotFoundError, NotADirectoryError):
    return []


def modified(name: str | os.PathLike) -> float:
  """The time at which a file was last written, in seconds since the epoch.

  Raises:
    FileNotFoundError: there is no such file.
  """
  if not is_remote(name):
    return os.stat(name).st_mtime
  import fsspec

  store, key = fsspec.url_to_fs(str(name))
  return store.modified(key).timestamp()


def size(name: str | os.PathLike) -> int:
  """The number of bytes of a file.

  Raises:
    FileNotFoundError: there is no such file.
  """
  if not is_remote(name):
    return os.stat(name).st_size
  import fsspec

  store, key = fsspec.url_to_fs(str(name))
  return store.size(key)


def version(name: str | os.PathLike) -> tuple | None:
  """What tells one writing of a file from the next; None if nothing does.

  Raises:
    FileNotFoundError: there is no such file.
  """
  if not is_remote(name):
    held = os.stat(name)
    return held.st_size, held.st_mtime_ns
  import fsspec

  store, key = fsspec.url_to_fs(str(name))
  facts = store.info(key)
  stamps = tuple(str(facts[stamp]) for stamp in _STAMPS if facts.get(stamp))
  return (facts['size'], *stamps) if stamps else None


def write_atomic(path: pathlib.Path, data: bytes) -> None:
  """Replaces a file atomically: `path` has all of `data` or its old content.

  Once it returns, the new content survives a power cut.

  Args:
    path: local or in an object store; its folder exists.
    data: the whole content.

  Raises:
    OSError: the file cannot be written, for example because the disk is full.
      The message says what to do, and no temporary file is left behind.
  """
  if is_remote(path):
    _upload(path, data)
    return
  temporary = path.with_name(f'.{path.name}.tmp')
  try:
    with open(temporary, 'wb') as file:
      file.write(data)
      # The data must be on disk before the name: after a power cut the rename
      # may otherwise have survived without the data.
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
    sync(path.parent)  # and then the rename itself
  except OSError as error:
    # The first error explains what happened; one of removing would hide it.
    with contextlib.suppress(OSError):
      temporary.unlink(missing_ok=True)
    raise explained(error, path, 'finished parts are kept') from error


def create(path: pathlib.Path, data: bytes) -> bool:
  """Creates a file, unless there is one; atomic in every store.

  Args:
    path: local or in an object store.
    data: the whole content.

  Returns:
    Whether it was created; False means that there is a file of that name.

  Raises:
    OSError: it cannot be written.
  """
  if not is_remote(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    write_atomic(temporary, data)
    try:
      os.link(temporary, path)  # whole, and only if there is none
    except FileExistsError:
      return False
    finally:
      temporary.unlink()
    return True
  import fsspec

  store, key = fsspec.url_to_fs(str(path))
  try:
    # The store compares: another writer may come between a look and a write.
    store.pipe_file(key, data, mode='create')
  except FileExistsError:
    return False
  except Exception as error:  # each library has exceptions of its own
    raise _unwritable(path, error) from error
  return True


def replace_folder(source: pathlib.Path, target: pathlib.Path) -> None:
  """Gives a local folder its final name, in place of what has that name.

  After a power cut `target` is the whole of `source`, what it was before, or
  missing; never a folder with files that are empty or cut.

  Args:
    source: a complete folder, written by any library; on the disk of `target`.
    target: the final name.

  Raises:
    OSError: a file cannot be written to disk, or a folder not be replaced.
  """
  sync_tree(source)
  remove_folder(target)  # os.replace takes the place of empty folders only
  os.replace(source, target)
  sync(target.parent)


def sync_tree(folder: pathlib.Path) -> None:
  """Flushes all files below a local folder, and its folders, to disk.

  Raises:
    OSError: the disk is full or broken.
  """
  for parent, _, files in os.walk(folder, topdown=False):
    for name in files:
      sync(os.path.join(parent, name))
    sync(parent)  # the entries of the files


def explained(error: OSError, path: pathlib.Path, kept: str) -> OSError:
  """Rewrites an error of the operating system: the path, and what to do.

  Args:
    error: raised when `path` was to be written.
    path: the file.
    kept: what is not lost, for the message; e.g. 'finished parts are kept'.

  Returns:
    An OSError with the same errno.
  """
  if error.errno in _NO_SPACE:
    advice = f'free some space there; {kept}'
  elif error.errno in _NO_PERMISSION:
    advice = 'choose another output folder or change its permissions'
  else:
    advice = kept
  reason = f'cannot write {path}: {error.strerror}; {advice}'
  return OSError(error.errno, reason)


def unreachable(error: Exception) -> str | None:
  """What to tell of an error of a store's library; None for any other error.

  Each library has exceptions of its own: for a missing network, credentials
  that are missing or not enough, a bucket that is not there.
  """
  if type(error).__module__.split('.')[0] not in _LIBRARIES:
    return None
  reason = ' '.join(str(error).split()) or type(error).__name__
  return (
    f'cannot reach the object store: {reason[:300]}. See that the network is '
    'up, that the bucket exists, and that this machine may read and write it '
    '(for gs://, gcloud auth application-default login).'
  )


def _upload(path: pathlib.Path, data: bytes) -> None:
  try:
    path.write_bytes(data)
  except Exception as error:  # each library has exceptions of its own
    raise _unwritable(path, error) from error


def _unwritable(path: pathlib.Path, error: Exception) -> OSError:
  """An error of a store's library as one of the operating system."""
  return OSError(
    getattr(error, 'errno', None) or errno.EIO,
    f'cannot write {path}: {error}; see that the bucket exists and that you '
    'may write there. Finished parts are kept.',
  )


def _prepare(scheme: str, name: str | os.PathLike) -> None:
  """Configures fsspec, by which epath reaches the store of a scheme.

  Raises:
    ValueError: as `path`, which is for `name`.
  """
  import fsspec
  from fsspec import config

  protocol, library = _STORES[scheme]
  # fsspec caches listings of folders, but other processes write there too.
  config.conf.setdefault(protocol, {}).setdefault('use_listings_cache', False)
  # What it logs with a traceback it also raises.
  logging.getLogger(library).setLevel(logging.CRITICAL)
  try:
    fsspec.get_filesystem_class(protocol)
  except ImportError as error:
    raise ValueError(
      f'{name}: {scheme}:// needs {library}, which is not installed; run '
      f'pip install {library}.'
    ) from error


def sync(path: str | os.PathLike) -> None:
  """Flushes a local file, or the entries of a folder, to disk.

  A folder's entries are the names in it: a rename survives a power cut after
  this. Do not use it on a file that is locked: POSIX drops the lock.

  Raises:
    OSError: the disk is full or broken.
  """
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
