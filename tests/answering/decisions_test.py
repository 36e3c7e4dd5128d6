"""Decisions that a run recorded are those that it goes on from."""

import shutil

import pytest

from tests.answering.small_run import SEED
from ttc.pipeline import records
from ttc.pipeline.journal import Journal
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime import checksums


def test_rounds_that_were_decided_otherwise_are_not_gone_on_from(run, tmp_path):
  """As by a version of this code with another rule."""
  experiment, root = run
  copy = shutil.copytree(root, tmp_path / root.name)
  folder = copy / f'seed-{SEED}' / 'allocate'
  first, *later = sorted(folder.glob('part-*'))
  for path in [*later, folder / records.MARK]:
    path.unlink()
  row, *rows = records.read_part(first)
  for name in ('rows', 'cost'):
    del row[name]
  data = records.part_bytes([row, *rows])
  Journal(folder, 0).add(first.name, checksums.of_bytes(data))
  first.write_bytes(data)
  [stage] = [s for s in experiment.stages if s.name == 'allocate']
  names = tuple(s.name for s in experiment.stages)
  with pytest.raises(ValueError, match='round 0 of allocate at 3 was decided'):
    StageRun(stage, Place(copy, (SEED,), names), SEED).work()
