"""Which bindings an experiment uses, found by following references.

Gin calls `@scope/Name()` in the scope that it names, or else in that of the
caller, and takes each argument from the innermost scope that binds it. The same
walk over gin's tables, without a call, tells what is of use before anything is
built.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import difflib
from typing import Any

from gin import config as gin_config
from ttc.bindings import references
from ttc.bindings.sources import GinSource
from ttc.bindings.texts import Binding
from ttc.pipeline.experiment import ConfigurationError

Table = Mapping[tuple[str, str], Mapping[str, Any]]  # by (scope, selector)
Node = tuple[str, str]  # (scope, selector)
_SHOWN = 8  # names in a message
_MACRO, _CONSTANT = 'gin.macro', 'gin.constant'


class MacroError(ConfigurationError):
  """Macros have no value.

  Attributes:
    names: their names.
  """

  def __init__(self, names: Sequence[str]):
    self.names = tuple(names)
    listed = ', '.join(names[:-1]) + ' and ' * (len(names) > 1) + names[-1]
    # As a shell has to be given a text, which is what most of them are.
    flags = ' '.join(f'--gin.{name}="\'…\'"' for name in names)
    what = f'macros {listed} have' if len(names) > 1 else f'macro {listed} has'
    super().__init__(
      f'the {what} no value; give {flags} (a number without the quotes), or '
      'bind in a gin file.'
    )


@dataclasses.dataclass(frozen=True)
class Use:
  """What is used.

  Attributes:
    keys: (scope, class, argument) of the bindings, see `Binding.key`.
    scopes: all scopes in which something is made.
    values: (binding, binding, value) of those that are no references. The
      first is what the value is for; of a macro, it is what refers to it.
    hidden: by key, the binding of an inner scope that is taken instead.
    macros: macros without a value.
  """

  keys: frozenset[tuple[str, str, str]]
  scopes: frozenset[str]
  values: tuple[tuple[str, str, Any], ...]
  hidden: Mapping[tuple[str, str, str], str]
  macros: tuple[str, ...]


def of(table: Table, roots: Sequence[Node]) -> Use:
  """Walks from what is called first.

  Args:
    table: gin's bindings.
    roots: what is called from outside of gin.
  """
  keys, values, hidden, macros = {}, {}, {}, {}
  seen, left = set(), [(root, '') for root in roots]
  while left:
    node, reader = left.pop(0)
    if node in seen:
      continue
    seen.add(node)
    scope, selector = node
    taken = {}
    for outer in _outer(scope):
      for argument, value in table.get((outer, selector), {}).items():
        key = (outer, selector.rsplit('.', 1)[-1], argument)
        if argument in taken:
          hidden[taken[argument][0]] = _name(key)
        taken[argument] = key, value
    if selector == _MACRO and _is_required(taken.get('value')):
      macros[scope] = True
    for key, value in taken.values():
      keys[key] = True
      what = reader if selector == _MACRO else _name(key)
      references = list(gin_config.iterate_references(value))
      if not references:
        values[_name(key)] = what, _name(key), value
      for reference in references:
        if reference.configurable.selector != _CONSTANT:
          inner = '/'.join(reference.scopes) or scope
          left.append(((inner, reference.configurable.selector), what))
  scopes = frozenset(outer for scope, _ in seen for outer in _outer(scope))
  return Use(
    frozenset(keys), scopes, tuple(values.values()), hidden, tuple(macros)
  )


def check(
  sources: Sequence[GinSource], tables: Sequence[Table], roots: Sequence[Node]
) -> list[str]:
  """Refuses what the user wrote and nothing uses.

  A file may set all sizes that one it includes asks for, and leave out the
  stages that have some of them.

  Args:
    sources: in the order in which gin read them.
    tables: gin's bindings after each of the sources.
    roots: what is called from outside of gin.

  Returns:
    A line for each binding of no effect that is no mistake for certain.

  Raises:
    ConfigurationError: a binding is of no use.
  """
  uses = [of(table, roots) for table in tables]
  mentioned = frozenset().union(*(source.mentioned for source in sources))
  refused, told = [], []
  for index, source in enumerate(sources):
    # A later source may have replaced what used it.
    used = frozenset().union(*(use.keys for use in uses[index:]))
    scopes = frozenset().union(*(use.scopes for use in uses[index:]))
    for binding in source.own:
      scope, kind, _ = binding.key
      if binding.key in used:
        continue
      if not source.files:  # a flag is meant to have an effect
        refused.append(binding)
      elif binding.key in uses[-1].hidden:
        told.append(
          f'{binding.place}: {binding.name} has no effect: where it would, '
          f'{uses[-1].hidden[binding.key]} is bound.'
        )
      elif kind == 'macro' and scope in mentioned:
        continue
      elif kind != 'macro' and scope and scope in scopes:
        told.append(
          f'{binding.place}: {binding.name} has no effect, since nothing that '
          f'it is about is made in the scope {scope}.'
        )
      else:
        refused.append(binding)
    refused += [b for b in source.included if not _is_plausible(b, mentioned)]
  if refused:
    raise ConfigurationError(_useless(refused, uses[-1]))
  return [*told, *references.check(sources, tables[-1])]


def _outer(scope: str) -> list[str]:
  """The scopes that a scope is in, from '' to itself."""
  parts = scope.split('/') if scope else []
  return ['/'.join(parts[:count]) for count in range(len(parts) + 1)]


def _is_required(taken: tuple[tuple, Any] | None) -> bool:
  """Whether (key, value) is missing or has `%gin.REQUIRED` for a value."""
  if taken is None:
    return True
  value = taken[1]
  return (
    isinstance(value, gin_config.ConfigurableReference)
    and value.configurable.selector == _CONSTANT
    and value.scopes == ['gin.REQUIRED']
  )


def _is_plausible(binding: Binding, mentioned: frozenset[str]) -> bool:
  """Whether anything refers to the macro, or to the scope, of a binding.

  A file that others include may bind for stages that they leave out, so that no
  more is asked of it.
  """
  scope = binding.key[0]
  return not scope or any(
    f'{name}/'.startswith(f'{scope}/') for name in mentioned
  )


def _useless(unused: Sequence[Binding], use: Use) -> str:
  """Says on one line what is of no use, and what may have been meant."""
  first = unused[0]
  others = list(dict.fromkeys(b.name for b in unused if b.name != first.name))
  many = f' and {len(others) - _SHOWN} more' * (len(others) > _SHOWN)
  more = f' (as are {", ".join(others[:_SHOWN])}{many})' if others else ''
  where = '' if first.place.startswith('--') else f'{first.place}: '
  if first.key in use.hidden:
    return (
      f'{where}{first.name} is bound but nothing in the experiment uses it'
      f'{more}: where it would be used, {use.hidden[first.key]} is bound; bind '
      'that.'
    )
  names = {name.casefold(): name for name in _similar(first, use)}
  close = difflib.get_close_matches(first.name.casefold(), names, n=1)
  meant = f' (did you mean {names[close[0]]}?)' if close else ''
  return (
    f'{where}{first.name} is bound but nothing in the experiment uses it'
    f'{more}; correct its name{meant} or remove it.'
  )


def _similar(binding: Binding, use: Use) -> list[str]:
  """Names that a binding could have been meant to have."""
  names = sorted(_name(key) for key in use.keys)
  if binding.key[1] == 'macro':
    return [*names, *use.macros]
  return names


def _name(key: tuple[str, str, str]) -> str:
  scope, kind, argument = key
  if kind == 'macro':
    return scope
  return f'{scope}/{kind}.{argument}' if scope else f'{kind}.{argument}'
