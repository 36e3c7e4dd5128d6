"""What a name that nothing has was meant to be."""

import difflib
import importlib.util
import inspect
import pkgutil
import re

from gin import config as gin_config

# Errors of gin and Python.
_PARAMETER = re.compile(r"'([\w./]+)' doesn't have a parameter named '(\w+)'")
_CONFIGURABLE = re.compile(
  r"No configurable matching (?:reference )?'@?([^'(]+)"
)
_MODULE = re.compile(r"No module named '([\w.]+)'")


def hint(told: str) -> str:
  """' (did you mean ...?)' for an error about an unknown name, or ''.

  Args:
    told: the error's text.
  """
  if match := _PARAMETER.search(told):
    wrong, names = match[2], _parameters(match[1])
  elif match := _CONFIGURABLE.search(told):
    wrong = match[1].rsplit('/', 1)[-1]
    names = _configurables(wrong.count('.'))
  elif match := _MODULE.search(told):
    wrong, names = match[1], _modules(match[1])
  else:
    return ''
  close = difflib.get_close_matches(wrong, names, n=1)
  return f' (did you mean {close[0]}?)' if close else ''


def _parameters(name: str) -> list[str]:
  made = gin_config._REGISTRY.get_match(name.rsplit('/', 1)[-1])
  return [*inspect.signature(made.wrapped).parameters] if made else []


def _configurables(dots: int) -> list[str]:
  """The names of all that can be configured, with as many modules."""
  names = [selector for selector, _ in gin_config._REGISTRY.items()]
  return ['.'.join(name.split('.')[-1 - dots :]) for name in names]


def _modules(name: str) -> list[str]:
  """The modules of the innermost package of a name that there is."""
  package = name.rpartition('.')[0]
  if not package:
    return []
  try:
    found = importlib.util.find_spec(package)
  except ImportError:
    return []
  places = found.submodule_search_locations if found else None
  return [f'{package}.{m.name}' for m in pkgutil.iter_modules(places or [])]
