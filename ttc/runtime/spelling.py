"""How paths are spelt: local ones, and addresses in object stores."""

import os
import re

# Schemes of object stores.
STORES = ('gs', 's3', 'az')
# What looks like the beginning of an address: its scheme, and the slashes.
_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*):(/*)')
# An address without its colon.
_NO_COLON = re.compile(rf'({"|".join(STORES)})(/)/+', re.IGNORECASE)
# Schemes that name no local folder either, even with a slash too few.
_ELSEWHERE = ('hdfs', 'http', 'https', 'ftp', 'abfs', 'hf', 'gcs', 's3a')


def check(name: str | os.PathLike) -> None:
  """Checks how a path is spelt, before anything looks for it.

  Raises:
    ValueError: it is no text, has a scheme that is unknown, or looks like one
      in a bucket and would be taken for a local one; the message has the fix.
  """
  if not isinstance(name, str | os.PathLike):
    raise ValueError(f'{name!r} is no path; write one as a text, in quotes.')
  stripped = str(name).strip()
  if stripped != str(name) and is_remote(stripped):
    raise ValueError(
      f'{str(name)!r} begins or ends with a blank; write {stripped}.'
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
  elif slashes == '//' or scheme.lower() in _ELSEWHERE:
    known = ', '.join(f'{other}://' for other in STORES)
    raise ValueError(
      f'{name}: the scheme {scheme}:// is unknown; use a local path or one of '
      f'{known}.'
    )


def is_remote(name: str | os.PathLike) -> bool:
  """Whether a path is in an object store."""
  match = _SCHEME.match(str(name))
  return match is not None and match[2].startswith('//')
