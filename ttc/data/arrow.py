"""Rows of Arrow tables, as parquet files and the `datasets` library hold them.

A row becomes what a line of JSON is read as (`jsonl.parse`): floats are
Decimals with the digits that Python writes, NaN and infinities are None.
"""

from collections.abc import Iterable, Iterator
import decimal
import math
from typing import Any

from ttc.runtime import storage

_PARQUET = b'PAR1'
_ROWS = 256  # of a batch; what is in memory at once


def is_parquet(path: str) -> bool:
  """Whether a file begins as parquet does; False where there is none."""
  place = storage.path(path)
  if not place.is_file():
    return False
  with place.open('rb') as file:
    return file.read(len(_PARQUET)) == _PARQUET


def read_parquet(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (row number from 1, row) of a parquet file, local or in a bucket.

  Raises:
    ValueError: it cannot be read, or pyarrow is not installed.
  """
  try:
    from pyarrow import lib, parquet
  except ImportError as error:
    raise ValueError(
      f'{path} is a parquet file, which needs pyarrow; run pip install pyarrow.'
    ) from error
  try:
    with storage.path(path).open('rb') as file:
      batches = parquet.ParquetFile(file).iter_batches(batch_size=_ROWS)
      yield from enumerate(rows(batches), start=1)
  except lib.ArrowException as error:
    raise ValueError(
      f'{path} is a parquet file that cannot be read '
      f'({" ".join(str(error).split())[:200]}); fetch it again.'
    ) from error


def rows(batches: Iterable) -> Iterator[dict[str, Any]]:
  """Yields the rows of record batches or tables of pyarrow."""
  for batch in batches:
    for row in batch.to_pylist():
      yield _plain(row)


def _plain(value: Any) -> Any:
  if isinstance(value, dict):
    return {name: _plain(item) for name, item in value.items()}
  if isinstance(value, list):
    return [_plain(item) for item in value]
  if isinstance(value, float):
    return decimal.Decimal(repr(value)) if math.isfinite(value) else None
  return value
