"""Identity of input files by what is in them, and not by their paths.

A configuration names files: questions, a tokenizer. Its objects tell them by a
method `files()`, or what is in no file by a method `digests()`. The digests
stand in stage.json beside the bindings, so that a file that was edited between
two runs, or differs between two hosts, is noticed before anything is computed
from it.
"""

import dataclasses
import functools
from typing import Any

from ttc.runtime import checksums, storage

Contents = dict[str, str]  # SHA-256 by path of the file, or by its name


def of(config: Any) -> Contents:
  """Digests of all files that a (nested) dataclass reads.

  Args:
    config: a dataclass; it or what it holds may have a method `files()`, which
      returns paths, local or in a bucket, or `digests()`, which returns names
      and SHA-256.

  Raises:
    FileNotFoundError: there is no such file.
  """
  table: Contents = {}
  _collect(config, table)
  return table


def differences(before: Contents, now: Contents) -> list[str]:
  """One line for each file that both name and whose content differs."""
  return [
    f'{path}: SHA-256 {before[path][:12]}… before, {now[path][:12]}… now'
    for path in sorted(before.keys() & now.keys())
    if before[path] != now[path]
  ]


def _collect(value: Any, table: Contents) -> None:
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    for path in getattr(value, 'files', tuple)():
      table[str(path)] = checksums.of_file(storage.path(path))
    table.update(getattr(value, 'digests', dict)())
    for field in dataclasses.fields(value):
      _collect(getattr(value, field.name), table)
  elif isinstance(value, tuple | list):
    for item in value:
      _collect(item, table)
  elif isinstance(value, dict):
    for item in value.values():
      _collect(item, table)
  elif isinstance(value, functools.partial):
    _collect([value.args, value.keywords], table)
