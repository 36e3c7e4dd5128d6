"""How paths are spelt: local ones, and addresses in object stores."""

import os
import re

# Schemes of object stores.
STORES = ('gs', 's3', 'az')
# What looks like the beginning of an address: its scheme, and the slashes.
_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*):(/*)')
# An address without its colon.
_NO_COLON = re.compile(rf'({"|".join(STORES)})(/)/+', re.IGNORECASE)
# Names of buckets in all stores; in az, of containers with an account.
_BUCKET = re.compile(r'[a-z0-9][a-z0-9._-]*(@[a-z0-9._-]+)?')
# Wildcards, versions of objects (#), and folders that a store does not have.
_UNSAFE = re.compile(r'[*?#\[\]\\\x00-\x1f\x7f]|(?:^|(?<=/))\.\.?(?=/|$)')
_VARIABLE = re.compile(r'\$(\w+|\{\w+\})')
# Schemes that name no local folder either, even with a slash too few.
_ELSEWHERE = ('hdfs', 'http', 'https', 'ftp', 'abfs', 'hf', 'gcs', 's3a')


def check(name: str | os.PathLike) -> None:
  """Checks how a path is spelt, before anything looks for it.

  Raises:
    ValueError: it is no text, has a scheme that is unknown or a variable of a
      shell, looks like one in a bucket and would be taken for a local one, or
      is none that a bucket can have; the message has the fix.
  """
  if not isinstance(name, str | os.PathLike):
    raise ValueError(f'{name!r} is no path; write one as a text, in quotes.')
  stripped = str(name).strip()
  if stripped != str(name) and is_remote(stripped):
    raise ValueError(
      f'{str(name)!r} begins or ends with a blank; write {stripped}.'
    )
  if variable := _VARIABLE.search(str(name)):
    raise ValueError(
      f'{name}: {variable[0]} is a variable of a shell, which did not see it; '
      'write what it stands for, or use double quotes.'
    )
  match = _SCHEME.match(str(name)) or _NO_COLON.match(str(name))
  if not match:
    return
  scheme, slashes = match.groups()
  rest = str(name)[match.end() :].lstrip('/')
  if scheme.lower() == 'file':
    raise ValueError(f'{name}: write a local path without file:, as /{rest}.')
  if scheme.lower() in STORES:
    if scheme != scheme.lower() or slashes != '//':
      raise ValueError(
        f'{name} is misspelt; for a bucket write {scheme.lower()}://{rest}.'
      )
    if not rest:
      raise ValueError(f'{name} names no bucket; write {name}bucket/folder.')
    _check_address(str(name), rest)
  elif slashes == '//' or scheme.lower() in _ELSEWHERE:
    known = ', '.join(f'{other}://' for other in STORES)
    raise ValueError(
      f'{name}: the scheme {scheme}:// is unknown; use a local path or one of '
      f'{known}.'
    )


def _check_address(name: str, rest: str) -> None:
  """Raises ValueError for what stores, or their tools, read as something else.

  Args:
    name: the address.
    rest: bucket and folder.
  """
  bucket = rest.partition('/')[0]
  if not _BUCKET.fullmatch(bucket):
    raise ValueError(
      f'{name}: {bucket!r} can be no bucket; its name has small letters, '
      'digits, "-", "_" and ".".'
    )
  bad = _UNSAFE.search(rest)
  if bad:
    raise ValueError(
      f'{name} has {bad[0]!r} in it, which stores and their tools read in '
      'other ways; name the folder itself.'
    )


def is_remote(name: str | os.PathLike) -> bool:
  """Whether a path is in an object store."""
  match = _SCHEME.match(str(name))
  return match is not None and match[2].startswith('//')
