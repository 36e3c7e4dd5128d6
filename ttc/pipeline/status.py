"""The state of experiments and sweeps, derived from their files alone.

No process is contacted, and nothing is written:

    completion mark   the stage is done
    lock              a process of this machine is at work on it
    run log           what the last run planned, reached and ended with
    part files        how far a stage is

The files are read while a run changes them. Locks and run logs are read before
the marks: a stage that finishes in between shows as done. In the other order
it would have no mark yet and no lock any more, like one that was killed.
"""

from collections.abc import Iterable
import dataclasses
import json
import os
import pathlib
import re
import time
from typing import Any

from ttc.pipeline import records, run_log
from ttc.pipeline.run_log import Trace
from ttc.runtime import storage
from ttc.sweeps import cells as sweep_cells

STATES = ('done', 'running', 'failed', 'stopped', 'quiet', 'waiting')
# A process whose lock cannot be seen counts as alive for this time after its
# last write.
_QUIET_S = 900.0
_PART = re.compile(r'part-\d{5}-of-(\d{5})\.jsonl')


@dataclasses.dataclass(frozen=True)
class StageStatus:
  """The state of one stage of one seed.

  Attributes:
    label: path of its folder below the experiment's, e.g. 'seed-0/search'.
    state: one of STATES.
    seconds: time spent on it, over all runs.
    parts: (finished parts, parts in all); (0, 0) for a stage without parts.
    taken: whether it is a link to a stage of another experiment.
    left: estimated seconds until it is done; None without an estimate.
  """

  label: str
  state: str
  seconds: float = 0.0
  parts: tuple[int, int] = (0, 0)
  taken: bool = False
  left: float | None = None

  @property
  def name(self) -> str:
    """Name of the stage, the same for all seeds."""
    return self.label.rsplit('/', 1)[-1]


@dataclasses.dataclass(frozen=True)
class Run:
  """The state of an experiment, or of a cell of a sweep.

  Attributes:
    name: its folder, below the one that was read.
    state: one of STATES. 'stopped' is work that was interrupted or killed and
      resumes when run again; 'quiet' is work of another machine that has not
      written anything for 15 minutes, so it is slow or dead.
    stages: the stages that the last run planned, and all others with results.
    attempts: number of run logs: one per process of every run, but for runs
      that were refused because another command was at work.
    detail: the stage that it is at, or why it failed; '' otherwise.
    left: estimated seconds left, of the stages that have an estimate; None if
      none has.
  """

  name: str
  state: str
  stages: tuple[StageStatus, ...] = ()
  attempts: int = 0
  detail: str = ''
  left: float | None = None

  @property
  def seconds(self) -> float:
    """Time spent on the stages, without those of other experiments."""
    return sum(stage.seconds for stage in self.stages if not stage.taken)


def read(name: str | os.PathLike) -> list[Run]:
  """Reads the state of everything in a folder.

  Args:
    name: folder of an experiment, of a sweep, or one above several of them.

  Returns:
    One entry per experiment and per cell of a sweep, with estimates. A folder
    may hold both.

  Raises:
    ValueError: the folder holds none of these.
  """
  folder = storage.path(name)
  runs = _runs(folder) if str(name).strip() else []
  if not runs and str(name).strip() and folder.is_dir():
    for child in filter(pathlib.Path.is_dir, sorted(folder.iterdir())):
      runs += _below(child)
  if not runs:
    raise ValueError(
      f'{str(name)!r} holds no experiment or sweep; name a folder that ttc run '
      'or ttc sweep wrote, such as runs/quickstart.'
    )
  return estimated(runs)


def one(folder: pathlib.Path) -> Run:
  """Reads one experiment, without estimates; its folder may not exist yet."""
  return _run(folder, folder.name, run_log.read(folder))


def counts(runs: Iterable[Run]) -> dict[str, int]:
  """Number of runs per state, in the order of STATES; without zeros."""
  states = [run.state for run in runs]
  return {state: states.count(state) for state in STATES if state in states}


def remaining(runs: Iterable[Run]) -> tuple[float, int]:
  """Estimates the time until all runs are done, as many at a time as now.

  Returns:
    (seconds, number of runs without an estimate, which are not in it).
  """
  open_runs = [run for run in runs if run.state != 'done']
  known = [run.left for run in open_runs if run.left is not None]
  at_once = max(1, sum(run.state == 'running' for run in open_runs))
  # A lower bound of any schedule: the work shared evenly, or the longest run.
  seconds = max(sum(known) / at_once, max(known, default=0.0))
  return seconds, len(open_runs) - len(known)


def estimated(runs: list[Run]) -> list[Run]:
  """Adds estimates of the time left, to runs and stages.

  A stage with finished parts is estimated by their speed, another one by the
  median time of finished stages of the same name, in any of the runs.
  """
  took: dict[str, list[float]] = {}
  for run in runs:
    for stage in run.stages:
      if stage.state == 'done' and not stage.taken:
        took.setdefault(stage.name, []).append(stage.seconds)
  typical = {name: sorted(all_)[len(all_) // 2] for name, all_ in took.items()}
  # The stages of a run that has not begun are unknown. It is assumed to have
  # those of the run with the most.
  usual = max((run.stages for run in runs), key=len, default=())
  anew = [StageStatus(s.label, 'waiting') for s in usual if not s.taken]
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
  """Sum of the values that are not None; None if there is none."""
  known = [value for value in seconds if value is not None]
  return sum(known) if known else None


def _left(stage: StageStatus, typical: dict[str, float]) -> float | None:
  """Estimated seconds left of a stage, given `typical` seconds by name."""
  if stage.state == 'done':
    return 0.0
  done, count = stage.parts
  if done:
    return stage.seconds / done * (count - done)
  if stage.name in typical:
    return max(0.0, typical[stage.name] - stage.seconds)
  return None


def _below(folder: pathlib.Path) -> list[Run]:
  """As `_runs`, for a folder that was not named: its name before theirs."""
  runs = _runs(folder)
  if len(runs) == 1 and not (folder / sweep_cells.FILE).exists():
    return runs
  return [dataclasses.replace(r, name=f'{folder.name}/{r.name}') for r in runs]


def _runs(folder: pathlib.Path) -> list[Run]:
  """The experiment of a folder and the cells of its sweep; [] for neither."""
  traces = run_log.read(folder)
  cells = sweep_cells.read(folder)
  # Beside a sweep, only the logs of `ttc run` are about an experiment of the
  # same folder; the others are of `ttc sweep`, and each cell has its own too.
  of_run = [t for t in traces if cells is None or 'stages' in t.lines[0]]
  run = _run(folder, folder.name or str(folder), of_run)
  experiment = [run] if run.stages or run.attempts else []
  if cells is None:
    return experiment
  names = [cell['name'] for cell in cells]
  # Folders of cells that an earlier sweep.json listed and this one does not,
  # and of other sweeps.
  more = [c for c in sorted(folder.iterdir()) if c.name not in names]
  sweeps = [c for c in more if (c / sweep_cells.FILE).exists()]
  more = [c for c in more if (c / run_log.FOLDER).is_dir() and c not in sweeps]
  experiment += [
    _with_sweep_log(_run(folder / name, name, own), own, traces)
    for name in [*names, *(child.name for child in more)]
    for own in [run_log.read(folder / name)]
  ]
  return experiment + [run for sweep in sweeps for run in _below(sweep)]


def _with_sweep_log(run: Run, own: list[Trace], traces: list[Trace]) -> Run:
  """Completes the state of a cell from `traces`, the logs of `ttc sweep`.

  The process of a cell writes no log (`own`) before its configuration has been
  loaded. Earlier failures, such as an invalid binding, only the sweep can log.
  """
  entries = [
    (line, trace.held)
    for trace in traces
    for line in trace.lines
    if line.get('cell') == run.name
  ]
  if not entries or run.state in ('done', 'running'):
    return run
  line, held = entries[-1]
  code = line.get('code')
  began = own[-1].began if own else 0.0
  # The sweep has launched the cell, and the cell has not logged anything since.
  if code is None and line['time'] > began:
    state, detail = ('running', 'starting') if held else ('stopped', '')
    return dataclasses.replace(run, state=state, detail=detail)
  # The cell's own log of that launch is more precise, if it has an end. One
  # that began after the sweep's entry is of a later run.
  logged = own and own[-1].code is not None and began > line.get('began', 0.0)
  if logged or line['time'] < began or not _is_failure(code):
    return run
  detail = line.get('error') or (
    f'killed by signal {-code}'
    if code < 0
    else f'exit code {code} before it could leave a record'
  )
  return dataclasses.replace(run, state='failed', detail=detail)


def _is_failure(code: int | None) -> bool:
  """Whether an exit code is neither success nor a signal to stop."""
  # Popen reports a process killed by signal n as -n: 2 SIGINT, 15 SIGTERM.
  return code not in (None, 0, -2, -15, *run_log.STOPPED)


def _run(folder: pathlib.Path, name: str, traces: list[Trace]) -> Run:
  """The state of an experiment; `traces` must have been read before this."""
  traces = run_log.counted(traces)
  last = run_log.last(traces)
  failed = [trace for trace in last if trace.failed]
  held = any(trace.held for trace in traces)
  # Processes of the last run without an end that may be alive nevertheless:
  # locks of other hosts, and all locks in an object store, cannot be seen.
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


def _why(trace: Trace) -> str:
  """The error of a run as one line of text, with its stage."""
  where = f'{trace.stage}: ' if trace.stage else ''
  error = ' '.join(trace.error.split()) or f'exit code {trace.code}'
  return f'{where}{error.removeprefix(where)}'


def _begun(folder: pathlib.Path) -> list[str]:
  """Labels of the stages that have begun, by the time of their last write."""
  paths = [*folder.glob('seed-*/*/stage.json'), *folder.glob('*/stage.json')]
  paths.sort(key=storage.modified)
  return [str(path.parent.relative_to(folder)) for path in paths]


def _touched(folder: pathlib.Path, trace: Trace) -> float:
  """Time of the last write to the stage that a run is at; 0 for none."""
  # The log gets one line per stage; the stage's files are written more often.
  stage = folder / trace.stage
  if not trace.stage or not stage.is_dir():
    return 0.0
  times = []
  for path in stage.iterdir():
    try:
      times.append(storage.modified(path))
    except FileNotFoundError:  # a temporary file, renamed since the listing
      continue
  return max(times, default=0.0)


def _stage(
  folder: pathlib.Path,
  label: str,
  last: list[Trace],
  failed: bool,
  fresh: bool,
) -> StageStatus:
  """The state of a stage, given the logs of the `last` run.

  Args:
    folder: the stage's folder.
    label: its path below the experiment's.
    last: see `run_log.last`.
    failed: whether the last run failed.
    fresh: whether it is on another machine and has written recently.
  """
  # The lock before the mark; the module says why.
  held = any(run_log.is_held(path) for path in folder.glob('.lock-*'))
  mark = records.read_mark(folder)
  if mark is not None:
    taken = not storage.is_remote(folder) and folder.is_symlink()
    return StageStatus(label, 'done', mark.get('seconds', 0.0), taken=taken)
  about = _about(folder)
  if about is None:
    return StageStatus(label, 'running' if held else 'waiting')
  seconds, saved = about['seconds'], storage.modified(folder / 'stage.json')
  current = bool(last) and last[0].stage == label
  if held:
    # stage.json is saved after each part; the time since then is not in it.
    state, seconds = 'running', seconds + max(0.0, time.time() - saved)
  elif current and (fresh or any(trace.held for trace in last)):
    state = 'running'
  else:
    state = 'failed' if current and failed else 'stopped'
  return StageStatus(label, state, seconds, _parts(folder))


def _about(folder: pathlib.Path) -> dict[str, Any] | None:
  try:
    about = json.loads((folder / 'stage.json').read_text(encoding='utf-8'))
    return {**about, 'seconds': float(about['seconds'])}
  except FileNotFoundError:
    return None
  except (ValueError, KeyError, TypeError) as error:
    raise ValueError(
      f'{folder / "stage.json"} cannot be read ({error}); delete {folder} to '
      'make it again.'
    ) from error


def _parts(folder: pathlib.Path) -> tuple[int, int]:
  """(finished parts, parts in all), from the names of the files alone."""
  matches = [_PART.fullmatch(path.name) for path in folder.glob('part-*')]
  counts_ = [int(match[1]) for match in matches if match]
  return len(counts_), max(counts_, default=0)
