"""Training and checkpoints on two real processes, against one."""

import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests import joined, xla
from tests.training import loop_test
from ttc.checkpoints import orbax
from ttc.models import partitioning
from ttc.training import loop

_REPOSITORY = pathlib.Path(__file__).parents[2]
# Process 1 asks to stop at step 8; then both go on to the end, from one step
# earlier, since that checkpoint is damaged. Its own copy of the model, on its
# own devices, process 1 reads alone.
_PROGRAM = """
import os, pathlib, sys
os.environ['XLA_FLAGS'] = sys.argv[4]
import jax
from tests.training import loop_test
from ttc.models import partitioning
from ttc.checkpoints import orbax
from ttc.examples import packing
from ttc.training import loop

address, index, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
jax.distributed.initialize(address, 2, index)
config = loop_test.CONFIG
sizes = dict(batch=config.batch, seq_len=config.seq_len,
             steps=config.steps_per_call, shard=(index, 2))

def fit(**kwargs):
  return loop.fit(
    config, loop_test.CFG, 'logits',
    packing.Batches(
      loop_test._documents('logits', 50, 0), seed=config.seed, **sizes),
    packing.once(loop_test._documents('logits', 20, 1), **sizes),
    f'{folder}/run', mesh=partitioning.make_mesh(), **kwargs)

try:
  fit(asked=lambda step: index == 1 and step >= 8)
except loop.Stopped as stopped:
  print('stopped', stopped.step, flush=True)
from jax.experimental import multihost_utils
multihost_utils.sync_global_devices('stopped')
if index == 0:
  import shutil
  shutil.copytree(f'{folder}/run', f'{folder}/stopped')
  # One bit of the checkpoint that both would continue from.
  data = max(pathlib.Path(f'{folder}/run/checkpoint_10').rglob('d/*'),
             key=lambda path: path.stat().st_size)
  held = bytearray(data.read_bytes())
  held[len(held) // 2] ^= 1
  data.write_bytes(held)
multihost_utils.sync_global_devices('copied')
fitted = fit()
orbax.save_model(f'{folder}/model', loop_test.CFG, 'logits', fitted.params)
multihost_utils.sync_global_devices('saved')
if index == 1:
  mesh = partitioning.make_mesh(devices=jax.local_devices())
  _, _, params = orbax.load_model(f'{folder}/model', mesh)
  assert all(x.is_fully_addressable for x in jax.tree.leaves(params))
  print('read', flush=True)
print(fitted.evaluations, flush=True)
"""


@pytest.fixture(scope='module')
def two(tmp_path_factory):
  """The folder of a run of two processes, their output, their errors."""
  folder = tmp_path_factory.mktemp('two')
  address = joined.address()
  flags = xla.flags(1)
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', _PROGRAM, address, str(index), str(folder), flags],
      cwd=_REPOSITORY,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for index in range(2)
  ]
  said = [process.communicate(timeout=200) for process in processes]
  for process, (_, errors) in zip(processes, said, strict=True):
    assert process.returncode == 0, errors[-3000:]
  return (
    folder,
    [output.splitlines() for output, _ in said],
    [errors for _, errors in said],
  )


@pytest.fixture(scope='module')
def one(tmp_path_factory):
  """The same run in this process, on as many devices."""
  return _fit(tmp_path_factory.mktemp('one'))


def _fit(folder):
  return loop_test._fit(
    folder, mesh=partitioning.make_mesh(devices=jax.devices()[:2])
  )


def _bytes(params):
  return [np.asarray(x).tobytes() for x in jax.tree.leaves(params)]


def test_all_stop_at_one_step_when_one_is_asked(two):
  assert all('stopped 10' in lines for lines in two[1])


def test_a_damaged_checkpoint_is_told_once_and_left_out(two):
  told = [errors.count('continues without checkpoint_10') for errors in two[2]]
  assert told == [1, 0]


def test_two_processes_train_what_one_does(two, one):
  """Bit for bit: a sum over two devices has no order."""
  _, _, params = orbax.load_model(str(two[0] / 'model'))
  assert _bytes(params) == _bytes(one.params)
  assert [lines[-1] for lines in two[1]] == [str(one.evaluations)] * 2
  assert 'read' in two[1][1]


def test_one_process_goes_on_where_two_stopped(two, one, tmp_path):
  shutil.copytree(two[0] / 'stopped', tmp_path / 'run')
  fitted = _fit(tmp_path / 'run')
  assert _bytes(fitted.params) == _bytes(one.params)
  assert fitted.evaluations == one.evaluations
  assert fitted.step == loop_test.CONFIG.steps
  assert isinstance(fitted, loop.Fitted)
