"""One accelerator in one table: `python -m benchmarks.accelerator`."""

import argparse
from collections.abc import Sequence
import dataclasses
import datetime
import os
import pathlib
import shlex
import signal
import sys

from benchmarks import environment
from benchmarks.accelerator import report, runner
from benchmarks.accelerator.parts import parts, Scale, TINY, WHOLE
from benchmarks.accelerator.runner import Part

_LIMITS = 'limits'  # the part that all others are measured by
_SPARE = 5.0  # seconds of the budget for ending


def main(argv: Sequence[str] | None = None) -> None:
  """Runs parts, and writes the table after each measurement."""
  options = _parser().parse_args(argv)
  known = parts(_scale(options))
  if options.list:
    for part in known:
      print(
        f'{part.name:<18} {len(part.settings)} settings, from '
        f'{part.least:.0f} to {part.limit:.0f} s'
      )
    return
  chosen = _chosen(known, options.parts)
  # A plain kill ends the running part too, see `runner`.
  signal.signal(signal.SIGTERM, lambda *_: sys.exit('Stopped.'))
  options.output.mkdir(parents=True, exist_ok=True)
  run = _describe(options, argv)
  outcomes = report.read(options.output, run)
  device = report.device(outcomes.values())
  for outcome in runner.run(
    chosen,
    options.output,
    60 * options.minutes - _SPARE,
    _variables(options.cache),
  ):
    if outcome.part == _LIMITS and report.device([outcome]) != device:
      outcomes = {}  # on another device
    outcomes[outcome.part] = outcome
    report.write(options.output, run, list(outcomes.values()))
    if outcome.state == 'running':
      continue
    print(
      f'{outcome.part}: {outcome.state}, {outcome.seconds:.0f} s', flush=True
    )
  print(f'\n{report.table(run, list(outcomes.values()))}')


def _scale(options) -> Scale:
  if options.tiny:
    return TINY
  return dataclasses.replace(
    WHOLE, questions=options.questions, rows=options.rows, line=options.line
  )


def _chosen(known: Sequence[Part], names: Sequence[str] | None) -> list[Part]:
  """The parts of these names or beginnings, in that order, after the limits.

  Without the limits no row could say what part of them it is.
  """
  if not names:
    return list(known)
  chosen = [part for part in known if part.name == _LIMITS]
  for name in names:
    found = [part for part in known if part.name == name] or [
      part for part in known if part.name.startswith(name)
    ]
    if not found:
      raise SystemExit(
        f'--parts: there is no {name!r}; choose from '
        f'{", ".join(part.name for part in known)}, or a beginning of them.'
      )
    chosen += [part for part in found if part not in chosen]
  return chosen


def _variables(cache: pathlib.Path) -> dict[str, str]:
  """Of the parts: one folder of compiled programs, most of the memory."""
  made = {
    'JAX_COMPILATION_CACHE_DIR': str(cache.absolute()),
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.5',
    'TF_CPP_MIN_LOG_LEVEL': '2',
    'PYTHONUNBUFFERED': '1',
  }
  if 'XLA_PYTHON_CLIENT_MEM_FRACTION' not in os.environ:
    made['XLA_CLIENT_MEM_FRACTION'] = '0.92'  # JAX takes 0.75 by itself
  return made


def _describe(options, argv) -> dict:
  words = sys.argv[1:] if argv is None else argv
  machine = environment.describe()
  machine['revision'] = options.revision or machine['revision']
  return {
    'command': shlex.join(['python', '-m', 'benchmarks.accelerator', *words]),
    'date': datetime.date.today().isoformat(),
    'tiny': options.tiny,
    'machine': machine,
  }


def _parser() -> argparse.ArgumentParser:
  made = argparse.ArgumentParser(
    prog='python -m benchmarks.accelerator',
    formatter_class=argparse.ArgumentDefaultsHelpFormatter,
  )
  made.add_argument('--minutes', type=float, default=9.0, help='for everything')
  made.add_argument(
    '--parts', nargs='+', help='names or beginnings of them, in this order'
  )
  made.add_argument('--list', action='store_true', help='says the parts')
  made.add_argument(
    '--tiny', action='store_true', help='small shapes, to try it on a CPU'
  )
  made.add_argument(
    '--questions', type=int, default=WHOLE.questions, help='of the protocol'
  )
  made.add_argument(
    '--rows', type=int, default=WHOLE.rows, help='as Solver.rows'
  )
  made.add_argument(
    '--line', type=int, default=WHOLE.line, help='as Solver.line'
  )
  made.add_argument(
    '--revision', default='', help='in the table, where git cannot tell'
  )
  made.add_argument(
    '--cache',
    type=pathlib.Path,
    default=environment.cache() / 'xla',
    help='folder of compiled programs, which parts share',
  )
  made.add_argument(
    '--output',
    type=pathlib.Path,
    default=environment.ROOT / 'runs/benchmarks/accelerator',
    help='folder of table.md, results.json and logs; other parts of the same '
    'revision that it has results of stay in the table',
  )
  return made


if __name__ == '__main__':
  main()
