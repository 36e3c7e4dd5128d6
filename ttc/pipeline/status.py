"""Where experiments and sweeps stand, read from what they left on disk.

Nothing is asked of anybody: marks tell what is done, locks what is at work on
this machine, attempts (attempts.py) how the last one ended, part files how
far a stage is. Locks and attempts are read before the marks, so that work that
ends in between shows as done and never as cut off.
"""

from collections.abc import Iterable
import dataclasses
import json
import os
import pathlib
import re
import time
from typing import Any

from ttc.pipeline import records, run_log, sweep_cells
from ttc.pipeline.run_log import Trace
from ttc.runtime import storage

STATES = ('done', 'running', 'failed', 'stopped', 'quiet', 'waiting')
# A process that cannot be seen from here is believed to live for so long
# after it wrote something.
_QUIET_S = 900.0
_TOGETHER_S = 600.0  # between the first and last process of one attempt
_PART = re.compile(r'part-\d{5}-of-(\d{5})\.jsonl')


@dataclasses.dataclass(frozen=True)
class StageStatus:
  """One stage of one seed.

  Attributes:
    label: its folder below the experiment's.
    state: one of STATES.
    seconds: spent on it, all attempts together.
    parts: finished parts, and in all; (0, 0) where it has none.
    taken: whether another experiment made it.
    left: seconds until it is done; None where nothing tells.
  """

  label: str
  state: str
  seconds: float = 0.0
  parts: tuple[int, int] = (0, 0)
  taken: bool = False
  left: float | None = None

  @property
  def name(self) -> str:
    return self.label.rsplit('/', 1)[-1]


@dataclasses.dataclass(frozen=True)
class Run:
  """An experiment, or a cell of a sweep.

  Attributes:
    name: its folder below the one that was asked about.
    state: one of STATES; 'stopped' is work cut off that continues when it is
      run again, 'quiet' a process on another machine not heard of for long.
    stages: those of the last attempt, and whatever else was begun.
    attempts: how often it was begun.
    detail: what it is at, or why it failed.
    left: seconds until it is done, as far as known; None where nothing is.
  """

  name: str
  state: str
  stages: tuple[StageStatus, ...] = ()
  attempts: int = 0
  detail: str = ''
  left: float | None = None

  @property
  def seconds(self) -> float:
    return sum(stage.seconds for stage in self.stages if not stage.taken)


def read(name: str | os.PathLike) -> list[Run]:
  """All runs below a folder: a sweep, an experiment, or several of either.

  Raises:
    ValueError: there is none.
  """
  folder = storage.path(name)
  runs = _runs(folder)
  if not runs and folder.is_dir():
    for child in sorted(folder.iterdir()):
      found = _runs(child) if child.is_dir() else []
      single = len(found) == 1 and not (child / sweep_cells.FILE).exists()
      runs += (
        found
        if single
        else [
          dataclasses.replace(run, name=f'{child.name}/{run.name}')
          for run in found
        ]
      )
  if not runs:
    raise ValueError(
      f'{folder} holds no experiment or sweep; name a folder that ttc run or '
      'ttc sweep wrote, such as runs/quickstart.'
    )
  return estimated(runs)


def one(folder: pathlib.Path) -> Run:
  """The experiment in a folder, which may not have begun."""
  return _run(folder, folder.name, run_log.read(folder))


def counts(runs: Iterable[Run]) -> dict[str, int]:
  """How many runs are in each state, of the states there are."""
  states = [run.state for run in runs]
  return {state: states.count(state) for state in STATES if state in states}


def remaining(runs: Iterable[Run]) -> tuple[float, int]:
  """(seconds left as it goes now, runs of which nothing is known).

  Work that nobody does yet is taken to follow on what goes on now, as many
  runs at a time.
  """
  open_runs = [run for run in runs if run.state != 'done']
  known = [run.left for run in open_runs if run.left is not None]
  at_once = max(1, sum(run.state == 'running' for run in open_runs))
  seconds = max(sum(known) / at_once, max(known, default=0.0))
  return seconds, len(open_runs) - len(known)


def estimated(runs: list[Run]) -> list[Run]:
  """The runs with the time left of each stage.

  From its own parts where some are done, else from what finished stages of
  its name took elsewhere.
  """
  took: dict[str, list[float]] = {}
  for run in runs:
    for stage in run.stages:
      if stage.state == 'done' and not stage.taken:
        took.setdefault(stage.name, []).append(stage.seconds)
  typical = {name: sorted(all_)[len(all_) // 2] for name, all_ in took.items()}
  # What a run that never began is likely to do: what the others do.
  usual = max((run.stages for run in runs), key=len, default=())
  anew = [StageStatus(of.label, 'waiting') for of in usual if not of.taken]
  whole = _sum([_left(stage, typical) for stage in anew])
  timed = []
  for run in runs:
    stages = tuple(
      dataclasses.replace(stage, left=_left(stage, typical))
      for stage in run.stages
    )
    left = _sum([stage.left for stage in stages]) if stages else whole
    timed.append(dataclasses.replace(run, stages=stages, left=left))
  return timed


def _sum(seconds: list[float | None]) -> float | None:
  """Of what is known; None where nothing is."""
  known = [value for value in seconds if value is not None]
  return sum(known) if known else None


def _left(stage: StageStatus, typical: dict[str, float]) -> float | None:
  if stage.state == 'done':
    return 0.0
  done, count = stage.parts
  if done:
    return stage.seconds / done * (count - done)
  if stage.name in typical:
    return max(0.0, typical[stage.name] - stage.seconds)
  return None


def _runs(folder: pathlib.Path) -> list[Run]:
  traces = run_log.read(folder)
  cells = sweep_cells.read(folder)
  if cells is None:
    run = _run(folder, folder.name or str(folder), traces)
    return [run] if run.stages or run.attempts else []
  names = [cell['name'] for cell in cells]
  # Cells of an earlier, larger sweep are still there.
  names += sorted(
    child.name
    for child in folder.iterdir()
    if child.name not in names and (child / run_log.FOLDER).is_dir()
  )
  return [
    _told(_run(folder / name, name, own), own, name, traces)
    for name in names
    for own in [run_log.read(folder / name)]
  ]


def _told(run: Run, own: list[Trace], name: str, traces: list[Trace]) -> Run:
  """What the sweep that runs the cells knows beyond the cell's own records."""
  told = [
    (line, trace.held)
    for trace in traces
    for line in trace.lines
    if line.get('cell') == name
  ]
  if not told or run.state in ('done', 'running'):
    return run
  line, held = told[-1]
  code = line.get('code')
  began = own[-1].began if own else 0.0
  if code is None and line['time'] > began:
    state, detail = ('running', 'starting') if held else ('stopped', '')
    return dataclasses.replace(run, state=state, detail=detail)
  itself = own and own[-1].code is not None and began > line.get('began', 0.0)
  if itself or line['time'] < began or not _is_failure(code):
    return run
  detail = line.get('error') or (
    f'killed by signal {-code}'
    if code < 0
    else f'exit code {code} before it could leave a record'
  )
  return dataclasses.replace(run, state='failed', detail=detail)


def _is_failure(code: int | None) -> bool:
  return code not in (None, 0, -2, -15, *run_log.STOPPED)


def _run(folder: pathlib.Path, name: str, traces: list[Trace]) -> Run:
  last = _last(traces)
  failed = [trace for trace in last if trace.failed]
  held = any(trace.held for trace in traces)
  # Neither other hosts nor object stores show who holds a lock.
  blind = storage.is_remote(folder)
  away = [
    trace
    for trace in last
    if trace.code is None and not trace.held and (blind or trace.elsewhere)
  ]
  planned = last[0].lines[0].get('stages', ()) if last else ()
  labels = dict.fromkeys([*planned, *_begun(folder)])
  fresh = any(
    time.time() - max(trace.written, _touched(folder, trace)) < _QUIET_S
    for trace in away
  )
  stages = [
    _stage(folder / label, label, last, bool(failed), fresh) for label in labels
  ]
  at_work = held or (
    not away and any(stage.state == 'running' for stage in stages)
  )
  if stages and all(stage.state == 'done' for stage in stages):
    state, detail = 'done', ''
  elif at_work:
    busy = [stage.label for stage in stages if stage.state == 'running']
    state, detail = 'running', busy[0] if busy else 'starting'
  elif failed:
    state, detail = 'failed', _why(failed[0])
  elif away:
    state = 'running' if fresh else 'quiet'
    detail = f'{away[0].stage} on {away[0].lines[0]["host"]}'
  else:
    state, detail = ('stopped' if traces or stages else 'waiting'), ''
  return Run(name, state, tuple(stages), len(traces), detail)


def _last(traces: list[Trace]) -> list[Trace]:
  """The processes of the last attempt, process 0 first."""
  first = [t for t in traces if t.lines[0].get('process', [0, 1])[0] == 0]
  if not first:
    return []
  count = first[-1].lines[0].get('process', [0, 1])[1]
  others = {}
  for trace in traces:
    index, of = trace.lines[0].get('process', [0, 1])
    if index and of == count and trace.began > first[-1].began - _TOGETHER_S:
      others[index] = trace
  return [first[-1], *others.values()]


def _why(trace: Trace) -> str:
  where = f'{trace.stage}: ' if trace.stage else ''
  error = ' '.join(trace.error.split()) or f'exit code {trace.code}'
  return f'{where}{error}'


def _begun(folder: pathlib.Path) -> list[str]:
  """Labels of the stages that have left something below an experiment."""
  found = [*folder.glob('seed-*/*/stage.json'), *folder.glob('*/stage.json')]
  found.sort(key=storage.modified)
  return [str(path.parent.relative_to(folder)) for path in found]


def _touched(folder: pathlib.Path, trace: Trace) -> float:
  """When the stage of an attempt last wrote anything."""
  stage = folder / trace.stage
  if not trace.stage or not stage.is_dir():
    return 0.0
  times = []
  for path in stage.iterdir():
    try:
      times.append(storage.modified(path))
    except FileNotFoundError:  # a temporary file that has got its name
      continue
  return max(times, default=0.0)


def _stage(
  folder: pathlib.Path,
  label: str,
  last: list[Trace],
  failed: bool,
  fresh: bool,
) -> StageStatus:
  held = any(run_log.is_held(path) for path in folder.glob('.lock-*'))
  mark = records.read_mark(folder)
  if mark is not None:
    taken = not storage.is_remote(folder) and folder.is_symlink()
    return StageStatus(label, 'done', mark['seconds'], taken=taken)
  about = _about(folder)
  if about is None:
    return StageStatus(label, 'running' if held else 'waiting')
  seconds, saved = about['seconds'], storage.modified(folder / 'stage.json')
  current = bool(last) and last[0].stage == label
  if held:
    state, seconds = 'running', seconds + max(0.0, time.time() - saved)
  elif current and (fresh or any(trace.held for trace in last)):
    state = 'running'
  else:
    state = 'failed' if current and failed else 'stopped'
  return StageStatus(label, state, seconds, _parts(folder))


def _about(folder: pathlib.Path) -> dict[str, Any] | None:
  try:
    return json.loads((folder / 'stage.json').read_text(encoding='utf-8'))
  except FileNotFoundError:
    return None
  except ValueError as error:
    raise ValueError(
      f'{folder / "stage.json"} cannot be read ({error}); delete {folder} to '
      'make it again.'
    ) from error


def _parts(folder: pathlib.Path) -> tuple[int, int]:
  found = [_PART.fullmatch(path.name) for path in folder.glob('part-*')]
  counts_ = [int(match[1]) for match in found if match]
  return len(counts_), max(counts_, default=0)
