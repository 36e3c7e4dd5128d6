"""Identity of this package's code, which results depend on."""

import functools
import hashlib
import pathlib

_PACKAGE = pathlib.Path(__file__).parents[1]


@functools.cache
def digest() -> str:
  """First digits of the SHA-256 of this package's Python source."""
  whole = hashlib.sha256()
  for path in sorted(_PACKAGE.rglob('*.py')):
    whole.update(str(path.relative_to(_PACKAGE)).encode())
    whole.update(path.read_bytes())
  return whole.hexdigest()[:12]
