"""What each process wrote of an unfinished stage, to find damage on resuming.

    .written-0.jsonl    {"part": "part-00003-of-00008.jsonl", "sha256": "9f…"}

A finished stage has the digests of its parts in the mark. Until then they are
here, one file per process, each line written before its part: a part without a
line is not ours, whatever it holds. A line without its part is of a kill in
between.
"""

import json
import os
import pathlib
import re

from ttc.runtime import storage

_NAME = re.compile(r'\.written-\d+\.jsonl')


class Journal:
  """The lines of one process."""

  def __init__(self, folder: pathlib.Path, process: int):
    """Continues a journal; nothing is written yet.

    Args:
      folder: of the stage.
      process: index of this process in the run.
    """
    self._path = folder / f'.written-{process}.jsonl'
    self._lines: list[str] | None = None  # of a file in an object store

  def add(self, part: str, digest: str) -> None:
    """Records that a part of this SHA-256 is about to be written."""
    line = json.dumps({'part': part, 'sha256': digest})
    if storage.is_remote(self._path):  # a bucket knows only whole files
      if self._lines is None:
        self._lines = _text(self._path).splitlines()
      self._lines.append(line)
      data = ''.join(f'{line}\n' for line in self._lines)
      storage.write_atomic(self._path, data.encode('ascii'))
      return
    with open(self._path, 'ab', buffering=0) as file:
      # After a torn line of a kill, a new one must not continue it.
      file.write(f'\n{line}\n'.encode('ascii'))
      os.fsync(file.fileno())


def read(folder: pathlib.Path) -> dict[str, set[str]] | None:
  """Digests that a part may have, by its name; None without any journal.

  A stage begun by a revision without journals has none.
  """
  names = [name for name in storage.names(folder) if _NAME.fullmatch(name)]
  if not names:
    return None
  digests: dict[str, set[str]] = {}
  for name in names:
    for line in _text(folder / name).splitlines():
      try:
        entry = json.loads(line)
        part, digest = str(entry['part']), str(entry['sha256'])
      except (ValueError, TypeError, KeyError):
        continue  # blank, damaged, or torn by a kill before its part
      digests.setdefault(part, set()).add(digest)
  return digests


def _text(path: pathlib.Path) -> str:
  try:
    return path.read_bytes().decode('utf-8', errors='replace')
  except FileNotFoundError:
    return ''
