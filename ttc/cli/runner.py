"""Runs the stages of an experiment in order, in one process or several."""

import dataclasses
import dis
import signal
import sys
import time
import traceback

from ttc.bindings import chosen
from ttc.cli import configuration
from ttc.cli.forecast import Forecast
from ttc.pipeline import agreement, fingerprint, records, reuse
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.pipeline.origin import BusyError
from ttc.pipeline.place import Place
from ttc.pipeline.records import IncompleteError
from ttc.pipeline.run_log import RunLog
from ttc.pipeline.stage import RefusedError, StageRun
from ttc.runtime import join, storage, termination
from ttc.runtime.coordinator import JoinError
from ttc.runtime.join import Cluster
from ttc.runtime.process_group import Alone, Processes
from ttc.runtime.progress import duration
from ttc.runtime.safe_text import message, printable
from ttc.runtime.termination import Terminated

_WORK_FAILED, _CANNOT_START = 1, 2


@dataclasses.dataclass(frozen=True)
class Request:
  """A parsed command line.

  Attributes:
    kind: run the stages of this kind; None runs all.
    files: paths of gin files.
    bindings: gin bindings, which override the files.
    only: run the stages with these names; () runs all of the kind.
    cluster: the processes to join first; None is this one alone.
    debug: whether errors are printed with a traceback.
    profile: number of steps of each stage to trace; None for no trace.
    command: the command line as text, for the records.
    mixed: whether stages continue what other code or devices began.
    check: 'here' or 'elsewhere' only checks the configuration, for this machine
      or for another one.
    mounted: folders that the other machine has.
  """

  kind: str | None
  files: tuple[str, ...]
  bindings: tuple[str, ...] = ()
  only: tuple[str, ...] = ()
  cluster: Cluster | None = None
  debug: bool = False
  profile: int | None = None
  command: str = 'ttc run'
  mixed: bool = False
  check: str | None = None
  mounted: tuple[str, ...] = ()


@dataclasses.dataclass
class _Session:
  """What exists while a request runs; `processes` changes when it joins."""

  log: RunLog
  label: str = ''  # the stage at work
  processes: Processes = Alone()

  def leave(self, code: int) -> None:
    self.processes.leave(code)


def run(request: Request) -> int:
  """Runs the requested stages that are not complete yet; prints errors.

  Returns:
    The exit code: 0 if all is complete; 1 if a stage failed (a traceback is
    printed, unless this package itself refused something); 2 if the
    configuration or a folder does not allow the run (one message, nothing was
    changed); 130 after SIGINT and 143 after SIGTERM. Does not return, but exits
    with that code, as `join.leave` says.
  """
  session = _Session(RunLog())
  # `session.leave` and not `session.processes.leave`: the processes are joined
  # only later.
  with termination.handling(session.leave):
    code, error = _outcome(request, session)
    session.log.end(code, error)
  join.leave(session.processes, code)
  return code


def is_complete(request: Request) -> bool:
  """Whether all requested stages are complete.

  Raises:
    ConfigurationError, RefusedError, OSError: where `run` would return 2 or 1.
  """
  return all(run.is_complete() for _, run in _prepared(request, Alone())[1])


def _outcome(request: Request, session: _Session) -> tuple[int, str]:
  """Runs the request; returns the exit code and an error for the run log."""
  try:
    try:
      if request.check:
        _check(request)
      else:
        _run(request, session)
    except Exception as error:
      _await_loss(session, error)
      if request.debug:
        traceback.print_exc()
      if told := storage.unreachable(error):
        raise OSError(told) from error
      raise
    finally:
      termination.finish_work()
  except _REFUSALS as error:
    if isinstance(error, BusyError):
      session.log.give_way()
    return _fail(f'ttc: {error}', _CANNOT_START), str(error)
  except KeyboardInterrupt:
    return _fail(_STOPPED, 128 + signal.SIGINT), ''
  except Terminated:
    return _fail(_STOPPED, 128 + signal.SIGTERM), ''
  except OSError as error:
    text = ' '.join(message(error).split())
    return _fail(f'ttc: {text}', _WORK_FAILED), text
  except Exception as error:
    if _is_told(error):
      where = f'{session.label}: ' if session.label else ''
      text = f'{where}{str(error).removeprefix(where)}'
      return _fail(f'ttc: {text} {_MENDED}', _WORK_FAILED), text
    traceback.print_exception(error)
    text = f'{type(error).__name__}: {error}'
    return _fail(f'ttc: the work failed. {_MENDED}', _WORK_FAILED), text
  return 0, ''


def _is_told(error: Exception) -> bool:
  """Whether this package raised an error, with a message for its user.

  Others, such as one of an array's shape, are mistakes in the code.
  """
  if not isinstance(error, ValueError | FloatingPointError):
    return False
  last = error.__traceback__
  while last.tb_next:
    last = last.tb_next
  frame = last.tb_frame
  raised = frame.f_code.co_code[last.tb_lasti] == dis.opmap['RAISE_VARARGS']
  return raised and frame.f_globals.get('__name__', '').startswith('ttc.')


_KEPT = 'Finished parts are kept; the same command continues after them.'
_MENDED = (
  'Finished parts are kept; the same command continues once it is mended.'
)
_STOPPED = f'ttc: stopped. {_KEPT}'
_REFUSALS = (ConfigurationError, JoinError, RefusedError, IncompleteError)
# Seconds for news of a lost peer; above process_group's _OWN_END_S.
_LOSS_S = 5.0


def _await_loss(session: _Session, error: Exception) -> None:
  """Waits in case an error is only the consequence of another process's end.

  A device call fails when a peer is gone. The connection reports which peer it
  was, and that report ends this process during the wait, with a better message.
  """
  if session.processes.count > 1 and not isinstance(error, _REFUSALS):
    time.sleep(_LOSS_S)


def _check(request: Request) -> None:
  """Raises for a configuration that cannot run; changes nothing."""
  if request.check == 'elsewhere':
    configuration.check_stages(request, request.mounted)
  else:
    is_complete(request)
  print('ttc: the configuration is in order.', file=sys.stderr, flush=True)


def _run(request: Request, session: _Session) -> None:
  if request.cluster is not None:
    cluster = join.resolve(request.cluster)
    session.processes = join.connect(cluster)
    devices = join.start_jax(cluster, session.processes)
    agreement.check(session.processes, 'devices', devices)
  processes, log = session.processes, session.log
  experiment, runs = _prepared(request, processes)
  place = runs[0][1].place
  labels = [run.label for _, run in runs]
  bindings = fingerprint.bindings(experiment) | {'stages': labels}
  agreement.check(processes, 'bindings', bindings)
  files = {run.label: run.outside() for _, run in runs}
  agreement.check(processes, 'input files', files)
  lines = dict.fromkeys(place.config.splitlines(), True)
  agreement.check(processes, 'configuration', lines)
  root = place.root
  log.begin(
    root,
    process=(processes.index, processes.count),
    command=request.command,
    stages=labels,
  )
  if experiment.reuse:
    for text in reuse.take(experiment, root):
      print(text, file=sys.stderr, flush=True)
  forecast = Forecast(stage.name for stage, _ in runs)
  for stage, run in runs:
    # Process 0 decides for all, so that all work on the same stages.
    complete = run.is_complete() if run.leads else None
    if processes.meet(f'{run.label} complete', complete)[0]:
      seconds, told = _took(run), 'skipped'
    else:
      log.stage(run.label)
      session.label = run.label
      run.place = dataclasses.replace(run.place, whole=forecast.whole)
      seconds = run.work()
      told = duration(seconds)
    _report(run, f'complete, {told}{forecast.after(seconds)}')
    if hasattr(stage, 'show') and run.leads:
      _show(stage, run)
  processes.meet('end')


def _prepared(
  request: Request, processes: Processes
) -> tuple[Experiment, list[tuple]]:
  """The experiment and the (stage, run) pairs requested, checked."""
  experiment, config = configuration.load(request.files, request.bindings)
  try:
    root = experiment.root
    storage.check_folder(root)
  except ValueError as error:
    raise ConfigurationError(f'Experiment.output: {error}') from error
  place = Place(
    root=root,
    seeds=tuple(experiment.seeds),
    stages=tuple(stage.name for stage in experiment.stages),
    command=request.command,
    config=config,
    profile=request.profile,
    processes=processes,
    mixed=request.mixed,
  )
  try:
    reuse.check(experiment)
  except ConfigurationError:
    raise
  except ValueError as error:
    raise ConfigurationError(f'Experiment.reuse: {error}') from error
  names = chosen.names(experiment.everything, request.kind, request.only)
  return experiment, _checked(experiment, place, names)


def _checked(
  experiment: Experiment, place: Place, names: set[str]
) -> list[tuple]:
  """The (stage, run) pairs of the names: seed by seed, the report last.

  So are all that these read, however indirectly: what was made with other
  bindings is refused. A stage names in its bindings what it reads; a report
  tells of all stages.
  """
  report = experiment.report
  reports = report is not None and report.name in names
  runs = []
  for seed in experiment.seeds:
    read, found = set(names), []
    for stage in reversed(experiment.stages):
      if reports or stage.name in read:
        found.append((stage, StageRun(stage, place, seed)))
        read.update(found[-1][1].origin.bindings.values())
    runs += reversed(found)
  if reports:
    runs.append((report, StageRun(report, place, None)))
  for _, run in runs:
    run.check()
  return [(stage, run) for stage, run in runs if stage.name in names]


def _show(stage, run: StageRun) -> None:
  """Prints what a complete stage found, if that can be told."""
  try:
    text = stage.show(run)
  except (*_REFUSALS, OSError):
    raise  # its files are damaged or gone, and later stages read them
  except Exception as error:
    # It is only told to people, and must not keep later stages from running.
    text = f'{run.label}: complete, but cannot be shown ({error!r})'
  print(printable(text), flush=True)


def _took(run: StageRun) -> float:
  """Seconds that a complete stage took, of whichever command."""
  mark = records.read_mark(run.folder) or {}
  return mark.get('seconds', 0.0)


def _report(run: StageRun, text: str) -> None:
  if run.leads:
    print(f'{run.label}: {text}', file=sys.stderr, flush=True)


def _fail(text: str, code: int) -> int:
  print(printable(text), file=sys.stderr, flush=True)
  return code
