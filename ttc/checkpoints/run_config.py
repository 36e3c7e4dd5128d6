"""The config of a training run, which its checkpoints must agree with."""

from collections.abc import Mapping
import json
import pathlib
from typing import Any

import jax

from ttc.checkpoints import faults
from ttc.runtime import storage


def claim(path: pathlib.Path, config: Mapping) -> None:
  """Writes a run's config; only process 0 does.

  Args:
    path: of the file.
    config: plain JSON.

  Raises:
    ValueError: the file has another config.
    OSError: it cannot be read or written.
  """
  # Through JSON, so that tuples equal the lists that are read back.
  config = json.loads(json.dumps(config))
  if not path.exists():
    if jax.process_index() == 0:
      text = json.dumps(config, indent=2, sort_keys=True)
      storage.write_atomic(path, text.encode('utf-8'))
    return
  with faults.reading(path, 'Delete that file if this run made the others.'):
    stored = _flat(json.loads(path.read_text()))
  wanted = _flat(config)
  differing = [
    f'{name} is {stored.get(name)!r} there and {wanted.get(name)!r} here'
    for name in sorted(wanted | stored)
    if wanted.get(name) != stored.get(name)
  ]
  if differing:
    raise ValueError(
      f'{path.parent} holds checkpoints of another config: '
      f'{"; ".join(differing)}. Restore the config, or use another folder.'
    )


def _flat(tree: Any, prefix: str = '') -> dict[str, Any]:
  """Leaves of nested dictionaries by dotted paths."""
  if not isinstance(tree, dict):
    return {prefix: tree}
  return {
    path: leaf
    for name, child in tree.items()
    for path, leaf in _flat(
      child, f'{prefix}.{name}' if prefix else name
    ).items()
  }
