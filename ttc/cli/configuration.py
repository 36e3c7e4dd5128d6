"""Builds an Experiment from gin files and bindings.

Every error is one ConfigurationError with a message of one line. The library
has no gin decorators: gin files import the modules that they configure
(`from __gin__ import dynamic_registration`).
"""

from collections.abc import Sequence
import logging
import re
import sys

import gin
from gin import config as gin_config
from ttc.bindings import sources as origins
from ttc.bindings import use
from ttc.models.config import TransformerConfig
from ttc.pipeline import moved_modules
from ttc.pipeline.experiment import ConfigurationError, Experiment

# Errors of gin and Python that `_one_line` rewrites.
_NO_VALUE = re.compile(r'(\w+)\.__init__\(\) missing .*?: (.*)')
_CALL = re.compile(
  r" *In call to configurable '([^']*)' \(.*?\)(?: in scope '([^']*)')?"
)


def load(
  files: Sequence[str],
  bindings: Sequence[str],
  check: bool = True,
  assumed: Sequence[str] = (),
  scopes: Sequence[str] = (),
) -> tuple[Experiment, str]:
  """Builds the experiment that gin files and bindings describe.

  Args:
    files: gin files; later files override earlier ones. Paths are relative to
      the working directory or else to the repository.
    bindings: `Name.parameter=value` or `MACRO=value`; they override the files.
    check: whether to check that the stages' inputs exist.
    assumed: further bindings, which override all others and may be of no use.
    scopes: scopes in which a TransformerConfig is made besides.

  Returns:
    The experiment, and gin text with all bindings that were used.

  Raises:
    MacroError: macros have no value.
    ConfigurationError: a file is missing, a name or parameter is unknown, a
      value is missing or wrong, or nothing uses what files or flags bind.
  """
  try:
    table, roots = _parsed(files, bindings, assumed, scopes)
    macros = use.of(table, roots[:1]).macros
    if macros:
      raise use.MacroError(macros)
    experiment = gin.get_configurable(Experiment)()
    if check:
      experiment.check()
  except ConfigurationError:
    raise
  except ImportError as error:
    text = moved_modules.advice(error) or _one_line(error)
    raise ConfigurationError(text) from error
  except Exception as error:
    raise ConfigurationError(_one_line(error)) from error
  return experiment, gin.operative_config_str()


def _parsed(
  files: Sequence[str],
  bindings: Sequence[str],
  assumed: Sequence[str],
  scopes: Sequence[str],
) -> tuple[use.Table, list[use.Node]]:
  """Reads all sources into gin; returns its table, and what is called."""
  gin.clear_config()
  if str(origins.REPOSITORY) not in gin_config._LOCATION_PREFIXES:
    gin.add_config_file_search_path(str(origins.REPOSITORY))
  sources, tables = [], []
  logging.disable(logging.ERROR)  # gin logs what it then raises
  try:
    for file in files:
      sources.append(origins.of_file(file))
      gin.parse_config_file(str(sources[-1].files[0]))
      tables.append(_table())
    sources.append(origins.of_flags(bindings))
    for binding in bindings:
      gin.parse_config(binding)
    tables.append(_table())
    roots = [('', _selector(files))]
    model = f'{TransformerConfig.__module__}.{TransformerConfig.__name__}'
    roots += [(scope, model) for scope in scopes]
    told = use.check(sources, tables, roots)
    for line in (*origins.shadows(sources), *told):
      print(f'ttc: {line}', file=sys.stderr, flush=True)
    gin.parse_config(list(assumed))
  finally:
    logging.disable(logging.NOTSET)
  return _table(), roots


def _table() -> use.Table:
  return {key: dict(values) for key, values in gin_config._CONFIG.items()}


def _selector(files: Sequence[str]) -> str:
  try:
    gin.get_configurable(Experiment)
  except ValueError as error:
    raise ConfigurationError(
      f'{", ".join(files)}: no Experiment is configured; bind '
      'experiment.Experiment.name and .stages.'
    ) from error
  return f'{Experiment.__module__}.{Experiment.__name__}'


def _one_line(error: Exception) -> str:
  """An error on one line, without gin's indentation and class reprs."""
  first, *rest = str(error).splitlines() or ['']
  missing = _NO_VALUE.match(first)
  if missing:
    first = f'{missing[1]} has no value for {missing[2]}; bind it.'
  elif not isinstance(error, ValueError | OSError):
    first = f'{type(error).__name__}: {first}'
  lines = [first.strip()]
  for line in rest:
    call = _CALL.match(line)
    if call is None:
      lines.append(line.strip())
    elif not any('in call to' in seen for seen in lines):
      # The innermost call is the one that matters.
      name = f'{call[2]}/{call[1]}' if call[2] else call[1]
      lines.append(f'(in call to {name})')
  return ' '.join(line for line in lines if line)
