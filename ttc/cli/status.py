"""`ttc status`: shows how far experiments and sweeps are, from their records.

    ttc status
    ttc status --json runs/strategies

Reads folders and writes nothing; needs no accelerator and no configuration.
"""

import argparse
import dataclasses
import json
import os
import shutil
import sys

_CANNOT_START = 2
_MEANINGS = """\
states:
  done       complete
  running    a process works on it
  failed     the last run ended with an error
  stopped    killed or interrupted; continues when it is run again
  quiet      begun on another machine that has not written for 15 minutes
  waiting    not begun

Time left is estimated from the parts left, or from stages of the same name.
Work that no process does yet is assumed to start after the work under way.
"""


def add_parser(stages) -> None:
  """Adds `status` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'status',
    help='show the state of experiments and sweeps',
    description='Show the state of experiments and sweeps.',
    epilog=_MEANINGS,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument(
    'folder',
    nargs='*',
    default=['runs'],
    metavar='FOLDER',
    help='of an experiment, a sweep, or several of them (runs)',
  )
  parser.add_argument(
    '--json', action='store_true', help='print one JSON object for machines'
  )


def run(options: argparse.Namespace) -> int:
  """Prints a table or JSON; returns 0, or 2 if a folder has no experiment."""
  from ttc.pipeline import status
  from ttc.runtime.safe_text import printable
  from ttc.sweeps import jobs

  tables = []
  for name in options.folder:
    try:
      place = os.path.expanduser(name)
      if bucket := jobs.output(place):
        told = f'ttc: {name} has the jobs; they write to {bucket}, read instead'
        print(printable(told), file=sys.stderr)
      tables.append((name, status.read(bucket or place)))
    except (ValueError, OSError) as error:
      told = ' '.join(str(error).splitlines())
      print(printable(f'ttc: {told}'), file=sys.stderr)
      return _CANNOT_START
  if options.json:
    facts = {'folders': [_facts(name, runs) for name, runs in tables]}
    print(json.dumps(facts, indent=1))
    return 0
  columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
  blocks = [_table(runs) for _, runs in tables]
  lines = [line[:columns] for line in '\n\n'.join(blocks).splitlines()]
  print('\n'.join(lines))
  return 0


def _facts(name: str, runs) -> dict:
  from ttc.pipeline import status

  seconds, unknown = status.remaining(runs)
  return {
    'folder': name,
    'counts': status.counts(runs),
    'left_seconds': seconds,
    'unknown': unknown,
    'runs': [
      {**dataclasses.asdict(run), 'seconds': run.seconds} for run in runs
    ],
  }


def _table(runs) -> str:
  from ttc.pipeline import status
  from ttc.runtime.progress import duration
  from ttc.runtime.safe_text import printable

  if len(runs) == 1 and runs[0].stages:
    rows = [('stage', 'state', 'parts', 'took', 'left', '')]
    rows += [_stage_row(stage, runs[0]) for stage in runs[0].stages]
  else:
    rows = [('run', 'state', 'stages', 'parts', 'took', 'left', '')]
    rows += [_run_row(run) for run in runs]
  # Names and errors come from files that others may have written.
  rows = [[printable(cell, one_line=True) for cell in row] for row in rows]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = ['  '.join(map(str.ljust, row, widths)).rstrip() for row in rows]
  states = ', '.join(f'{n} {s}' for s, n in status.counts(runs).items())
  noun = 'run' if len(runs) == 1 else 'runs'
  text = f'{len(runs)} {noun}: {states}'
  seconds, unknown = status.remaining(runs)
  if seconds:
    text += f'; {"more than" if unknown else "about"} {duration(seconds)} left'
  elif unknown:
    text += '; the time left is not known yet'
  return '\n'.join([*lines, '', text])


def _stage_row(stage, run) -> tuple[str, ...]:
  detail = 'taken from another experiment' if stage.taken else ''
  if stage.state == 'failed':
    detail = run.detail
  return (
    stage.label,
    stage.state,
    _parts(*stage.parts),
    _time(stage.seconds or None),
    _left(stage),
    detail,
  )


def _run_row(run) -> tuple[str, ...]:
  done = sum(stage.state == 'done' for stage in run.stages)
  parts = [stage.parts for stage in run.stages if stage.state != 'done']
  return (
    run.name,
    run.state,
    f'{done}/{len(run.stages)}' if run.stages else '',
    _parts(*map(sum, zip(*parts, strict=True))) if parts else '',
    _time(run.seconds or None),
    _left(run),
    run.detail,
  )


def _parts(done: int, count: int) -> str:
  return f'{done}/{count}' if count else ''


def _left(item) -> str:
  return '' if item.state == 'done' else _time(item.left)


def _time(seconds: float | None) -> str:
  from ttc.runtime.progress import duration

  return '' if seconds is None else duration(seconds)
