"""The order in which files reach the disk and get their names."""

import os
import pathlib


def record(monkeypatch) -> list[tuple[str, pathlib.Path]]:
  """Records each os.fsync, with its path, and os.replace, with its target."""
  events, fsync, replace = [], os.fsync, os.replace

  def recorded_fsync(descriptor):
    path = pathlib.Path(os.readlink(f'/proc/self/fd/{descriptor}'))
    events.append(('fsync', path))
    fsync(descriptor)

  def recorded_replace(source, target):
    events.append(('replace', pathlib.Path(target)))
    replace(source, target)

  monkeypatch.setattr(os, 'fsync', recorded_fsync)
  monkeypatch.setattr(os, 'replace', recorded_replace)
  return events
