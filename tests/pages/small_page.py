"""Pages with one thing and little else, for tests in a browser."""

import json

from ttc.analysis import study
from ttc.pages import explorer, page
from ttc.reporting import plots

_SUMMARY = {
  'experiment': 'small',
  'about': '',
  'command': 'ttc run',
  'seconds': {},
  'seeds': [0],
  'made_with': [],
  'figures': [],
  'left_out': {},
  'claims': [],
  'findings': [],
  'tables': {
    'recommendation': [],
    'policy': [],
    'question_sets': {},
    'skipped': [],
    'costs': [],
    'made_of': {'models': [], 'sampling': [], 'runs': []},
  },
}


def draw(folder, *figures):
  """Writes the page of figures alone; returns its path."""
  drawings = plots.save(figures, folder / 'figures')
  trees = json.loads(json.dumps([f.to_json() for f in figures]))
  path = folder / 'index.html'
  text = page.render({**_SUMMARY, 'figures': trees}, drawings, [], '', {})
  path.write_text(text, encoding='utf-8')
  return path


def write(folder, root, problems=(), delimiter='\n', limit=None, also=()):
  """Writes the page of a seed's folder; returns its path.

  Args:
    folder: to write to.
    root: of seed 0.
    problems, delimiter, limit: see `explorer.write`.
    also: folders of the seeds 1, 2, ...
  """
  folder.mkdir(exist_ok=True)
  for seed, own in enumerate((root, *also)):
    measured = study.load(own, seed, subsets=3)
    explorer.write(folder, own, measured, problems, delimiter, limit)
  path = folder / 'index.html'
  summary = {**_SUMMARY, 'seeds': list(range(1 + len(also)))}
  path.write_text(page.render(summary, {}, [], '', {}), encoding='utf-8')
  return path
