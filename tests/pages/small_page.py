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


def write(folder, root, problems=(), delimiter='\n', limit=None):
  """Writes the page of a seed's folder; returns its path."""
  folder.mkdir(exist_ok=True)
  measured = study.load(root, 0, subsets=3)
  explorer.write(folder, root, measured, problems, delimiter, limit)
  path = folder / 'index.html'
  path.write_text(page.render(_SUMMARY, {}, [], '', {}), encoding='utf-8')
  return path
