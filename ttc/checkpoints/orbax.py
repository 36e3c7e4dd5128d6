"""Checkpoints of training runs and finished models, with orbax.

    <run>/config.json              config of the run, which must not change
    <run>/checkpoint_<step>/       state, progress, metrics; atomic
    <model>/model.json             config and head; written last
    <model>/params/                parameters only, for inference

All processes call every function; orbax lets each write the shards it has.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import json
import math
from typing import Any

import jax
from jax.experimental import multihost_utils
from jax.sharding import Mesh
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from ttc.checkpoints import faults, run_config, step_digests
from ttc.checkpoints.filling import at
from ttc.models import abstract, partitioning
from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader
from ttc.models.transformer import Head
from ttc.pipeline import model_folders
from ttc.runtime import storage

_AGAIN = (
  'Delete the folder around it and run the stage that trained it, or '
  'convert the checkpoint, again.'
)


class Checkpoints:
  """The checkpoints of one run; a context that waits for the last write.

  Kept are the newest, the one before in case that is damaged, and the one of
  lowest validation loss.
  """

  def __init__(self, folder: str, config: Mapping):
    """Opens the folder of a run, or makes it.

    Args:
      folder: folder of the run, absolute or relative.
      config: plain JSON that determines what is trained.

    Raises:
      ValueError: the folder holds checkpoints of another config.
      OSError: the folder cannot be made or written to, or every checkpoint in
        it is damaged. A newest one that is damaged is deleted.
    """
    self._folder, self._writing = storage.absolute(folder), 0
    storage.make_folder(self._folder)
    run_config.claim(self._folder / 'config.json', config)
    options = ocp.CheckpointManagerOptions(
      step_prefix='checkpoint',
      cleanup_tmp_directories=True,  # what a killed process left
      async_options=ocp.AsyncOptions(post_finalization_callback=self._vouch),
      preservation_policy=policies.AnyPreservationPolicy(
        [
          policies.LatestN(2),
          # The lowest loss. Steps that cannot be the best have no metric, and
          # only LatestN keeps them.
          policies.BestN(
            get_metric_fn=lambda metrics: metrics['loss'],
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
          ),
        ]
      ),
    )
    with faults.writing(self._folder):
      self._manager = ocp.CheckpointManager(
        self._folder,
        options=options,
        item_names=('state', 'progress'),
        item_handlers={
          'state': ocp.StandardCheckpointHandler(),
          'progress': ocp.JsonCheckpointHandler(),
        },
      )
    if jax.process_index() == 0:
      step_digests.remove_damaged(self._folder, self._manager.all_steps())
    multihost_utils.sync_global_devices('checkpoints')
    self._manager.reload()

  def __enter__(self):
    return self

  def __exit__(self, *_):
    with faults.writing(self._folder):
      self._manager.close()

  def newest(self) -> int | None:
    """The step of the newest complete checkpoint, or None."""
    return self._manager.latest_step()

  def save(
    self, step: int, state: Any, progress: Mapping, loss: float | None = None
  ) -> None:
    """Starts a write; the arrays may be donated as soon as this returns.

    Args:
      step: number of updates, which names the checkpoint.
      state: tree of arrays.
      progress: plain JSON, such as the state of the data iterator.
      loss: validation loss, if this may be the best step; else None.

    Raises:
      OSError: this checkpoint, or the one before, could not be written.
    """
    with faults.writing(self._folder):
      self._manager.wait_until_finished()
      self._writing = step
      self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state),
          progress=ocp.args.JsonSave(dict(progress)),
        ),
        metrics=None if loss is None else {'loss': loss},
      )

  def restore(self, step: int, target: Any) -> tuple[Any, dict]:
    """Reads a checkpoint.

    Args:
      step: which one.
      target: shapes, dtypes and shardings of the state.

    Returns:
      (state, progress) as saved, the state sharded like `target`.

    Raises:
      OSError: the checkpoint is damaged; the message says how to continue
        without it.
    """
    # The step may be the one that is being written.
    with faults.writing(self._folder):
      self._manager.wait_until_finished()
    steps = self._manager.all_steps()
    before = max((s for s in steps if s < step), default=None)
    fix = f'Delete that folder to continue from step {before}.'
    if before is None or step < max(steps):  # the best, which no step follows
      fix = f'Delete {self._folder} to train from the beginning.'
    with faults.reading(self._folder / f'checkpoint_{step}', fix):
      found = jax.process_index() == 0 and step_digests.damage(
        self._folder, step
      )
      if found:
        raise ValueError(found)
      restored = self._manager.restore(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardRestore(target),
          progress=ocp.args.JsonRestore(),
        ),
      )
    return restored['state'], restored['progress']

  def _vouch(self) -> None:
    """Called when all files of a step are there, before it has its name."""
    if jax.process_index() == 0:
      step_digests.write(self._folder, self._writing)


def save_model(
  folder: str,
  cfg: TransformerConfig,
  head: Head,
  params: Any,
  reader: Reader | None = None,
) -> None:
  """Writes a finished model, replacing an existing one.

  Args:
    folder: folder of the model; is emptied first.
    cfg: config of the model.
    head: its head.
    params: parameters, stacked.
    reader: text format of an imported verifier; None for other models.

  Raises:
    OSError: the system refused a write.
  """
  folder = storage.absolute(folder)
  # A model is complete if it has a model.json: that is deleted first and
  # written last, so a killed process never leaves a mixture that looks whole.
  if jax.process_index() == 0:
    with faults.writing(folder):
      (folder / model_folders.FILE).unlink(missing_ok=True)
      storage.remove_folder(folder)
      storage.make_folder(folder)
  # Uncompressed: weights hardly compress, and the compressed copies would stay
  # in memory until all is written.
  with (
    faults.writing(folder),
    ocp.Checkpointer(
      ocp.PyTreeCheckpointHandler(
        use_compression=False, save_concurrent_gb=_largest(params)
      )
    ) as checkpointer,
  ):
    checkpointer.save(folder / 'params', args=ocp.args.PyTreeSave(params))
  if jax.process_index() == 0:
    described = {'head': head, 'config': dataclasses.asdict(cfg)}
    if reader is not None:
      described['reader'] = reader.to_json()
    _write(folder / model_folders.FILE, described)


def load_config(folder: str) -> tuple[TransformerConfig, Head]:
  """The config and head of a finished model.

  Raises:
    ValueError: the folder holds no complete model.
  """
  described = _described(folder)
  try:
    return TransformerConfig.from_json(described['config']), described['head']
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{storage.path(folder) / model_folders.FILE} describes no model: '
      f'{error}. It is damaged or of another revision; make the model again.'
    ) from error


def load_reader(folder: str) -> Reader | None:
  """The text format of an imported verifier; None for other models.

  Raises:
    ValueError: the folder holds no complete model.
  """
  reader = _described(folder).get('reader')
  return None if reader is None else Reader.from_json(reader)


def load_model(
  folder: str, mesh: Mesh | None = None
) -> tuple[TransformerConfig, Head, Any]:
  """Reads a finished model.

  Only the processes whose devices are on the mesh have to call it.

  Args:
    folder: folder of the model.
    mesh: where the parameters are placed; None is one device of this process.

  Returns:
    (config, head, parameters), stacked and sharded over the mesh.

  Raises:
    ValueError: the folder holds no complete model.
    OSError: its files cannot be read.
  """
  cfg, head = load_config(folder)
  if mesh is None:
    mesh = partitioning.make_mesh(devices=jax.local_devices()[:1])
  target = abstract.params(cfg, head, mesh)
  options = _among(mesh)
  with ocp.Checkpointer(
    ocp.PyTreeCheckpointHandler(
      restore_concurrent_gb=_largest(target), multiprocessing_options=options
    ),
    multiprocessing_options=options,
  ) as checkpointer:
    path = storage.absolute(folder) / 'params'
    with faults.reading(path, _AGAIN):
      return (
        cfg,
        head,
        checkpointer.restore(
          path,
          args=ocp.args.PyTreeRestore(
            target, ocp.checkpoint_utils.construct_restore_args(target)
          ),
        ),
      )


class Stored:
  """One parameter of a finished model, read from its file at each access."""

  def __init__(
    self, struct: jax.ShapeDtypeStruct, read: Callable[[], np.ndarray]
  ):
    """Reads nothing yet; `read` returns the parameter."""
    self.shape, self.dtype, self._read = struct.shape, struct.dtype, read

  def __array__(self, dtype=None, copy=None) -> np.ndarray:
    array = self._read()
    return array if dtype is None else array.astype(dtype)

  def __getitem__(self, index) -> np.ndarray:
    return self._read()[index]


def stored_model(folder: str) -> tuple[TransformerConfig, Head, Any]:
  """As `load_model`, with `Stored` parameters; memory holds one at a time."""
  cfg, head = load_config(folder)
  path = storage.absolute(folder) / 'params'
  target = abstract.params(
    cfg, head, partitioning.make_mesh(devices=jax.local_devices()[:1])
  )

  # The layers of a stacked parameter are accessed one after the other; the
  # cache reads them from disk once.
  @functools.lru_cache(maxsize=1)
  def read(keys) -> np.ndarray:
    branch = at(target, keys)
    for key in reversed(keys):
      branch = {key: branch}
    with (
      ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer,
      faults.reading(path, _AGAIN),
    ):
      restored = checkpointer.restore(
        path,
        args=ocp.args.PyTreeRestore(
          branch,
          ocp.checkpoint_utils.construct_restore_args(branch),
          partial_restore=True,
        ),
      )
    return np.asarray(at(restored, keys))

  def stored(keys, struct):
    return Stored(struct, lambda: read(tuple(key.key for key in keys)))

  return cfg, head, jax.tree_util.tree_map_with_path(stored, target)


def _among(mesh: Mesh) -> ocp.options.MultiprocessingOptions:
  """Options by which orbax synchronizes only the processes of a mesh."""
  processes = {device.process_index for device in mesh.devices.flat}
  if len(processes) == jax.process_count():
    return ocp.options.MultiprocessingOptions()
  first = min(processes)
  return ocp.options.MultiprocessingOptions(
    primary_host=first,
    active_processes=processes,
    barrier_sync_key_prefix=f'from_{first}',
  )


def _largest(params) -> float:
  """GB that orbax may read or write at once: it refuses a larger array."""
  return (
    1.1
    * max(
      math.prod(leaf.shape) * leaf.dtype.itemsize
      for leaf in jax.tree.leaves(params)
    )
    / 1e9
  )


def _described(folder):
  """The content of a model.json; see `load_config` for what is raised."""
  path = storage.absolute(folder) / model_folders.FILE
  if not path.exists():
    raise ValueError(
      f'{path.parent} holds no {model_folders.FILE}, so no complete model; run '
      'its training stage to the end, or convert the checkpoint again.'
    )
  with faults.reading(path, _AGAIN):
    return json.loads(path.read_text())


def _write(path, tree):
  text = json.dumps(tree, indent=2, sort_keys=True)
  storage.write_atomic(path, text.encode('utf-8'))
