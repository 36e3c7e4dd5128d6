"""Reads gin files and flags into gin's tables, and checks what they bind."""

from collections.abc import Iterator, Sequence
import contextlib
import logging
import pathlib
import sys
from typing import TextIO

import gin
from gin import config as gin_config
from ttc.bindings import sources as origins
from ttc.bindings import use
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import ConfigurationError, Experiment


def parse(
  files: Sequence[str],
  bindings: Sequence[str],
  assumed: Sequence[str] = (),
  scopes: Sequence[str] = (),
) -> use.Use:
  """Reads all sources into gin; says on stderr what has no effect.

  Args:
    files: gin files; later files override earlier ones. See `sources.found`.
    bindings: `Name.parameter=value` or `MACRO=value`; they override the files.
    assumed: further bindings, which override all others and may be of no use.
    scopes: scopes in which a TransformerConfig is made besides.

  Returns:
    What the experiment uses.

  Raises:
    MacroError: macros have no value.
    ConfigurationError: a file is missing or cannot be read, or nothing uses
      what files or flags bind.
    ValueError, ImportError, ...: gin's own errors, of several lines.
  """
  gin.clear_config()
  sources, tables = [], []
  logging.disable(logging.ERROR)  # gin logs what it then raises
  try:
    for file in files:
      sources.append(origins.of_file(file))
      with _finding():
        gin.parse_config_file(str(sources[-1].files[0]))
      tables.append(_table())
    for binding in bindings:
      sources.append(origins.of_flag(binding))
      gin.parse_config(binding)
      tables.append(_table())
    model = f'{TransformerConfig.__module__}.{TransformerConfig.__name__}'
    roots = [('', _selector(files)), *((scope, model) for scope in scopes)]
    told = use.check(sources, tables, roots)
    for line in (
      *origins.shadows(sources),
      *origins.replaced(sources),
      *told,
    ):
      print(f'ttc: {line}', file=sys.stderr, flush=True)
    gin.parse_config(list(assumed))
  finally:
    logging.disable(logging.NOTSET)
  used = use.of(_table(), roots[:1])
  if used.macros:
    raise use.MacroError(used.macros)
  return used


@contextlib.contextmanager
def _finding() -> Iterator[None]:
  """Has gin find what a file includes where `sources.found` does."""
  reading: list[pathlib.Path] = []  # the file at its end is the innermost

  def place(name: str) -> pathlib.Path | None:
    return origins.found(name, reading[-1] if reading else None)

  @contextlib.contextmanager
  def opened(name: str) -> Iterator[TextIO]:
    reading.append(place(name))
    with open(reading[-1], encoding='utf-8') as file:
      yield file
    reading.pop()

  reader = opened, lambda name: place(name) is not None
  gin_config._FILE_READERS.insert(0, reader)
  try:
    yield
  finally:
    gin_config._FILE_READERS.remove(reader)


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
