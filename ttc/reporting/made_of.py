"""What an experiment was made of: models, sampling, commands and dates."""

from collections.abc import Iterator, Mapping
import datetime
import json
import os
import pathlib
from typing import Any

from ttc.pipeline import model_folders, records
from ttc.pipeline.origin import Origin
from ttc.runtime import storage

# Of the bindings of a stage that samples, by what the page calls them.
_SAMPLING = {
  'task': 'solver.task',
  'split': 'solver.split',
  'proposer': 'solver.proposer',
  'verifier': 'solver.verifier',
  'temperature': 'solver.generation.temperature',
  'top_p': 'solver.generation.top_p',
  'max_tokens': 'solver.generation.max_tokens',
}


def table(roots: Mapping[int, pathlib.Path]) -> dict[str, Any]:
  """Models with their sizes, settings of sampling, and the commands.

  Args:
    roots: folder that holds a seed's stages, by seed. Models of all seeds have
      one shape, and stages one configuration, so the first is read.

  Returns:
    'models', 'sampling' and 'runs', rows each; runs tell when they 'began', in
    UTC, and their 'command'.
  """
  first = next(iter(roots.values()))
  stages = sorted(folder for folder in first.iterdir() if folder.is_dir())
  return {
    'models': list(_models(stages)),
    'sampling': list(_sampling(stages)),
    'runs': list(_runs(first.parent / 'attempts')),
  }


def links(
  folder: pathlib.Path, roots: Mapping[int, pathlib.Path]
) -> dict[str, str]:
  """Paths of files that belong to a report, relative to it, by what they are.

  Args:
    folder: of the report.
    roots: see `table`.
  """
  found = {'Numbers of this page (summary.json)': folder / 'summary.json'}
  found['Configuration (config.gin)'] = folder / records.CONFIG
  for seed, root in roots.items():
    found[f'Policy of seed {seed} (policy.json)'] = (
      root / 'policy' / 'policy.json'
    )
  if storage.is_remote(folder):  # has no relative paths
    return {}
  return {
    name: pathlib.PurePath(os.path.relpath(path, folder)).as_posix()
    for name, path in found.items()
    if name.startswith('Numbers') or path.exists()
  }


def _models(stages: list[pathlib.Path]) -> Iterator[dict[str, Any]]:
  for stage in stages:
    try:
      shape = model_folders.trained(stage)
    except FileNotFoundError:
      continue
    yield {
      'stage': stage.name,
      'parameters': shape.num_params,
      'layers': shape.num_layers,
      'width': shape.embed_dim,
      'vocabulary': shape.vocab_size,
    }


def _sampling(stages: list[pathlib.Path]) -> Iterator[dict[str, Any]]:
  for stage in stages:
    origin = Origin.read(stage)
    bindings = origin.bindings if origin else {}
    # The first word of a binding is the class of the stage.
    own = {key.partition('.')[2]: value for key, value in bindings.items()}
    if 'solver.proposer' in own:
      told = {k: own[path] for k, path in _SAMPLING.items() if path in own}
      if served := own.get('solver.proposer.model'):
        told['proposer'] = f'{served}, served elsewhere'
      yield {'stage': stage.name, **told}


def _runs(folder: pathlib.Path) -> Iterator[dict[str, str]]:
  """From the logs of attempts, of process 0, which begin with what ran."""
  if not folder.is_dir():
    return
  for name in storage.names(folder):
    try:
      line = (folder / name).read_text(encoding='utf-8').partition('\n')[0]
      told = json.loads(line)
      began = datetime.datetime.fromtimestamp(told['time'], datetime.UTC)
      if told['process'][0] == 0:
        yield {
          'began': began.strftime('%Y-%m-%d %H:%M UTC'),
          'command': told['command'],
        }
    except (ValueError, KeyError, TypeError, OSError):
      continue  # a log that was cut off, or is of something else
