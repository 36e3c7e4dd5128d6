"""What an experiment's complete stages took, and what they were made by."""

import pathlib
from typing import Any

from ttc.pipeline import provenance, records
from ttc.pipeline.origin import FILE, Origin
from ttc.runtime import storage

# Files that are no results, or change after the mark.
_NO_RESULT = (FILE, records.MARK, records.CONFIG, 'metrics.jsonl')


def seconds(root: pathlib.Path) -> dict[str, float]:
  """Seconds spent on each complete stage by its label, all runs together.

  Args:
    root: folder of the experiment.
  """
  mark = records.MARK
  marks = sorted([*root.glob(f'*/{mark}'), *root.glob(f'*/*/{mark}')])
  done = [path.parent for path in marks]
  return {
    str(f.relative_to(root)): records.read_mark(f).get('seconds', 0)
    for f in done
  }


def made_with(root: pathlib.Path) -> list[str]:
  """By which code and devices the complete stages were made, in words.

  Args:
    root: folder of the experiment.

  Returns:
    One line for all stages that agree, and one for each that is mixed.
  """
  plain, mixed = set(), []
  for label in seconds(root):
    origin = Origin.read(root / label)
    texts = list(map(provenance.text, origin.made_by)) if origin else []
    if len(texts) > 1:
      mixed.append(f'{label} is mixed: {", then ".join(texts)}')
    plain.update(texts)
  return sorted(plain) + mixed


def undecided(mark: dict[str, Any]) -> str:
  """Says how many answers no grader could judge; '' if there are none."""
  counts = mark.get('undecided', {})
  if not counts:
    return ''
  reasons = ', '.join(f'{n} {reason}' for reason, n in counts.items())
  return (
    f'{sum(counts.values())} answers could not be graded and count as wrong: '
    f'{reasons}'
  )


def results(folder: pathlib.Path) -> list[str]:
  """Names of a stage's results other than parts.

  Args:
    folder: of the stage.
  """
  return [
    name
    for name in storage.names(folder)
    if name in ('model', 'figures')
    or (
      not name.startswith(('.', 'part-'))
      and name not in _NO_RESULT
      and not (folder / name).is_dir()
    )
  ]
