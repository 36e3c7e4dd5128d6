"""Runs compared: settings that differ, curves together, paired differences.

<folder>/comparison.json   all numbers, for programs
<folder>/index.html        the same for readers
<folder>/figures/          <id>.svg and <id>.png
"""

from collections.abc import Iterator, Sequence
import json
import pathlib
from typing import Any

from ttc.analysis import study
from ttc.analysis.study import Study
from ttc.claims import compare, recommendation
from ttc.pages import comparison
from ttc.pipeline import fingerprint, records
from ttc.pipeline.origin import Origin
from ttc.reporting import plots
from ttc.reporting.figure import Figure
from ttc.reporting.figures import by_budget, common
from ttc.runtime import storage

_SEED = 'seed-'
_SUBSETS = 100  # random subsets where a point uses part of a pool


class _Run:
  """A finished experiment.

  Attributes:
    name: what tells it from the others.
    root: its folder.
    seeds: folders by seed.
    studies: one per seed.
  """

  def __init__(self, name: str, root: pathlib.Path):
    self.name, self.root = name, root
    self.seeds = {
      int(n.removeprefix(_SEED)): root / n
      for n in storage.names(root)
      if n.startswith(_SEED) and n.removeprefix(_SEED).isdecimal()
    }
    if not self.seeds:
      raise ValueError(
        f'{root} has no folder seed-0; name the folders of experiments, such '
        'as runs/quickstart.'
      )
    self.studies = {
      seed: study.load(folder, seed, subsets=_SUBSETS)
      for seed, folder in self.seeds.items()
    }

  def bindings(self) -> dict[str, dict[str, Any]]:
    """Configuration of the stages of the first seed, by their names."""
    first = next(iter(self.seeds.values()))
    origins = {p.name: Origin.read(p) for p in sorted(first.iterdir())}
    return {name: o.bindings for name, o in origins.items() if o}


def write(folder: pathlib.Path, roots: Sequence[pathlib.Path]) -> str:
  """Compares runs with the first of them; returns the path of the page.

  Args:
    folder: to write to, made where it is missing.
    roots: folders of at least two experiments.

  Raises:
    ValueError: fewer than two are named, or one is no experiment's folder or
      has no samples of test questions.
    ttc.pipeline.records.IncompleteError: a stage has not finished.
  """
  if len(roots) < 2:
    raise ValueError('Name at least two runs to compare.')
  for root in roots:
    if not root.is_dir():
      raise ValueError(f'{root} is no folder; name those of experiments.')
  runs = [
    _Run(name, root) for name, root in zip(_names(roots), roots, strict=True)
  ]
  first, *others = runs
  drawn = list(_figures(runs))
  compared = {
    'runs': [run.name for run in runs],
    'settings': [
      {'name': run.name, 'lines': _settings(first, run)} for run in others
    ],
    'differences': [_differences(first, run) for run in others],
    'figures': [figure.to_json() for figure in drawn],
  }
  plain = json.loads(records.canonical(compared))
  storage.make_folder(folder)
  drawings = plots.save(drawn, folder / 'figures')
  for name, text in (
    ('index.html', comparison.render(plain, drawings)),
    ('comparison.json', json.dumps(plain, sort_keys=True, indent=1) + '\n'),
  ):
    storage.write_atomic(folder / name, text.encode('utf-8'))
  return str(folder / 'index.html')


def _names(roots: Sequence[pathlib.Path]) -> list[str]:
  """The last parts of paths, as many as tell them apart."""
  whole = [storage.absolute(str(root)) for root in roots]
  for parts in range(1, max(len(p.parts) for p in whole) + 1):
    names = ['/'.join(p.parts[-parts:]) for p in whole]
    if len(set(names)) == len(names):
      return names
  raise ValueError(f'{roots[0]} is named twice; compare different runs.')


def _settings(first: _Run, run: _Run) -> list[str]:
  """One line for each binding that differs, of the stages that both have."""
  one, other = first.bindings(), run.bindings()
  lines = []
  for name in sorted(one.keys() & other.keys()):
    words = f'in {first.name}', f'in {run.name}'
    told = fingerprint.differences(one[name], other[name], words)
    lines += [f'{name}: {line}' for line in told]
  for name in sorted(one.keys() ^ other.keys()):
    lines.append(f'{name}: only in {(first if name in one else run).name}')
  return lines


def _differences(first: _Run, run: _Run) -> dict[str, Any]:
  """Paired differences of what both ran, or why there are none."""
  why = _unpaired(first, run)
  pairs = [
    (first.studies[s], run.studies[s]) for s in _shared_seeds(first, run)
  ]
  return {
    'name': run.name,
    'seeds': _shared_seeds(first, run),
    'why': why,
    'rows': [] if why else list(_rows(pairs)),
  }


def _shared_seeds(first: _Run, run: _Run) -> list[int]:
  return sorted(first.studies.keys() & run.studies.keys())


def _unpaired(first: _Run, run: _Run) -> str:
  """Why the questions of two runs cannot be paired; '' where they can."""
  seeds = _shared_seeds(first, run)
  asked = lambda own: [own.studies[s].problem.tolist() for s in seeds]
  if not seeds:
    return 'they share no seed'
  if asked(first) != asked(run):
    return 'they asked other questions'
  if _questions(first) != _questions(run):
    return 'their questions are of other tasks, splits or files'
  return ''


def _questions(run: _Run) -> dict[str, Any]:
  """What decides which questions were asked."""
  origin = Origin.read(next(iter(run.seeds.values())) / 'search')
  if origin is None:
    return {}
  asked = {
    key: value
    for key, value in origin.bindings.items()
    if '.solver.task' in key or key.endswith(('.solver.split', '.solver.skip'))
  }
  return {'files': origin.files or {}, **asked}


def _rows(pairs: Sequence[tuple[Study, Study]]) -> Iterator[dict[str, Any]]:
  tables = [tuple(map(recommendation.candidates, pair)) for pair in pairs]
  for strategy in tables[0][0]:
    curves = [[t.get(strategy, {}) for t in pair] for pair in tables]
    for n in compare.shared([c for pair in curves for c in pair]):
      ours = [b[n].question for _, b in curves]
      theirs = [a[n].question for a, _ in curves]
      claim = compare.better(f'{strategy} {n}', '', ours, theirs)
      yield {
        'strategy': strategy,
        'budget': n,
        'first': common.summarise(theirs)[0],
        'accuracy': common.summarise(ours)[0],
        'ahead': claim.estimate,
        'interval': list(claim.interval),
        'holds': claim.holds,
        'why': claim.why,
      }


def _figures(runs: Sequence[_Run]) -> Iterator[Figure]:
  """One panel for each strategy that at least two runs have."""
  first, *others = runs
  paired = not any(_unpaired(first, run) for run in others) and all(
    run.seeds.keys() == first.seeds.keys() for run in others
  )
  tables = [
    [recommendation.candidates(s) for s in run.studies.values()] for run in runs
  ]
  panels = []
  for strategy in dict.fromkeys(name for own in tables for name in own[0]):
    lines = [
      by_budget.line(run.name, [t[strategy] for t in own])
      for run, own in zip(runs, tables, strict=True)
      if all(strategy in t for t in own)
    ]
    if len(lines) > 1:
      panels.append(by_budget.by_generations(strategy, lines, paired))
  if panels:
    yield Figure(
      'curves', 'Curves together', 'Accuracy by strategy.', tuple(panels)
    )
