"""Checkpoints whose disk is full, whose writer is killed, whose files are cut.

Every fault is a real one: the system refuses, stops, kills or truncates.
"""

import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import disks
from ttc.checkpoints import orbax
from ttc.models import abstract
from ttc.models.config import TransformerConfig

CFG = TransformerConfig(
  vocab_size=8,
  num_layers=1,
  embed_dim=4,
  num_heads=1,
  num_kv_heads=1,
  head_dim=4,
  mlp_dim=8,
)
_REPOSITORY = pathlib.Path(__file__).parents[2]
_SIZE = 1 << 18
# Saves step after step, 64 MB each, and says when the next begins.
_WRITER = """
import sys
import numpy as np
from ttc.checkpoints import orbax
big = np.random.default_rng(0).random(1 << 23)
with orbax.Checkpoints(sys.argv[1], {}) as checkpoints:
  for step in (1, 2, 3):
    checkpoints.save(step, {'x': big + step}, {'place': step})
    checkpoints.newest()
"""


def _tree(step):
  noise = np.random.default_rng(step).random(_SIZE, np.float32)
  return {'x': jnp.asarray(noise)}


def _restored(checkpoints, step):
  tree, progress = checkpoints.restore(
    step,
    jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
      _tree(0),
    ),
  )
  return np.asarray(tree['x']), progress


def _save(folder, *steps):
  with orbax.Checkpoints(folder, {}) as checkpoints:
    for step in steps:
      checkpoints.save(step, _tree(step), {'place': step})


def _steps(folder):
  return sorted(path.name for path in folder.glob('checkpoint_?'))


def _wait_for(there, writer):
  deadline = time.monotonic() + 60
  while not there():
    assert writer.poll() is None, 'the writer ended first'
    assert time.monotonic() < deadline
    time.sleep(0.001)


def test_a_writer_that_stalls_goes_on_and_one_that_is_killed_is_forgotten(
  tmp_path,
):
  writer = subprocess.Popen(
    [sys.executable, '-c', _WRITER, str(tmp_path)], cwd=_REPOSITORY
  )
  try:
    for step in (2, 3):
      _wait_for(
        lambda step=step: list(
          tmp_path.glob(f'checkpoint_{step}.*tmp*/state*')
        ),
        writer,
      )
      os.kill(writer.pid, signal.SIGSTOP)
      assert f'checkpoint_{step}' not in _steps(tmp_path)
      assert f'checkpoint_{step - 1}' in _steps(tmp_path)
      os.kill(writer.pid, signal.SIGCONT if step == 2 else signal.SIGKILL)
  finally:
    writer.kill()
    writer.wait()
  assert list(tmp_path.glob('checkpoint_3.*tmp*'))
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    assert checkpoints.newest() == 2
    target = jax.ShapeDtypeStruct(
      (1 << 23,),
      np.float64,
      sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0]),
    )
    with jax.enable_x64(True):
      tree, progress = checkpoints.restore(2, {'x': target})
    assert progress == {'place': 2}
    whole = np.random.default_rng(0).random(1 << 23) + 2
    assert np.array_equal(np.asarray(tree['x']), whole)
    checkpoints.save(3, _tree(3), {'place': 3})
  assert _steps(tmp_path) == ['checkpoint_2', 'checkpoint_3']


def _cut_array(step):
  largest = max(
    (path for path in step.rglob('*') if path.is_file()),
    key=lambda path: path.stat().st_size,
  )
  os.truncate(largest, largest.stat().st_size // 2)


def _cut_place(step):
  os.truncate(step / 'progress' / 'metadata', 3)


def _lose_index(step):
  (step / 'state' / 'manifest.ocdbt').unlink()


@pytest.mark.parametrize('damage', [_cut_array, _cut_place, _lose_index])
def test_a_damaged_step_is_named_with_what_to_delete(tmp_path, damage):
  """By orbax, where a revision without digests wrote it."""
  _save(tmp_path, 1, 2)
  for path in tmp_path.glob('sha256_*'):
    path.unlink()
  damage(tmp_path / 'checkpoint_2')
  with (
    orbax.Checkpoints(tmp_path, {}) as checkpoints,
    pytest.raises(OSError, match='from step 1') as told,
  ):
    _restored(checkpoints, checkpoints.newest())
  assert f'{tmp_path}/checkpoint_2 cannot be read' in str(told.value)
  assert _steps(tmp_path) == ['checkpoint_1', 'checkpoint_2']
  (tmp_path / 'checkpoint_2').rename(tmp_path / 'damaged')
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    assert checkpoints.newest() == 1
    found, progress = _restored(checkpoints, 1)
  assert progress == {'place': 1}
  assert np.array_equal(found, np.asarray(_tree(1)['x']))


def _files(step):
  return [
    path
    for path in sorted(step.rglob('*'))
    if path.is_file() and path.parent != step
  ]


def _flip(path, rng):
  data = bytearray(path.read_bytes())
  data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
  path.write_bytes(data)


def test_one_flipped_bit_of_the_newest_step_is_found(tmp_path, capsys):
  rng = random.Random(0)
  _save(tmp_path / 'run', 1, 2, 3)
  count = len(_files(tmp_path / 'run' / 'checkpoint_3'))
  assert count > 4
  for number in range(count):
    folder = tmp_path / str(number)
    shutil.copytree(tmp_path / 'run', folder)
    damaged = _files(folder / 'checkpoint_3')[number]
    _flip(damaged, rng)
    with orbax.Checkpoints(folder, {}) as checkpoints:
      assert checkpoints.newest() == 2
      found, progress = _restored(checkpoints, 2)
      assert progress == {'place': 2}
      assert np.array_equal(found, np.asarray(_tree(2)['x']))
      checkpoints.save(3, _tree(3), {'place': 3})
    (line,) = [x for x in capsys.readouterr().err.splitlines() if 'ttc' in x]
    assert line.startswith(f'ttc: {damaged} is not what was written')
    with orbax.Checkpoints(folder, {}) as checkpoints:
      assert checkpoints.newest() == 3
      assert _restored(checkpoints, 3)[1] == {'place': 3}


def test_a_file_that_is_gone_or_new_is_found(tmp_path):
  _save(tmp_path, 1, 2, 3)
  _files(tmp_path / 'checkpoint_3')[0].unlink()
  (tmp_path / 'checkpoint_2' / 'state' / 'more').write_bytes(b'x')
  with pytest.raises(OSError, match='there is no other checkpoint; delete'):
    orbax.Checkpoints(tmp_path, {})
  assert _steps(tmp_path) == ['checkpoint_2', 'checkpoint_3']


def test_digests_are_of_the_steps_that_are_there(tmp_path):
  _save(tmp_path, *range(1, 7))
  names = {path.name for path in tmp_path.glob('sha256_*')}
  assert _steps(tmp_path) == ['checkpoint_5', 'checkpoint_6']
  # 4 was deleted after the digests of 6 had been written.
  assert names == {f'sha256_{step}.json' for step in (4, 5, 6)}


@pytest.mark.parametrize('text', ['', '{', '[]', '{"sha256": {}}', '\0'])
def test_damaged_digests_cost_a_step_and_no_more(tmp_path, text):
  _save(tmp_path, 1, 2)
  (tmp_path / 'sha256_2.json').write_text(text)
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    assert checkpoints.newest() == 1


def test_a_damaged_best_step_is_named_when_it_is_read(tmp_path):
  losses = {1: 1.0, 2: None, 3: None}
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    for step, loss in losses.items():
      checkpoints.save(step, _tree(step), {'place': step}, loss)
  _flip(_files(tmp_path / 'checkpoint_1')[-1], random.Random(0))
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    assert checkpoints.newest() == 3
    with pytest.raises(OSError, match=f'Delete {tmp_path} to train') as told:
      _restored(checkpoints, 1)
  assert 'its SHA-256 differs' in str(told.value)


def test_a_file_that_may_not_grow_loses_only_the_step_being_written(tmp_path):
  _save(tmp_path, 1, 2)
  hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
  resource.setrlimit(resource.RLIMIT_FSIZE, (_SIZE, hard))
  try:
    with pytest.raises(OSError, match='free some space there') as told:
      _save(tmp_path, 3)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
  assert f'cannot write {tmp_path}' in str(told.value)
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    assert checkpoints.newest() == 2
    assert np.array_equal(
      _restored(checkpoints, 2)[0], np.asarray(_tree(2)['x'])
    )


def test_a_full_disk_loses_only_the_step_being_written(tmp_path):
  with disks.small(tmp_path / 'disk', megabytes=2) as disk:
    _save(disk, 1)
    with (
      pytest.raises(OSError, match='free some space there') as told,
      orbax.Checkpoints(disk, {}) as checkpoints,
    ):
      checkpoints.save(2, _tree(2) | {'y': _tree(3)['x']}, {})
    assert f'cannot write {disk}: No space left' in str(told.value)
    with orbax.Checkpoints(disk, {}) as checkpoints:
      assert checkpoints.newest() == 1
      assert np.array_equal(
        _restored(checkpoints, 1)[0], np.asarray(_tree(1)['x'])
      )


def test_a_folder_that_may_only_be_read_is_named(tmp_path):
  _save(tmp_path / 'run', 1)
  with disks.read_only(tmp_path / 'run') as folder:
    with pytest.raises(OSError, match=r'choose another output folder'):
      _save(folder, 2)
    with pytest.raises(OSError, match=r'choose another output folder'):
      orbax.Checkpoints(folder / 'new', {})
  assert _steps(tmp_path / 'run') == ['checkpoint_1']


def test_a_damaged_model_is_named(tmp_path):
  params = jax.tree.map(
    lambda x: jnp.ones(x.shape, x.dtype),
    abstract.params(CFG, 'logits', orbax.partitioning.make_mesh()),
  )
  orbax.save_model(tmp_path, CFG, 'logits', params)
  _lose = tmp_path / 'params' / 'manifest.ocdbt'
  whole = _lose.read_bytes()
  _lose.write_bytes(whole[:-9])
  with pytest.raises(OSError, match=r'params cannot be read.*Delete'):
    orbax.load_model(tmp_path)
  _lose.write_bytes(whole)
  orbax.load_model(tmp_path)
  os.truncate(tmp_path / 'model.json', 20)
  with pytest.raises(OSError, match=r'model\.json cannot be read.*Delete'):
    orbax.load_config(tmp_path)
