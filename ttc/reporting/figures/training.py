"""The figure of losses during training, from the logs of its stages."""

from collections.abc import Iterator, Mapping
import json
import pathlib
from typing import Any

from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import common
from ttc.runtime import metrics, storage

_MOST = 200  # points of a curve; the steps between are left out
_KEYS = {'training': 'loss', 'validation': 'validation/loss'}


def losses(root: pathlib.Path) -> Figure:
  """Loss by step, a panel for each stage that trained.

  Args:
    root: folder of a seed.

  Raises:
    MissingError: no stage left a log of losses.
  """
  panels = []
  for name in storage.names(root):
    rows = list(_rows(root / name / metrics.FILE))
    series = tuple(
      _series(i, kind, [(r['step'], r[key]) for r in rows if key in r])
      for i, (kind, key) in enumerate(_KEYS.items())
      if any(key in r for r in rows)
    )
    if series:
      panels.append(Panel('lines', name, 'step', 'loss', series))
  return Figure(
    'training',
    'Losses during training',
    'Mean loss on the examples of the last steps, and on those that are held '
    'out, of the first seed.',
    tuple(common.need(panels, 'the logs of stages that train')),
  )


def _series(hue: int, kind: str, points: list[tuple[int, float]]) -> Series:
  every = -(-len(points) // _MOST)
  # The last point stays: it is the model that is used.
  kept = points[::-1][::every][::-1]
  marker = 'none' if kind == 'training' else 'circle'
  x, y = zip(*kept, strict=True)
  return Series(kind, x, y, marker=marker, hue=hue)


def _rows(path: pathlib.Path) -> Iterator[Mapping[str, Any]]:
  """Lines with a step; a run that is killed may leave half a line."""
  if not path.is_file():
    return
  for line in path.read_text(encoding='utf-8').splitlines():
    try:
      row = json.loads(line)
    except ValueError:
      continue
    if isinstance(row, dict) and 'step' in row:
      yield row
