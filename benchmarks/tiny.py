"""The embedded default's model, here and at another revision.

    python -m benchmarks.tiny --against=c98b3eb

c98b3eb is the last revision with the plain driver, before the scheduler.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib

import numpy as np

from benchmarks import environment, revisions
from benchmarks.harness import spread


def main() -> None:
  """Prints a table and writes the results."""
  options = _parser().parse_args()
  if not (options.models / 'pretrain' / 'model').exists():
    raise SystemExit(
      f'There is no trained model in {options.models}; run '
      'launch/quickstart.sh, or name another run by --models.'
    )
  print(
    table(
      revisions.compare(
        options,
        lambda root: _child(root, options),
        lambda told: (
          f'{told["tokens"] / np.median(told["seconds"]):.0f} tokens/s'
        ),
      )
    )
  )


def table(sides: dict[str, Sequence[dict]]) -> str:
  """Markdown: a row a side, ratios to the first."""
  lines = [
    '| side | driver | tokens | tokens/s | time by ours |',
    '| --- | --- | ---: | ---: | ---: |',
  ]
  ours = None
  for name, runs in sides.items():
    rates = [
      run['tokens'] / seconds for run in runs for seconds in run['seconds']
    ]
    ours = ours or np.median(rates)
    lines.append(
      f'| {name} | {runs[0]["driver"]} | {runs[0]["tokens"]} | '
      f'{spread(rates, ".0f")} | {ours / np.median(rates):.2f} |'
    )
  return '\n'.join(lines)


def _child(root: pathlib.Path, options) -> dict:
  """Samples with the package in `root`."""
  done = revisions.child(
    root,
    'benchmarks.sampler',
    f'--strategy={options.strategy}',
    f'--rows={options.rows}',
    f'--questions={options.questions}',
    f'--budget={options.budget}',
    f'--models={options.models.absolute()}',
    devices=options.devices,
  )
  return json.loads(done.splitlines()[-1])


def _parser() -> argparse.ArgumentParser:
  made = revisions.parser('tiny', against='', runs=5)
  made.add_argument(
    '--strategy',
    choices=('samples', 'best_of_n', 'beam'),
    default='samples',
    help='samples asks no verifier',
  )
  made.add_argument('--rows', type=int, default=512)
  made.add_argument('--questions', type=int, default=192)
  made.add_argument('--budget', type=int, default=64)
  made.add_argument(
    '--models',
    type=pathlib.Path,
    default=environment.ROOT / 'runs/quickstart/seed-0',
    help='a run of the experiment, for its trained models',
  )
  return made


if __name__ == '__main__':
  main()
