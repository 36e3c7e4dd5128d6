"""One answer that no grader ends: the run completes, on one process and two."""

import collections
import os
import pathlib
import subprocess
import sys

import pytest

from tests import joined
from tests.cli.judging import Judge
from ttc.pipeline import records

_REPOSITORY = pathlib.Path(__file__).parents[2]
_GIN = """
from __gin__ import dynamic_registration
from tests.cli import judging
from ttc.pipeline import experiment

experiment.Experiment:
  name = 'judged'
  stages = (@judging.Judge(),)
"""


def _run(folder, flags):
  path = folder / 'judge.gin'
  path.write_text(_GIN, encoding='ascii')
  return subprocess.Popen(
    [
      sys.executable,
      '-m',
      'ttc.cli.main',
      'run',
      f'--gin_file={path}',
      f"--gin.Experiment.output='{folder}'",
      *flags,
    ],
    cwd=_REPOSITORY,
    stderr=subprocess.PIPE,
    text=True,
  )


@pytest.mark.parametrize('count', [1, 2])
def test_a_poisonous_answer_stops_no_run(tmp_path, count):
  options = joined.flags(count) if count > 1 else [[]]
  started = [_run(tmp_path, flags) for flags in options]
  told = ''
  for process in started:
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-3000:]
    told += said
  folder = tmp_path / 'judged' / 'seed-0' / 'judge'
  rows = records.read_rows(folder)
  stage = Judge()
  assert len(rows) == stage.parts
  for row in rows:
    assert len(row['rows']) == stage.ordinary + 1
    assert not any(answer['correct'] for answer in row['rows'])
  counts = collections.Counter(
    answer['undecided']
    for answer in records.answers(rows)
    if 'undecided' in answer
  )
  assert counts
  assert records.read_mark(folder)['undecided'] == counts
  line = f'{counts.total()} answers could not be graded and count as wrong'
  assert told.count(line) == 1  # by process 0, of all processes


def test_hosts_with_other_files_are_refused(tmp_path):
  """As two copies of one task, one of which was edited."""
  started = []
  for index, flags in enumerate(joined.flags(2)):
    folder = tmp_path / f'host-{index}'
    folder.mkdir()
    (folder / 'cards.txt').write_text(f'a b {index}')
    path = folder / 'deal.gin'
    path.write_text(
      _GIN.replace('judging', 'dealing')
      .replace('Judge()', 'Deal()')
      .replace('judged', 'dealt'),
      encoding='ascii',
    )
    started.append(
      subprocess.Popen(
        [
          sys.executable,
          '-m',
          'ttc.cli.main',
          'run',
          f'--gin_file={path}',
          f"--gin.Experiment.output='{tmp_path}'",
          *flags,
        ],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(_REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
      )
    )
  for process in started:
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said[-3000:]
    assert 'cards.txt' in said
    assert 'in process 0' in said
  assert not (tmp_path / 'dealt' / 'seed-0' / 'deal').exists()
