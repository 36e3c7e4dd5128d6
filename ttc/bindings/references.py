"""What the user's own references, such as `@prm/Train()`, do not do.

Gin makes `@smaple/Sample()` in the scope smaple, where nothing is bound, of
what is bound for any scope, and says nothing. It passes `@Sample` on as the
class.
"""

from collections.abc import Iterator, Mapping, Sequence
import difflib
from typing import Any

from gin import config as gin_config
from ttc.bindings.sources import GinSource
from ttc.bindings.texts import Binding
from ttc.pipeline.experiment import ConfigurationError

_CLOSE = 0.75  # of names; beem and beam
_CONSTRUCTOR = 'constructor'  # of gin.singleton, which makes it


def check(
  sources: Sequence[GinSource], table: Mapping[tuple[str, str], Mapping]
) -> list[str]:
  """Refuses references that are misspelt.

  Args:
    sources: gin files and flags.
    table: gin's bindings after all of them, by (scope, selector).

  Returns:
    A line for each scope without a binding, which is no mistake for certain.

  Raises:
    ConfigurationError: a scope without a binding is called almost as another
      is, or a reference to a class lacks its brackets.
  """
  own = {binding.key: binding for s in sources for binding in s.own}
  bound = sorted({scope for scope, selector in table if scope})
  told = {}
  for binding, reference in _references(own, table):
    made = reference.configurable
    name = '/'.join([*reference.scopes, made.name.rsplit('.', 1)[-1]])
    if not reference.evaluate and isinstance(made.wrapped, type):
      raise ConfigurationError(
        f'{binding.place}: @{name} is the class and not made of it; write '
        f'@{name}() with brackets.'
      )
    scope = '/'.join(reference.scopes)
    if not scope or any(f'{b}/'.startswith(f'{scope}/') for b in bound):
      continue
    where = f'{binding.place}: nothing is bound in the scope {scope} of @{name}'
    if close := difflib.get_close_matches(scope, bound, n=1, cutoff=_CLOSE):
      raise ConfigurationError(f'{where}; did you mean {close[0]}?')
    told[scope] = f'{where}, so it is made as without the scope.'
  return [*told.values()]


def _references(
  own: Mapping[tuple[str, str, str], Binding], table: Mapping
) -> Iterator[tuple[Binding, Any]]:
  """Yields the references that the user's bindings hold, macros excepted."""
  for (scope, selector), arguments in table.items():
    kind = selector.rsplit('.', 1)[-1]
    for argument, value in arguments.items():
      binding = own.get((scope, kind, argument))
      if binding is None or argument == _CONSTRUCTOR:
        continue
      for reference in gin_config.iterate_references(value):
        if not reference.configurable.selector.startswith('gin.'):
          yield binding, reference
