"""From gin files and bindings to an Experiment, or one line that says why not.

The library carries no gin decorator: gin files name what they configure by
importing it (`from __gin__ import dynamic_registration`).
"""

from collections.abc import Callable
import importlib.util  # noqa: F401  gin 0.5.0 uses it without importing it
import logging
import pathlib
import re

import gin
from gin import config as gin_config
from ttc.cli import moved_modules
from ttc.pipeline.experiment import ConfigurationError, Experiment

_REPOSITORY = pathlib.Path(__file__).parents[2]
_NO_MACRO = re.compile(r"No bindings specified for '(.*)/gin.macro'")
_REQUIRED = re.compile(r'(\w+)/macro\.value set to `%gin\.REQUIRED`')
_NO_VALUE = re.compile(r'(\w+)\.__init__\(\) missing .*?: (.*)')
_CALL = re.compile(r" *In call to configurable '([^']*)'.*")


def load(
  files: tuple[str, ...], bindings: tuple[str, ...], check: bool = True
) -> tuple[Experiment, str]:
  """Builds the experiment that gin files and bindings describe.

  Args:
    files: gin files, later ones over earlier ones; paths are relative to the
      working directory or else to the repository.
    bindings: `Name.parameter=value` or `MACRO=value`, over the files.
    check: whether stages look for what they read, and bindings that nothing
      uses are refused.

  Returns:
    The experiment, checked, and all bindings that were used as gin text.

  Raises:
    ConfigurationError: a missing file, an unknown name or parameter, a value
      that is missing or does not fit, or a binding that nothing uses.
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
  """Fills gin; returns what is not worth a check for being used.

  That is everything but the last source's: what a file binds may be unused
  because a later file or the command line bound something over it.
  """
  found = [_found(file) for file in files]
  sources = [lambda file=file: gin.parse_config_file(file) for file in found]
  if bindings:
    sources.append(lambda: gin.parse_config(list(bindings)))
  before = {}
  logging.disable(logging.ERROR)  # gin logs what it then raises
  try:
    for parse in sources:
      before = {key: dict(of) for key, of in gin_config._CONFIG.items()}
      parse()
    gin.finalize()
  finally:
    logging.disable(logging.NOTSET)
  return before


def _found(file: str) -> str:
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
  """Raises for a new binding that building the experiment never asked for."""
  called = set(gin_config._OPERATIVE_CONFIG)
  for (scope, selector), of in gin_config._CONFIG.items():
    used = any(
      selector == other and f'{inner}/'.startswith(f'{scope}/' * bool(scope))
      for inner, other in called
    )
    if not used and before.get((scope, selector)) != of:
      name = selector.rsplit('.', 1)[-1]
      full = f'{scope}/{name}' if scope else name
      shown = scope if name == 'macro' else f'{full}.{min(of)}'
      raise ConfigurationError(
        f'{shown} is bound but nothing in the experiment uses it; correct '
        'its name or remove it.'
      )


def _one_line(error: Exception) -> str:
  """What went wrong and where, without gin's indentation and class reprs."""
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
  return (
    text
    if isinstance(error, ValueError | OSError)
    else (f'{type(error).__name__}: {text}')
  )
