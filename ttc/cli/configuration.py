"""Builds an Experiment from gin files and bindings.

Every error is one ConfigurationError with a message of one line. The library
has no gin decorators: gin files import the modules that they configure
(`from __gin__ import dynamic_registration`).
"""

from collections.abc import Iterator, Sequence
import contextlib
import re

import gin
from ttc.bindings import (
  chosen,
  close_names,
  elsewhere,
  moved_modules,
  parsing,
  unmade,
)
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.runtime.safe_text import message

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
    files: gin files; later files override earlier ones. See `sources.found`.
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
  with _one_error():
    parsing.parse(files, bindings, assumed, scopes)
    experiment = gin.get_configurable(Experiment)()
    unmade.check(experiment)
    if check:
      experiment.check()
  return experiment, gin.operative_config_str()


def check_stages(request, mounted: Sequence[str] | None) -> None:
  """Checks a configuration and the stages to run, as far as can be known here.

  Args:
    request: the `runner.Request` of a command.
    mounted: folders that another machine has, which is to run the command, of
      its image or a shared disk; None where the machine is not known.

  Raises:
    ConfigurationError: as `load`; a file or path would not be there, or there
      is no stage to run.
  """
  files, bindings = request.files, request.bindings
  with _one_error():
    if mounted is None:
      stages = load(files, bindings, check=False)[0].everything
    else:
      stages = elsewhere.check(files, bindings, mounted)
    if stages is not None:
      chosen.names(stages, request.kind, request.only)


@contextlib.contextmanager
def _one_error() -> Iterator[None]:
  """Raises each error as a ConfigurationError of one line."""
  try:
    yield
  except ConfigurationError:
    raise
  except ImportError as error:
    text = moved_modules.advice(error) or _one_line(error)
    raise ConfigurationError(text) from error
  except Exception as error:
    raise ConfigurationError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
  """An error on one line, without gin's indentation and class reprs."""
  first, *rest = message(error).splitlines() or ['']
  missing = _NO_VALUE.match(first)
  if missing and missing[1] == Experiment.__name__:
    first = (
      f'no gin file makes an Experiment ({missing[2]}); give one such as '
      '--gin_file=gin/experiments/first_look.gin before those that bind more.'
    )
    rest = []
  elif missing:
    first = f'{missing[1]} has no value for {missing[2]}; bind it.'
  elif not isinstance(error, ValueError | OSError):
    first = f'{type(error).__name__}: {first}'
  lines = [first.strip()]
  for line in rest:
    call = _CALL.match(line)
    if missing and call is None:
      continue  # gin's account of the same
    if call is None:
      lines.append(line.strip())
    elif not any('in call to' in seen for seen in lines):
      # The innermost call is the one that matters.
      name = f'{call[2]}/{call[1]}' if call[2] else call[1]
      lines.append(f'(in call to {name})')
  told = ' '.join(line for line in lines if line)
  return told + close_names.hint(told)
