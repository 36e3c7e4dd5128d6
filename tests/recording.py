"""Part files as stages leave them, for tests of what reads them."""

from collections.abc import Iterable
import pathlib

from ttc.pipeline import records
from ttc.runtime.storage import write_atomic


def write_part(
  folder: pathlib.Path, index: int, count: int, rows: Iterable[dict]
) -> pathlib.Path:
  """Writes part `index` of `count` and returns its path; raises OSError."""
  path = folder / records.part_name(index, count)
  write_atomic(path, records.part_bytes(rows))
  return path
