"""The sources of a configuration: gin files with what they include, and flags.

A user's own file may include one that ships with this package. What it writes
itself has to be of use; what it includes need not be.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import difflib
import pathlib

from gin import config as gin_config
from ttc.bindings import texts
from ttc.bindings.texts import Binding, Include, MacroName
from ttc.distribution import shipped
from ttc.pipeline.experiment import ConfigurationError
from ttc.runtime import storage


@dataclasses.dataclass(frozen=True)
class GinSource:
  """A gin file, or a flag.

  Attributes:
    files: the file and all that it includes; () for a flag.
    own: bindings that the user wrote in it.
    included: bindings of files that it includes and that do not ship.
    mentioned: texts of all references in it and in what it includes, without
      `@`, `%` and `()`.
  """

  files: tuple[pathlib.Path, ...]
  own: tuple[Binding, ...]
  included: tuple[Binding, ...] = ()
  mentioned: frozenset[str] = frozenset()


def of_file(file: str) -> GinSource:
  """Reads a gin file, and what it includes.

  Args:
    file: relative to one of the folders of `found`.

  Raises:
    ConfigurationError: it, or a file that it includes, is missing, cannot be
      read or includes itself; or a later include overwrites what it binds.
  """
  path = found(file)
  if path is None:
    raise ConfigurationError(
      f'--gin_file={file} is not a file, {searched(file)}.'
    )
  whole = list(_whole(path, (path,), file))
  own = not _ships(path)
  if own:
    _refuse_overwritten(path, whole)
  return GinSource(
    tuple(dict.fromkeys(where for where, _ in whole)),
    tuple(b for where, b in whole if where == path and b and own),
    tuple(b for where, b in whole if where != path and b and not _ships(where)),
    _mentioned([binding for _, binding in whole if binding]),
  )


def of_flag(flag: str) -> GinSource:
  """Reads a flag: `Name.parameter=value` or `MACRO=value`.

  Raises:
    ConfigurationError: it cannot be read.
  """
  own = texts.of_flag(flag)
  return GinSource((), tuple(own), mentioned=_mentioned(own))


def search_in(folders: Sequence[str]) -> None:
  """Sets the folders in which gin files are looked for, among others.

  Args:
    folders: looked in after the working directory; gin keeps them.
  """
  gin_config._LOCATION_PREFIXES[:] = ['', *folders]


def found(file: str, beside: pathlib.Path | None = None) -> pathlib.Path | None:
  """Where a gin file is: see `_folders` for the places, in their order.

  Args:
    file: its name.
    beside: the file that includes it.

  Returns:
    The path; None if there is none.

  Raises:
    ConfigurationError: it is in a bucket, or misspelt.
  """
  try:
    path = storage.local(file)
  except ValueError as error:
    raise ConfigurationError(f'gin file {error}') from error
  for folder in _folders(beside):
    if (folder / path).is_file():
      return folder / path
  return None


def shadows(sources: Sequence[GinSource]) -> list[str]:
  """A line for each file that is read instead of a shipped one that differs."""
  lines = []
  for path in dict.fromkeys(path for s in sources for path in s.files):
    original = shipped.ROOT / path
    if path.is_absolute() or not original.is_file():
      continue
    if path.read_bytes() != original.read_bytes():
      lines.append(
        f'{path} is read from {pathlib.Path.cwd()}, and not the one of that '
        f'name in {shipped.ROOT}, which differs; rename it to read that one.'
      )
  return lines


def replaced(sources: Sequence[GinSource]) -> list[str]:
  """A line for each binding of a file that a later line of it replaces."""
  lines = []
  for source in sources:
    earlier: dict[tuple, Binding] = {}
    for binding in source.own:
      first = earlier.get(binding.key, binding)
      if repr(first.value) != repr(binding.value):
        lines.append(
          f'{binding.place}: {binding.name} = {binding.value!r} replaces '
          f'{first.value!r} of {first.place}.'
        )
      earlier[binding.key] = binding
  return lines


def _whole(
  path: pathlib.Path, chain: tuple[pathlib.Path, ...], shown: str
) -> Iterator[tuple[pathlib.Path, Binding | None]]:
  """Yields (file, binding) of a file and what it includes, as gin reads them.

  Each file begins with a binding of None, since it may have none.
  """
  yield path, None
  for statement in texts.of_file(path, shown):
    if not isinstance(statement, Include):
      yield path, statement
      continue
    inner = found(statement.file, path)
    if inner is None:
      raise ConfigurationError(
        f'{statement.place} includes {statement.file}, which is not a file, '
        f'{searched(statement.file, path)}.'
      )
    if inner.resolve() in [earlier.resolve() for earlier in chain]:
      raise ConfigurationError(
        f'{statement.place} includes {statement.file}, which is about to be '
        'read already; remove one of the includes.'
      )
    yield from _whole(inner, (*chain, inner), statement.file)


def _refuse_overwritten(
  path: pathlib.Path, whole: Sequence[tuple[pathlib.Path, Binding | None]]
) -> None:
  """Raises ConfigurationError for what an include below it overwrites."""
  mine, overwritten = {}, {}
  for where, binding in whole:
    if binding is None:
      continue
    if where == path:
      mine[binding.key] = binding
      overwritten.pop(binding.key, None)
    elif binding.key in mine:
      overwritten[binding.key] = binding
  for key, other in overwritten.items():
    # As texts, since references have no equality of their own.
    if repr(other.value) != repr(mine[key].value):
      raise ConfigurationError(
        f'{mine[key].place}: {mine[key].name} = {mine[key].value!r} is '
        f'overwritten by an include after it ({other.place}); write it below '
        'the include.'
      )


def _folders(beside: pathlib.Path | None = None) -> list[pathlib.Path]:
  """Of the including file, the working one, gin's own, and what ships."""
  own = [beside.parent] if beside else []
  given = map(pathlib.Path, gin_config._LOCATION_PREFIXES)
  return [*own, *given, shipped.ROOT]


def searched(file: str, beside: pathlib.Path | None = None) -> str:
  """Where a gin file was looked for, and which one may have been meant."""
  folders = dict.fromkeys(path.absolute() for path in _folders(beside))
  text = f'neither from {" nor from ".join(map(str, folders))}'
  if len(folders) == 1:
    text = f'seen from {shipped.ROOT}'
  names = [
    str(path.relative_to(shipped.ROOT))
    for path in sorted(shipped.ROOT.glob('gin/**/*.gin'))
  ]
  if close := difflib.get_close_matches(file, names, n=1):
    text += f' (did you mean {close[0]}?)'
  return text


def _ships(path: pathlib.Path) -> bool:
  return path.resolve().is_relative_to((shipped.ROOT / 'gin').resolve())


def _mentioned(bindings: Sequence[Binding]) -> frozenset[str]:
  mentioned = set()
  for binding in bindings:
    for name in texts.names(binding.value):
      # What a macro holds is made in a scope of the macro's name.
      is_macro = isinstance(name, MacroName)
      mentioned.add(name.name if is_macro else name.name.rpartition('/')[0])
  return frozenset(mentioned)
