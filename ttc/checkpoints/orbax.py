"""Checkpoints of a training run, and finished models, with orbax.

    <run>/config.json              what is trained; another one is refused
    <run>/checkpoint_<step>/       state, progress, metrics; atomic
    <model>/model.json             config and head; written last
    <model>/params/                parameters only, for inference

All processes call every function; orbax lets each write what it holds.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import json
import math
import os
import pathlib
import shutil
from typing import Any

import jax
from jax.sharding import Mesh
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from ttc import partitioning
from ttc.checkpoints.filling import at
from ttc.models import abstract
from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader
from ttc.models.transformer import Head


class Checkpoints:
  """The checkpoints of one run: the newest two and the best one are kept."""

  def __init__(self, folder: str, config: Mapping):
    """Opens a folder, or makes it.

    Args:
      folder: of the run; relative paths are made absolute, as orbax demands.
      config: plain JSON of what is trained.

    Raises:
      ValueError: the folder holds a run of another config.
    """
    folder = pathlib.Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder / 'config.json', config)
    self._manager = ocp.CheckpointManager(
        folder,
        options=ocp.CheckpointManagerOptions(
            step_prefix='checkpoint',
            cleanup_tmp_directories=True,
            preservation_policy=policies.AnyPreservationPolicy([
                policies.LatestN(2),
                policies.BestN(
                    get_metric_fn=lambda metrics: metrics['loss'],
                    reverse=True, n=1, keep_checkpoints_without_metrics=False),
            ])),
        item_names=('state', 'progress'),
        item_handlers={'state': ocp.StandardCheckpointHandler(),
                       'progress': ocp.JsonCheckpointHandler()})

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._manager.close()

  def newest(self) -> int | None:
    return self._manager.latest_step()

  def save(self, step: int, state: Any, progress: Mapping,
           loss: float | None = None) -> None:
    """Starts writing; the arrays may be donated as soon as this returns.

    Args:
      step: its name.
      state: tree of arrays.
      progress: plain JSON, such as the place of the data iterator.
      loss: validation loss if this may become the best step, else None.
    """
    self._manager.save(
        step,
        args=ocp.args.Composite(state=ocp.args.StandardSave(state),
                                progress=ocp.args.JsonSave(dict(progress))),
        metrics=None if loss is None else {'loss': loss})

  def restore(self, step: int, target: Any) -> tuple[Any, dict]:
    """(state, progress) of a step, laid out as the abstract `target` says."""
    self._manager.wait_until_finished()
    restored = self._manager.restore(step, args=ocp.args.Composite(
        state=ocp.args.StandardRestore(target),
        progress=ocp.args.JsonRestore()))
    return restored['state'], restored['progress']


def save_model(folder: str, cfg: TransformerConfig, head: Head,
               params: Any, reader: Reader | None = None) -> None:
  """Writes a finished model; without its model.json it is not complete.

  Args:
    folder: is emptied first.
    cfg: of the model.
    head: which one it has.
    params: written as they lie in memory: weights hardly compress, and the
      compressed copy would wait in memory until all is written.
    reader: how a verifier of others is asked, None for one of ours.
  """
  folder = pathlib.Path(folder).absolute()
  if jax.process_index() == 0:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(
      use_compression=False,
      save_concurrent_gb=_largest(params))) as checkpointer:
    checkpointer.save(folder / 'params', args=ocp.args.PyTreeSave(params))
  if jax.process_index() == 0:
    described = {'head': head, 'config': dataclasses.asdict(cfg)}
    if reader is not None:
      described['reader'] = dataclasses.asdict(reader)
    _write(folder / 'model.json', described)


def load_config(folder: str) -> tuple[TransformerConfig, Head]:
  """What a finished model is, without its parameters.

  Raises:
    ValueError: the folder holds no complete model.
  """
  described = _described(folder)
  return TransformerConfig.from_json(described['config']), described['head']


def load_reader(folder: str) -> Reader | None:
  """How the verifier in a folder is asked; None for one of ours.

  Raises:
    ValueError: the folder holds no complete model.
  """
  reader = _described(folder).get('reader')
  return None if reader is None else Reader.from_json(reader)


def load_model(folder: str, mesh: Mesh | None = None
               ) -> tuple[TransformerConfig, Head, Any]:
  """Reads a finished model onto a mesh, or onto one device.

  Raises:
    ValueError: the folder holds no complete model.
  """
  cfg, head = load_config(folder)
  if mesh is None:
    mesh = partitioning.make_mesh(devices=jax.devices()[:1])
  target = abstract.params(cfg, head, mesh)
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(
      restore_concurrent_gb=_largest(target))) as checkpointer:
    return cfg, head, checkpointer.restore(
        pathlib.Path(folder).absolute() / 'params',
        args=ocp.args.PyTreeRestore(
            target, ocp.checkpoint_utils.construct_restore_args(target)))


class Stored:
  """One parameter of a finished model, read from its file when looked at."""

  def __init__(self, struct: jax.ShapeDtypeStruct,
               read: Callable[[], np.ndarray]):
    """Nothing is read yet."""
    self.shape, self.dtype, self._read = struct.shape, struct.dtype, read

  def __array__(self, dtype=None, copy=None) -> np.ndarray:
    array = self._read()
    return array if dtype is None else array.astype(dtype)

  def __getitem__(self, index) -> np.ndarray:
    return self._read()[index]


def stored_model(folder: str) -> tuple[TransformerConfig, Head, Any]:
  """As `load_model`, with `Stored` parameters; memory holds one at a time."""
  cfg, head = load_config(folder)
  path = pathlib.Path(folder).absolute() / 'params'
  target = abstract.params(
      cfg, head, partitioning.make_mesh(devices=jax.devices()[:1]))

  @functools.lru_cache(maxsize=1)
  def read(keys) -> np.ndarray:
    branch = at(target, keys)
    for key in reversed(keys):
      branch = {key: branch}
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
      restored = checkpointer.restore(path, args=ocp.args.PyTreeRestore(
          branch, ocp.checkpoint_utils.construct_restore_args(branch),
          partial_restore=True))
    return np.asarray(at(restored, keys))

  def stored(keys, struct):
    return Stored(struct, lambda: read(tuple(key.key for key in keys)))

  return cfg, head, jax.tree_util.tree_map_with_path(stored, target)


def _largest(params) -> float:
  """Gigabytes of the largest array: so much is under way beside the others."""
  return 1.1 * max(
      math.prod(leaf.shape) * leaf.dtype.itemsize
      for leaf in jax.tree.leaves(params)) / 1e9


def _described(folder):
  path = pathlib.Path(folder).absolute() / 'model.json'
  if not path.exists():
    raise ValueError(
        f'{path.parent} holds no model.json, so no complete model; run its '
        'training stage to the end, or convert the checkpoint again.')
  return json.loads(path.read_text())


def _claim(path, config):
  config = json.loads(json.dumps(config))
  if not path.exists():
    if jax.process_index() == 0:
      _write(path, config)
    return
  here, there = _flat(config), _flat(json.loads(path.read_text()))
  differing = [
      f'{name} is {there.get(name)!r} there and {here.get(name)!r} here'
      for name in sorted(here | there) if here.get(name) != there.get(name)]
  if differing:
    raise ValueError(
        f'{path.parent} holds checkpoints of another config: '
        f'{"; ".join(differing)}. Restore the config, or use another folder.')


def _flat(tree, prefix='') -> dict:
  if not isinstance(tree, dict):
    return {prefix: tree}
  return {path: leaf for name, child in tree.items()
          for path, leaf in _flat(
              child, f'{prefix}.{name}' if prefix else name).items()}


def _write(path, tree):
  partial = path.with_suffix('.partial')
  with open(partial, 'w') as file:
    json.dump(tree, file, indent=2, sort_keys=True)
    file.flush()
    os.fsync(file.fileno())
  os.replace(partial, path)
