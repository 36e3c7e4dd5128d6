"""A stage at work in its folder: resumed, skipped or refused.

A stage is a function of its configuration, its inputs and a seed. Its folder
holds `stage.json` (those three, and the seconds spent), `config.gin`, what
the stage writes, and last the completion mark. Run again, a finished stage is
skipped and an unfinished one does the parts that are missing; with another
configuration or other inputs it is refused, naming what differs.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import fcntl
import json
import pathlib
import time
from typing import Any, ClassVar, Protocol

from ttc.pipeline import fingerprint, records
from ttc.pipeline.parts import Part, Parts
from ttc.runtime import storage
from ttc.runtime.metrics import StageMetrics
from ttc.runtime.process_group import Alone, Processes
from ttc.runtime.progress import Progress

_ABOUT = 'stage.json'
_SEEN_S = 60.0  # a shared disk may show late what another host wrote


class RefusedError(ValueError):
  """A folder that a stage cannot continue, or an input it cannot use."""


class Stage(Protocol):
  """What an experiment is made of: a frozen dataclass that can be called.

  A stage may also have `check(experiment)`, which raises ValueError for what
  cannot work before anything is done; `show(run) -> str`, text to print
  whenever the stage is complete; and `alone = True` where one process does it.
  """

  kind: ClassVar[str]  # the subcommand that runs it
  name: str  # its folder

  def __call__(self, run: 'StageRun') -> None:
    """Does what is left to do in `run.folder`."""


@dataclasses.dataclass(frozen=True)
class Place:
  """Where the stages of one experiment meet.

  Attributes:
    root: folder of the experiment, e.g. runs/quickstart.
    seeds: all seeds of the experiment.
    stages: the names of what runs for each seed, in order.
    command: what was typed.
    config: the whole configuration as gin text.
    profile: steps of each stage to trace; None traces none.
    processes: this process among those that work here.
  """

  root: pathlib.Path
  seeds: tuple[int, ...] = (0,)
  stages: tuple[str, ...] = ()
  command: str = ''
  config: str = ''
  profile: int | None = None
  processes: Processes = Alone()


class StageRun:
  """One stage, one seed, one folder: what the body of a stage works with.

  Attributes:
    folder: where the stage writes; it exists while the stage is at work.
    seed: the seed, or None for a report over all seeds.
    place: the experiment around it.
    metrics: of its speed and progress, for the record.
  """

  def __init__(self, stage: Stage, place: Place, seed: int | None):
    self.place, self.seed = place, seed
    self.folder = self._seed_folder(seed) / stage.name
    self._stage = stage
    self._about: dict[str, Any] = {
      'bindings': fingerprint.bindings(stage),
      'seeds': list(place.seeds) if seed is None else [seed],
      'inputs': {},
      'seconds': 0.0,
    }
    self._began = time.monotonic()
    self._progress: Progress | None = None
    self._parts: Parts | None = None
    self.metrics = StageMetrics(
      self.folder, self.leads, place.profile, self.say
    )

  @property
  def leads(self) -> bool:
    """Whether this is process 0, which writes what there is once."""
    return self.place.processes.index == 0

  @property
  def label(self) -> str:
    """The folder below the experiment's, e.g. 'seed-0/search'."""
    return str(self.folder.relative_to(self.place.root))

  def input(self, name: str, seed: int | None = None) -> pathlib.Path:
    """The finished folder of another stage of this experiment.

    Args:
      name: the stage; an absolute path is taken as it is.
      seed: another seed than the run's own; a report has to say which.

    Raises RefusedError when that stage is not complete, or is not the one
    with which this folder was begun.
    """
    if storage.is_absolute(name):
      key, folder = name, storage.path(name)
    else:
      folder = self._seed_folder(self.seed if seed is None else seed) / name
      key = str(folder.relative_to(self.place.root))
    identity = self._identity(key)
    if identity is None:
      raise RefusedError(
        f'{self.label} reads {key}, which is not complete; run that stage '
        'first.'
      )
    if self._about['inputs'].setdefault(key, identity) != identity:
      raise RefusedError(self._staleness(key))
    self._save()
    return folder

  def read(self, name: str, seed: int | None = None) -> list[dict]:
    """All rows of another stage of this experiment; see `input`."""
    return records.read_rows(self.input(name, seed))

  def parts(
    self, items: Sequence[Any], size: int, unit: str = 'questions'
  ) -> Iterator[Part]:
    """The batches of `items` that are left to do, to be written in turn.

    Args:
      items: what the stage goes through, in an order that never changes.
      size: items a batch; the last may hold fewer.
      unit: what an item is, for the progress.

    Raises ValueError as `Parts` does, and when called twice.
    """
    if self._parts is not None:
      raise ValueError(f'{self.label} asked for its parts twice.')
    self._parts = Parts(self.folder, items, size, self.place.processes)
    done, left = self._parts.items_done, self._parts.items_to_do
    progress = self.progress(done + left, unit, done)
    for part in self._parts.remaining(progress):
      yield part
      self.metrics.part(progress.done)
      self._save()

  def progress(self, total: int | None, unit: str, done: int = 0) -> Progress:
    """A progress line; the last one ends where this begins.

    Args:
      total: items in all, None where that is not known.
      unit: what an item is, in the plural.
      done: items that an earlier run finished.
    """
    self._close()
    processes = self.place.processes
    self._progress = Progress(
      self.label,
      total,
      unit,
      done=done,
      process=(processes.index, processes.count),
    )
    return self._progress

  def tell(self, what: object) -> None:
    """A round of sampling is done; `what` tells of the load."""
    self.metrics.watch(what)
    if self._progress is not None:
      self._progress.advance(0, extra=what)

  def say(self, text: str) -> None:
    """Prints a line of its own between those of the progress."""
    if self._progress is not None:
      self._progress.note(text)

  def seconds(self) -> dict[str, float]:
    """Seconds spent on each complete stage, by label, resumptions included."""
    root, mark = self.place.root, records.MARK
    marks = sorted([*root.glob(f'*/{mark}'), *root.glob(f'*/*/{mark}')])
    return {
      str(path.parent.relative_to(root)): (
        records.read_mark(path.parent)['seconds']
      )
      for path in marks
    }

  def check(self) -> None:
    """Raises RefusedError if the folder was made with other bindings."""
    before = self._read_about()
    if before is not None:
      self._refuse_differences(before)

  def is_complete(self) -> bool:
    """Whether the work is done and still what was asked for.

    Raises RefusedError when it was done with another configuration, or with
    inputs that have been made again since. A report over all seeds costs
    little: other inputs or seeds make it begin anew instead.
    """
    self.check()
    before = self._read_about()
    if before is None:
      return False
    stale = [
      key
      for key, identity in before['inputs'].items()
      if self._identity(key) not in (identity, None)
    ]
    if stale and self.seed is not None:
      raise RefusedError(self._staleness(stale[0]))
    if stale or before['seeds'] != self._about['seeds']:
      self._forget()
      return False
    return records.read_mark(self.folder) is not None

  def work(self) -> float:
    """Does what is left to do, marks the folder, returns seconds in all.

    Whatever ends the work early, its finished parts stay.
    """
    self._make_folder()
    with _only_one(self.folder, self.place.processes.index):
      if self.leads:
        self._begin()
      self.wait_for_others('begun')
      if not self.leads:
        self._begin()
      try:
        if self.leads or not getattr(self._stage, 'alone', False):
          self._stage(self)
      finally:
        self.metrics.close()
        self._close()
        self._save()
      return self._complete()

  def _complete(self) -> float:
    if self._parts is not None:
      self._parts.check_finished()
    self.wait_for_others('written')
    seconds = self._about['seconds'] + self._elapsed()
    if self.leads:
      facts = {
        'fingerprint': fingerprint.digest(
          {k: self._about[k] for k in ('bindings', 'seeds', 'inputs')}
        ),
        'seconds': seconds,
      }
      records.mark_complete(self.folder, facts)
    self.wait_for_others('marked')
    return seconds

  def _forget(self) -> None:
    for name in (records.MARK, _ABOUT):
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
    self.check()
    before = self._read_about()
    deadline = self._began + (0 if self.leads else _SEEN_S)
    while before is None and time.monotonic() < deadline:
      time.sleep(1)
      before = self._read_about()
    if before is not None:
      self._about.update(inputs=before['inputs'], seconds=before['seconds'])
    elif not self.leads:
      raise RefusedError(
        f'{self.folder / _ABOUT} was written by process 0, and this one does '
        'not see it; give all processes one output folder, on a shared disk or '
        'in a bucket.'
      )
    elif records.part_paths(self.folder):
      raise RefusedError(
        f'{self.folder} holds parts but no {_ABOUT} that tells how they were '
        'made; delete it to begin again.'
      )
    if self.leads:
      for name in records.remove_leftovers(self.folder):
        self.progress(None, 'items').note(f'removed the half-written {name}')
      config = self.place.config.encode('utf-8')
      records.write_atomic(self.folder / 'config.gin', config)
    self._save()

  def _seed_folder(self, seed: int | None) -> pathlib.Path:
    return self.place.root / ('' if seed is None else f'seed-{seed}')

  def _identity(self, key: str) -> str | None:
    """What tells an input from others; None when it is not complete."""
    folder = storage.join(self.place.root, key)
    mark = records.read_mark(folder) if folder.is_dir() else None
    if mark is not None:
      return mark['fingerprint']
    elsewhere = storage.is_absolute(key) and folder.exists()
    return key if elsewhere else None

  def _staleness(self, key: str) -> str:
    return (
      f'{self.folder} was made from another {key} than there is now; delete '
      f'{self.folder} to make it again.'
    )

  def _read_about(self) -> dict[str, Any] | None:
    try:
      return json.loads((self.folder / _ABOUT).read_text(encoding='utf-8'))
    except FileNotFoundError:
      return None
    except ValueError as error:
      raise RefusedError(
        f'{self.folder / _ABOUT} cannot be read ({error}); delete '
        f'{self.folder} to make it again.'
      ) from error

  def _refuse_differences(self, before: dict[str, Any]) -> None:
    lines = fingerprint.differences(before['bindings'], self._about['bindings'])
    if lines:
      listed = '\n  '.join(lines)
      raise RefusedError(
        f'{self.folder} was made with other bindings:\n  {listed}\n'
        'Give the experiment another name, or delete that folder.'
      )

  def _save(self) -> None:
    if self.leads:
      about = {
        **self._about,
        'seconds': self._about['seconds'] + self._elapsed(),
      }
      text = json.dumps(about, sort_keys=True, indent=1)
      records.write_atomic(self.folder / _ABOUT, f'{text}\n'.encode('ascii'))

  def _elapsed(self) -> float:
    return time.monotonic() - self._began

  def _close(self) -> None:
    if self._progress is not None:
      self._progress.close()

  def wait_for_others(self, what: str) -> None:
    """Returns when every process is here; `what` names the place."""
    self.place.processes.meet(f'{self.label} {what}')


@contextlib.contextmanager
def _only_one(folder: pathlib.Path, process: int) -> Iterator[None]:
  """Holds a local folder against a second run; a killed holder lets go."""
  if storage.is_remote(folder):
    yield  # object stores have no locks
    return
  with open(folder / f'.lock-{process}', 'w', encoding='ascii') as lock:
    try:
      fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise RefusedError(
        f'another process is at work in {folder}; wait for it or end it.'
      ) from error
    yield
