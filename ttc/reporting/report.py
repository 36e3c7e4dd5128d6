"""Writes the report of an experiment.

<folder>/summary.json   every curve and claim, for programs
<folder>/index.html     the report for readers, in one file
<folder>/explorer/      every question, for the page to show
<folder>/figures/       <id>.svg and <id>.png
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib

from ttc.allocation import accounts, comparison, estimates
from ttc.analysis import pool_tables, study
from ttc.analysis.study import Study
from ttc.claims import catalogue as all_claims
from ttc.claims import recommendation
from ttc.claims.verdicts import Claim
from ttc.data.problems import Problem
from ttc.pages import explorer, page
from ttc.pipeline import records
from ttc.reporting import examples, made_of, plots, tables, terminal
from ttc.reporting.figures import catalogue as all_figures
from ttc.reporting.figures import common, training
from ttc.reporting.selections import Selection
from ttc.runtime import storage


@dataclasses.dataclass(frozen=True)
class About:
  """The experiment that a report is about.

  Attributes:
    experiment: name of the experiment.
    command: command line that ran it.
    seconds: wall-clock seconds by stage.
    made_with: by which code and devices, in lines of text.
    size_ratio: parameters of the large model over the small one's; None
      where there is no large model.
    subsets: number of random subsets, see `study.Study`.
    stages: folder names by stage, see `study.load`; {} for the usual names.
    selections: to show beside those that every report shows.
    problems: texts of the questions, for the explorer.
    delimiter: text that ends a step.
    explored: number of questions whose attempts can be looked into; None for
      all.
  """

  experiment: str
  command: str
  seconds: Mapping[str, float]
  made_with: Sequence[str] = ()
  size_ratio: float | None = None
  subsets: int = 100
  stages: Mapping[str, str] = dataclasses.field(default_factory=dict)
  selections: Sequence[Selection] = ()
  problems: Sequence[Problem] = ()
  delimiter: str = '\n'
  explored: int | None = None


def write(
  folder: pathlib.Path, roots: Mapping[int, pathlib.Path], about: About
) -> str:
  """Writes the report into a folder and returns its text for the terminal.

  Args:
    folder: folder of the report, created if missing.
    roots: folder that holds a seed's stages, by seed.
    about: the experiment.

  Raises:
    ValueError: a seed has no samples of test questions, or the records of a
      stage disagree.
    ttc.pipeline.records.IncompleteError: a stage has not finished.
  """
  studies = [
    study.load(root, seed, subsets=about.subsets, **about.stages)
    for seed, root in roots.items()
  ]
  compared = [
    comparison.load(root, own)
    for root, own in zip(roots.values(), studies, strict=True)
  ]
  catalogue = all_figures.build(studies, about.size_ratio, compared)
  claims = all_claims.build(studies, about.size_ratio, compared)
  first = next(iter(roots.values()))
  drawn, left_out = list(catalogue.figures), dict(catalogue.left_out)
  try:
    drawn.append(training.losses(first))
  except common.MissingError as missing:
    left_out['training'] = str(missing)
  figures = [
    dataclasses.replace(f, caption=f'{f.caption} Command: {about.command}')
    for f in drawn
  ]
  shown = findings(claims)
  numbers = {
    'recommendation': recommendation.table(studies),
    'accuracy': tables.accuracy(studies, about.selections),
    'bins': tables.bins(studies),
    'policy': tables.policies(studies),
    'allocation': accounts.budgets(compared, studies),
    'difficulty_estimates': estimates.table(compared),
    'question_sets': tables.question_sets(list(roots.values())),
    'answers': pool_tables.answers(studies),
    'costs': pool_tables.costs(studies),
    'skipped': pool_tables.skipped(studies),
    'made_of': made_of.table(roots),
  }
  summary = {
    'experiment': about.experiment,
    'about': _described(about, studies),
    'command': about.command,
    'seeds': list(roots),
    'seconds': dict(about.seconds),
    'made_with': list(about.made_with),
    'size_ratio': about.size_ratio,
    'figures': [f.to_json() for f in figures],
    'left_out': left_out,
    'tables': numbers,
    'claims': [c.to_json() for c in claims],
    'findings': [c.id for c in shown],
  }
  storage.make_folder(folder)
  drawings = plots.save(figures, folder / 'figures')
  overview = terminal.overview(numbers)
  text = terminal.render(_headline(about, studies), shown, overview, claims)
  for own, root in zip(studies, roots.values(), strict=True):
    explorer.write(
      folder,
      root,
      own,
      about.problems,
      about.delimiter,
      about.explored,
    )
  # Canonical JSON rounds floats to 6 digits, so that equal work gives equal
  # bytes; here it is indented for readers. The page shows these numbers.
  plain = json.loads(records.canonical(summary))
  _write(
    folder / 'index.html',
    page.render(
      plain,
      drawings,
      examples.read(first),
      overview,
      made_of.links(folder, roots),
    ),
  )
  _write(
    folder / 'summary.json', json.dumps(plain, sort_keys=True, indent=1) + '\n'
  )
  return text


def findings(claims: Sequence[Claim]) -> list[Claim]:
  """The claims to show first, as far as an experiment has them.

  These are compute-optimal against fixed strategies, at the largest budget and
  at a quarter of it, and the small model against the large one. Predicted bins
  are preferred to oracle bins, and the verifier to majority.
  """
  by_id = {c.id: c for c in claims}
  shown = [c for c in claims if c.id.startswith('allocation.')]
  # Majority stands in for the verifier only where revisions have none.
  for side in ('search', 'revisions.verifier', 'revisions.majority'):
    if side == 'revisions.majority' and any(
      c.id.startswith('revisions.verifier.optimal') for c in shown
    ):
      continue
    stems = [f'{side}.optimal-{kind}' for kind in ('predicted', 'oracle')]
    stem = next((s for s in stems if any(i.startswith(s) for i in by_id)), None)
    if stem:
      shown += [
        by_id[i]
        for i in (
          _last(by_id, f'{stem}.vs-best-of-n'),
          _last(by_id, f'{stem}.vs-all-parallel'),
          _last(by_id, f'{stem}.vs-the-best-uniform'),
          f'{stem}.fourfold',
        )
        if i in by_id
      ]
  shown += [
    c
    for c in claims
    if c.id.startswith('matched.v1.') and c.id.endswith('.all')
  ]
  return shown


def _last(by_id: Mapping[str, Claim], stem: str) -> str:
  """The last id with a prefix, which is the largest budget's; '' if none."""
  return next((i for i in reversed(by_id) if i.startswith(stem)), '')


def _headline(about: About, studies: Sequence[Study]) -> str:
  return f'{about.experiment}: {_described(about, studies)}'


def _described(about: About, studies: Sequence[Study]) -> str:
  seeds = ', '.join(str(s.seed) for s in studies)
  left_out = [
    len({row['question'] for row in pool_tables.skipped([s]) if row['dropped']})
    for s in studies
  ]
  parts = [
    f'seed{"s" * (len(studies) > 1)} {seeds}',
    f'{_range([len(s.problem) for s in studies])} test questions'
    + f', {_range(left_out)} skipped' * any(left_out),
  ]
  if about.size_ratio:
    parts.append(f'against a {about.size_ratio:.3g}× larger model')
  return ' · '.join(parts)


def _range(counts: Sequence[int]) -> str:
  low, high = min(counts), max(counts)
  return str(low) if low == high else f'{low} to {high}'


def _write(path: pathlib.Path, text: str):
  records.write_atomic(path, text.encode('utf-8'))
