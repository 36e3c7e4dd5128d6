"""Sides as child processes that take turns, and the table of what they did."""

import argparse
from collections.abc import Mapping, Sequence
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys

import numpy as np

from benchmarks import environment
from benchmarks.protocol import Protocol

_TOLERANCE = 1e-4  # of logits


@dataclasses.dataclass(frozen=True)
class Contender:
  """A side as a command.

  Attributes:
    name: in the table; the first contender is ours.
    module: that is run.
    task: of the protocol.
    arguments: beside those of all sides.
    slow: it answers `--few` questions.
  """

  name: str
  module: str
  task: str
  arguments: tuple[str, ...] = ()
  slow: bool = False

  @property
  def ours(self) -> bool:
    return self.module == 'benchmarks.ours'


def main(kind: str, contenders: Sequence[Contender]) -> None:
  """Runs the comparison that the command line asks for.

  Args:
    kind: of benchmark; names the file of results.
    contenders: ours first.
  """
  options = _parser(kind).parse_args()
  chosen = [
    c
    for c in contenders
    if c.ours or options.sides is None or c.name in options.sides
  ]
  theirs = environment.opponents(options.environment) if len(chosen) > 1 else ''
  weights = environment.weights(options.weights)
  command = shlex.join(['python', '-m', f'benchmarks.{kind}', *sys.argv[1:]])
  results = {
    'command': command,
    'kind': kind,
    'machine': environment.describe(),
    'threads': options.threads,
    'tables': [],
  }
  for budget in options.budgets:
    results['tables'].append({'budget': budget, 'sides': {}})
    _alternate(options, chosen, budget, theirs, weights, results)
    print(table(results['tables'][-1]), flush=True)


def _alternate(options, contenders, budget, theirs, weights, results) -> None:
  """Fills the last table of the results, which are kept after every child."""
  sides = results['tables'][-1]['sides']
  for run in range(options.runs):
    for contender in contenders[::-1] if run % 2 else contenders:
      count = options.questions
      if contender.slow and options.few:
        count = min(options.few, count)
      command = [
        sys.executable if contender.ours else theirs,
        '-m',
        contender.module,
        f'--task={contender.task}',
        f'--weights={weights}',
        f'--budget={budget}',
        f'--questions={count}',
        f'--threads={options.threads}',
        *contender.arguments,
      ]
      if contender.ours:
        command += shlex.split(options.ours)
      print(
        f'N={budget}, run {run + 1} of {options.runs}, {contender.name}: ',
        end='',
        flush=True,
      )
      told = _child(command, options.threads)
      print(f'{told["seconds"] / count:.2f} s/question', flush=True)
      check(contender.name, told, Protocol(questions=count, budget=budget))
      sides.setdefault(contender.name, []).append(told)
      options.output.parent.mkdir(parents=True, exist_ok=True)
      options.output.write_text(json.dumps(results, indent=1) + '\n')
  compare_logits(sides)


def _child(command: Sequence[str], threads: int) -> dict:
  """Runs a side on so many cores; what it printed last."""
  cores = sorted(os.sched_getaffinity(0))[:threads]
  few = {name: str(threads) for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')}
  done = subprocess.run(
    command,
    cwd=environment.ROOT,
    text=True,
    capture_output=True,
    check=False,
    env={**os.environ, **few, 'TOKENIZERS_PARALLELISM': 'false'},
    preexec_fn=lambda: os.sched_setaffinity(0, cores),
  )
  if done.returncode:
    raise SystemExit(f'{shlex.join(command)}\n{done.stderr}')
  return json.loads(done.stdout.splitlines()[-1])


def check(name: str, told: Mapping, protocol: Protocol) -> None:
  """Raises SystemExit where a side did not do all that was asked."""
  wanted = protocol.new_tokens(protocol.questions)
  if told['new_tokens'] != wanted:
    raise SystemExit(
      f'{name} made {told["new_tokens"]} new tokens, and the '
      f'protocol has {wanted}.'
    )
  floor = protocol.floor(protocol.questions)
  if told['executed'] < floor:
    raise SystemExit(
      f'{name} says {told["executed"]} token-forwards, and '
      f'{floor} cannot be avoided; its count is wrong.'
    )


def compare_logits(sides: Mapping[str, Sequence[Mapping]]) -> float:
  """The largest difference from the first side's logits.

  Raises:
    SystemExit: it is larger than float32 explains.
  """
  logits = {name: np.array(runs[0]['logits']) for name, runs in sides.items()}
  first = next(iter(logits.values()))
  worst = 0.0
  for name, other in logits.items():
    difference = float(np.abs(other - first).max())
    worst = max(worst, difference)
    if not difference <= _TOLERANCE:
      raise SystemExit(
        f'The logits of {name} differ by {difference:.2g}, more '
        f'than {_TOLERANCE:.0g}: it runs another model.'
      )
  return worst


def table(results: Mapping) -> str:
  """Markdown of one budget: a row a side, ratios to the first."""
  head = (
    'side',
    'questions',
    's/question',
    'new tokens',
    'new tokens/s',
    'time by ours',
    'token-forwards/question',
    'by floor',
    'peak GiB',
    'compiling s',
    'one question, compiling too, s',
  )
  lines = [
    f'**N={results["budget"]}**',
    '',
    _line(head),
    _line(['---'] + ['---:'] * (len(head) - 1)),
  ]
  ours = None
  for name, runs in results['sides'].items():
    protocol = Protocol(
      questions=runs[0]['questions'], budget=results['budget']
    )
    count = protocol.questions
    rates = [run['new_tokens'] / run['seconds'] for run in runs]
    ours = ours or np.median(rates)
    executed = np.median([run['executed'] for run in runs])
    middle = lambda key, runs=runs: f'{np.median([r[key] for r in runs]):.1f}'
    lines.append(
      _line(
        [
          name,
          str(count),
          spread([r['seconds'] / count for r in runs], '.2f'),
          str(runs[0]['new_tokens']),
          spread(rates, '.0f'),
          f'{ours / np.median(rates):.2f}',
          f'{executed / count:.0f}',
          f'{executed / protocol.floor(count):.2f}',
          middle('peak_gib'),
          middle('compiling'),
          middle('first_question'),
        ]
      )
    )
  late = max(
    (
      run.get('late_compiling', 0)
      for runs in results['sides'].values()
      for run in runs
    ),
    default=0,
  )
  lines += [
    '',
    f'Medians of {len(runs)} runs, quartiles in brackets; logits '
    f'differ by {compare_logits(results["sides"]):.1g} at most; '
    f'{late:.1f} s of compiling fell into a measured time.',
    '',
  ]
  return '\n'.join(lines)


def spread(values: Sequence[float], style: str) -> str:
  """The median, and the quartiles in brackets."""
  low, middle, high = np.percentile(values, [25, 50, 75])
  return f'{middle:{style}} [{low:{style}}, {high:{style}}]'


def _line(cells: Sequence[str]) -> str:
  return f'| {" | ".join(cells)} |'


def _parser(kind: str) -> argparse.ArgumentParser:
  made = argparse.ArgumentParser(
    prog=f'python -m benchmarks.{kind}',
    formatter_class=argparse.ArgumentDefaultsHelpFormatter,
  )
  made.add_argument('--questions', type=int, default=64)
  made.add_argument(
    '--few', type=int, default=0, help='questions of the slow sides; 0 for all'
  )
  made.add_argument('--budgets', type=int, nargs='+', default=[16, 64])
  made.add_argument('--runs', type=int, default=5)
  made.add_argument('--threads', type=int, default=2)
  made.add_argument('--sides', nargs='*', help='opponents; None for all')
  made.add_argument(
    '--environment',
    type=pathlib.Path,
    help='of the opponents; made in a cache folder if not said',
  )
  made.add_argument(
    '--weights',
    type=pathlib.Path,
    help='folder; written in a cache folder if not said',
  )
  made.add_argument(
    '--ours', default='', help='arguments of our side, as --ours="--rows=256"'
  )
  made.add_argument(
    '--output',
    type=pathlib.Path,
    default=environment.ROOT / f'runs/benchmarks/{kind}.json',
  )
  return made
