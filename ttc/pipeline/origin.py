"""stage.json: what the results in a folder depend on, written before them."""

from collections.abc import Sequence
import dataclasses
import json
import pathlib
from typing import Any

from ttc.pipeline import contents, fingerprint, provenance
from ttc.pipeline.provenance import Provenance
from ttc.runtime import storage

FILE = 'stage.json'


_PUT_BACK = 'Put back the files, or delete that folder to make it again.'


class RefusedError(ValueError):
  """A folder that a stage cannot resume, or an input that it cannot use."""


class BusyError(RefusedError):
  """Another command is at work in the folder, or has taken it over."""


@dataclasses.dataclass
class Origin:
  """The content of stage.json.

  Attributes:
    bindings: configuration of the stage; see `fingerprint.bindings`.
    files: digests of the files that it names; see `contents`. None in a folder
      of a revision that did not store them.
    seeds: of the stage, or all seeds for a report.
    inputs: fingerprints of the stages that were read, by label.
    seconds: spent, over all runs.
    made_by: code and devices of each run that differs from the one before it;
      `{}` stands for a revision that did not store them.
  """

  bindings: dict[str, Any]
  files: contents.Contents | None
  seeds: list[int]
  inputs: dict[str, str] = dataclasses.field(default_factory=dict)
  seconds: float = 0.0
  made_by: list[Provenance] = dataclasses.field(default_factory=list)

  @classmethod
  def read(cls, folder: pathlib.Path) -> 'Origin | None':
    """Reads it from the folder of a stage; None where there is none.

    Raises:
      RefusedError: it is damaged.
    """
    path = folder / FILE
    try:
      held = json.loads(path.read_text(encoding='utf-8'))
      return cls(
        bindings=held['bindings'],
        files=held.get('files'),
        seeds=held['seeds'],
        inputs=held['inputs'],
        seconds=held['seconds'],
        made_by=held.get('made_by', [{}]),
      )
    except FileNotFoundError:
      return None
    except (ValueError, KeyError, TypeError) as error:
      raise RefusedError(
        f'{path} cannot be read ({error}); delete {folder} to make it again.'
      ) from error

  def write(self, folder: pathlib.Path, seconds: float) -> None:
    """Writes it to the folder of a stage, with the seconds spent by now."""
    held = {**dataclasses.asdict(self), 'seconds': seconds}
    text = json.dumps(held, sort_keys=True, indent=1)
    storage.write_atomic(folder / FILE, f'{text}\n'.encode('ascii'))

  @property
  def fingerprint(self) -> str:
    """Tells results from others; the same for the same work."""
    made_of = {
      'bindings': self.bindings,
      'seeds': self.seeds,
      'inputs': self.inputs,
      'files': self.files,
    }
    return fingerprint.digest(made_of)

  def check(self, folder: pathlib.Path, before: 'Origin') -> None:
    """Raises RefusedError if a folder was begun from something else.

    Args:
      folder: of the stage.
      before: what it was begun from.
    """
    _refuse(
      f'{folder} was made with other bindings',
      fingerprint.differences(before.bindings, self.bindings),
      'Give the experiment another name, or delete that folder.',
    )
    _refuse(
      f'{folder} was made from files with other content',
      contents.differences(before.files or {}, self.files or {}),
      _PUT_BACK,
    )

  def check_unchanged(self, label: str, config: Any) -> None:
    """Checks that files are what they were when this command began.

    Args:
      label: of the stage.
      config: the stage; see `contents.of`.

    Raises:
      RefusedError: a file has other content now.
    """
    _refuse(
      f'{label}: files were changed while this command ran',
      contents.differences(self.files or {}, contents.of(config)),
      'Put them back, or run the command again.',
    )

  def check_input(self, label: str, folder: pathlib.Path) -> None:
    """Checks that an earlier stage was made from the files that are there now.

    Otherwise its rows would be combined with questions of another file.

    Args:
      label: of the stage that may read it.
      folder: of the earlier stage; nothing is known without a stage.json.

    Raises:
      RefusedError: a file that both name has other content now.
    """
    before = Origin.read(folder)
    if before is not None:
      _refuse(
        f'{label} follows {folder}, which was made from files with other '
        'content',
        contents.differences(before.files or {}, self.files or {}),
        _PUT_BACK,
      )

  def proceed(
    self,
    folder: pathlib.Path,
    before: 'Origin | None',
    now: Provenance,
    *,
    has_results: bool,
    mixed: bool,
  ) -> None:
    """Takes over what earlier runs of the same stage left.

    Args:
      folder: of the stage.
      before: of the earlier runs; None where there are none.
      now: code and devices of this run.
      has_results: whether the folder holds results of earlier runs.
      mixed: whether they may be of other code or devices.

    Raises:
      RefusedError: they are, and may not.
    """
    self.made_by = [now]
    if before is None:
      return
    self.inputs, self.seconds = before.inputs, before.seconds
    if not has_results:
      return
    last = before.made_by[-1] if before.made_by else {}
    if not mixed:
      _refuse(
        f'{folder} was begun by other code or devices',
        provenance.differences(last, now),
        'Finish it with those, or delete that folder to make it again, or mix '
        'both with --allow_mixed, which the report then shows.',
      )
    same = last == now
    self.made_by = before.made_by if same else [*before.made_by, now]


def _refuse(what: str, differences: Sequence[str], remedy: str) -> None:
  """Raises RefusedError if there are differences, which it lists."""
  if differences:
    listed = '\n  '.join(differences)
    raise RefusedError(f'{what}:\n  {listed}\n{remedy}')
