"""Identity of what a stage reads: other stages, and folders made elsewhere.

An identity is the fingerprint of the stage, and behind a + the digest of its
parts, or of its other results where it has none, such as a model: so that one
made again by other code or devices is noticed. A converted checkpoint is no
stage: its fingerprint is of the weights. Earlier revisions had the fingerprint
alone. A folder without a mark is identified by its content, and was by its
path.
"""

from collections.abc import Mapping
import pathlib
from typing import Any

from ttc.pipeline import fingerprint, records
from ttc.pipeline.origin import FILE
from ttc.runtime import checksums, storage

_SPEED = 'metrics.json'  # differs from run to run


def identity(root: pathlib.Path, key: str) -> str | None:
  """The identity of an input; None if it is not complete.

  Args:
    root: folder of the experiment.
    key: label of a stage, or an absolute path.
  """
  folder = storage.join(root, key)
  mark = records.read_mark(folder) if folder.is_dir() else None
  if mark is not None:
    held = mark.get('sha256', {})
    names = mark['rows']
    if not names and (folder / FILE).exists():
      names = [name for name in held if name != _SPEED]
    results = {name: held[name] for name in names if name in held}
    made = f'+{fingerprint.digest(results)[:16]}' if results else ''
    return mark['fingerprint'] + made
  if not storage.is_absolute(key) or not folder.exists():
    return None
  names = checksums.tree(folder.parent, folder.name)
  return fingerprint.digest(checksums.of_files(folder.parent, names))


def same(key: str, before: str, now: str) -> bool:
  """Whether two identities of an input may be of the same results."""
  (old, _, old_parts), (new, _, new_parts) = (
    before.partition('+'),
    now.partition('+'),
  )
  if before in (now, key):
    return True
  return old == new and not (old_parts and new_parts)


def outside(root: pathlib.Path, bindings: Mapping[str, Any]) -> dict[str, str]:
  """Identities of the folders made elsewhere that bindings name, by path."""
  return {
    value: identity(root, value) or ''
    for value in bindings.values()
    if isinstance(value, str)
    and storage.is_absolute(value)
    and storage.path(value).is_dir()
  }
