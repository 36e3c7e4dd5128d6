"""Writes the report of an experiment: summary, figures, page, table.

<folder>/summary.json   every curve and claim, for programs
<folder>/index.html     the same for people, in one file
<folder>/figures/       <id>.svg and <id>.png
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib

from ttc.analysis import pool_tables, study
from ttc.analysis.bootstrap import Claim
from ttc.analysis.study import Study
from ttc.pipeline import records
from ttc.reporting import examples, page, plots, tables, terminal
from ttc.reporting.claims import catalogue as all_claims
from ttc.reporting.figures import catalogue as all_figures
from ttc.runtime import storage


@dataclasses.dataclass(frozen=True)
class About:
  """What the report is of.

  Attributes:
    experiment: its name.
    command: what was typed to run it.
    seconds: wall seconds by stage.
    size_ratio: parameters of the large model over the small one's; None
      where there is no large model.
    subsets: random subsets behind points made from larger pools.
    stages: folders by use, as in study.load; {} for the usual names.
  """

  experiment: str
  command: str
  seconds: Mapping[str, float]
  size_ratio: float | None = None
  subsets: int = 100
  stages: Mapping[str, str] = dataclasses.field(default_factory=dict)


def write(
  folder: pathlib.Path,
  roots: Mapping[int, pathlib.Path],
  about: About,
) -> str:
  """Writes everything into `folder` and returns the table for the terminal.

  Args:
    folder: of the report; made if missing.
    roots: the folder of each seed's stages, by seed.
    about: the experiment.

  Raises:
    ValueError: a seed has no samples of test questions, or records of one
      stage disagree with each other.
  """
  studies = [
    study.load(root, seed, subsets=about.subsets, **about.stages)
    for seed, root in roots.items()
  ]
  catalogue = all_figures.build(studies, about.size_ratio)
  claims = all_claims.build(studies, about.size_ratio)
  figures = [
    dataclasses.replace(f, caption=f'{f.caption} Command: {about.command}')
    for f in catalogue.figures
  ]
  numbers = {
    'accuracy': tables.accuracy(studies),
    'bins': tables.bins(studies),
    'policy': tables.policies(studies),
    'question_sets': tables.question_sets(list(roots.values())),
    'answers': pool_tables.answers(studies),
    'costs': pool_tables.costs(studies),
    'skipped': pool_tables.skipped(studies),
  }
  summary = {
    'experiment': about.experiment,
    'command': about.command,
    'seeds': list(roots),
    'seconds': dict(about.seconds),
    'size_ratio': about.size_ratio,
    'figures': [f.to_json() for f in figures],
    'left_out': catalogue.left_out,
    'tables': numbers,
    'claims': [c.to_json() for c in claims],
  }
  storage.make_folder(folder)
  drawn = []
  for figure in figures:
    svg, _ = plots.save(figure, folder / 'figures')
    drawn.append((figure, svg.read_bytes()))
  shown = findings(claims)
  overview = terminal.overview(numbers)
  text = terminal.render(_headline(about, studies), shown, overview, claims)
  first = next(iter(roots.values()))
  _write(
    folder / 'index.html',
    page.render(
      title=about.experiment,
      about=_described(about, studies),
      command=about.command,
      findings=shown,
      overview=overview,
      figures=drawn,
      left_out=catalogue.left_out,
      claims=claims,
      tables=numbers,
      seconds=about.seconds,
      examples=examples.read(first),
    ),
  )
  plain = json.loads(records.canonical(summary))
  _write(
    folder / 'summary.json', json.dumps(plain, sort_keys=True, indent=1) + '\n'
  )
  return text


def findings(claims: Sequence[Claim]) -> list[Claim]:
  """The claims an experiment is made for, in order, as far as it has them.

  Of claims over several budgets the one at the largest speaks for a strategy,
  the one at a quarter of it for a factor.
  """
  by_id = {c.id: c for c in claims}
  shown = []
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
  """The last id that begins so: the largest budget."""
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
