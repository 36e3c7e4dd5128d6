"""A comparison as two files, one for programs and one for readers."""

from collections.abc import Mapping
import json
from typing import Any

from ttc.pipeline import records
from ttc.pipeline.stage import StageRun

_TABLE, _NUMBERS = 'table.txt', 'compare.json'


def write(run: StageRun, numbers: Mapping[str, Any], table: str) -> None:
  """Writes numbers, rounded as records are, and a table.

  Args:
    run: of the stage that compares.
    numbers: what was compared.
    table: the same as text.
  """
  plain = json.loads(records.canonical(numbers))
  text = json.dumps(plain, sort_keys=True, indent=1)
  records.write_atomic(run.folder / _NUMBERS, f'{text}\n'.encode('ascii'))
  records.write_atomic(run.folder / _TABLE, f'{table}\n'.encode())


def show(run: StageRun) -> str:
  """The table."""
  return (run.folder / _TABLE).read_text(encoding='utf-8').rstrip()


def seeds(run: StageRun) -> str:
  """The seeds in words, such as 'seeds 0, 1'."""
  own = run.place.seeds
  return f'seed{"s" * (len(own) > 1)} {", ".join(map(str, own))}'
