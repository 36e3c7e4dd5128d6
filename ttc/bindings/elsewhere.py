"""Whether a command can work on a machine that is yet to be paid for.

It will have the tracked files of this repository, and nothing else of this
machine.
"""

from collections.abc import Iterator, Sequence
import functools
import pathlib
import subprocess
from typing import Any

import gin
from ttc.bindings import chosen, parsing, sources, unmade
from ttc.distribution import shipped
from ttc.models.devices import DevicesError
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.runtime import storage

_REUSE = 'Experiment.reuse'
_NOT_READ = (_REUSE, 'Experiment.output')  # by stages
# Arguments that name a file or folder of the machine, which is read.
_FILES = ('path', 'file', 'folder')
_ADVICE = (
  'run `ttc unpack FOLDER`, put it there and install that'
  if shipped.IS_COPY
  else 'put it there, and git add it'
)


def check(
  files: Sequence[str], bindings: Sequence[str], mounted: Sequence[str] = ()
) -> Sequence[Any] | None:
  """Checks what does not depend on the machine.

  Args:
    files: gin files, as the command on the machine names them.
    bindings: gin bindings.
    mounted: folders that are there, of an image or a shared disk.

  Returns:
    The stages, or their names; None if these are not known. Where all that
    they read is here as well, they have been checked, all but for the devices.

  Raises:
    ConfigurationError: a gin file does not travel, a path is of this machine,
      a stage cannot work, or as `parsing.parse`.
    ValueError, ImportError, ...: as `parsing.parse`.
  """
  _check_files(files)
  used = parsing.parse(files, bindings)
  here = near = True
  for what, name, value in used.values:
    for text in _texts(value):
      if _is_relative(what, text) and not _travels(text):
        raise ConfigurationError(
          f'{name}={text!r} is read from the working directory, and the job '
          f'runs in a copy of what git tracks in {shipped.ROOT}; name a file '
          'in a bucket, or the absolute path of one that the machine has.'
        )
      if _is_fetched(what, text):
        near = False
      if not _is_local(what, text):
        continue
      if not any(_is_below(text, folder) for folder in mounted):
        raise ConfigurationError(
          f'{name}={text!r} is on this machine and not where the job runs; '
          f'{_advice(what, text)}'
        )
      here &= pathlib.Path(text).exists()
  if not here:
    return chosen.planned()
  experiment = gin.get_configurable(Experiment)()
  unmade.check(experiment)
  if near:
    _check_stages(experiment)
  return experiment.everything


def _check_stages(experiment: Experiment) -> None:
  """Raises ConfigurationError for the first stage that cannot work.

  Whether one fits the devices is the last that it looks at, and not asked.
  """
  for stage in experiment.everything:
    try:
      if hasattr(stage, 'check'):
        stage.check(experiment)
    except DevicesError:
      continue
    except ValueError as error:
      raise ConfigurationError(f'stage {stage.name!r}: {error}') from error


def _check_files(files: Sequence[str]) -> None:
  """Raises ConfigurationError for a gin file that would not be found there."""
  root = shipped.ROOT.resolve()
  inside = []
  for file in files:
    paths = sources.of_file(file).files
    for path in paths:
      whole = path.resolve()
      if not whole.is_relative_to(root):
        raise ConfigurationError(
          f'{path} is not below {root}, whose files alone are copied to the '
          f'machine; {_ADVICE}.'
        )
      inside.append(str(whole.relative_to(root)))
    name = paths[0].resolve().relative_to(root)
    is_absolute = pathlib.PurePath(file).is_absolute()
    if is_absolute or (root / file).resolve() != root / name:
      raise ConfigurationError(
        f'--gin_file={file} is read from the root of the repository on the '
        f'machine; write --gin_file={name}.'
      )
  tracked = _tracked(root)
  for name in inside:
    if tracked is not None and name not in tracked:
      raise ConfigurationError(
        f'{name} is not tracked by git and would not be copied; git add it.'
      )


@functools.cache
def _tracked(root: pathlib.Path) -> set[str] | None:
  """The tracked files of a checkout; None where it is none."""
  try:
    done = subprocess.run(
      ['git', 'ls-files', '-z'], cwd=root, capture_output=True, check=True
    )
  except (OSError, subprocess.CalledProcessError):
    return None
  names = set(done.stdout.decode('utf-8', 'replace').split('\0'))
  # In a checkout of something else around this folder.
  return names if 'setup.py' in names else None


def _texts(value: Any) -> Iterator[str]:
  if isinstance(value, str):
    yield value
  elif isinstance(value, list | tuple):
    for item in value:
      yield from _texts(item)


def _is_local(what: str, text: str) -> bool:
  if what == _REUSE:
    return bool(text) and not storage.is_remote(text)
  # Where the output goes is for the launchers to say.
  is_path = text.startswith(('/', '~/')) and len(text) > 1 and '\n' not in text
  return is_path and what != 'Experiment.output'


def _is_fetched(what: str, text: str) -> bool:
  """Whether stages read it from elsewhere, where this machine may not reach."""
  hub = what.endswith('HubSplit.name')
  return hub or (storage.is_remote(text) and what not in _NOT_READ)


def _is_relative(what: str, text: str) -> bool:
  """Whether a value is the path of a file, seen from the working directory."""
  named = what.rpartition('.')[2] in _FILES
  return named and bool(text) and not storage.is_absolute(text)


def _travels(text: str) -> bool:
  root = shipped.ROOT.resolve()
  tracked = _tracked(root)
  if tracked is None:
    return (root / text).exists()
  name = str(pathlib.PurePath(text))
  return any(f'{known}/'.startswith(f'{name}/') for known in tracked)


def _is_below(text: str, folder: str) -> bool:
  return pathlib.PurePath(text).is_relative_to(folder)


def _advice(what: str, text: str) -> str:
  if what == _REUSE:
    return (
      f'copy it to a bucket (gcloud storage cp -r {text} gs://...) and name '
      'that.'
    )
  return (
    'name what is in a bucket, or if the machine has it, by its image or a '
    f'shared disk, give --mounted={pathlib.PurePath(text).parent}.'
  )
