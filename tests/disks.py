"""Disks that are small or may only be read, where this machine permits."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import subprocess

import pytest


@contextlib.contextmanager
def small(folder: pathlib.Path, megabytes: int) -> Iterator[pathlib.Path]:
  """A disk in memory of so many megabytes; skips where none may be mounted."""
  folder.mkdir()
  _mount('-t', 'tmpfs', '-o', f'size={megabytes}m', 'tmpfs', folder)
  try:
    yield folder
  finally:
    subprocess.run(['umount', '--lazy', folder], check=True)


@contextlib.contextmanager
def read_only(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """The folder, not to be written: by its mode, or for root by a mount."""
  if os.geteuid():
    folder.chmod(0o555)
    try:
      yield folder
    finally:
      folder.chmod(0o755)
    return
  _mount('--bind', '-o', 'ro', folder, folder)
  try:
    yield folder
  finally:
    subprocess.run(['umount', '--lazy', folder], check=True)


def _mount(*arguments) -> None:
  done = subprocess.run(
    ['mount', *arguments], check=False, capture_output=True, text=True
  )
  if done.returncode:
    pytest.skip(f'this test mounts a disk, and may not: {done.stderr.strip()}')
