"""The notebook runs as it is shown, with a smaller experiment.

It is of an installed package in an empty folder: from nothing to a page.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.distribution import building
from ttc.runtime import source

_NOTEBOOK = building.REPOSITORY / 'notebooks' / 'quickstart.ipynb'
_SMALL = """
PACKAGE = ''
EXPERIMENT = 'tiny.gin'
NAME = 'tiny'
BUDGET = 4
"""
# What IPython does with a line after `!`.
_SYSTEM = """
import subprocess

def system(command):
  subprocess.run(['bash', '-c', command], check=True)
"""


def _cells():
  return json.loads(_NOTEBOOK.read_text(encoding='utf-8'))['cells']


def _small():
  """The notebook as nbformat has it, with small sizes after its own."""
  whole = json.loads(_NOTEBOOK.read_text(encoding='utf-8'))
  (at,) = (
    index
    for index, cell in enumerate(whole['cells'])
    if 'parameters' in cell['metadata'].get('tags', ())
  )
  added = {**whole['cells'][at], 'id': 'small', 'source': _SMALL}
  whole['cells'].insert(at + 1, added)
  return whole


@pytest.fixture
def place(installed, tmp_path, monkeypatch):
  """An empty folder but for tiny.gin, where the installed package is used."""
  shutil.copy(building.TINY, tmp_path)
  python = os.path.dirname(sys.executable)
  monkeypatch.setenv('PYTHONPATH', str(installed))
  monkeypatch.setenv(
    'PATH', f'{installed / "bin"}:{python}:{os.environ["PATH"]}'
  )
  monkeypatch.setenv('MPLBACKEND', 'agg')
  monkeypatch.chdir(tmp_path)
  return tmp_path


def test_nothing_is_left_of_an_execution():
  for cell in _cells():
    if cell['cell_type'] == 'code':
      assert (cell['outputs'], cell['execution_count']) == ([], None)


def test_its_cells_run_in_order(place):
  lines = [_SYSTEM]
  for cell in _small()['cells']:
    if cell['cell_type'] == 'code':
      source = ''.join(cell['source'])
      lines.append(
        re.sub(r'^( *)!(.*)$', r'\1system(fr"""\2 """)', source, flags=re.M)
      )
  done = subprocess.run(
    [sys.executable, '-c', '\n'.join(lines)],
    cwd=place,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-4000:]
  _check(place, done.stdout)


def test_jupyter_runs_it(place):
  nbclient = pytest.importorskip('nbclient', reason='needs nbclient')
  pytest.importorskip('ipykernel', reason='needs ipykernel')
  import nbformat

  notebook = nbformat.reads(json.dumps(_small()), as_version=4)
  nbformat.validate(notebook)
  nbclient.NotebookClient(notebook, timeout=900).execute()
  _check(
    place,
    ''.join(
      output.get('text', '')
      for cell in notebook.cells
      for output in cell.get('outputs', ())
    ),
  )


def _check(place, printed):
  assert ', revision ' in printed
  run = place / 'runs' / 'tiny'
  assert '<html' in (run / 'report' / 'index.html').read_text()
  assert (run / 'report' / 'table.txt').read_text() in printed
  described = (run / 'seed-0' / 'greedy' / 'stage.json').read_text()
  assert source.digest() in described  # of what was installed
  # Of `ttc solve --show`, and the last cell.
  assert '\nconfidence  ' in printed
  assert (place / 'report.zip').exists()
