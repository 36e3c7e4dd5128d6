"""Losses, parameters and samples on 1, 4 and 8 devices, cut in many ways."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests import layouts, testing
from ttc.models import partitioning
from ttc.models.partitioning import Layout


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """On one device, without a stop."""
  return layouts.train(tmp_path_factory.mktemp('one'), None)


@pytest.fixture(scope='module')
def sampled():
  return layouts.sample(testing.mesh())


def _same(found, trained):
  (losses, params), (expected, wanted) = found, trained
  assert losses == pytest.approx(
    {step: expected[step] for step in losses}, abs=1e-5
  )
  np.testing.assert_allclose(params, wanted, atol=1e-4)


@pytest.mark.parametrize(
  ('layout', 'changes'),
  [
    (Layout(fsdp=4), dict(remat='full')),
    (Layout(fsdp=2, model=2), dict(microbatches=2, remat='dots')),
  ],
  ids=str,
)
def test_four_devices_train_as_one(tmp_path, trained, layout, changes):
  found = layouts.train(tmp_path, layout, **changes)
  assert len(found[0]) == layouts.CONFIG.steps
  _same(found, trained)


def test_four_devices_sample_as_one(sampled):
  assert layouts.sample(partitioning.make_mesh(model=2)) == sampled
  assert any(sampled['beam'][0][i] != sampled['beam'][0][0] for i in range(8))


def test_eight_devices_train_and_sample_as_one(tmp_path, trained, sampled):
  """Also from a checkpoint that one device has left."""
  layouts.train(tmp_path / 'begun', None, stop=3)
  subprocess.run(
    [sys.executable, '-m', 'tests.layouts', '8', str(tmp_path)],
    cwd=pathlib.Path(__file__).parents[1],
    check=True,
    timeout=300,
  )
  found = json.loads((tmp_path / 'found.json').read_text())
  vectors = np.load(tmp_path / 'vectors.npz')
  assert found['sampled'] == sampled
  steps = [str(step + 1) for step in range(layouts.CONFIG.steps)]
  for name, first in zip(layouts.EIGHT, (2, 0), strict=True):
    assert list(found[name]) == steps[first:]
    _same((found[name], vectors[name]), trained)
