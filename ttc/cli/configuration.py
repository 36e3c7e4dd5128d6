"""Builds an Experiment from gin files and bindings.

Every error is one ConfigurationError with a message of one line. The library
has no gin decorators: gin files import the modules that they configure
(`from __gin__ import dynamic_registration`).
"""

from collections.abc import Callable
import importlib.util  # noqa: F401  gin 0.5.0 uses it without importing it
import logging
import pathlib
import re

import gin
from gin import config as gin_config
from ttc.pipeline import moved_modules
from ttc.pipeline.experiment import ConfigurationError, Experiment

_REPOSITORY = pathlib.Path(__file__).parents[2]
# Errors of gin and Python that `_one_line` rewrites.
_NO_MACRO = re.compile(r"No bindings specified for '(.*)/gin.macro'")
_REQUIRED = re.compile(r'(\w+)/macro\.value set to `%gin\.REQUIRED`')
_NO_VALUE = re.compile(r'(\w+)\.__init__\(\) missing .*?: (.*)')
_CALL = re.compile(r" *In call to configurable '([^']*)'.*")


def load(
  files: tuple[str, ...], bindings: tuple[str, ...], check: bool = True
) -> tuple[Experiment, str]:
  """Builds the experiment that gin files and bindings describe.

  Args:
    files: gin files; later files override earlier ones. Paths are relative to
      the working directory or else to the repository.
    bindings: `Name.parameter=value` or `MACRO=value`; they override the files.
    check: whether to check that the stages' inputs exist, and to refuse
      bindings that nothing uses.

  Returns:
    The experiment, and gin text with all bindings that were used.

  Raises:
    ConfigurationError: a file is missing, a name or parameter is unknown, a
      value is missing or wrong, or nothing uses a binding.
  """
  gin.clear_config()
  if str(_REPOSITORY) not in gin_config._LOCATION_PREFIXES:
    gin.add_config_file_search_path(str(_REPOSITORY))
  try:
    before = _parse(files, bindings)
    experiment = _experiment(files)()
    if check:
      _refuse_unused(before)
      experiment.check()
  except ConfigurationError:
    raise
  except ImportError as error:
    text = moved_modules.advice(error) or _one_line(error)
    raise ConfigurationError(text) from error
  except Exception as error:
    raise ConfigurationError(_one_line(error)) from error
  return experiment, gin.operative_config_str()


def _parse(files: tuple[str, ...], bindings: tuple[str, ...]) -> dict:
  """Parses all sources into gin's global configuration.

  Args:
    files: as for `load`.
    bindings: as for `load`; they are the last source if there are any.

  Returns:
    Gin's bindings before the last source. They need no check for being used: a
    binding may be unused because a later source has overridden what uses it.
  """
  paths = [_path(file) for file in files]
  sources = [lambda path=path: gin.parse_config_file(path) for path in paths]
  if bindings:
    sources.append(lambda: gin.parse_config(list(bindings)))
  before = {}
  logging.disable(logging.ERROR)  # gin logs what it then raises
  try:
    for parse in sources:
      before = {key: dict(args) for key, args in gin_config._CONFIG.items()}
      parse()
    gin.finalize()
  finally:
    logging.disable(logging.NOTSET)
  return before


def _path(file: str) -> str:
  for folder in (pathlib.Path(), _REPOSITORY):
    if (folder / file).is_file():
      return str(folder / file)
  raise ConfigurationError(
    f'--gin_file={file} is not a file, neither from {pathlib.Path.cwd()} nor '
    f'from {_REPOSITORY}.'
  )


def _experiment(files: tuple[str, ...]) -> Callable[[], Experiment]:
  try:
    return gin.get_configurable(Experiment)
  except ValueError as error:
    raise ConfigurationError(
      f'{", ".join(files)}: no Experiment is configured; bind '
      'experiment.Experiment.name and .stages.'
    ) from error


def _refuse_unused(before: dict) -> None:
  """Raises for a binding of the last source that the experiment did not use.

  Args:
    before: bindings by (scope, selector), of all earlier sources.
  """
  called = set(gin_config._OPERATIVE_CONFIG)
  for (scope, selector), args in gin_config._CONFIG.items():
    # A binding applies in its own scope and in all scopes inside it.
    used = any(
      selector == other and f'{inner}/'.startswith(f'{scope}/' * bool(scope))
      for inner, other in called
    )
    if not used and before.get((scope, selector)) != args:
      name = selector.rsplit('.', 1)[-1]
      full = f'{scope}/{name}' if scope else name
      # Gin keeps a macro under its own name as the scope of `macro`.
      shown = scope if name == 'macro' else f'{full}.{min(args)}'
      raise ConfigurationError(
        f'{shown} is bound but nothing in the experiment uses it; correct '
        'its name or remove it.'
      )


def _one_line(error: Exception) -> str:
  """An error on one line, without gin's indentation and class reprs."""
  macro = _NO_MACRO.search(str(error)) or _REQUIRED.search(str(error))
  if macro:
    return f'the macro {macro[1]} has no value; bind it with {macro[1]} = ...'
  missing = _NO_VALUE.match(str(error))
  if missing:
    return f'{missing[1]} has no value for {missing[2]}; bind it.'
  lines = []
  for line in str(error).splitlines():
    call = _CALL.match(line)
    if call and any('in call to' in seen for seen in lines):
      continue  # the innermost call is the one that matters
    lines.append(f'(in call to {call[1]})' if call else line.strip())
  text = ' '.join(line for line in lines if line)
  if isinstance(error, ValueError | OSError):
    return text
  return f'{type(error).__name__}: {text}'
