"""The quickstart's sampling stages, here and at another revision.

    python -m benchmarks.stages --against=c98b3eb

Each side trains its own models first, by fewer steps than the quickstart does:
what is compared needs models that write worksheets, not good ones.
"""

import argparse
from collections.abc import Sequence
import contextlib
import json
import pathlib
import tempfile

import numpy as np

from benchmarks import environment
from benchmarks.harness import spread
from benchmarks.revisions import child, worktree

_TRAINED = ('pretrain', 'prm', 'orm', 'revise_data', 'successes', 'revision',
            'control', 'revision_orm')
_SAMPLED = ('sample_pretrain', 'sample', 'label', 'revision_samples',
            'difficulty', 'greedy', 'search', 'revise', 'control_samples')
_STEPS = {'PRETRAIN_STEPS': 1200, 'PRM_STEPS': 300, 'ORM_STEPS': 100,
          'REVISION_STEPS': 200}


def main() -> None:
  """Prints a table and writes the results."""
  options = _parser().parse_args()
  results = {'machine': environment.describe(),
             'arguments': {k: str(v) for k, v in vars(options).items()},
             'sides': {}}
  with contextlib.ExitStack() as stack:
    sides = {
        options.against: stack.enter_context(worktree(options.against)),
        'here': environment.ROOT}
    for run in range(options.runs):
      names = list(sides)
      for name in names[::-1] if run % 2 else names:
        told = _seconds(sides[name], options.devices)
        results['sides'].setdefault(name, []).append(told)
        print(f'run {run + 1} of {options.runs}, {name}: '
              f'{sum(told.values()):.0f} s', flush=True)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=1) + '\n')
  print(table(results['sides']))


def table(sides: dict[str, Sequence[dict[str, float]]]) -> str:
  """Markdown: a row a stage, seconds and the ratio of the two sides."""
  (old, before), (new, after) = sides.items()
  lines = [f'| stage | {old}, s | {new}, s | ratio |',
           '| --- | ---: | ---: | ---: |']
  for stage in (*_SAMPLED, 'all'):
    pair = [[sum(run.values()) if stage == 'all' else run[stage]
             for run in runs] for runs in (before, after)]
    ratio = np.median(pair[0]) / np.median(pair[1])
    lines.append(f'| {stage} | {spread(pair[0], ".1f")} | '
                 f'{spread(pair[1], ".1f")} | {ratio:.2f} |')
  return '\n'.join(lines)


def _seconds(root: pathlib.Path, devices: int) -> dict[str, float]:
  """What each sampling stage takes with the package in `root`."""
  with tempfile.TemporaryDirectory() as folder:
    child(
        root, 'ttc.cli.main', 'run',
        '--gin_file=gin/experiments/worksheet_quickstart.gin',
        *(f'--only={stage}' for stage in (*_TRAINED, *_SAMPLED)),
        *(f'--gin.{name}={steps}' for name, steps in _STEPS.items()),
        f'--gin.Experiment.output={folder!r}', devices=devices)
    stages = pathlib.Path(folder) / 'quickstart' / 'seed-0'
    return {
        stage: json.loads((stages / stage / 'stage.json').read_text())[
            'seconds'] for stage in _SAMPLED}


def _parser() -> argparse.ArgumentParser:
  made = argparse.ArgumentParser(
      prog='python -m benchmarks.stages',
      formatter_class=argparse.ArgumentDefaultsHelpFormatter)
  made.add_argument('--against', default='c98b3eb', help='a git revision')
  made.add_argument('--devices', type=int, default=2,
                    help='parts into which XLA cuts the CPU, as the quickstart')
  made.add_argument('--runs', type=int, default=3)
  made.add_argument('--output', type=pathlib.Path,
                    default=environment.ROOT / 'runs/benchmarks/stages.json')
  return made


if __name__ == '__main__':
  main()
