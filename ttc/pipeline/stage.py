"""A run of one stage in its folder: begun, resumed, skipped or refused.

A stage is a function of its configuration, its inputs and a seed. Files appear
atomically and in an order that lets a kill at any moment be resumed:

    stage.json   configuration, inputs, seed, seconds spent; before any result,
                 so that results never lack a description
    config.gin   configuration of the whole experiment, for people
    ...          results: part files, models, tables
    COMPLETE     the mark: everything above is there; so it is written last

Run again, a marked stage is skipped and an unmarked one does what is missing.
With another configuration, other inputs, files of other content, or results of
other code or devices it is refused, naming what differs.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import itertools
import pathlib
import time
from typing import Any, ClassVar, Protocol

from ttc.pipeline import (
  completed,
  contents,
  fingerprint,
  inputs,
  lease,
  provenance,
  records,
  withdrawn,
)
from ttc.pipeline.origin import BusyError, FILE, Origin, RefusedError
from ttc.pipeline.parts import attempts, one, Part, Parts
from ttc.pipeline.place import Place
from ttc.runtime import source, storage, waiting
from ttc.runtime.metrics import StageMetrics
from ttc.runtime.progress import Grades, Progress

_RESULTS = ('checkpoints', 'data', 'model')  # folders of what code made


class Stage(Protocol):
  """One step of an experiment: a frozen dataclass that can be called.

  A stage may also have `check(experiment)`, which raises ValueError for what
  cannot work, before anything runs; `show(run) -> str`, text that is printed
  when the stage is complete; and `alone = True`, if only process 0 runs it.
  """

  kind: ClassVar[str]  # the `ttc` subcommand that runs it
  name: str  # of the stage in the experiment, and of its folder

  def __call__(self, run: 'StageRun') -> None:
    """Does the work that is left in `run.folder`."""


class StageRun:
  """A stage with a seed and a folder; the argument of a stage's `__call__`.

  Attributes:
    folder: the folder to write to; `work` makes it.
    seed: the random seed; None for a report over all seeds.
    place: the experiment that the stage belongs to.
    origin: what the results depend on.
    metrics: log of speed and losses (metrics.jsonl); not part of the results.
  """

  def __init__(self, stage: Stage, place: Place, seed: int | None):
    self.place, self.seed = place, seed
    self.folder = self._seed_folder(seed) / stage.name
    self._stage = stage
    self.origin = Origin(
      bindings=fingerprint.bindings(stage),
      files=contents.of(stage),
      seeds=list(place.seeds) if seed is None else [seed],
    )
    self._hold: lease.Hold | None = None
    self._began = time.monotonic()
    self._progress: Progress | None = None
    self._parts: Parts | None = None
    self.metrics = StageMetrics(
      self.folder, self.leads, place.profile, self.say
    )

  @property
  def leads(self) -> bool:
    """Whether this is process 0, which writes what a folder has once."""
    return self.place.processes.index == 0

  @property
  def label(self) -> str:
    """Path below the experiment's folder, e.g. 'seed-0/search'."""
    return str(self.folder.relative_to(self.place.root))

  def input(self, name: str, seed: int | None = None) -> pathlib.Path:
    """Resolves an input and records that this run depends on it.

    Args:
      name: name of an earlier stage, or an absolute path.
      seed: seed of that stage; None is this run's own. A report needs one.

    Returns:
      The folder of the finished stage, or the path.

    Raises:
      RefusedError: the input is not complete, has been made again from
        something else since this folder was begun, or was made from files
        whose content is another now.
      DamagedError: a file of it, apart from parts, is not what was written.
    """
    if storage.is_absolute(name):
      key, folder = name, storage.path(name)
      self.origin.check_input(self.label, folder)
    else:
      folder = self._seed_folder(self.seed if seed is None else seed) / name
      key = str(folder.relative_to(self.place.root))
    identity = self._identity(key)
    if identity is None:
      raise RefusedError(
        f'{self.label} reads {key}, which is not complete; run that stage '
        'first.'
      )
    if not inputs.same(
      key, self.origin.inputs.setdefault(key, identity), identity
    ):
      raise RefusedError(self._staleness(key))
    records.check_files(folder)
    self._save()  # before process 0 can write anything computed from it
    return folder

  def read(self, name: str, seed: int | None = None) -> list[dict]:
    """Reads all rows of another stage; see `input`."""
    return records.read_rows(self.input(name, seed))

  def parts(
    self,
    items: Sequence[Any],
    size: int,
    unit: str = 'questions',
    rows: Callable[[Any], int] = one,
    grades: Callable[[Sequence[dict]], Grades] = attempts,
  ) -> Iterator[Part]:
    """Yields the parts that this process has to do; write each in turn.

    Args:
      items, size, rows, grades: see `Parts`; items in the same order in every
        run.
      unit: what an item is, in the plural, for the progress line.

    Raises:
      ValueError: see `Parts`; or the method is called twice.
    """
    if self._parts is not None:
      raise ValueError(f'{self.label} asked for its parts twice.')
    check = self._hold.check if self._hold else lambda: None
    processes = self.place.processes
    self._parts = Parts(
      self.folder, items, size, processes, rows, check, grades
    )
    done, left = self._parts.items_done, self._parts.items_to_do
    progress = self.progress(done + left, unit, done)
    for part in self._parts.remaining(progress):
      yield part
      self.metrics.part(progress.done)
      self._save()

  def progress(self, total: int | None, unit: str, done: int = 0) -> Progress:
    """Starts a progress line and ends the previous one.

    Args:
      total: number of items; None if unknown.
      unit: what an item is, in the plural.
      done: number of items that earlier runs finished.
    """
    self._close()
    place = self.place
    process = (place.processes.index, place.processes.count)
    self._progress = Progress(
      self.label, total, unit, done=done, process=process, whole=place.whole
    )
    return self._progress

  def tell(self, what: object) -> None:
    """Reports a round of sampling; `what` is the scheduler's Utilization."""
    self.metrics.watch(what)
    if self._progress is not None:
      self._progress.advance(0, extra=what)

  def say(self, text: str) -> None:
    """Prints a line of text without disturbing the progress line."""
    if self._progress is not None:
      self._progress.note(text)

  def check(self) -> Origin | None:
    """Returns what the folder was begun from; None if it was not begun.

    Raises:
      RefusedError: it was begun from something else than this run has or
        nothing says from what, or an earlier stage was, of the same files.
    """
    before = Origin.read(self.folder)
    if before is not None:
      self.origin.check(self.folder, before)
    elif (self.folder / records.MARK).exists():
      raise RefusedError(self._unknown())
    if self.seed is not None and self.origin.files:
      earlier = itertools.takewhile(
        lambda name: name != self.folder.name, self.place.stages
      )
      for name in earlier:
        self.origin.check_input(self.label, self._seed_folder(self.seed) / name)
    return before

  def is_complete(self) -> bool:
    """Whether the stage is finished, with this configuration and inputs.

    A report over all seeds is cheap: where inputs or seeds have changed its
    mark is deleted, and the answer is False. So it is where files are gone.

    Raises:
      RefusedError: another configuration, or an input was made again since.
      DamagedError: a file has another size than the mark says.
    """
    before = self.check()
    if before is None:
      return False
    # Inputs that were deleted (None) do not matter: the results are there.
    stale = [
      key
      for key, identity in before.inputs.items()
      if not inputs.same(key, identity, self._identity(key) or identity)
    ]
    if stale and self.seed is not None:
      raise RefusedError(self._staleness(stale[0]))
    if stale or before.seeds != self.origin.seeds:
      self._forget()
      return False
    mark = records.read_mark(self.folder)
    gone = records.absent(self.folder, mark) if mark else []
    return mark is not None and not gone

  def work(self) -> float:
    """Does the work that is left and marks the folder as complete.

    Finished parts are kept whatever ends it early, a kill included.

    Returns:
      Seconds spent on the stage, over all runs.

    Raises:
      RefusedError: another run is at work in the folder, or it cannot be
        resumed. Also what the stage itself raises. See `withdrawn`.
    """
    processes = self.place.processes.count
    with withdrawn.if_refused(self.folder, processes), self._exclusively():
      # Process 0 begins first: no other may write a part before stage.json.
      if self.leads:
        self._begin()
      self._hold = lease.shared(
        self._hold, self.folder, self.place.processes, f'{self.label} begun'
      )
      if not self.leads:
        self._begin()
      try:
        if self.leads or not getattr(self._stage, 'alone', False):
          self._stage(self)
      finally:
        self.metrics.close()
        self._close()
        self._save()  # the seconds of a run that fails count too
      return self._complete()

  def _complete(self) -> float:
    if self._parts is not None:
      self._parts.check_finished()
    # The mark vouches for the parts of all processes, so all must be here; and
    # none may go on to a stage that reads this one before the mark is there.
    self.wait_for_others('written')
    seconds = self._seconds()
    if self.leads:
      facts = {
        'fingerprint': self.origin.fingerprint,
        'seconds': seconds,
        'command': self.place.command,
      }
      self.origin.check_unchanged(self.label, self._stage)
      self._hold.check()  # the mark must not vouch for another command's work
      mark = records.mark_complete(
        self.folder, facts, *completed.results(self.folder)
      )
      if told := completed.undecided(mark):
        self.say(told)
    self.wait_for_others('marked')
    return seconds

  def outside(self) -> dict[str, str]:
    """Identities of files, folders and modules from outside the experiment."""
    folders = inputs.outside(self.place.root, self.origin.bindings)
    own = {'modules': source.outside(self._stage)}
    return self.origin.files | folders | own

  def _forget(self) -> None:
    # The mark first: a kill in between must not leave one without stage.json.
    for name in (records.MARK, FILE):
      (self.folder / name).unlink(missing_ok=True)

  def _make_folder(self) -> None:
    if not storage.is_remote(self.folder) and self.folder.is_symlink():
      raise RefusedError(
        f'{self.folder} was taken from {self.folder.resolve()}, which is not '
        'complete any more; finish it there, or delete the link.'
      )
    storage.make_folder(self.folder)

  def _begin(self) -> None:
    self._began = time.monotonic()
    self.origin.check_unchanged(self.label, self._stage)
    if not self.leads:
      waiting.until_exists(self.folder / FILE)
    before = self.check()
    parts = records.part_paths(self.folder)
    if before is None and not self.leads:
      raise RefusedError(
        f'{self.folder / FILE} was written by process 0, and this one does '
        'not see it; give all processes one output folder, on a shared disk or '
        'in a bucket.'
      )
    if before is None and parts:
      raise RefusedError(self._unknown())
    self.origin.proceed(
      self.folder,
      before,
      provenance.current(self._stage, devices=not self._is_light),
      has_results=bool(parts)
      or any((self.folder / name).is_dir() for name in _RESULTS),
      mixed=self.place.mixed or self.seed is None,
    )
    if self.leads and before is not None:
      # `is_complete` found that files are gone for which it vouches.
      (self.folder / records.MARK).unlink(missing_ok=True)
    if self.leads:  # the others wait, so the temporary files are of dead runs
      for name in records.remove_leftovers(self.folder):
        self.progress(None, 'items').note(f'removed the half-written {name}')
      config = self.place.config.encode('utf-8')
      records.write_atomic(self.folder / records.CONFIG, config)
    self._save()

  def _seed_folder(self, seed: int | None) -> pathlib.Path:
    return self.place.root / ('' if seed is None else f'seed-{seed}')

  def _identity(self, key: str) -> str | None:
    return inputs.identity(self.place.root, key)

  def _unknown(self) -> str:
    told = f'holds results but no {FILE} that tells how they were made'
    return f'{self.folder} {told}; delete it to begin again.'

  def _staleness(self, key: str) -> str:
    return (
      f'{self.folder} was made from another {key} than there is now; delete '
      f'{self.folder} to make it again.'
    )

  @property
  def _is_light(self) -> bool:
    """Whether the stage computes without devices, in process 0 alone."""
    return self.seed is None or getattr(self._stage, 'alone', False)

  def _save(self) -> None:
    """Writes stage.json; after every part, so that a kill loses few seconds."""
    # Outside of `work` nothing is computed, so there is nothing to tell.
    if self.leads and self._hold is not None:
      with contextlib.suppress(lease.HeldError):  # the other command tells
        self._hold.check()
        self.origin.write(self.folder, self._seconds())

  @contextlib.contextmanager
  def _exclusively(self) -> Iterator[None]:
    """Holds the folder against other commands; raises RefusedError."""
    self._make_folder()
    try:
      with lease.holding(self.folder, self.place.processes.index) as self._hold:
        yield
    except lease.HeldError as error:
      raise BusyError(str(error)) from error
    finally:
      self._hold = None

  def _seconds(self) -> float:
    return self.origin.seconds + (time.monotonic() - self._began)

  def _close(self) -> None:
    if self._progress is not None:
      self._progress.close()

  def wait_for_others(self, what: str) -> None:
    """A barrier of all processes; `what` is its name in error messages."""
    self.place.processes.meet(f'{self.label} {what}')
