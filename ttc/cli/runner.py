"""Runs an experiment's stages in order, alone or with other processes."""

import dataclasses
import signal
import sys
import time
import traceback

from ttc.cli.configuration import load
from ttc.pipeline import agreement, fingerprint, reuse
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.pipeline.records import IncompleteError
from ttc.pipeline.run_log import RunLog
from ttc.pipeline.stage import Place, RefusedError, StageRun
from ttc.runtime import join, termination
from ttc.runtime.coordinator import JoinError
from ttc.runtime.join import Cluster
from ttc.runtime.process_group import Alone, Processes
from ttc.runtime.progress import duration
from ttc.runtime.termination import Terminated

_WORK_FAILED, _CANNOT_START = 1, 2


@dataclasses.dataclass(frozen=True)
class Request:
  """A command line, parsed.

  Attributes:
    kind: run the stages of this kind; None runs all.
    files: gin files.
    bindings: gin bindings over them.
    only: run the stages of these names; () runs all of the kind.
    cluster: the processes to join first; None is this one alone.
    debug: whether errors come with a traceback.
    profile: steps of each stage to trace; None traces none.
    command: what was typed.
  """

  kind: str | None
  files: tuple[str, ...]
  bindings: tuple[str, ...] = ()
  only: tuple[str, ...] = ()
  cluster: Cluster | None = None
  debug: bool = False
  profile: int | None = None
  command: str = 'ttc run'


@dataclasses.dataclass
class _Session:
  """One command at work."""

  attempt: RunLog
  processes: Processes = Alone()

  def leave(self, code: int) -> None:
    """Tells the other processes that this one ends."""
    self.processes.leave(code)


def run(request: Request) -> int:
  """Does what is asked; prints errors and returns the exit code.

  0 all is complete; 1 a stage failed (with its traceback); 2 the
  configuration or a folder does not allow it (one message, nothing was
  changed); 130 and 143 an interrupt and a termination.
  """
  session = _Session(RunLog())
  with termination.watched(session.leave):
    code, error = _outcome(request, session)
    session.attempt.end(code, error)
  join.depart(session.processes, code)
  return code


def is_complete(request: Request) -> bool:
  """Whether all that is asked for is done already.

  Raises ConfigurationError, RefusedError or OSError as running it would.
  """
  return all(run.is_complete() for _, run in _prepared(request, Alone())[1])


def _outcome(request: Request, session: _Session) -> tuple[int, str]:
  """Does what is asked; (exit code, error)."""
  try:
    try:
      _run(request, session)
    except Exception as error:
      _listen(session, error)
      raise
    finally:
      termination.settle()
  except _REFUSALS as error:
    if request.debug:
      traceback.print_exc()
    return _say(f'ttc: {error}', _CANNOT_START), str(error)
  except KeyboardInterrupt:
    return _say(_STOPPED, 128 + signal.SIGINT), ''
  except Terminated:
    return _say(_STOPPED, 128 + signal.SIGTERM), ''
  except OSError as error:
    if request.debug:
      traceback.print_exc()
    text = error if error.filename or not error.strerror else error.strerror
    return _say(f'ttc: {text}', _WORK_FAILED), str(text)
  except Exception as error:
    traceback.print_exception(error)
    text = f'{type(error).__name__}: {error}'
    return _say(f'ttc: the work failed. {_KEPT}', _WORK_FAILED), text
  return 0, ''


_KEPT = 'Finished parts are kept; the same command continues after them.'
_STOPPED = f'ttc: stopped. {_KEPT}'
_REFUSALS = (ConfigurationError, JoinError, RefusedError, IncompleteError)
# A device call fails where another process has ended; its line says which one,
# and ends this process meanwhile.
_ECHO_S = 5.0


def _listen(session: _Session, error: Exception) -> None:
  """Time for a line to say that the error is another process's end."""
  if session.processes.count > 1 and not isinstance(error, _REFUSALS):
    time.sleep(_ECHO_S)


def _run(request: Request, session: _Session) -> None:
  if request.cluster is not None:
    cluster = join.found(request.cluster)
    session.processes = join.called(cluster)
    devices = join.start_jax(cluster, session.processes)
    agreement.check(session.processes, 'devices', devices)
  processes, attempt = session.processes, session.attempt
  experiment, runs = _prepared(request, processes)
  place = runs[0][1].place
  labels = [run.label for _, run in runs]
  described = fingerprint.bindings(experiment) | {'stages': labels}
  agreement.check(processes, 'bindings', described)
  lines = dict.fromkeys(place.config.splitlines(), True)
  agreement.check(processes, 'configuration', lines)
  root = place.root
  attempt.begin(
    root,
    process=(processes.index, processes.count),
    command=request.command,
    stages=labels,
  )
  if experiment.reuse:
    for text in reuse.take(experiment, root):
      print(text, file=sys.stderr, flush=True)
  for stage, run in runs:
    complete = run.is_complete() if run.leads else None
    if processes.meet(f'{run.label} complete', complete)[0]:
      _tell(run, 'complete, skipped')
    else:
      attempt.stage(run.label)
      seconds = run.work()
      _tell(run, f'complete, {duration(seconds)}')
    if hasattr(stage, 'show') and run.leads:
      print(stage.show(run), flush=True)
  processes.meet('end')


def _prepared(
  request: Request, processes: Processes
) -> tuple[Experiment, list[tuple]]:
  """The experiment and the (stage, run) pairs asked for, checked."""
  experiment, config = load(request.files, request.bindings)
  place = Place(
    root=experiment.root,
    seeds=tuple(experiment.seeds),
    stages=tuple(stage.name for stage in experiment.stages),
    command=request.command,
    config=config,
    profile=request.profile,
    processes=processes,
  )
  runs = _chosen(experiment, request, place)
  for _, run in runs:
    run.check()
  return experiment, runs


def _chosen(
  experiment: Experiment, request: Request, place: Place
) -> list[tuple]:
  """The (stage, run) pairs to go through: seed by seed, the report last."""

  def wanted(stage) -> bool:
    return (request.kind in (None, stage.kind)) and (
      not request.only or stage.name in request.only
    )

  names = {stage.name for stage in experiment.everything if wanted(stage)}
  unknown = sorted(set(request.only) - names)
  if unknown or not names:
    have = ', '.join(f'{s.name} ({s.kind})' for s in experiment.everything)
    asked = unknown[0] if unknown else f'of kind {request.kind}'
    raise ConfigurationError(
      f'experiment {experiment.name!r} has no stage {asked}; it has {have}.'
    )
  chosen = [
    (stage, StageRun(stage, place, seed))
    for seed in experiment.seeds
    for stage in experiment.stages
    if stage.name in names
  ]
  if experiment.report and experiment.report.name in names:
    chosen.append((experiment.report, StageRun(experiment.report, place, None)))
  return chosen


def _tell(run: StageRun, text: str) -> None:
  if run.leads:
    print(f'{run.label}: {text}', file=sys.stderr, flush=True)


def _say(text: str, code: int) -> int:
  print(text, file=sys.stderr, flush=True)
  return code
