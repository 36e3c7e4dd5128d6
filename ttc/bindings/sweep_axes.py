"""Parses the axes of a sweep: gin syntax, each binding a list of values."""

from collections.abc import Iterable

from gin import config_parser
from ttc.bindings import sources, texts
from ttc.pipeline.experiment import ConfigurationError
from ttc.sweeps.cells import Axis, GIN_FILE


def axes(
  files: Iterable[str], statements: Iterable[str], bindings: Iterable[str] = ()
) -> tuple[Axis, ...]:
  """Parses the axes of a sweep, those of files first.

  Args:
    files: paths of files in gin syntax, found as gin files are. Every statement
      is an axis: a list of values, or a dict of values by name.
    statements: such statements; one replaces an axis of a file.
    bindings: gin bindings of all cells, which no axis may bind as well.

  Raises:
    ConfigurationError: a file is missing or contains something else; a value is
      no list, is empty or has an element twice; or something is bound twice.
  """
  of_files, of_flags = {}, {}
  for file in files:
    path = sources.found(file)
    if path is None:
      raise ConfigurationError(
        f'--sweep_file={file} is not a file, {sources.searched(file)}.'
      )
    try:
      text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
      reason = getattr(error, 'strerror', None) or error
      raise ConfigurationError(f'--sweep_file={file}: {reason}.') from error
    _add(of_files, text, f'--sweep_file={file}', None)
  for statement in statements:
    _add(of_flags, statement, f'--sweep.{statement}', '--sweep')
  table = of_files | of_flags
  for binding in bindings:
    for other in texts.of_flag(binding):
      if other.key in table:
        raise ConfigurationError(
          f'{other.place}: {table[other.key].binding} is an axis of the sweep '
          'as well, which gives each cell a value of its own; remove one.'
        )
  return tuple(table.values())


def _add(
  table: dict[tuple, Axis], text: str, where: str, option: str | None
) -> None:
  """Adds the axes in a text, by `Binding.key`.

  Args:
    table: the axes so far, of files or of flags.
    text: as for `texts.parsed`.
    where: as for `texts.parsed`.
    option: as for `texts.parsed`.
  """
  for statement in texts.parsed(text, where, option):
    # `Name:` before indented bindings; the parser yields those one by one, too.
    if isinstance(statement, config_parser.BlockDeclaration):
      continue
    if not isinstance(statement, config_parser.BindingStatement):
      raise ConfigurationError(
        f'{where}: a sweep holds nothing but bindings, each to a list; '
        'imports and includes belong in a --gin_file.'
      )
    name = _name(statement)
    (binding,) = texts.of_flag(f'{name}=0')
    if binding.key in table:
      raise ConfigurationError(
        f'{where}: {name} is an axis twice; give all of its values in one list.'
      )
    try:
      table[binding.key] = _axis(name, statement.value)
    except ValueError as error:
      raise ConfigurationError(f'{where}: {error}') from error


def _name(statement) -> str:
  scope = f'{statement.scope}/' if statement.scope else ''
  argument = f'.{statement.arg_name}' if statement.arg_name else ''
  return f'{scope}{statement.selector}{argument}'


def _axis(name: str, value) -> Axis:
  """An axis of a parsed value; raises ValueError."""
  if name.rsplit('.', 1)[-1] in ('name', 'output') and 'Experiment' in name:
    raise ValueError(f'a sweep binds {name} itself; remove this axis.')
  if isinstance(value, dict):
    names, values = tuple(map(str, value)), tuple(value.values())
  elif isinstance(value, list):
    names, values = ('',) * len(value), tuple(value)
  else:
    raise ValueError(
      f'{name}={value!r} is no list; write [{value!r}], or a dict of values '
      'by name.'
    )
  if name == GIN_FILE:
    odd = [item for item in values if not isinstance(item, str)]
    if odd:
      raise ValueError(f'{GIN_FILE} has {odd[0]!r}, which is no path.')
    return Axis(name, values, names)
  return Axis(name, tuple(map(repr, values)), names)
