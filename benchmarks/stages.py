"""The quickstart's sampling stages, here and at another revision.

    python -m benchmarks.stages --against=8f5be9a

Each side trains its own models first, by fewer steps than the quickstart does:
what is compared needs models that write worksheets, not good ones. Revisions
before 8f5be9a have another quickstart, with another task.
"""

from collections.abc import Sequence
import json
import pathlib
import tempfile

import numpy as np

from benchmarks import revisions
from benchmarks.harness import spread

_TRAINED = (
  'pretrain',
  'prm',
  'revise_data',
  'successes',
  'revision',
  'control',
  'revision_orm',
)
_SAMPLED = (
  'sample_pretrain',
  'sample',
  'label',
  'revision_samples',
  'difficulty',
  'greedy',
  'search',
  'pilot',
  'revise',
  'control_samples',
)
_STEPS = {
  'PRETRAIN_STEPS': 1200,
  'PRM_STEPS': 300,
  'REVISION_STEPS': 200,
}


def main() -> None:
  """Prints a table and writes the results."""
  options = revisions.parser('stages', against='8f5be9a', runs=3).parse_args()
  print(
    table(
      revisions.compare(
        options,
        lambda root: _seconds(root, options.devices),
        lambda told: f'{sum(told.values()):.0f} s',
      )
    )
  )


def table(sides: dict[str, Sequence[dict[str, float]]]) -> str:
  """Markdown: a row a stage, seconds of each side, the last by the first."""
  heads = ' | '.join(f'{name}, s' for name in sides)
  lines = [
    f'| stage | {heads} | time by ours |',
    f'| --- |{" ---: |" * len(sides)} ---: |',
  ]
  for stage in (*_SAMPLED, 'all'):
    times = [
      [sum(run.values()) if stage == 'all' else run[stage] for run in runs]
      for runs in sides.values()
    ]
    ratio = np.median(times[-1]) / np.median(times[0])
    cells = ' | '.join(spread(each, '.1f') for each in times)
    lines.append(f'| {stage} | {cells} | {ratio:.2f} |')
  return '\n'.join(lines)


def _seconds(root: pathlib.Path, devices: int) -> dict[str, float]:
  """What each sampling stage takes with the package in `root`."""
  with tempfile.TemporaryDirectory() as folder:
    revisions.child(
      root,
      'ttc.cli.main',
      'run',
      '--gin_file=gin/experiments/worksheet_quickstart.gin',
      *(f'--only={stage}' for stage in (*_TRAINED, *_SAMPLED)),
      *(f'--gin.{name}={steps}' for name, steps in _STEPS.items()),
      f'--gin.Experiment.output={folder!r}',
      devices=devices,
    )
    stages = pathlib.Path(folder) / 'quickstart' / 'seed-0'
    return {
      stage: json.loads((stages / stage / 'stage.json').read_text())['seconds']
      for stage in _SAMPLED
    }


if __name__ == '__main__':
  main()
